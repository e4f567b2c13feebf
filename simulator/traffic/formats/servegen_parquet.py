"""ServeGen's clients as Parquet: `clients_NAME.parquet` beside `lengths_NAME.parquet`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.servegen_chunks import WINDOW_S, client_of, joined
from simulator.traffic.formats.source import Source
from simulator.traffic.recordings.clients import Clients, Tables
from simulator.traffic.recordings.length_tables import LengthTable, quantiles

WINDOW_COLUMNS = ("client_id", "window_s", "rate_rps", "cv", "pattern", "p1", "p2")
LENGTH_COLUMNS = ("client_id", "field", "q1")


def is_windows(source: Source) -> bool:
    return source.kind == "parquet" and source.has(*WINDOW_COLUMNS)


def is_lengths(source: Source) -> bool:
    return source.kind == "parquet" and source.has(*LENGTH_COLUMNS)


def pair(path: Path, is_clients: bool) -> tuple[Path, Path]:
    """`clients_NAME.parquet` and `lengths_NAME.parquet`, either of which is named."""
    clients = path if is_clients else path.with_name(path.name.replace("lengths_", "clients_", 1))
    if (clients == path and not is_clients) or not clients.is_file():
        raise TraceError(f"{path}: lengths of clients without a file of their rates beside it")
    return clients, path.with_name(path.name.replace("clients_", "lengths_", 1))


def read(clients: Path, lengths: Path) -> Clients:
    windows = pd.read_parquet(clients, columns=list(WINDOW_COLUMNS))
    windows = windows.rename(columns=dict(zip(WINDOW_COLUMNS[1:], "012345", strict=True)))
    known = lengths.is_file() and lengths != clients
    tables = quantiles_of(lengths) if known else {}
    starts_s = np.unique(windows["0"].to_numpy(dtype=float))
    step_s = float(np.diff(starts_s).min()) if starts_s.size > 1 else WINDOW_S
    end_s = float(starts_s.max(initial=0.0)) + step_s
    return joined(
        [
            (client_of(number, frame.sort_values("0"), tables.get(number, {})), step_s, end_s)
            for number, frame in by_client(windows)
        ]
    )


def by_client(frame: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for number in sorted(frame["client_id"].unique().tolist()):
        yield int(number), frame[frame["client_id"] == number]


def quantiles_of(path: Path) -> dict[int, Tables]:
    """By client and field, one table each for all of the time."""
    frame = pd.read_parquet(path)
    names = [name for name in map(str, frame.columns) if name.startswith("q")]
    names.sort(key=lambda name: float(name[1:]))
    chances = np.array([float(name[1:]) for name in names])
    found: dict[int, dict[str, tuple[tuple[float, LengthTable], ...]]] = {}
    values = frame[names].to_numpy(dtype=float)
    owners = zip(frame["client_id"].tolist(), frame["field"].tolist(), values, strict=True)
    for client_id, field, row in owners:
        found.setdefault(int(client_id), {})[str(field)] = ((0.0, quantiles(chances, row)),)
    return dict(found)
