"""Whether a figure differs between two sets of periods by more than noise: exact tests, and the
interval that goes with each.

Both tests count the differences below zero, and the ends of both intervals are differences that are
as far from the ends of their sorted list as the test allows. So they need no shape of the
distribution, infinite values ("never") are values like others, and a test that finds a difference
has an interval beyond zero. Two infinite values do not differ.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

ALPHA = 0.05
"""The chance that anything is said to differ while nothing does, over all figures together."""
ROUNDING = 1e-12
"""Relative: what sums in another order may differ by is no difference."""
EXACT_WORK_MAX = 1_000_000
"""Beyond, about 100 periods on each side, Mann and Whitney's count is normal to within what the
correction for continuity gives away: its tails are lighter than the normal ones."""


class Contrast(NamedTuple):
    """One figure in two sets of periods."""

    a: Floats
    b: Floats
    in_pairs: bool
    """Periods of the one place belong together; else all are independent."""

    def differences(self) -> Floats:
        """b - a: of each pair or, unpaired, of every period of the one and every one of the other.
        Worked out when they are asked for: there may be millions."""
        if self.in_pairs:
            return minus(self.b, self.a)
        every = np.empty((self.a.size, self.b.size))
        for row, one in zip(every, self.a, strict=True):
            row[:] = minus(self.b, one)
        return every.ravel()

    def sides(self) -> tuple[int, int]:
        """How many of them are below zero, and how many above."""
        differences = self.differences()
        return int((differences < 0.0).sum()), int((differences > 0.0).sum())


def paired(a: ArrayLike, b: ArrayLike) -> Contrast:
    """Of periods that belong together."""
    return Contrast(np.asarray(a, float), np.asarray(b, float), True)


def unpaired(a: ArrayLike, b: ArrayLike) -> Contrast:
    """Of periods that are independent."""
    return Contrast(np.asarray(a, float), np.asarray(b, float), False)


def minus(b: Floats, a: Floats | float) -> Floats:
    """
    >>> minus(np.array([3.0, np.inf, np.inf]), np.array([1.0, 1.0, np.inf])).tolist()
    [2.0, inf, 0.0]
    """
    with np.errstate(invalid="ignore"):
        apart = b - a
        near = np.abs(apart) <= ROUNDING * np.minimum(np.abs(a), np.abs(b))
    return np.where((a == b) | near, 0.0, apart)


def p_value(contrast: Contrast) -> float:
    """The chance of so one-sided differences, or more so, were there no difference. Two-sided.

    Paired: the sign test, of 0 and 1 (broken and kept) McNemar's; pairs without a difference are
    left out. Sources: Dixon and Mood 1946; McNemar 1947. Unpaired: Mann and Whitney 1947; equal
    values count against a difference, which is right whatever their number.

    >>> p_value(paired([1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]))
    0.03125
    >>> round(p_value(unpaired([1, 2, 3, 4], [5, 6, 7, 8])), 5) == round(2 / 70, 5)
    True
    """
    lower, higher = contrast.sides()
    if contrast.in_pairs:
        tail = float(special.bdtr(min(lower, higher), lower + higher, 0.5))
    else:
        n, m = contrast.a.size, contrast.b.size
        tail = rank_tail(n, m, n * m - max(lower, higher))
    return min(2.0 * tail, 1.0)


def difference(contrast: Contrast) -> float:
    """The median difference; unpaired Hodges and Lehmann's (1963) shift. None in the middle between
    endless ones of both signs."""
    values = contrast.differences()
    middle = [(values.size - 1) // 2, values.size // 2]
    low, high = np.partition(values, middle)[middle]
    return 0.0 if low == -high else float((low + high) / 2)


def interval(contrast: Contrast, alpha: float) -> tuple[float, float]:
    """For the median difference; misses it with a chance of at most `alpha`. Unbounded where there
    are too few periods.

    Sources: David and Nagaraja 2003, 7.1; unpaired Lehmann 1963, for two sets that differ by a
    shift.

    >>> interval(paired(np.zeros(6), np.arange(1, 7)), 0.05)
    (1.0, 6.0)
    """
    values = contrast.differences()
    if contrast.in_pairs:
        at_most = special.bdtr(np.arange(values.size + 1), values.size, 0.5)
        left_out = int(np.searchsorted(at_most, alpha / 2))
    else:
        left_out = rank_reach(contrast.a.size, contrast.b.size, alpha / 2)
    if not left_out:
        return -np.inf, np.inf
    ends = [left_out - 1, values.size - left_out]
    low, high = np.partition(values, ends)[ends]
    return float(low), float(high)


def shares_p_value(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Of two independent (hits, trials) with one share. Fisher's exact test: not the sharpest, but
    it needs no search over the unknown share and is counted in whole numbers, so that every machine
    says the same. Source: Fisher 1935.

    >>> round(shares_p_value((1, 9), (11, 14)), 6)
    0.002759
    """
    hits, (of_a, of_b) = a[0] + b[0], (a[1], b[1])

    def ways(of_first: int) -> int:
        return comb(of_a, of_first) * comb(of_b, hits - of_first)

    all_ways = [ways(first) for first in range(max(0, hits - of_b), min(hits, of_a) + 1)]
    seen = ways(a[0])
    return sum(each for each in all_ways if each <= seen) / sum(all_ways)


class Judged(NamedTuple):
    """What Holm's procedure says of one figure."""

    differs: bool
    alpha: float
    """The level at which its interval agrees with that: the one it was tested at; of those that do
    not differ the one that all of them failed at."""


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[Judged]:
    """Which of many figures differ, so that none is said to by mistake with a chance of 1 - alpha,
    however they hang together. Source: Holm 1979.

    >>> [judged.differs for judged in holm([0.3, 0.001, 0.02])]
    [False, True, True]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    steps = [alpha / left for left in range(len(order), 0, -1)]
    passed = [p_values[index] <= step for index, step in zip(order, steps, strict=True)]
    found = passed.index(False) if False in passed else len(passed)
    judged = {
        index: Judged(place < found, steps[min(place, found)]) for place, index in enumerate(order)
    }
    return [judged[index] for index in range(len(p_values))]


def can_tell(contrast: Contrast, alpha: float) -> bool:
    """Whether so many periods could show any difference at all."""
    n, m = contrast.a.size, contrast.b.size
    return (2.0 * 0.5**n if contrast.in_pairs else 2.0 / comb(n + m, n)) <= alpha


# --- how Mann and Whitney's count is distributed -------------------------------------------------


@lru_cache(maxsize=8)
def rank_tails(n: int, m: int) -> Floats:
    """P(count <= k), k = 0 .. n m / 2, of two sets of one distribution without equal values.

    Of the comb(n + m, n) orders, those with a count of k are as many as the coefficient of q^k in
    Gauss' binomial: whole numbers, so that nothing is rounded before the end.

    >>> rank_tails(1, 3).tolist()
    [0.25, 0.5]
    """
    small, large = sorted((n, m))
    orders = [1] + [0] * (n * m // 2)
    for part in range(1, small + 1):
        for k in range(len(orders) - 1, large + part - 1, -1):
            orders[k] -= orders[k - large - part]
        for k in range(part, len(orders)):
            orders[k] += orders[k - part]
    every = comb(n + m, n)
    return np.array([count / every for count in accumulate(orders)])


def is_exact(n: int, m: int) -> bool:
    return n * m * min(n, m) <= EXACT_WORK_MAX


def rank_sd(n: int, m: int) -> float:
    return float(np.sqrt(n * m * (n + m + 1) / 12.0))


def rank_tail(n: int, m: int, count: int) -> float:
    """P(at most `count` of the n m differences are below zero)."""
    if count > n * m // 2:
        return 1.0
    if is_exact(n, m):
        return float(rank_tails(n, m)[count])
    return float(special.ndtr((count + 0.5 - n * m / 2.0) / rank_sd(n, m)))


def rank_reach(n: int, m: int, tail: float) -> int:
    """The most k with P(count < k) <= `tail`."""
    if is_exact(n, m):
        return int(np.searchsorted(rank_tails(n, m), tail, side="right"))
    return max(int(n * m / 2.0 + special.ndtri(tail) * rank_sd(n, m) + 0.5), 0)
