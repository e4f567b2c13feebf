"""A file of any kind -> its rows. What stands in it tells the format; names change hands."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from simulator.traffic.formats import (
    agent_parquet,
    azure,
    bailian,
    blis,
    burstgpt,
    llmservingsim,
    mooncake,
    otel,
    own_parquet,
    plain_csv,
    weka,
)
from simulator.traffic.formats.checks import sound
from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.no_requests import what_it_is
from simulator.traffic.formats.rows import Rows
from simulator.traffic.formats.source import Source, first_line, look_at
from simulator.traffic.recordings import servegen

FORMATS: tuple[Format, ...] = (
    agent_parquet.FORMAT,
    own_parquet.FORMAT,
    azure.FORMAT,
    burstgpt.FORMAT,
    blis.FORMAT,
    *plain_csv.FORMATS,
    bailian.FORMAT,
    llmservingsim.FORMAT,
    weka.FORMAT,
    otel.FORMAT,
    mooncake.FORMAT,
)
"""In the order they are tried: what has more of its own comes first."""
UNITS = {"parquet": "row", "document": "item", "folder": "file"}


@dataclass(frozen=True)
class TraceFile:
    """A recognised file, open for one reading."""

    path: Path
    format: str
    reading: Reading
    faults: Faults

    def rows(self) -> Iterator[Rows]:
        """The rows that can be used, chunk by chunk; `faults` grows by the others."""
        try:
            for raw in self.reading.raws:
                yield sound(raw, self.reading, self.faults)
        except (pyarrow.lib.ArrowException, OSError, ValueError, TypeError) as error:
            if isinstance(error, TraceError):
                raise
            raise TraceError(f"{self.path}: {self.format}: {first_line(error)}") from error


def open_trace(path: Path) -> TraceFile:
    """Raises TraceError for a file that is no trace we know, and says what it is instead."""
    path = Path(path)
    try:
        source = look_at(path)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    if servegen.recognises(source):
        raise TraceError(f"{path}: demand of clients (ServeGen), not single requests")
    for kind in FORMATS:
        if kind.recognises(source):
            faults = Faults(UNITS.get(source.kind, "line"))
            return TraceFile(path, kind.name, kind.read(source, faults), faults)
    raise TraceError(f"{path}: {what_it_is(source) or unknown(source)}")


def unknown(source: Source) -> str:
    """What it looks like, and what there could be."""
    keys: list[str] = list(source.columns)
    if source.first and isinstance(source.first[0], dict):
        keys = list(source.first[0])
    shown = ", ".join(str(key)[:40] for key in keys[:8]) + (" ..." if len(keys) > 8 else "")
    known = ", ".join(kind.name for kind in FORMATS)
    return f"unknown trace format, with {shown or 'no columns'}; known are: {known}"
