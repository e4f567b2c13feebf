"""Results on disk: a run as a Parquet file (simulator/store.py keeps them), tables and a manifest.

A file appears under its final name only when it is whole (`.tmp`, then `os.replace`), so whatever
is there after a kill -9 is right, and the same command goes on from it. Same seed, same bytes.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.demand import Traffic
from scenarios.model import Scenario
from simulator.control.accounts import restored
from simulator.histogram import BINS
from simulator.run import OUTCOMES, Run, incident_frame

META = b"fleetcast"
RUN_FIGURES = ("horizon_s", "steps", "prefill_tokens", "busy_share", "stopped_early", "inputs")
REQUEST_COLUMNS = (
    "arrival_s", "group", "input_tokens", "output_tokens", "first_token_s", "finish_s", "replica",
    "preemptions", "retries", "outcome", "cached_tokens", "fault",
)  # fmt: skip
INCIDENT_SCHEMA = pa.schema(
    [
        ("replication", pa.int32()), ("fault", pa.string()), ("component", pa.string()),
        ("replicas", pa.list_(pa.int32())), ("begin_s", pa.float64()),
        ("noticed_s", pa.float64()), ("end_s", pa.float64()),
    ]
)  # fmt: skip


def run_bytes(run: Run, with_requests: bool) -> bytes:
    """One run as a Parquet file: request rows, unless left out; the rest in its metadata. The same
    run is the same bytes."""
    bins = np.flatnonzero(run.itl_histogram)
    meta = {
        "with_requests": with_requests,
        "itl_bins": bins.tolist(),
        "itl_counts": run.itl_histogram[bins].tolist(),
        "timeline": {name: run.timeline[name].tolist() for name in run.timeline.columns},
        "incidents": {name: run.incidents[name].tolist() for name in run.incidents.columns},
        "accounts": asdict(run.accounts),
        "faults": run.faults,
        **{name: getattr(run, name) for name in RUN_FIGURES},
    }
    columns = {name: pa.array(getattr(run, name)) for name in REQUEST_COLUMNS}
    table = pa.table(columns) if with_requests else pa.table(columns).slice(0, 0)
    content = BytesIO()
    about = {META: json.dumps(meta).encode()}
    pq.write_table(table.replace_schema_metadata(about), content, compression="zstd")
    return content.getvalue()


def has_requests(path: Path) -> bool:
    """Whether a file of `run_bytes` has its request rows, so that it can be judged."""
    kept: bool = json.loads(pq.read_schema(path).metadata[META])["with_requests"]
    return kept


def read_run(file: Path | BinaryIO) -> Run:
    """The run of `run_bytes`, equal in every value; without requests where they were left out."""
    table = pq.read_table(file)
    meta = json.loads(table.schema.metadata[META])
    counts = np.zeros(BINS, dtype=np.int64)
    counts[meta["itl_bins"]] = meta["itl_counts"]
    columns = {name: table[name].to_numpy() for name in REQUEST_COLUMNS}
    return Run(
        **columns,
        itl_histogram=counts,
        timeline=pd.DataFrame(meta["timeline"]),
        incidents=incident_frame(meta["incidents"]),
        accounts=restored(meta["accounts"]),
        faults=tuple(meta["faults"]),
        **{name: meta[name] for name in RUN_FIGURES},
    )


def requests_table(replication: int, run: Run, groups: Sequence[Traffic]) -> pa.Table:
    """The counted requests of a run as requests.parquet holds them, names spelled out."""
    columns = {name: pa.array(getattr(run, name)) for name in REQUEST_COLUMNS}
    columns["group"] = dictionary(run.group, [group.name for group in groups])
    columns["tenant"] = dictionary(run.group, [group.tenant for group in groups])
    columns["sla_class"] = dictionary(run.group, [group.sla_class for group in groups])
    columns["outcome"] = dictionary(run.outcome, list(OUTCOMES))
    columns["fault"] = dictionary(run.fault, [*run.faults, None])  # -1 is the last of them: none
    first = {"replication": pa.array(np.full(len(run), replication, dtype=np.int32))}
    return pa.table({**first, **columns})


def incidents_table(replication: int, run: Run) -> pa.Table:
    """The incidents of a run as incidents.parquet holds them."""
    incidents = run.incidents.assign(replication=replication)
    columns = {name: incidents[name].tolist() for name in INCIDENT_SCHEMA.names}
    table: pa.Table = pa.table(columns, schema=INCIDENT_SCHEMA)
    return table


def dictionary(codes: np.ndarray, names: Sequence[str | None]) -> pa.DictionaryArray:
    """names[code] of each code; null where there is none."""
    known = sorted({name for name in names if name is not None}, key=names.index)
    index = np.array([known.index(name) if name else -1 for name in names], dtype=np.int16)[codes]
    return pa.DictionaryArray.from_arrays(
        pa.array(index, mask=index < 0), pa.array(known, pa.string())
    )


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    write_parquet(pa.Table.from_pandas(frame, preserve_index=False), path)


def write_parquet(table: pa.Table, path: Path) -> None:
    temporary = path.with_name(path.name + ".tmp")
    pq.write_table(table, temporary, compression="zstd")
    os.replace(temporary, path)


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
