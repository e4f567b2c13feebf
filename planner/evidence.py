"""The tables a plan or a simulation leaves behind: what anyone needs to check it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pyarrow as pa

from scenarios.demand import Traffic
from simulator.record import Record
from simulator.results import (
    TableFile,
    frame_columns,
    latency_columns,
    request_columns,
    write_replications,
)
from simulator.tables import TABLES, schema

Evidence = tuple[int, Record, pa.Table]
"""Of a period: replication, record and request rows."""


def write_tables(
    folder: Path, rows: pd.DataFrame, periods: Iterable[Evidence], groups: Sequence[Traffic]
) -> list[str]:
    """Write all tables; returns the file names.

    `rows` become replications.parquet. `periods` are those of one fleet; they are gone through
    once, and no more than some of them are in memory at a time."""
    write_replications(rows, folder / "replications.parquet")
    with ExitStack() as open_files:
        requests, latencies, timeline, incidents = (
            open_files.enter_context(TableFile(folder / f"{name}.parquet", schema(name)))
            for name in ("requests", "latencies", "timeline", "incidents")
        )
        for replication, record, kept in periods:
            requests.add(request_columns(replication, record, kept, groups))
            latencies.add(latency_columns(replication, record.latencies, groups))
            timeline.add(frame_columns(replication, record.timeline))
            incidents.add(frame_columns(replication, record.incidents))
    return [f"{name}.parquet" for name in TABLES]
