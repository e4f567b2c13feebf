"""Scenario -> Workload: all demand of one replication, drawn before the clock starts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import FromTrace, TraceArrivals, Traffic
from scenarios.model import Scenario
from simulator.streams import stream
from simulator.traffic.arrivals import draw_arrivals
from simulator.traffic.follow_ups import FollowUps
from simulator.traffic.lengths import draw_lengths
from simulator.traffic.prefixes import Chains, draw_chains, merged, take
from simulator.traffic.traces import draw_trace_rows

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Workload:
    """Parallel arrays, one row per request, sorted by arrival.

    arrival_ns int64: nanoseconds, 0 = start of the counted period, negative in the pre-roll.
    input_tokens, output_tokens int32: prompt length and tokens to generate, at least 1.
    group int16: index into the scenario's traffic groups.
    chains: what the prompts share; None when they share nothing.
    follow_ups: which rows wait for others to end; None when none do. `arrival_ns` of such a row is
    when it would arrive if every request took its nominal time (nominal.py).
    """

    arrival_ns: NDArray[np.int64]
    input_tokens: NDArray[np.int32]
    output_tokens: NDArray[np.int32]
    group: NDArray[np.int16]
    chains: Chains | None = None
    follow_ups: FollowUps | None = None

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
    columns, chains = zip(
        *(
            draw_group(traffic, index, (start_s, end_s), seed, replication)
            for index, traffic in enumerate(scenario.traffic)
        ),
        strict=True,
    )
    arrival, inputs, outputs, group = (np.concatenate(part) for part in zip(*columns, strict=True))
    order = np.argsort(arrival, kind="stable")
    return Workload(
        arrival[order],
        inputs[order].astype(np.int32),
        outputs[order].astype(np.int32),
        group[order],
        merged(chains, order) if any(part.keys.size for part in chains) else None,
    )


def draw_group(
    traffic: Traffic, index: int, span_s: tuple[float, float], seed: int, replication: int
) -> tuple[tuple[NDArray[Any], ...], Chains]:
    """The columns and the chains of one traffic group."""
    path = ("run", replication, "traffic", traffic.name)
    trace, rows, window, recorded = None, None, None, None
    if isinstance(traffic.arrivals, TraceArrivals):
        rng = stream(seed, *path, "windows")
        trace, times_s, rows, window = draw_trace_rows(traffic.arrivals, *span_s, rng)
        if trace.chains is not None and isinstance(traffic.input_tokens, FromTrace):
            recorded = take(trace.chains, rows)
    else:
        times_s = draw_arrivals(traffic.arrivals, *span_s, stream(seed, *path, "gaps"))
    lengths = []
    for purpose in ("input_tokens", "output_tokens"):
        wanted = getattr(traffic, purpose)
        if isinstance(wanted, FromTrace):
            lengths.append(getattr(trace, purpose)[rows])
        else:
            lengths.append(draw_lengths(wanted, times_s.size, stream(seed, *path, purpose)))
    lengths[0] = lengths[0] + sum(prefix.tokens for prefix in traffic.prefixes)
    chains = draw_chains(
        traffic.prefixes,
        times_s.size,
        lambda level: stream(seed, *path, "prefixes", level),
        recorded,
        window,
    )
    arrival_ns = np.rint(times_s * NS_PER_S).astype(np.int64)
    return (arrival_ns, lengths[0], lengths[1], np.full(times_s.size, index, np.int16)), chains
