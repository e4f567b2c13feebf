"""What the store keeps of a run: its record, and request rows, as two files.

The record is of all requests of the run, whichever rows there are: `simulator/store.py` says where
they are, `simulator/monte_carlo.py` for which runs there are all of them.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.control.accounts import Accounts, restored
from simulator.keep import SAMPLE_ROWS
from simulator.latencies import Latencies, gaps_of, latencies
from simulator.run import Run, incident_frame
from simulator.streams import stream

RUN_FIGURES = ("horizon_s", "steps", "prefill_tokens", "busy_share", "stopped_early", "inputs")
REQUEST_COLUMNS = (
    "arrival_s", "group", "input_tokens", "output_tokens", "first_token_s", "finish_s", "replica",
    "preemptions", "retries", "outcome", "cached_tokens", "fault",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """All that is known of a run, its request rows apart."""

    requests: int
    latencies: Latencies
    timeline: pd.DataFrame
    incidents: pd.DataFrame
    accounts: Accounts
    faults: tuple[str, ...]
    figures: dict[str, Any]
    """By the names of RUN_FIGURES."""


def record_bytes(run: Run) -> bytes:
    """The record of a run, as a file. The same run is the same bytes."""
    data = {
        "requests": len(run),
        "latencies": latencies(run)._asdict(),
        "timeline": {name: run.timeline[name].tolist() for name in run.timeline.columns},
        "incidents": {name: run.incidents[name].tolist() for name in run.incidents.columns},
        "accounts": asdict(run.accounts),
        "faults": run.faults,
        "figures": {name: getattr(run, name) for name in RUN_FIGURES},
    }
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode())


def read_record(content: bytes) -> Record:
    """The record in a file of `record_bytes`. Raises ValueError, zlib.error for anything else."""
    data = json.loads(zlib.decompress(content))
    return Record(
        requests=data["requests"],
        latencies=Latencies(**data["latencies"]),
        timeline=pd.DataFrame(data["timeline"]),
        incidents=incident_frame(data["incidents"]),
        accounts=restored(data["accounts"]),
        faults=tuple(data["faults"]),
        figures=data["figures"],
    )


def rows_of(run: Run) -> pa.Table:
    """A row per request: REQUEST_COLUMNS, by arrival."""
    return pa.table({name: pa.array(getattr(run, name)) for name in REQUEST_COLUMNS})


def rows_bytes(rows: pa.Table) -> bytes:
    """Rows as a file. The same rows are the same bytes."""
    content = BytesIO()
    pq.write_table(rows, content, compression="zstd")
    return content.getvalue()


def read_rows(file: Path | BinaryIO) -> pa.Table:
    """The rows in a file of `rows_bytes`. Raises OSError, pa.ArrowException."""
    return pq.read_table(file)


def sample(rows: pa.Table, seed: int, replication: int) -> pa.Table:
    """At most SAMPLE_ROWS of the rows of a replication, in their order: each as likely as any
    other. Which ones depends on the seed, the replication and how many rows there are."""
    if len(rows) <= SAMPLE_ROWS:
        return rows
    dice = stream(seed, "run", replication, "kept requests")
    return rows.take(np.sort(dice.choice(len(rows), SAMPLE_ROWS, replace=False)))


def run_of(record: Record, rows: pa.Table) -> Run:
    """The run again, equal in every value, of its record and all its rows."""
    assert len(rows) == record.requests, "a sample is no run"
    return Run(
        **{name: rows[name].to_numpy() for name in REQUEST_COLUMNS},
        itl_histogram=gaps_of(record.latencies),
        timeline=record.timeline,
        incidents=record.incidents,
        accounts=record.accounts,
        faults=record.faults,
        **record.figures,
    )
