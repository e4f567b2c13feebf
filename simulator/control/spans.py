"""What the books say as time: which replica was in which state, and for how long."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from simulator.control.books import DOWN, GONE, SERVING, STARTING, Change


class Span(NamedTuple):
    """A replica in one state, for some time of the period."""

    replica: int
    state: int
    missing: bool
    """It is wanted and not up: broken, or starting after that."""
    begin_ns: int
    end_ns: int


def spans(changes: Sequence[Change], replicas: int, horizon_ns: int) -> Iterator[Span]:
    """The period of every replica, state by state. One of which nothing is told serves all along,
    and so does any until its first change."""
    told = [[Change(0, replica, SERVING)] for replica in range(replicas)]
    for change in changes:
        told[change.replica].append(change)
    for replica, own in enumerate(told):
        broken = False
        for change, next_one in pairwise([*own, Change(horizon_ns, replica, SERVING)]):
            broken = change.state in (DOWN, GONE) or (broken and change.state == STARTING)
            begin_ns, end_ns = max(change.at_ns, 0), min(next_one.at_ns, horizon_ns)
            if begin_ns < end_ns:
                missing = broken and change.wanted
                yield Span(replica, change.state, missing, begin_ns, end_ns)


def time_by_count_ns(intervals: Sequence[tuple[int, int]], horizon_ns: int) -> tuple[int, ...]:
    """How long exactly 0, 1, 2 ... of the intervals, all within [0, horizon), cover an instant.

    >>> time_by_count_ns([(2, 6), (4, 9)], 10)
    (3, 5, 2)
    """
    turns = [(begin, 1) for begin, _ in intervals] + [(end, -1) for _, end in intervals]
    time_ns, count, since_ns = [0], 0, 0
    for at_ns, turn in [*sorted(turns), (horizon_ns, 0)]:
        if at_ns > since_ns:
            time_ns += [0] * (count + 1 - len(time_ns))
            time_ns[count] += at_ns - since_ns
            since_ns = at_ns
        count += turn
    return tuple(time_ns)


def area_ns(levels: Sequence[tuple[int, int]], horizon_ns: int) -> int:
    """The sum of level x time over the period; each level holds from its instant on, 0 before.

    >>> area_ns([(-5, 2), (3, 1)], 10)
    13
    """
    return sum(
        level * max(min(until_ns, horizon_ns) - max(at_ns, 0), 0)
        for (at_ns, level), (until_ns, _) in pairwise([*levels, (horizon_ns, 0)])
    )
