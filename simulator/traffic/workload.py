"""Scenario -> Workload: all demand of one replication, drawn before the clock starts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import ClosedArrivals, Traffic
from scenarios.model import Scenario
from scenarios.units import DAY_S
from simulator.streams import stream
from simulator.traffic.drawing import NS_PER_S, Drawing, Period, RngOf
from simulator.traffic.follow_ups import FollowUps, chosen, side_by_side
from simulator.traffic.open_loop import draw_open
from simulator.traffic.prefixes import Chains, Ints, merged
from simulator.traffic.sessions.closed import draw_closed
from simulator.traffic.sessions.in_progress import draw_open_sessions

WEEK_S = 7 * DAY_S


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


def draw_workload(scenario: Scenario, seed: int, replication: int, haste: float = 1.0) -> Workload:
    """The requests of one replication, from the pre-roll to the end of the drain.

    haste: how much further the chains of closed loops are drawn than the fastest engine gets
    (closed.py); what is drawn without it stays the same.
    """
    start_s, end_s = -scenario.preroll_s, scenario.horizon_s + scenario.drain_s
    return draw_between(start_s, end_s, scenario, seed, replication, haste)


def draw_between(
    start_s: float,
    end_s: float,
    scenario: Scenario,
    seed: int,
    replication: int,
    haste: float = 1.0,
) -> Workload:
    """The requests that arrive in [start_s, end_s), and follow-ups that may."""
    week_s = week_time_s(scenario, seed, replication) or 0.0
    period = Period(start_s, end_s, scenario.horizon_s, week_s, haste)
    return put_together(
        [
            draw_group(traffic, period, streams_of(traffic, seed, replication))
            for traffic in scenario.traffic
        ]
    )


def week_time_s(scenario: Scenario, seed: int, replication: int) -> float | None:
    """Where in the week the period starts, in seconds since Monday 00:00. None: nobody says."""
    if scenario.starts_at == "random":
        return WEEK_S * float(stream(seed, "run", replication, "starts_at").random())
    return None if scenario.starts_at is None else float(scenario.starts_at)


def streams_of(traffic: Traffic, seed: int, replication: int) -> RngOf:
    """The random streams of one traffic group, by purpose."""
    return lambda *purpose: stream(seed, "run", replication, "traffic", traffic.name, *purpose)


def draw_group(traffic: Traffic, period: Period, rng_of: RngOf) -> Drawing:
    """What one traffic group sends."""
    if isinstance(traffic.arrivals, ClosedArrivals):
        return draw_closed(traffic, traffic.arrivals, period, rng_of)
    if traffic.sessions is not None:
        return draw_open_sessions(traffic, period, rng_of)
    return draw_open(traffic, period, rng_of)


def put_together(drawings: Sequence[Drawing]) -> Workload:
    """The rows of all groups in order of arrival; at the same instant, in order of the groups."""
    sizes = [drawing.arrival_s.size for drawing in drawings]
    arrival_ns = np.concatenate(
        [np.rint(drawing.arrival_s * NS_PER_S).astype(np.int64) for drawing in drawings]
    )
    order = np.argsort(arrival_ns, kind="stable")
    return Workload(
        arrival_ns[order],
        np.concatenate([drawing.input_tokens for drawing in drawings])[order].astype(np.int32),
        np.concatenate([drawing.output_tokens for drawing in drawings])[order].astype(np.int32),
        np.repeat(np.arange(len(drawings), dtype=np.int16), sizes)[order],
        chains_in_order([drawing.chains for drawing in drawings], order),
        follow_ups_in_order([drawing.follow_ups for drawing in drawings], sizes, order),
    )


def chains_in_order(groups: Sequence[Chains], order: Ints) -> Chains | None:
    """What the prompts of all groups share; None when they share nothing."""
    if not any(group.keys.size for group in groups):
        return None
    return merged(groups, order) if len(groups) > 1 else groups[0]  # which is in order


def follow_ups_in_order(
    groups: Sequence[FollowUps | None], sizes: Sequence[int], order: Ints
) -> FollowUps | None:
    """Who waits for whom in all groups; None when nobody does."""
    if all(group is None or not group.emerges.any() for group in groups):
        return None
    return chosen(side_by_side(groups, sizes), order) if len(groups) > 1 else groups[0]
