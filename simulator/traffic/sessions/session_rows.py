"""Sessions as rows: which requests they make, before anybody says when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.demand import Traffic
from simulator.traffic.drawing import RngOf
from simulator.traffic.follow_ups import FollowUps, Ints, side_by_side
from simulator.traffic.prefixes import Chains, behind, draw_prefixes, first_of, positions, take


@dataclass(frozen=True)
class SessionRows:
    """Requests of many sessions, one session after the other. Those of one session stand behind
    all that they wait for, and all but its first one wait for others of it.

    first int64[sessions + 1]: rows of session i are first[i] .. first[i + 1] - 1
    input_tokens, output_tokens int64[rows]: whole prompts; answers, reasoning included
    front: chains of the group's `prefixes`, one per session
    own, own_row int64[rows]: what the prompt of row i shares with others of its session is chain
    own_row[i] of these. Ends count from behind the prefixes; a key means nothing beyond its
    session.
    """

    first: Ints
    input_tokens: Ints
    output_tokens: Ints
    follow_ups: FollowUps
    front: Chains
    own: Chains
    own_row: Ints

    def __len__(self) -> int:
        return self.first.size - 1

    @property
    def session(self) -> Ints:
        """Of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def chains(self, rows: Ints) -> Chains:
        """Of `rows`, in their order."""
        session, own = self.session[rows], take(self.own, self.own_row[rows])
        space = np.repeat(session, own.counts) * self.own.key_count + self.front.key_count
        prefixed = self.front.ends.max(initial=0)
        back = Chains(own.first, own.keys + space, own.ends + prefixed)
        return behind(take(self.front, session), back)


def copied(sessions: SessionRows, which: Ints) -> SessionRows:
    """The sessions `which`, in that order; one may come more than once."""
    counts = np.diff(sessions.first)[which]
    rows = positions(sessions.first[which], counts)
    moved = np.arange(rows.size) - rows
    graph = sessions.follow_ups
    edges = np.diff(graph.first)[rows]
    waiting = graph.rows[positions(graph.first[rows], edges)] + np.repeat(moved, edges)
    return SessionRows(
        first=first_of(counts),
        input_tokens=sessions.input_tokens[rows],
        output_tokens=sessions.output_tokens[rows],
        follow_ups=FollowUps(
            first=first_of(edges),
            rows=waiting.astype(np.int32),
            waits=graph.waits[rows],
            pause_ns=graph.pause_ns[rows],
            otherwise=graph.otherwise[rows],  # nobody: sessions do not know of each other
        ),
        front=take(sessions.front, which),
        own=sessions.own,
        own_row=sessions.own_row[rows],
    )


def together(blocks: Sequence[SessionRows]) -> SessionRows:
    """All sessions of several blocks, one block after the other."""
    sizes = [block.input_tokens.size for block in blocks]
    chains = np.cumsum([0, *(len(block.own) for block in blocks)])
    return SessionRows(
        first=first_of(np.concatenate([np.diff(block.first) for block in blocks])),
        input_tokens=np.concatenate([block.input_tokens for block in blocks]),
        output_tokens=np.concatenate([block.output_tokens for block in blocks]),
        follow_ups=side_by_side([block.follow_ups for block in blocks], sizes),
        front=stacked([block.front for block in blocks]),
        own=stacked([block.own for block in blocks]),
        own_row=np.concatenate([b.own_row + n for b, n in zip(blocks, chains, strict=False)]),
    )


def stacked(parts: Sequence[Chains]) -> Chains:
    """The rows of all parts, whose keys mean the same in each."""
    return Chains(
        first_of(np.concatenate([part.counts for part in parts])),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.ends for part in parts]),
    )


def draw_front(traffic: Traffic, size: int, rng_of: RngOf) -> Chains:
    """The `prefixes` of `size` sessions, one chain each: all requests of one have the same."""
    return draw_prefixes(traffic.prefixes, size, lambda level: rng_of("prefixes", level))[0]
