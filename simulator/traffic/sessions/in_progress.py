"""Sessions that begin by themselves, and those that are in the middle of their work at the start.

A coding agent works for hours and a period lasts minutes: most of what a period sees are sessions
that began before it. So sessions are drawn from long before the start on, and what they have done
by then, nominally, is left out.
"""

from dataclasses import replace

import numpy as np

from scenarios.demand import Traffic
from simulator.traffic.drawing import NS_PER_S, Drawing, Period, RngOf
from simulator.traffic.follow_ups import FollowUps, Ints, chosen
from simulator.traffic.open_loop import draw_starts
from simulator.traffic.sessions.nominal import arrivals_ns, response_ns
from simulator.traffic.sessions.session_rows import SessionRows
from simulator.traffic.sessions.whole import draw_sessions

LOOKBACK_MAX_S = 24 * 3600.0
"""Sessions are not looked for further back: one that began earlier is taken to be over. Of recorded
coding agents that leaves out 1.6 % of the requests; six hours would leave out 12 %."""
SAMPLE = 400
"""Sessions that are looked at to see how long sessions last."""


def draw_open_sessions(traffic: Traffic, period: Period, rng_of: RngOf) -> Drawing:
    """Requests of sessions that begin whatever becomes of others."""
    earlier = replace(period, start_s=period.start_s - lookback_s(traffic, rng_of))
    starts_s = draw_starts(traffic, earlier, rng_of)
    sessions = draw_sessions(traffic, starts_s.size, rng_of)
    known_ns = np.zeros(sessions.input_tokens.size, dtype=np.int64)
    known_ns[sessions.first[:-1]] = np.rint(starts_s * NS_PER_S)
    rows, graph, arrival_ns = from_the_start(sessions, sessions.follow_ups, known_ns, period)
    # Even if nothing took any time they would come too late.
    earliest_ns = arrivals_ns(graph, arrival_ns, np.zeros_like(arrival_ns))
    in_time = np.flatnonzero(earliest_ns < period.end_s * NS_PER_S)
    return drawing_of(sessions, rows, graph, arrival_ns, in_time)


def lookback_s(traffic: Traffic, rng_of: RngOf) -> float:
    """How long before the start sessions begin that may still go on: 99 % of requests come no later
    in their session, nominally."""
    sessions = draw_sessions(traffic, SAMPLE, lambda *purpose: rng_of("lookback", *purpose))
    none = np.zeros(sessions.input_tokens.size, dtype=np.int64)
    since_ns = arrivals_ns(sessions.follow_ups, none, response_ns(sessions.output_tokens))
    return min(float(np.quantile(since_ns, 0.99)) / NS_PER_S, LOOKBACK_MAX_S)


def from_the_start(
    sessions: SessionRows, graph: FollowUps, known_ns: Ints, period: Period
) -> tuple[Ints, FollowUps, Ints]:
    """The rows whose nominal arrival is not before the period's start, their graph, and those
    arrivals. The first ones left of a session wait for nobody: they arrive at that instant.

    known_ns int64[rows]: arrivals of those that wait for nobody.
    """
    arrival_ns = arrivals_ns(graph, known_ns, response_ns(sessions.output_tokens))
    rows = np.flatnonzero(arrival_ns >= period.start_s * NS_PER_S)
    return rows, chosen(graph, rows), arrival_ns[rows]


def drawing_of(
    sessions: SessionRows, rows: Ints, graph: FollowUps, known_ns: Ints, wanted: Ints
) -> Drawing:
    """Those `rows` of the sessions that are `wanted` (indices into them, and into `graph`), in
    order of nominal arrival. A row that waited for several, some of which are left out, may come
    earlier than it did: arrivals are worked out anew."""
    arrival_ns = arrivals_ns(graph, known_ns, response_ns(sessions.output_tokens[rows]))
    order = wanted[np.argsort(arrival_ns[wanted], kind="stable")]
    those = rows[order]
    return Drawing(
        arrival_ns[order] / NS_PER_S,
        sessions.input_tokens[those],
        sessions.output_tokens[those],
        sessions.chains(those),
        chosen(graph, order),
    )
