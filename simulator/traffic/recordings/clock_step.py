"""The resolution of the clock that recorded a trace, when it lumps requests together."""

import numpy as np
from numpy.typing import NDArray

US_PER_S = 1e6
GAPS_MAX = 1_000_000
"""Different gaps that are counted; a clock with steps has a handful."""
COARSE_S = 0.01
"""Ticks below a hundredth of a second lump nothing that matters."""
FEW_ROWS = 100
SHARE = 0.05


class ClockStep:
    """Learns from instants in order of time, chunk by chunk; the result is that of all at once."""

    def __init__(self) -> None:
        self.rows = 0
        self.instants = 0
        self.shared = 0
        self.last_us: int | None = None
        self.last_count = 0
        self.common_us = 0
        self.gaps_us: dict[int, int] = {}

    def add(self, arrival_s: NDArray[np.float64]) -> None:
        if not arrival_s.size:
            return
        instants, counts = np.unique(np.rint(arrival_s * US_PER_S), return_counts=True)
        ticks = instants.astype(np.int64)
        counts = counts.astype(np.int64)
        self.rows += arrival_s.size
        if self.last_us is not None:
            if ticks[0] == self.last_us:
                # The tick goes on from the chunk before: count its rows anew.
                self.shared -= self.last_count if self.last_count > 1 else 0
                self.instants -= 1
                counts[0] += self.last_count
            ticks = np.concatenate([[self.last_us], ticks[ticks > self.last_us]])
        self.instants += counts.size
        self.shared += int(counts[counts > 1].sum())
        self.last_us, self.last_count = int(ticks[-1]), int(counts[-1])
        gaps, times = np.unique(np.diff(ticks), return_counts=True)
        self.common_us = int(np.gcd.reduce(np.concatenate([[self.common_us], gaps])))
        for gap, count in zip(gaps.tolist(), times.tolist(), strict=True):
            if gap in self.gaps_us or len(self.gaps_us) < GAPS_MAX:
                self.gaps_us[gap] = self.gaps_us.get(gap, 0) + count

    @property
    def step_s(self) -> float:
        """0 unless the clock lumps: half of the rows or more share their instants, or all instants
        are multiples of a coarse step and a good number of rows share theirs."""
        if 2 * self.instants <= self.rows and self.gaps_us:
            return median(self.gaps_us) / US_PER_S
        coarse = self.common_us >= COARSE_S * US_PER_S and self.rows >= FEW_ROWS
        lumps = self.shared >= SHARE * self.rows
        return self.common_us / US_PER_S if coarse and lumps else 0.0


def clock_step_s(arrival_s: NDArray[np.float64]) -> float:
    """The step of the clock that recorded these instants, in order of time; else 0.

    >>> clock_step_s(np.repeat(np.arange(50.0) * 3, 5))
    3.0
    """
    clock = ClockStep()
    clock.add(arrival_s)
    return clock.step_s


def median(counts: dict[int, int]) -> float:
    """Of values that come so often each.

    >>> median({2: 1, 3: 1, 7: 2})
    5.0
    """
    values = np.array(sorted(counts))
    ranks = np.cumsum([counts[int(value)] for value in values])
    middle = [(ranks[-1] + 1) // 2, ranks[-1] // 2 + 1]
    return float(values[np.searchsorted(ranks, middle)].mean())
