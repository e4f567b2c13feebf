"""A histogram of durations with 128 linear bins per power of two: at most 0.4 % from the truth.

The bin of a duration comes from its bits (as in HdrHistogram), so it costs nothing to fill and
two histograms add up by adding their counts.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

BINS = 128 * 57  # every duration below 2**63 ns has its bin


def histogram(durations_ns: Mapping[int, int]) -> Counts:
    """Counts per bin, from durations (whole nanoseconds, positive) and how often each occurred.

    >>> np.flatnonzero(histogram({200: 1, 256: 2, 257: 3, 10**9: 4}))
    array([ 200,  256, 3054])
    """
    counts = np.zeros(BINS, dtype=np.int64)
    bins = bins_of(np.fromiter(durations_ns.keys(), dtype=np.int64))
    np.add.at(counts, bins, np.fromiter(durations_ns.values(), dtype=np.int64))
    return counts


def bins_of(durations_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bin of each duration, none of them negative.

    >>> bins_of(np.array([0, 200, 256, 257, 10**9]))
    array([   0,  200,  256,  256, 3054])
    """
    # Where a float rounds up to the next power of two, one shift more leads to the same bin.
    shift = np.maximum(np.frexp(durations_ns.astype(np.float64))[1].astype(np.int64) - 8, 0)
    return (shift << 7) + (durations_ns >> shift)


def middle_ns(index: int) -> float:
    """The middle of a bin, nanoseconds."""
    shift = max((index >> 7) - 1, 0)
    low = (index - (shift << 7)) << shift
    return low + ((1 << shift) - 1) / 2


def quantile_s(counts: Counts, share: Fraction) -> float:
    """The duration that at most a 1 - `share` part of the counted ones exceeds; 0 when empty."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    above = (total * (share.denominator - share.numerator)) // share.denominator
    index = int(np.searchsorted(np.cumsum(counts), total - above))
    return middle_ns(index) / 1e9


def mean_s(counts: Counts) -> float:
    """Mean duration; 0 when empty."""
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        return 0.0
    middles = np.array([middle_ns(int(index)) for index in filled])
    return float((middles * counts[filled]).sum() / counts[filled].sum() / 1e9)
