"""Closed loops: clients of which each has one request, or one session, at a time.

Each client is a long chain: a session, a pause, the next session. A run may go through it faster or
slower, but never to its end: a chain is drawn so long that even the fastest engine does not get
there (`ran_out` says whether one did).
"""

from dataclasses import dataclass

import numpy as np

from scenarios.demand import ClosedArrivals, Traffic
from simulator.kernel.state import NEVER_NS
from simulator.traffic.drawing import NS_PER_S, Drawing, Period, RngOf
from simulator.traffic.follow_ups import NOBODY, FollowUps, Ints, linked
from simulator.traffic.lengths.counts import draw_durations
from simulator.traffic.prefixes import positions
from simulator.traffic.sessions.in_progress import drawing_of, from_the_start
from simulator.traffic.sessions.nominal import arrivals_ns, pauses_ns, response_ns
from simulator.traffic.sessions.session_rows import SessionRows, copied, together
from simulator.traffic.sessions.whole import draw_sessions

FASTEST_FIRST_TOKEN_NS = 10_000_000
FASTEST_TOKEN_NS = 2_000_000
"""Nobody is taken to be served faster: no engine and front end has the first token in less, and 500
tokens/s of one request is more than GPUs reach with models worth planning for."""
POOL = 1000
"""Cycles at least of which each client begins in the middle of one."""


@dataclass(frozen=True)
class Cycles:
    """What clients do over and over: a session, and a pause (pause_ns int64[sessions])."""

    sessions: SessionRows
    pause_ns: Ints

    def fastest_ns(self) -> Ints:
        """How long each lasts if it meets the fastest engine."""
        outputs = self.sessions.output_tokens
        return self.lasts_ns(FASTEST_FIRST_TOKEN_NS + FASTEST_TOKEN_NS * outputs)

    def lasts_ns(self, response_ns: Ints) -> Ints:
        """Of each, from its first request to that of the next, if requests last so long."""
        sessions = self.sessions
        none = np.zeros(response_ns.size, dtype=np.int64)
        end_ns = arrivals_ns(sessions.follow_ups, none, response_ns) + response_ns
        return np.maximum.reduceat(end_ns, sessions.first[:-1]) + self.pause_ns


def draw_closed(traffic: Traffic, wanted: ClosedArrivals, period: Period, rng_of: RngOf) -> Drawing:
    """Requests of `wanted.clients`, which have always been at it when the period starts."""
    start_ns, span_ns = period.start_s * NS_PER_S, (period.end_s - period.start_s) * NS_PER_S
    pool = draw_cycles(traffic, wanted, max(wanted.clients, POOL), rng_of, "now")
    lasts_ns = pool.lasts_ns(response_ns(pool.sessions.output_tokens))
    # An instant falls into long cycles more often than into short ones (Cox 1962).
    rng = rng_of("phase")
    now = rng.choice(lasts_ns.size, wanted.clients, p=lasts_ns / lasts_ns.sum())
    begin_ns = np.rint(start_ns - rng.random(now.size) * lasts_ns[now]).astype(np.int64)
    mean_ns, hasty_ns = pool.fastest_ns().mean(), span_ns * period.haste
    later, rounds = draw_rounds(traffic, wanted, int(span_ns / mean_ns), hasty_ns, rng_of)
    cycles = Cycles(
        together([pool.sessions, *(block.sessions for block in later)]),
        np.concatenate([pool.pause_ns, *(block.pause_ns for block in later)]),
    )
    client = np.repeat(np.arange(now.size), 1 + rounds)
    turn = positions(np.full(now.size, -1), 1 + rounds)
    which = np.where(turn < 0, now[client], lasts_ns.size + turn * now.size + client)
    sessions = copied(cycles.sessions, which)
    graph = one_after_another(sessions, client, cycles.pause_ns[which])
    known_ns = begin_ns[client[sessions.session]]
    rows, graph, arrival_ns = from_the_start(sessions, graph, known_ns, period)
    return drawing_of(sessions, rows, graph, arrival_ns, np.arange(rows.size))


def draw_rounds(
    traffic: Traffic, wanted: ClosedArrivals, expected: int, span_ns: float, rng_of: RngOf
) -> tuple[list[Cycles], Ints]:
    """Cycles of all clients, in blocks of as many as are `expected` for each and some more; and how
    many each client needs.

    A client may begin the first one as soon as the period starts, and ends none of them faster than
    the fastest engine. The last one it needs begins `span_ns` later at the earliest. A longer span
    is served by more blocks: what was drawn for a shorter one stays as it was.
    """
    size = expected + int(4 * np.sqrt(expected)) + 3
    blocks: list[Cycles] = []
    lasts_ns = np.empty((0, wanted.clients))
    while lasts_ns[:-1].sum(axis=0).min() < span_ns:
        block = draw_cycles(traffic, wanted, size * wanted.clients, rng_of, "later", len(blocks))
        blocks.append(block)
        lasts_ns = np.concatenate([lasts_ns, block.fastest_ns().reshape(size, -1)])
    return blocks, 2 + (np.cumsum(lasts_ns, axis=0) < span_ns).sum(axis=0)


def draw_cycles(
    traffic: Traffic, wanted: ClosedArrivals, size: int, rng_of: RngOf, *purpose: str | int
) -> Cycles:
    """`size` cycles, independent of each other."""
    pause_s = draw_durations(wanted.pause, size, rng_of(*purpose, "pause"))
    sessions = draw_sessions(traffic, size, lambda *path: rng_of(*purpose, *path))
    return Cycles(sessions, pauses_ns(pause_s))


def one_after_another(sessions: SessionRows, client: Ints, pause_ns: Ints) -> FollowUps:
    """The graph of sessions of which each goes before the next one of the same client: its pause
    after all of it has ended, or after a request of it has failed."""
    goes_on = np.flatnonzero(client[1:] == client[:-1])
    opening, graph = sessions.first[:-1], sessions.follow_ups
    following = np.full(client.size, NOBODY)
    following[goes_on] = opening[goes_on + 1]
    otherwise = following[sessions.session]
    ends = np.flatnonzero((np.diff(graph.first) == 0) & (otherwise != NOBODY))
    pauses = graph.pause_ns.copy()
    pauses[following[goes_on]] = pause_ns[goes_on]
    return linked(
        np.concatenate([graph.parents, ends]),
        np.concatenate([graph.rows, otherwise[ends]]),
        pauses,
        otherwise,
    )


def ran_out(follow_ups: FollowUps | None, arrival_ns: Ints) -> bool:
    """Whether a client came to the end of what was drawn for it, so that it fell silent: it was
    answered faster than FASTEST_..._NS, or its requests fail as soon as they are sent.

    arrival_ns int64[rows]: when the rows of the workload arrived (`Outcome`), NEVER_NS: they did
    not.
    """
    if follow_ups is None:
        return False
    begins = np.unique(follow_ups.otherwise[follow_ups.otherwise != NOBODY])
    last = begins[follow_ups.otherwise[begins] == NOBODY]
    return bool(np.any(arrival_ns[last] < NEVER_NS))
