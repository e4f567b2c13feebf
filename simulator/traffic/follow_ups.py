"""Requests that are sent because others have ended: the turns of a session, a closed loop."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
