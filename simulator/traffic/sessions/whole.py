"""Sessions of one traffic group, whoever says when they begin."""

import numpy as np

from scenarios.demand import DrawnSessions, RecordedSessions, Traffic
from simulator.traffic.drawing import RngOf
from simulator.traffic.follow_ups import linked
from simulator.traffic.lengths.tokens import draw_lengths, draw_pairs
from simulator.traffic.prefixes import Chains
from simulator.traffic.sessions.recorded import draw_recorded
from simulator.traffic.sessions.session_rows import SessionRows, draw_front
from simulator.traffic.sessions.turns import draw_turns


def draw_sessions(traffic: Traffic, size: int, rng_of: RngOf) -> SessionRows:
    """`size` sessions, independent of each other; single requests where there are no `sessions`."""
    match traffic.sessions:
        case None:
            return draw_single(traffic, size, rng_of)
        case DrawnSessions() as wanted:
            return draw_turns(traffic, wanted, size, rng_of)
        case RecordedSessions() as wanted:
            return draw_recorded(traffic, wanted, size, rng_of)


def draw_single(traffic: Traffic, size: int, rng_of: RngOf) -> SessionRows:
    """Requests that stand for themselves."""
    fresh, output_tokens = draw_pairs(traffic, size, rng_of)
    if traffic.reasoning_tokens is not None:
        rng = rng_of("reasoning_tokens")
        output_tokens = output_tokens + draw_lengths(traffic.reasoning_tokens, size, rng)
    none = np.empty(0, dtype=np.int64)
    return SessionRows(
        first=np.arange(size + 1),
        input_tokens=fresh + traffic.prefix_tokens,
        output_tokens=output_tokens,
        follow_ups=linked(none, none, np.zeros(size, dtype=np.int64)),
        front=draw_front(traffic, size, rng_of),
        own=Chains(np.zeros(2, dtype=np.int64), none, none),
        own_row=np.zeros(size, dtype=np.int64),
    )
