"""Requests that are sent because others have ended: the turns of a session, a closed loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.prefixes import first_of, positions

Ints = NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True)
class FollowUps:
    """Who waits for whom, and for how long: a graph over the rows of a workload.

    A row with waits[row] > 0 is sent `pause_ns[row]` after the last of the `waits[row]` rows that
    it waits for has completed (its client has read the last token); all of those stand before it.
    When a row fails (any other outcome), its session ends: what waits for it never arrives. But
    `otherwise[row]`, if any, then arrives its own pause later: how a user of a closed loop goes on
    after a session that broke off. A row arrives once, whoever is first to bring it.

    first int64[rows + 1], rows int32[edges]: rows[first[i]:first[i + 1]] wait for row i to
    complete. waits int32[rows]: 0 for rows that arrive at their `arrival_ns` come what may.
    pause_ns int64[rows]: at least 1 where the arrival emerges (waits > 0), 0 elsewhere.
    otherwise int32[rows]: a later row with waits > 0, or NOBODY.
    """

    first: Ints
    rows: NDArray[np.int32]
    waits: NDArray[np.int32]
    pause_ns: Ints
    otherwise: NDArray[np.int32]

    @property
    def emerges(self) -> NDArray[np.bool_]:
        """Per row: whether its arrival is known only while the clock runs."""
        return self.waits > 0

    @property
    def parents(self) -> Ints:
        """Per edge: the row that is waited for; `rows` has the one that waits."""
        return np.repeat(np.arange(self.waits.size), np.diff(self.first))


def linked(
    parents: Ints, children: Ints, pause_ns: Ints, otherwise: Ints | None = None
) -> FollowUps:
    """The graph over pause_ns.size rows in which children[k] waits for parents[k], for all k.

    Pauses of rows that wait for nobody are left out."""
    size = pause_ns.size
    if np.any(parents[1:] < parents[:-1]):
        order = np.argsort(parents, kind="stable")
        parents, children = parents[order], children[order]
    waits = np.bincount(children, minlength=size)
    nobody = np.full(size, NOBODY, dtype=np.int32)
    return FollowUps(
        first=first_of(np.bincount(parents, minlength=size)),
        rows=children.astype(np.int32),
        waits=waits.astype(np.int32),
        pause_ns=np.where(waits > 0, pause_ns, 0),
        otherwise=nobody if otherwise is None else otherwise.astype(np.int32),
    )


def chosen(follow_ups: FollowUps, rows: Ints) -> FollowUps:
    """The graph of `rows` (each at most once), in their order. A row waits for those that are left
    of the ones it waited for; if none is, for nobody."""
    places = np.full(follow_ups.waits.size + 1, NOBODY, dtype=np.int64)
    places[rows] = np.arange(rows.size)  # and NOBODY's place, at the end, is NOBODY
    counts = np.diff(follow_ups.first)[rows]
    children = places[follow_ups.rows[positions(follow_ups.first[rows], counts)]]
    left = children != NOBODY
    return linked(
        np.repeat(np.arange(rows.size), counts)[left],
        children[left],
        follow_ups.pause_ns[rows],
        places[follow_ups.otherwise[rows]],
    )


def side_by_side(groups: Sequence[FollowUps | None], sizes: Sequence[int]) -> FollowUps:
    """The graphs of several groups as one over all their rows, one group after the other; None: a
    group of that size in which nobody waits."""
    none = np.empty(0, dtype=np.int64)
    parts = [
        linked(none, none, np.zeros(size, dtype=np.int64)) if group is None else group
        for group, size in zip(groups, sizes, strict=True)
    ]
    before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    edges = np.concatenate([[0], np.cumsum([part.rows.size for part in parts])])
    return FollowUps(
        first=np.concatenate(
            [part.first[:-1] + taken for part, taken in zip(parts, edges, strict=False)]
            + [edges[-1:]]
        ),
        rows=np.concatenate([p.rows + np.int32(b) for p, b in zip(parts, before, strict=True)]),
        waits=np.concatenate([part.waits for part in parts]),
        pause_ns=np.concatenate([part.pause_ns for part in parts]),
        otherwise=np.concatenate(
            [
                np.where(p.otherwise == NOBODY, p.otherwise, p.otherwise + np.int32(b))
                for p, b in zip(parts, before, strict=True)
            ]
        ),
    )
