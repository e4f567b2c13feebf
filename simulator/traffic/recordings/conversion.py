"""Any known file of requests -> our own Parquet, sorted, in bounded memory."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.traffic.formats.batches import LINKS, lists
from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.own_parquet import ABOUT, NAMES, SEGMENTS
from simulator.traffic.formats.own_parquet import LINKS as LINK_COLUMNS
from simulator.traffic.formats.reading import TraceFile, open_trace
from simulator.traffic.formats.rows import Rows
from simulator.traffic.formats.spool import Spool

Tell = Callable[[int], object]
"""Is told how many rows have been read."""


def untold(rows: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Sorted:
    """A file that has been read: its rows in order, as often as asked, and what was found."""

    file: TraceFile
    spool: Spool

    @property
    def faults(self) -> Faults:
        return self.file.faults

    def rows(self) -> Iterator[Rows]:
        """Chunks of rows, counted from the first arrival unless each session has its own clock."""
        relative = self.file.reading.relative
        for rows in self.spool.rows():
            arrival_s = rows.arrival_s if relative else rows.arrival_s - self.spool.first_s
            yield Rows(arrival_s, rows.input_tokens, rows.output_tokens, rows.chains, rows.links)


@contextmanager
def sorted_rows(path: Path, tell: Tell = untold, folder: Path | None = None) -> Iterator[Sorted]:
    """The file's rows in order; those that cannot be used are left out and told in `faults`.

    Temporary files, about as large as the rows, are in `folder`. Raises TraceError for files that
    are no trace or have no usable row.
    """
    file = open_trace(path)
    reading = file.reading
    block_tokens = None if reading.runs else reading.block_tokens
    with Spool(reading.relative, block_tokens, folder) as spool:
        for rows in file.rows():
            spool.add(rows)
            tell(spool.count)
        spool.finish()
        if not spool.count:
            told = "".join(f"\n  {line}" for line in file.faults.lines())
            raise TraceError(f"{path}: {file.format} without a single row that can be used{told}")
        yield Sorted(file, spool)


@dataclass(frozen=True)
class Converted:
    """What was written, and what was found on the way."""

    format: str
    rows: int
    out_of_order: int
    faults: Faults


def convert(path: Path, out: Path, tell: Tell = untold) -> Converted:
    """Write the rows of `path` that can be used to `out`, which appears when it is whole.

    Raises TraceError as `sorted_rows`, OSError where `out` cannot be written.
    """
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    with sorted_rows(path, tell, out.parent) as found:
        try:
            write(found, temporary)
            os.replace(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
        return Converted(
            found.file.format, found.spool.count, found.spool.out_of_order, found.faults
        )


def write(found: Sorted, path: Path) -> None:
    schema = schema_of(found)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in found.rows():
            writer.write_batch(pa.record_batch(columns_of(rows, schema), schema=schema))


def schema_of(found: Sorted) -> Any:
    """The columns there are, and what is to be known of the file."""
    reading, spool = found.file.reading, found.spool
    columns = [(NAMES[0], pa.float64())] if reading.timed else []
    columns += [(name, pa.int32()) for name in NAMES[1:]]
    if spool.has_chains:
        names = SEGMENTS if reading.runs else ("hash_ids",)
        columns += [(name, pa.large_list(pa.int64())) for name in names]
    if spool.has_links:
        kinds = [pa.int64()] * 3 + [pa.float64()] * 2
        columns += list(zip(LINK_COLUMNS, kinds, strict=True))
    about = {
        "format": found.file.format,
        "block_tokens": reading.block_tokens if spool.has_chains else None,
        "relative": reading.relative,
        "rows": spool.count,
        "out_of_order": spool.out_of_order,
        "left_out": found.faults.counts,
        "notes": found.faults.notes,
    }
    return pa.schema(columns, metadata={ABOUT: json.dumps(about).encode()})


def columns_of(rows: Rows, schema: Any) -> list[Any]:
    """In the order of the schema."""
    columns: dict[str, Any] = {
        NAMES[0]: pa.array(rows.arrival_s),
        NAMES[1]: pa.array(rows.input_tokens.astype("int32")),
        NAMES[2]: pa.array(rows.output_tokens.astype("int32")),
    }
    if rows.chains is not None:
        columns["hash_ids"] = columns[SEGMENTS[0]] = lists(rows.chains.first, rows.chains.keys)
        columns[SEGMENTS[1]] = lists(rows.chains.first, rows.chains.ends)
    if rows.links is not None:
        for name, field in zip(LINK_COLUMNS, LINKS, strict=True):
            columns[name] = pa.array(getattr(rows.links, field))
    return [columns[name] for name in schema.names]
