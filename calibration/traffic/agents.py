"""Coding agents from sessions recorded whole: contexts that grow to a limit, and sub-agents.

Such files have no clock across sessions, so that nothing can be said of when sessions begin.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.counts import fit_counts
from calibration.traffic.durations import fit_durations
from calibration.traffic.following import NOBODY, Following
from calibration.traffic.lengths import fit_lengths
from simulator.traffic.recordings.recorded_sessions import previous

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Yaml = dict[str, Any]

FORGETS = 0.6
"""A prompt that repeats less than this share of the one before it begins another context ..."""
SHRINKS = 0.7
"""... and if it is below this share of it, the context was compacted."""
COMPACTIONS_LEAST = 20
LONG = 1.25
"""Times the length at which contexts are compacted: who goes beyond it has a larger window."""
LONG_SHARE = 0.05
"""Of requests, from which on sessions with a larger window are a group of their own."""
SUB_AGENTS_LEAST = 20


@dataclass(frozen=True)
class AgentRows:
    """Requests of whole sessions, session by session.

    agent int64[rows]: the first request of the agent that this one is of. before int64[rows]: that
    agent's request before, NOBODY for its first. sender int64[rows]: for the first of a sub-agent
    the request that it was sent off after, NOBODY elsewhere. hit_tokens int64[rows]: of the prompt,
    how many an earlier one began with.
    """

    session: Ints
    agent: Ints
    before: Ints
    sender: Ints
    input_tokens: Ints
    output_tokens: Ints
    hit_tokens: Ints
    pause_s: Floats

    @property
    def main(self) -> Bools:
        """Requests of the agents that sessions are of."""
        return np.asarray(self.sender[self.agent] == NOBODY)


@dataclass(frozen=True)
class AgentGroup:
    """One group of a scenario. share: of the sessions."""

    name: str
    share: float
    prefix_tokens: int
    first_tokens: Ints
    prompts: Ints
    """All prompts of the main agents, as recorded."""
    output_tokens: Ints
    sessions: Yaml
    mean_turns: float


def agent_rows(
    session: Ints, seen: Following, input_tokens: Ints, output_tokens: Ints, pause_s: Floats
) -> AgentRows:
    """A sub-agent begins with a request that follows one which others follow too, and repeats
    nothing of it."""
    follows = seen.parent != NOBODY
    children = np.bincount(seen.parent[follows], minlength=session.size)
    sent = follows & (seen.hit_tokens == 0) & (children[seen.parent] > 1)
    agent = np.arange(session.size)
    for row in np.flatnonzero(follows & ~sent).tolist():
        agent[row] = agent[seen.parent[row]]
    sender = np.where(sent, seen.parent, NOBODY)
    return AgentRows(
        session, agent, previous(agent), sender, input_tokens, output_tokens, seen.hit_tokens,
        pause_s,
    )  # fmt: skip


def fit_agents(rows: AgentRows) -> list[AgentGroup]:
    """One group; two where some sessions have a larger window, and are never compacted."""
    left = forgotten(rows)
    dropped = left & (rows.input_tokens < SHRINKS * rows.input_tokens[rows.before])
    enough = dropped.sum() >= COMPACTIONS_LEAST
    # What is left after a compaction is what every context begins with.
    prefix = int(np.median(rows.hit_tokens[dropped])) if enough else 0
    limit = compaction_limit(rows, dropped) if enough else None
    longest = np.zeros(int(rows.session.max()) + 1, dtype=np.int64)
    np.maximum.at(longest, rows.session, rows.input_tokens)
    long = longest > (np.inf if limit is None else LONG * limit)
    if long[rows.session].mean() < LONG_SHARE:
        return [group_of("agent", rows, np.ones_like(long), left, prefix, limit)]
    return [
        group_of("agent", rows, ~long, left, prefix, limit),
        group_of("agent-long", rows, long, left, prefix, None),
    ]


def forgotten(rows: AgentRows) -> Bools:
    """Requests that begin another context than the one before."""
    whole = rows.input_tokens[rows.before]
    return np.asarray((rows.before != NOBODY) & (rows.hit_tokens < FORGETS * whole))


def compaction_limit(rows: AgentRows, dropped: Bools) -> int:
    """Three quarters of compactions come at a shorter prompt: some are asked for by hand."""
    return int(np.quantile(rows.input_tokens[rows.before[dropped]], 0.75))


def group_of(
    name: str, rows: AgentRows, who: Bools, left: Bools, prefix: int, limit: int | None
) -> AgentGroup:
    """The group of the sessions `who`."""
    ours = who[rows.session]
    main = ours & rows.main
    first = main & (rows.before == NOBODY)
    grows = main & (rows.before != NOBODY) & ~left
    # What waits for sub-agents comes late for their sake, not for a pause of its own.
    joins = np.isin(rows.before, rows.sender[rows.sender != NOBODY])
    paused = grows & ~joins & np.isfinite(rows.pause_s)
    turns = np.bincount(rows.agent[main])
    turns = turns[turns > 0]
    sessions: Yaml = {
        "kind": "drawn",
        "turns": fit_counts(turns),
        "follow_up_tokens": fit_lengths(added_tokens(rows, grows)),
        "think": fit_durations(rows.pause_s[paused]),
    }
    if limit is not None:
        shrinks = left & (rows.input_tokens < SHRINKS * rows.input_tokens[rows.before])
        afterwards = rows.input_tokens[main & shrinks] - prefix
        sessions["compaction"] = {"above": limit, "to": max(1, int(np.median(afterwards)))}
    if (ours & (rows.sender != NOBODY)).sum() >= SUB_AGENTS_LEAST:
        sessions["agents"] = sub_agents(rows, ours, grows, prefix)
    return AgentGroup(
        name,
        float(first.sum() / np.unique(rows.session).size),
        prefix,
        np.maximum(rows.input_tokens[first] - prefix, 1),
        rows.input_tokens[main],
        rows.output_tokens[ours],
        sessions,
        float(turns.mean()),
    )


def added_tokens(rows: AgentRows, grows: Bools) -> Ints:
    """What prompts add to the one before and its answer; at least 1, though some take back."""
    whole = rows.input_tokens[rows.before] + rows.output_tokens[rows.before]
    return np.maximum(rows.input_tokens - whole, 1)[grows]


def sub_agents(rows: AgentRows, ours: Bools, grows: Bools, prefix: int) -> Yaml:
    """Parallel sub-agents: those sent off after the same request."""
    first = ours & (rows.sender != NOBODY)
    senders, number = np.unique(rows.sender[first], return_counts=True)
    theirs = ours & ~rows.main
    later = theirs & (rows.before != NOBODY)
    requests = np.bincount(rows.agent[theirs])
    pauses_s = rows.pause_s[later]
    return {
        "share": round(float(senders.size / max(1, grows.sum())), 4),
        "number": fit_counts(number),
        "requests": fit_counts(requests[requests > 0]),
        "input_tokens": fit_lengths(np.maximum(rows.input_tokens[first] - prefix, 1)),
        "follow_up_tokens": fit_lengths(added_tokens(rows, later)),
        "time": fit_durations(pauses_s[np.isfinite(pauses_s)]),
        "report_tokens": fit_lengths(added_tokens(rows, grows & np.isin(rows.before, senders))),
    }
