"""Clients of a service -> one traffic group, judged by populations drawn anew."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic import match
from calibration.traffic.demand import demand_figures
from calibration.traffic.fitted import Fitted
from calibration.traffic.population import (
    ANSWER,
    PROMPT,
    PooledLengths,
    Population,
    common_sigma,
    fit_arrivals,
    fit_own_lengths,
    measured,
    pooled,
)
from scenarios.demand import PopulationArrivals, Traffic
from simulator.streams import stream
from simulator.traffic.arrivals.modulation import rate_over_time
from simulator.traffic.arrivals.population import draw_activity, draw_cvs, expected_requests
from simulator.traffic.arrivals.steps import Steps
from simulator.traffic.drawing import Period
from simulator.traffic.open_loop import draw_open
from simulator.traffic.recordings.clients import Clients

Floats = NDArray[np.float64]
Yaml = dict[str, Any]

TOP = 10
REQUESTS = 30_000
"""Drawn per replication for the figures of lengths: as long a time as they take."""
KINDS = {
    "rate_per_s": match.Kind(),
    "top_client_share": match.Kind(absolute=True),
    "top10_share": match.Kind(absolute=True),
    "gap_cv_p50": match.Kind(),
    "gap_cv_p95": match.Kind(),
    "active_share": match.Kind(absolute=True),
    "window_rate_cv": match.Kind(),
    "window_rate_correlation": match.Kind(absolute=True),
    **{f"{side}_tokens_{what}": match.Kind(limit=match.LENGTH_LIMIT)
       for side in ("input", "output") for what in ("p50", "p90", "p99")},
}  # fmt: skip


def fit_clients(clients: Clients, name: str, number: int) -> Fitted:
    seen = measured(clients)
    prompts, answers = pooled(clients, PROMPT), pooled(clients, ANSWER)
    known = [part for part in (prompts, answers) if part is not None]
    sigma = common_sigma(known)
    group: Yaml = {"name": name, "arrivals": fit_arrivals(seen, clients.window_s, sigma)}
    notes = [*notes_of(seen, clients, known), *clients.notes]
    for side, part in (("input_tokens", prompts), ("output_tokens", answers)):
        if part is None:
            group[side] = {"kind": "constant", "tokens": 1}
            notes.append(f"{side}: the file has none; `constant` stands in for yours")
        else:
            group[side] = fit_own_lengths(part, sigma)
    recorded = clients_figures(seen) | length_figures("input", prompts)
    recorded |= length_figures("output", answers)
    traffic = Traffic.model_validate(group)
    drawn = [drawn_figures(traffic, clients, replication) for replication in range(number)]
    about = f"{seen.shares.size} clients, {clients.span_s / 86_400:.1f} days"
    compared = match.compared({name: recorded[name] for name in KINDS}, drawn, KINDS)
    return Fitted("clients", about, [group], notes, compared, number)


def clients_figures(seen: Population) -> dict[str, float]:
    demand = demand_figures(seen.demand)
    return {
        "rate_per_s": seen.rate_per_s,
        "top_client_share": float(seen.shares[0]),
        "top10_share": float(seen.shares[:TOP].sum()),
        "gap_cv_p50": seen.cv,
        "gap_cv_p95": seen.cv_p95,
        "active_share": seen.active_share,
        "window_rate_cv": demand.cv,
        "window_rate_correlation": demand.correlation,
    }


def length_figures(side: str, part: PooledLengths | None) -> dict[str, float]:
    levels = (0.5, 0.9, 0.99)
    found = np.full(len(levels), np.nan) if part is None else part.sample.quantiles(levels)
    return {f"{side}_tokens_{what}": float(value)
            for what, value in zip(("p50", "p90", "p99"), found, strict=True)}  # fmt: skip


def drawn_figures(traffic: Traffic, clients: Clients, replication: int) -> dict[str, float]:
    """Rates over as many windows as recorded; lengths of some requests."""
    arrivals = traffic.arrivals
    assert isinstance(arrivals, PopulationArrivals)

    def rng_of(*purpose: str | int) -> np.random.Generator:
        return stream(match.SEED, "clients", replication, *purpose)

    period = Period(0.0, clients.span_s, clients.span_s)
    rate = rate_over_time(arrivals, period, rng_of)
    activity = draw_activity(arrivals, period, rng_of("activity"))
    expected = expected_requests(arrivals, rate, activity)
    totals = window_totals(rate, activity.edges_s, expected, clients)
    shares = np.sort(expected.sum(axis=1))[::-1] / expected.sum()
    # How bursty a client is does not depend on its share: all count alike here.
    cv_p50, cv_p95 = np.quantile(draw_cvs(arrivals, rng_of("client_cv")), [0.5, 0.95])
    some_s = REQUESTS / arrivals.rate_per_s
    drawing = draw_open(traffic, Period(0.0, some_s, some_s), rng_of)
    return {
        "rate_per_s": float(totals.mean() / clients.window_s),
        "top_client_share": float(shares[0]),
        "top10_share": float(shares[:TOP].sum()),
        "gap_cv_p50": float(cv_p50),
        "gap_cv_p95": float(cv_p95),
        "active_share": float(activity.active.mean()),
        "window_rate_cv": float(totals.std() / totals.mean()),
        "window_rate_correlation": float(np.corrcoef(totals[:-1], totals[1:])[0, 1]),
        **{f"{side}_tokens_{what}": float(np.quantile(tokens, level))
           for side, tokens in (("input", drawing.input_tokens), ("output", drawing.output_tokens))
           for what, level in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
    }  # fmt: skip


def window_totals(rate: Steps, edges_s: Floats, expected: Floats, clients: Clients) -> Floats:
    """Requests expected of all clients in each recorded window: a client's own windows lie across
    them."""
    bounds_s = np.arange(0.0, clients.span_s + clients.window_s / 2, clients.window_s)
    reached = np.concatenate(
        [np.zeros((expected.shape[0], 1)), np.cumsum(expected, axis=1)], axis=1
    )
    areas = rate.areas
    at_bounds = np.interp(bounds_s, rate.times_s, areas)
    total = np.zeros(bounds_s.size)
    for client in range(expected.shape[0]):
        edges = np.interp(edges_s[client], rate.times_s, areas)
        total += np.interp(at_bounds, edges, reached[client])
    return np.diff(total)


def notes_of(seen: Population, clients: Clients, known: list[PooledLengths]) -> list[str]:
    notes = [
        "clients: Zipf's exponent is the likeliest for their shares; burstiness is that of the "
        "requests (heavy clients count for more); what their coming and going leaves of how the "
        "total changes is a level that all share"
    ]
    if known:
        least = min(known, key=lambda part: part.share)
        notes.append(
            f"lengths: of {least.clients} of {len(clients.clients)} clients, which have "
            f"{least.share:.0%} of the rate; the spread between clients is taken out of them and "
            "put into `length_sigma`"
        )
    return notes
