"""Scenario -> Workload: all demand of one replication, drawn before the clock starts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import FromTrace, TraceArrivals, Traffic
from scenarios.model import Scenario
from simulator.streams import stream
from simulator.traffic.arrivals import draw_arrivals
from simulator.traffic.lengths import draw_lengths
from simulator.traffic.traces import draw_trace_rows

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Workload:
    """Parallel arrays, one row per request, sorted by arrival.

    arrival_ns int64: nanoseconds, 0 = start of the counted period, negative in the pre-roll.
    input_tokens, output_tokens int64: prompt length and tokens to generate, at least 1.
    group int64: index into the scenario's traffic groups.
    """

    arrival_ns: NDArray[np.int64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return self.arrival_ns.size


def draw_workload(scenario: Scenario, seed: int, replication: int) -> Workload:
    """The requests of one replication, from the pre-roll to the end of the drain."""
    return draw_between(
        -scenario.preroll_s, scenario.horizon_s + scenario.drain_s, scenario, seed, replication
    )


def draw_between(
    start_s: float, end_s: float, scenario: Scenario, seed: int, replication: int
) -> Workload:
    """The requests that arrive in [start_s, end_s)."""
    groups = [
        draw_group(traffic, index, (start_s, end_s), seed, replication)
        for index, traffic in enumerate(scenario.traffic)
    ]
    arrival, inputs, outputs, group = (np.concatenate(part) for part in zip(*groups, strict=True))
    order = np.argsort(arrival, kind="stable")
    return Workload(arrival[order], inputs[order], outputs[order], group[order])


def draw_group(
    traffic: Traffic, index: int, span_s: tuple[float, float], seed: int, replication: int
) -> tuple[NDArray[np.int64], ...]:
    path = ("run", replication, "traffic", traffic.name)
    trace, rows = None, None
    if isinstance(traffic.arrivals, TraceArrivals):
        rng = stream(seed, *path, "windows")
        trace, times_s, rows = draw_trace_rows(traffic.arrivals, *span_s, rng)
    else:
        times_s = draw_arrivals(traffic.arrivals, *span_s, stream(seed, *path, "gaps"))
    lengths = []
    for purpose in ("input_tokens", "output_tokens"):
        wanted = getattr(traffic, purpose)
        if isinstance(wanted, FromTrace):
            lengths.append(getattr(trace, purpose)[rows])
        else:
            lengths.append(draw_lengths(wanted, times_s.size, stream(seed, *path, purpose)))
    arrival_ns = np.rint(times_s * NS_PER_S).astype(np.int64)
    return arrival_ns, lengths[0], lengths[1], np.full(times_s.size, index)
