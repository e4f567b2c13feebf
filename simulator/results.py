"""Result sets on disk: tables (simulator/tables.py says what is in them) and a manifest.

A file appears under its final name only when it is whole (`.tmp`, then `os.replace`), so whatever
is there after a kill -9 is right, and the same command goes on from it. Same seed, same bytes.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.demand import Traffic
from scenarios.model import Scenario
from simulator.latencies import LATENCY_METRICS, Latencies, middle_s
from simulator.record import Record
from simulator.run import OUTCOMES
from simulator.tables import RESULTS_VERSION

ROW_GROUP_ROWS = 200_000
"""Rows that a table holds in memory before it writes them; a larger period is written at once."""


class TableFile:
    """A table that grows from period to period, and is there under its name once it is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.temporary = path, path.with_name(path.name + ".tmp")
        self.schema = schema
        self.waiting: list[pa.Table] = []

    def __enter__(self) -> Self:
        self.writer = pq.ParquetWriter(self.temporary, self.schema, compression="zstd")
        return self

    def add(self, columns: dict[str, Any]) -> None:
        """More rows. Each column is an array or a list."""
        self.waiting.append(pa.table(columns, schema=self.schema))
        if sum(map(len, self.waiting)) >= ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            self.writer.write_table(pa.concat_tables(self.waiting).unify_dictionaries())
            self.waiting.clear()

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            self.flush()
        self.writer.close()
        if not failed:
            os.replace(self.temporary, self.path)


def write_frame(frame: pd.DataFrame, path: Path, schema: pa.Schema | None = None) -> None:
    """A table of a frame, whole or not at all; of these types where they are given."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    write_parquet(table.replace_schema_metadata(), path)


def write_parquet(table: pa.Table, path: Path) -> None:
    with TableFile(path, table.schema) as file:
        file.add({name: table[name] for name in table.column_names})


def request_columns(
    replication: int, record: Record, rows: pa.Table, groups: Sequence[Traffic]
) -> dict[str, Any]:
    """The request rows of a period as requests.parquet holds them, names spelled out."""
    codes = {name: rows[name].to_numpy() for name in ("group", "outcome", "fault")}
    return {
        **{name: rows[name] for name in rows.column_names},
        "replication": repeated(replication, len(rows)),
        "group": names(codes["group"], [group.name for group in groups]),
        "tenant": names(codes["group"], [group.tenant for group in groups]),
        "sla_class": names(codes["group"], [group.sla_class for group in groups]),
        "outcome": names(codes["outcome"], OUTCOMES),
        "fault": names(codes["fault"], [*record.faults, None]),  # -1 is the last of them: none
        "weight": np.full(len(rows), record.requests / max(len(rows), 1)),
    }


def latency_columns(
    replication: int, found: Latencies, groups: Sequence[Traffic]
) -> dict[str, Any]:
    """The histograms of a period as latencies.parquet holds them."""
    group = np.array(found.group, dtype=np.int64)
    return {
        "replication": repeated(replication, group.size),
        "metric": names(np.array(found.metric, dtype=np.int64), LATENCY_METRICS),
        "group": names(group, [*(each.name for each in groups), None]),  # -1 is the last: all
        "time_s": [middle_s(index) for index in found.bin],
        "count": found.counts,
    }


def frame_columns(replication: int, frame: pd.DataFrame) -> dict[str, Any]:
    """The rows of a frame, of one period."""
    columns = {name: frame[name].tolist() for name in frame.columns}
    return {"replication": repeated(replication, len(frame)), **columns}


def repeated(replication: int, rows: int) -> np.ndarray:
    return np.full(rows, replication, dtype=np.int32)


def names(codes: np.ndarray, known: Sequence[str | None]) -> pa.DictionaryArray:
    """known[code] of each code; null where there is none."""
    distinct = list(dict.fromkeys(name for name in known if name is not None))
    index = np.array([distinct.index(name) if name else -1 for name in known], dtype=np.int16)
    own = index[codes]
    return pa.DictionaryArray.from_arrays(
        pa.array(own, mask=own < 0), pa.array(distinct, pa.string())
    )


def write_json(data: dict[str, Any], path: Path) -> None:
    """JSON for machines and people; infinite and missing numbers become null."""
    write_text(json.dumps(finite(data), indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """A whole file or, when this is killed, none."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def manifest(scenario: Scenario, command: str, contents: dict[str, Any]) -> dict[str, Any]:
    """Where a result comes from: the whole scenario, its hash, the seed, the versions."""
    return {
        "results_version": RESULTS_VERSION,
        "command": command,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "versions": versions(),
        **contents,
        "scenario": scenario.as_yaml_data(),
    }


def versions() -> dict[str, str]:
    names = ("fleetcast", "numba", "numpy", "pandas", "pyarrow", "simpy", "scipy")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "source": source_digest(),
    }


@cache
def source_digest(rooms: tuple[str, ...] = ("scenarios", "simulator", "planner")) -> str:
    """Of the code and catalogue that results depend on: an edit makes earlier ones strangers."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted([*(root / room).rglob("*.py"), *(root / room).rglob("*.yaml")]):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
