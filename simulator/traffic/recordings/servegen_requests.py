"""ServeGen's clients -> requests: each window of each client is a piece of a renewal process with
the rate and the gaps that were recorded of it, drawn anew in every replication."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import ServegenArrivals
from simulator.traffic.arrivals.gaps import Family, Floats
from simulator.traffic.arrivals.many_renewals import draw_many
from simulator.traffic.drawing import Period, RngOf
from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.source import look_at
from simulator.traffic.lengths.choices import Ints
from simulator.traffic.recordings.servegen import Clients, is_lengths, quantiles_of, read_clients

FAMILIES: tuple[Family, ...] = ("gamma", "weibull")
SHAPE_MIN = 0.02
"""Gaps with a lower shape are all zero, but for one in a number without name."""


@dataclass(frozen=True)
class Cells:
    """All windows of all clients in which they asked for anything, one after the other.

    client int64[cells]: place among the clients; start_s, rate_per_s, shape float64[cells];
    weibull bool[cells]: the family of the gaps, gamma otherwise (exponential: gamma of shape 1).
    """

    client: Ints
    start_s: Floats
    rate_per_s: Floats
    shape: Floats
    weibull: NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """Requests in order of time: when, by which client, and when in the recording."""

    arrival_s: Floats
    client: Ints
    recorded_s: Floats


@lru_cache(maxsize=4)
def clients_of(path: str, lengths_path: str | None) -> tuple[Clients, Cells]:
    """The clients of a folder or file, with lengths of another file where they have none of their
    own. Raises TraceError for files that cannot be used."""
    try:
        clients = read_clients(Path(path))
        lengths = {} if lengths_path is None else read_lengths_of_clients(Path(lengths_path))
    except OSError as error:
        raise TraceError(f"{error.filename or path}: {error.strerror or error}") from error
    each = tuple(
        replace(client, lengths={**lengths.get(client.client_id, {}), **client.lengths})
        for client in clients.clients
    )
    pattern = np.array([name for client in each for name in client.pattern], dtype=object)
    shape = np.concatenate([client.shape for client in each])
    shape = np.where((pattern == "Gamma") | (pattern == "Weibull"), shape, 1.0)
    if (shape <= 0).any():
        raise TraceError(f"{path}: gaps with a shape that is not above 0")
    return replace(clients, clients=each), Cells(
        np.repeat(np.arange(len(each)), [client.start_s.size for client in each]),
        np.concatenate([client.start_s for client in each]),
        np.concatenate([client.rate_per_s for client in each]),
        np.maximum(shape, SHAPE_MIN),
        pattern == "Weibull",
    )


def recorded_by(arrivals: ServegenArrivals) -> tuple[Clients, Cells]:
    lengths = arrivals.lengths_file
    return clients_of(arrivals.file.path, None if lengths is None else lengths.path)


def read_lengths_of_clients(path: Path) -> dict[int, Any]:
    if not is_lengths(look_at(path)):
        raise TraceError(f"{path}: no length quantiles of clients (client_id, field, q...)")
    return dict(quantiles_of(path))


def draw_asked(arrivals: ServegenArrivals, period: Period, rng_of: RngOf) -> Asked:
    """Requests of all clients in [start_s, end_s). Raises TraceError.

    `rate_scale` lays independent drawings over each other, each from a start of its own, and keeps
    of the last one as many as are wanted.
    """
    clients, cells = recorded_by(arrivals)
    until_s = clients.span_s if arrivals.until_s is None else arrivals.until_s
    if until_s > clients.span_s or arrivals.from_s >= until_s:
        raise TraceError(
            f"{arrivals.file.path}: nothing from {arrivals.from_s:g} s to {until_s:g} s; "
            f"the recording ends at {clients.span_s:g} s"
        )
    copies = [1.0] * int(arrivals.rate_scale)
    copies += [arrivals.rate_scale % 1.0] if arrivals.rate_scale % 1.0 else []
    drawn = []
    for copy, keep in enumerate(copies):
        origin_s = arrivals.from_s
        if arrivals.random_start:
            windows = max(1, int((until_s - origin_s) / clients.window_s))
            origin_s += int(rng_of("start", copy).integers(windows)) * clients.window_s
        pieces = laid_out(cells, clients.window_s, (arrivals.from_s, until_s), origin_s, period)
        asked = draw_pieces(cells, *pieces, copy, rng_of)
        kept = rng_of("thinning", copy).random(asked.arrival_s.size) < keep
        drawn.append((asked.arrival_s[kept], asked.client[kept], asked.recorded_s[kept]))
    columns = [np.concatenate(column) for column in zip(*drawn, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Asked(*(column[order] for column in columns))


def laid_out(
    cells: Cells, window_s: float, part_s: tuple[float, float], origin_s: float, period: Period
) -> tuple[Ints, Floats, Floats]:
    """Pieces of the period in which a cell holds: the cell, and from when to when. The recording's
    instant origin_s is the start of the period; after the end of its part it begins again."""
    from_s, until_s = part_s
    begins_s = np.maximum(cells.start_s, from_s) - origin_s
    ends_s = np.minimum(cells.start_s + window_s, until_s) - origin_s
    used = np.flatnonzero(begins_s < ends_s)
    length_s, into_s = until_s - from_s, origin_s - from_s
    laps = np.arange(
        np.floor((period.start_s + into_s) / length_s), np.ceil((period.end_s + into_s) / length_s)
    )
    begins_s = np.maximum(begins_s[used] + laps[:, None] * length_s, period.start_s).ravel()
    ends_s = np.minimum(ends_s[used] + laps[:, None] * length_s, period.end_s).ravel()
    seen = np.flatnonzero(begins_s < ends_s)
    return used[seen % max(used.size, 1)], begins_s[seen], ends_s[seen]


def draw_pieces(
    cells: Cells, cell: Ints, begins_s: Floats, ends_s: Floats, copy: int, rng_of: RngOf
) -> Asked:
    """A stationary process in each piece."""
    expected = cells.rate_per_s[cell] * (ends_s - begins_s)
    found_pieces, found_s = [], []
    for family in FAMILIES:
        those = np.flatnonzero(cells.weibull[cell] == (family == "weibull"))
        piece, operational = draw_many(
            family, cells.shape[cell[those]], expected[those], rng_of("gaps", copy, family)
        )
        pieces = those[piece]
        found_pieces.append(pieces)
        found_s.append(begins_s[pieces] + operational / cells.rate_per_s[cell[pieces]])
    pieces, instants_s = np.concatenate(found_pieces), np.concatenate(found_s)
    asking = cell[pieces]
    return Asked(instants_s, cells.client[asking], cells.start_s[asking])
