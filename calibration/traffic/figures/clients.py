"""Figures of a population of clients whose demand is told by windows (ServeGen)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.recordings.servegen import Client, Clients

Floats = NDArray[np.float64]
SHARES = (0.5, 0.9, 0.95, 0.99)
CHANCES = (np.arange(200) + 0.5) / 200
"""Where each client's distribution is looked at; its middle values stand for their neighbours."""


@dataclass(frozen=True)
class ClientFigures:
    """clients: those that ask for anything. rate_per_s, peak_rate_per_s: of all together, mean and
    busiest window. top10_share: of the requests, from the ten busiest clients. active_share_p50: of
    the windows, those in which the median client asks for anything. cv: of gaps within a window,
    weighted by requests, at the median, 90, 95 and 99 %. families: shares of the requests by the
    family that fits their gaps. lengths: by field the same four quantiles, weighted by requests.
    """

    clients: int
    window_s: float
    span_s: float
    rate_per_s: float
    peak_rate_per_s: float
    top10_share: float
    active_share_p50: float
    cv: tuple[float, ...]
    families: dict[str, float]
    lengths: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]


def client_figures(population: Clients) -> ClientFigures:
    asking = [client for client in population.clients if client.start_s.size]
    total = population.total_rate_per_s()
    requests = np.array([client.rate_per_s.sum() for client in asking]) * population.window_s
    everything = float(requests.sum())
    windows = max(1, total.size)
    active = [client.start_s.size / windows for client in asking]
    rates = joined([client.rate_per_s for client in asking])
    families = np.array([name or "unknown" for client in asking for name in client.pattern])
    return ClientFigures(
        clients=len(asking),
        window_s=population.window_s,
        span_s=population.span_s,
        rate_per_s=float(total.mean()) if total.size else 0.0,
        peak_rate_per_s=float(total.max(initial=0.0)),
        top10_share=float(np.sort(requests)[::-1][:10].sum()) / everything if everything else 0.0,
        active_share_p50=float(np.median(active)) if active else 0.0,
        cv=weighted_quantiles(joined([client.cv for client in asking]), rates),
        families={
            str(name): float(rates[families == name].sum() / rates.sum())
            for name in np.unique(families)
        },
        lengths=lengths_of(asking or population.clients),
        notes=population.notes,
    )


def joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *parts])


def weighted_quantiles(values: Floats, weights: Floats) -> tuple[float, ...]:
    """The values that SHARES of the weight do not exceed; NaN where there is none."""
    if not weights.sum() > 0:
        return (np.nan,) * len(SHARES)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(reached, SHARES), order.size - 1)
    return tuple(float(value) for value in values[order][places])


def lengths_of(asking: Sequence[Client]) -> dict[str, tuple[float, ...]]:
    """Each window counts with its requests, at the table that holds then; where nobody asks for
    anything, each table counts the same."""
    fields = sorted({field for client in asking for field in client.lengths})
    return {field: length_quantiles(asking, field) for field in fields}


def length_quantiles(asking: Sequence[Client], field: str) -> tuple[float, ...]:
    values, weights = [], []
    for client in asking:
        known = client.lengths.get(field, ())
        if not known:
            continue
        begins = np.array([start_s for start_s, _ in known])
        holds = np.maximum(np.searchsorted(begins, client.start_s, side="right") - 1, 0)
        rates = np.ones(len(known))
        if client.start_s.size:
            rates = np.bincount(holds, client.rate_per_s, minlength=len(known)).astype(float)
        for rate, (_, table) in zip(rates, known, strict=True):
            if rate > 0:
                values.append(table.quantile(CHANCES))
                weights.append(np.full(CHANCES.size, rate))
    return weighted_quantiles(joined(values), joined(weights))


def clients_json(found: ClientFigures) -> dict[str, Any]:
    names = [f"p{share * 100:g}" for share in SHARES]
    data = asdict(found)
    data["cv"] = dict(zip(names, found.cv, strict=True))
    data["lengths"] = {
        field: dict(zip(names, values, strict=True)) for field, values in found.lengths.items()
    }
    return data
