"""Nominal time: what a request is taken to last where the clock has not run yet.

Follow-ups arrive when others have ended, which depends on the fleet. Some things must be known
beforehand all the same, and the same for every fleet: the order of a workload's rows, which
sessions are in the middle of their work when a run starts, how much a period asks for (the
planner's first guess). For these, and for nothing else, every request lasts its nominal time.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import door
from simulator.traffic.drawing import NS_PER_S
from simulator.traffic.follow_ups import FollowUps

Ints = NDArray[np.int64]

FIRST_TOKEN_NS = 1_000_000_000
TOKEN_NS = 20_000_000
"""One second, and 50 tokens/s from there on: about what 25,000 recorded requests of coding agents
took (kv-cache-tester's traces: 220 tokens in 6.2 s at the median, 438 in 9.8 s in the mean)."""
FAR_NS = 1 << 61
"""73 years: later than any run ends, and times added to it stay within 64 bits."""
PAUSE_MAX_NS = 1 << 60


def pauses_ns(pause_s: NDArray[np.float64]) -> Ints:
    """Whole nanoseconds, at least one, since a follow-up stands behind what it follows."""
    bounded_s = np.minimum(pause_s, PAUSE_MAX_NS / NS_PER_S)
    return np.asarray(np.maximum(np.rint(bounded_s * NS_PER_S), 1), dtype=np.int64)


def response_ns(output_tokens: Ints) -> Ints:
    """From a request sent to its answer read."""
    return FIRST_TOKEN_NS + TOKEN_NS * output_tokens


def arrivals_ns(follow_ups: FollowUps, known_ns: Ints, lasts_ns: Ints) -> Ints:
    """When every row arrives if each takes lasts_ns[row] and none fails, at most FAR_NS.

    known_ns int64[rows]: arrivals of the rows that wait for nobody; elsewhere it is not looked at.
    """
    found = known_ns.copy()
    joined_ns = np.full(found.size, -FAR_NS)
    follow(
        follow_ups.first, follow_ups.rows, follow_ups.waits, follow_ups.pause_ns, lasts_ns,
        joined_ns, found,
    )  # fmt: skip
    return found


@door  # type: ignore[untyped-decorator]
def follow(
    first: Ints,
    rows: NDArray[np.int32],
    waits: NDArray[np.int32],
    pause_ns: Ints,
    lasts_ns: Ints,
    joined_ns: Ints,
    arrival_ns: Ints,
) -> None:
    """Arrivals of all rows, in one pass: whom a row waits for stands before it.

    first, rows, waits, pause_ns: as in FollowUps;  lasts_ns int64[rows]
    joined_ns   int64[rows] written: the latest end of those a row waits for; -FAR_NS at first
    arrival_ns  int64[rows] written where waits > 0
    """
    for row in range(waits.size):
        if waits[row] > 0:
            arrival_ns[row] = min(joined_ns[row] + pause_ns[row], FAR_NS)
        end_ns = arrival_ns[row] + lasts_ns[row]
        for edge in range(first[row], first[row + 1]):
            child = rows[edge]
            joined_ns[child] = max(joined_ns[child], end_ns)
