"""How often and how soon requests are followed, from a recording that begins and ends somewhere.

A session that goes on beyond the end looks shorter than it is, and long pauses are seen less often
than short ones. Each follow-up therefore counts for all those that would have been cut off: by one
over the share of requests that were watched long enough to see it (inverse probability of
censoring; Robins and Rotnitzky 1992, the product-limit estimate in another guise).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.following import NOBODY, Following
from calibration.traffic.rounding import significant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EVENTS_LEAST = 30
"""Follow-ups from which a chance of its own is estimated; later turns share one."""
WATCHED_LEAST = 0.02
"""A pause that so few requests were watched for is not counted up further."""
TURNS_MAX = 200
CHANCE_MAX = 0.99


@dataclass(frozen=True)
class FollowUps:
    """Requests that are followed, and what each counts for.

    parent int64[n], child int64[n]: rows. weight float64[n]: 1 and more.
    """

    parent: Ints
    child: Ints
    weight: Floats


def follow_ups(seen: Following, arrival_s: Floats, span_s: float, known: NDArray[np.bool_]
               ) -> FollowUps:  # fmt: skip
    """The follow-ups of the sessions whose first request is among `known` (bool[rows])."""
    ours = known[seen.root]
    child = np.flatnonzero((seen.parent != NOBODY) & ours)
    parent = seen.parent[child]
    gaps_s = arrival_s[child] - arrival_s[parent]
    watched_s = np.sort(span_s - arrival_s[ours])
    long_enough = 1.0 - np.searchsorted(watched_s, gaps_s, side="left") / max(1, watched_s.size)
    return FollowUps(parent, child, 1.0 / np.maximum(long_enough, WATCHED_LEAST))


def chances(seen: Following, found: FollowUps, known: NDArray[np.bool_]) -> Floats:
    """The chance that a session's first, second, ... request is followed; the last one holds for
    all later ones."""
    ours = known[seen.root]
    depth_max = int(seen.depth[ours].max(initial=0))
    rows = np.bincount(seen.depth[ours], minlength=depth_max + 1).astype(float)
    events = np.bincount(seen.depth[found.parent], found.weight, minlength=depth_max + 1)
    number = np.bincount(seen.depth[found.parent], minlength=depth_max + 1)
    few = np.flatnonzero(number < EVENTS_LEAST)
    alone = int(few[0]) if few.size else depth_max
    single = events[:alone] / np.maximum(rows[:alone], 1.0)
    rest = events[alone:].sum() / max(rows[alone:].sum(), 1.0)
    return np.asarray(np.minimum(np.append(single, rest), CHANCE_MAX))


def turns_of(chance: Floats) -> dict[str, Any]:
    """Turns of a session: geometric where one chance holds throughout, else a table."""
    if chance.size == 1 or np.ptp(chance) < 0.02:
        return {"kind": "geometric", "mean": significant(float(1.0 / (1.0 - chance[0])))}
    most = min(TURNS_MAX, chance.size + int(np.ceil(np.log(0.01) / np.log(chance[-1] + 1e-9))))
    goes_on = np.append(chance, np.full(max(0, most - chance.size), chance[-1]))[:most]
    goes_on[-1] = 0.0
    reaches = np.cumprod(np.concatenate([[1.0], goes_on[:-1]]))
    weights = reaches * (1.0 - goes_on)
    some = np.flatnonzero(weights)
    return {
        "kind": "table",
        "counts": (some + 1).tolist(),
        "weights": significant(weights[some]),
    }


def mean_turns(turns: dict[str, Any]) -> float:
    """The mean of what `turns_of` says.

    >>> mean_turns({"kind": "table", "counts": [1, 3], "weights": [0.5, 0.5]})
    2.0
    """
    if turns["kind"] == "geometric":
        return float(turns["mean"])
    weights = np.array(turns["weights"])
    return float(weights @ np.array(turns["counts"]) / weights.sum())
