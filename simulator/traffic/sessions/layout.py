"""Which requests a drawn session makes, and who of them waits for whom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import Agents, DrawnSessions
from simulator.traffic.drawing import RngOf
from simulator.traffic.follow_ups import NOBODY, Ints
from simulator.traffic.lengths.counts import draw_counts
from simulator.traffic.prefixes import first_of, positions

FIRST, TURN, RESULT, SENT, GOES_ON = range(5)
"""Kinds of requests: the first of a session, of a later turn, with a tool's result; the first of a
sub-agent, a later one of it."""


@dataclass(frozen=True)
class Layout:
    """The requests of many sessions, one session after the other. Behind a request of the main
    agent stand those of the sub-agents that it sends off, one sub-agent after the other.

    first int64[sessions + 1]: rows of session i are first[i] .. first[i + 1] - 1
    kind int8[rows]: FIRST .. GOES_ON
    before int64[rows]: the row whose prompt and answer this prompt repeats, NOBODY in a new context
    parents, children int64[edges]: children[k] waits for parents[k]
    reports_to int64[sub-agents]: the row whose prompt contains the report
    """

    first: Ints
    kind: NDArray[np.int8]
    before: Ints
    parents: Ints
    children: Ints
    reports_to: Ints


def lay_out(wanted: DrawnSessions, size: int, rng_of: RngOf) -> Layout:
    """`size` sessions."""
    turns = np.maximum(draw_counts(wanted.turns, size, rng_of("turns")), 1)
    calls = np.zeros(turns.sum(), dtype=np.int64)
    if wanted.tools is not None:
        calls = draw_counts(wanted.tools.calls, calls.size, rng_of("tools", "calls"))
    turn_at = first_of(calls + 1)
    session_at = turn_at[first_of(turns)]
    kind = np.full(turn_at[-1], RESULT, dtype=np.int8)
    kind[turn_at[:-1]] = TURN
    kind[session_at[:-1]] = FIRST
    if wanted.agents is None:
        return with_agents(session_at, kind, np.zeros(kind.size, dtype=np.int64), turns[:0])
    return with_agents(session_at, kind, *draw_agents(wanted.agents, kind, rng_of))


def draw_agents(agents: Agents, kind: NDArray[np.int8], rng_of: RngOf) -> tuple[Ints, Ints]:
    """How many sub-agents each request of the main agents sends off, and how many requests each of
    those makes. `kind`: of the main agents' requests; a session's last one sends off nobody."""
    goes_on = np.append(kind, FIRST)[1:] != FIRST
    sends = goes_on & (rng_of("agents", "share").random(kind.size) < agents.share)
    sent = np.zeros(kind.size, dtype=np.int64)
    sent[sends] = draw_counts(agents.number, int(sends.sum()), rng_of("agents", "number"))
    requests = draw_counts(agents.requests, int(sent.sum()), rng_of("agents", "requests"))
    return sent, np.maximum(requests, 1)


def with_agents(session_at: Ints, kind: NDArray[np.int8], sent: Ints, requests: Ints) -> Layout:
    """The main agents' requests (`session_at`: where sessions begin among them, and their number)
    and behind each those of the sub-agents it has `sent`, each of which makes so many `requests`.
    """
    sender = np.repeat(np.arange(kind.size), sent)
    agent_at = first_of(requests)
    # In front of a row stand all earlier requests of main agents, and all of earlier sub-agents.
    main = np.append(np.arange(kind.size), kind.size) + agent_at[first_of(sent)]
    begins = sender + 1 + agent_at[:-1]
    ends = begins + requests - 1
    later = positions(begins + 1, requests - 1)
    kinds = np.full(main[-1], GOES_ON, dtype=np.int8)
    kinds[main[:-1]] = kind
    kinds[begins] = SENT
    main_later = np.flatnonzero(kind != FIRST)
    alone = main_later[sent[main_later - 1] == 0]
    before = np.full(kinds.size, NOBODY, dtype=np.int64)
    before[main[main_later]] = main[main_later - 1]
    before[later] = later - 1
    return Layout(
        first=main[session_at],
        kind=kinds,
        before=before,
        parents=np.concatenate([main[alone - 1], main[sender], later - 1, ends]),
        children=np.concatenate([main[alone], begins, later, main[sender + 1]]),
        reports_to=main[sender + 1],
    )
