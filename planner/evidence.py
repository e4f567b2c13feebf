"""The tables a plan or a simulation leaves behind: what anyone needs to check it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from scenarios.demand import Traffic
from simulator.keep import Keep
from simulator.keeping import Period
from simulator.results import (
    TableFile,
    frame_columns,
    latency_columns,
    request_columns,
    write_frame,
)
from simulator.tables import TABLES, replications_schema, schema


def write_tables(
    folder: Path,
    rows: pd.DataFrame,
    shown: Iterable[Period],
    groups: Sequence[Traffic],
    keep: Keep,
) -> list[str]:
    """Write all tables; returns the file names.

    `rows` become replications.parquet. `shown` are periods of one fleet; they are gone through
    once, and no more than some of them are in memory at a time."""
    names = names_kept(keep)
    told = replications_schema(rows.columns)
    write_frame(rows, file_of(folder, "replications"), told)
    with ExitStack() as open_files:
        tables = {
            name: open_files.enter_context(TableFile(file_of(folder, name), schema(name)))
            for name in names
            if name != "replications"
        }
        for replication, record, kept in shown:
            if kept is not None:
                columns = request_columns(replication, record, kept, groups)
                tables["requests"].add(columns)
            tables["latencies"].add(latency_columns(replication, record.latencies, groups))
            tables["timeline"].add(frame_columns(replication, record.timeline))
            tables["incidents"].add(frame_columns(replication, record.incidents))
    if keep == "none":
        file_of(folder, "requests").unlink(missing_ok=True)
    return [file_of(folder, name).name for name in names]


def write_requests(folder: Path, shown: Iterable[Period], groups: Sequence[Traffic]) -> None:
    """Write the request rows of periods alone, beside what else is there."""
    with TableFile(file_of(folder, "requests"), schema("requests")) as table:
        for replication, record, kept in shown:
            assert kept is not None, "somebody asked for rows"
            table.add(request_columns(replication, record, kept, groups))


def names_kept(keep: Keep) -> list[str]:
    """The tables that are written, by name."""
    return [name for name in TABLES if name != "requests" or keep != "none"]


def file_of(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"
