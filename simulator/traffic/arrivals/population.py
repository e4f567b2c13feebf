"""Many clients, each with its own share of the rate, burstiness and hours.

Source: ServeGen (NSDI 2026): few clients carry most of the rate, and their coming and going makes
the steps of the load.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import P95, PopulationArrivals
from simulator.traffic.arrivals.gaps import Floats, shape_of
from simulator.traffic.arrivals.many_renewals import draw_many
from simulator.traffic.arrivals.modulation import drawable_rate
from simulator.traffic.arrivals.steps import Steps
from simulator.traffic.drawing import Period, RngOf
from simulator.traffic.lengths.choices import Ints


@dataclass(frozen=True)
class Activity:
    """When clients are active: windows of one length, at a phase of each client's own.

    edges_s float64[clients, windows + 1], within the period; active bool[clients, windows].
    """

    edges_s: Floats
    active: NDArray[np.bool_]


def draw_population(
    arrivals: PopulationArrivals, period: Period, rng_of: RngOf
) -> tuple[Floats, Ints]:
    """Sorted arrival instants in [start_s, end_s), and the client of each, 0 the largest."""
    rate = drawable_rate(arrivals, period, rng_of)
    activity = draw_activity(arrivals, period, rng_of("activity"))
    expected = expected_requests(arrivals, rate, activity)
    shapes = shape_of(arrivals.family, draw_cvs(arrivals, rng_of("client_cv")))
    client, operational = draw_many(arrivals.family, shapes, expected.sum(axis=1), rng_of("gaps"))
    instants_s = when(operational, client, expected, rate, activity)
    # Where two clients meet at one instant to the last bit, either may come first.
    order = np.argsort(instants_s)
    return instants_s[order], client[order]


def shares_of(arrivals: PopulationArrivals) -> Floats:
    """Each client's share of the rate: Zipf's law."""
    weights = np.arange(1, arrivals.clients + 1, dtype=float) ** -arrivals.zipf
    return np.asarray(weights / weights.sum())


def draw_cvs(arrivals: PopulationArrivals, rng: np.random.Generator) -> Floats:
    """How bursty each client is: lognormal over clients, within what a scenario may say."""
    if arrivals.cv_p95 is None:
        return np.full(arrivals.clients, arrivals.cv)
    sigma = np.log(arrivals.cv_p95 / arrivals.cv) / P95
    return np.clip(rng.lognormal(np.log(arrivals.cv), sigma, arrivals.clients), 0.01, 50.0)


def draw_activity(
    arrivals: PopulationArrivals, period: Period, rng: np.random.Generator
) -> Activity:
    """In each of its windows a client is active with the chance `active_share`, independently."""
    if arrivals.active_share == 1.0:
        edges_s = np.broadcast_to([period.start_s, period.end_s], (arrivals.clients, 2))
        return Activity(edges_s, np.ones((arrivals.clients, 1), dtype=bool))
    phases = rng.random((arrivals.clients, 1))
    windows = int((period.end_s - period.start_s) / arrivals.window_s) + 2
    edges_s = period.start_s + (np.arange(windows + 1) - phases) * arrivals.window_s
    active = rng.random((arrivals.clients, windows)) < arrivals.active_share
    return Activity(np.clip(edges_s, period.start_s, period.end_s), active)


def expected_requests(arrivals: PopulationArrivals, rate: Steps, activity: Activity) -> Floats:
    """Of each client in each window, float64[clients, windows]; 0 where it is not active."""
    before = np.interp(activity.edges_s, rate.times_s, rate.areas)
    shares = shares_of(arrivals)[:, None] / arrivals.active_share
    return np.asarray(shares * np.diff(before, axis=1) * activity.active)


def when(
    operational: Floats, client: Ints, expected: Floats, rate: Steps, activity: Activity
) -> Floats:
    """Seconds of arrivals in the operational time of their clients.

    The windows of all clients stand one behind the other: the place of an arrival there tells its
    window, and the way it has come in it where it lies in the area under the rate.
    """
    ends = np.cumsum(expected.ravel())
    widths = expected.ravel()
    begins = ends - widths
    place = operational + begins.reshape(expected.shape)[client, 0]
    window = np.minimum(np.searchsorted(ends, place, side="right"), ends.size - 1)
    areas = rate.areas
    edges = np.interp(activity.edges_s, rate.times_s, areas)
    part = (place - begins[window]) / widths[window]
    area = edges[:, :-1].ravel()[window] + part * np.diff(edges, axis=1).ravel()[window]
    return np.asarray(np.interp(area, areas, rate.times_s))
