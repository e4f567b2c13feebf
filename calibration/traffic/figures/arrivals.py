"""How requests arrive: rates, gaps, and how far counts vary beyond chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.figures.seconds import Spans
from simulator.streams import stream

Floats = NDArray[np.float64]
SCALES_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
BINS_MIN = 5
"""An index of dispersion of fewer counts says nothing."""
CURVE_BINS = 512


@dataclass(frozen=True)
class ArrivalFigures:
    """rate_per_s: requests over the span. peak_second: requests in the busiest second;
    peak_minute_per_s: the rate of the busiest whole minute, NaN below one. empty_seconds_share: of
    whole seconds. gap_cv: standard deviation of the gaps over their mean.
    dispersion: (scale in s, variance over mean of the counts in consecutive whole bins of that
    length, from the first arrival on); 1 at every scale for Poisson. Scales of fewer than five bins
    are left out.
    """

    rate_per_s: float
    peak_second: int
    peak_minute_per_s: float
    empty_seconds_share: float
    gap_cv: float
    gap_s_p50: float
    gap_s_p99: float
    dispersion: tuple[tuple[float, float], ...]

    def dispersion_at(self, scale_s: float) -> float:
        """NaN where the recording is too short for it."""
        return dict(self.dispersion).get(scale_s, np.nan)


class Bins:
    """Counts of arrivals in order, in consecutive bins of one width; empty ones are not stored."""

    def __init__(self, width_s: float) -> None:
        self.width_s = width_s
        self.place, self.count = 0, 0
        self.total = self.squares = self.filled = self.most = 0

    def add(self, since_s: Floats) -> None:
        places, counts = np.unique(np.floor(since_s / self.width_s), return_counts=True)
        if int(places[0]) == self.place:
            counts[0] += self.count
        elif self.count:
            places, counts = np.append(self.place, places), np.append(self.count, counts)
        self.place, self.count = int(places[-1]), int(counts[-1])
        done = counts[:-1]
        self.total += int(done.sum())
        self.squares += int((done**2).sum())
        self.filled += done.size
        self.most = max(self.most, int(done.max(initial=0)))

    @property
    def whole(self) -> int:
        """Bins that are over: all but that of the last arrival."""
        return self.place

    @property
    def dispersion(self) -> float:
        mean = self.total / self.whole
        variance = (self.squares - self.whole * mean**2) / (self.whole - 1)
        return variance / mean if mean else np.nan


class RateCurve:
    """Counts in up to CURVE_BINS bins, which get twice as wide when the time outgrows them."""

    def __init__(self) -> None:
        self.width_s = 1.0
        self.counts = np.zeros(CURVE_BINS, dtype=np.int64)

    def add(self, since_s: Floats) -> None:
        while since_s[-1] >= self.width_s * CURVE_BINS:
            halves = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([halves, np.zeros_like(halves)])
            self.width_s *= 2
        places = (since_s / self.width_s).astype(np.int64)
        self.counts += np.bincount(places, minlength=CURVE_BINS)

    def curve(self, end_s: float) -> tuple[Floats, Floats]:
        """Starts of the bins, and rates per second; the last bin counts for what there is of it."""
        used = int(end_s / self.width_s) + 1
        starts_s = np.arange(used) * self.width_s
        lengths_s = np.minimum(starts_s + self.width_s, max(end_s, self.width_s)) - starts_s
        kept = lengths_s > self.width_s / 4
        return starts_s[kept], self.counts[:used][kept] / lengths_s[kept]


class Arrivals:
    """Learns from instants in order of time, counted from the first."""

    def __init__(self) -> None:
        self.rows, self.last_s = 0, 0.0
        self.bins = {scale_s: Bins(scale_s) for scale_s in SCALES_S}
        self.gaps = Spans()
        self.rate = RateCurve()

    def add(self, since_s: Floats) -> None:
        if not since_s.size:
            return
        gaps_s = np.diff(since_s, prepend=self.last_s)
        self.gaps.add(gaps_s if self.rows else gaps_s[1:])
        self.rows += since_s.size
        self.last_s = float(since_s[-1])
        for bins in self.bins.values():
            bins.add(since_s)
        self.rate.add(since_s)

    @property
    def span_s(self) -> float:
        """The last arrival and one mean gap."""
        return self.last_s * self.rows / max(1, self.rows - 1)

    def figures(self) -> ArrivalFigures:
        second, minute = self.bins[1.0], self.bins[60.0]
        p50, p99 = self.gaps.quantiles([0.5, 0.99])
        return ArrivalFigures(
            rate_per_s=self.rows / self.span_s if self.span_s else np.nan,
            peak_second=max(second.most, second.count),
            peak_minute_per_s=minute.most / 60 if minute.whole else np.nan,
            empty_seconds_share=1 - second.filled / second.whole if second.whole else np.nan,
            gap_cv=self.gaps.cv,
            gap_s_p50=p50,
            gap_s_p99=p99,
            dispersion=tuple(
                (scale_s, bins.dispersion)
                for scale_s, bins in self.bins.items()
                if bins.whole >= BINS_MIN
            ),
        )


class Spread:
    """Instants of a clock with steps, in order: each is moved evenly at random over the step after
    it. Without steps they stay as they are."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.rng = stream(0, "trace", "spread")
        self.waiting = np.empty(0)

    def moved(self, instants_s: Floats) -> Floats:
        """What is known of the order so far; the rest waits for instants that may come between."""
        if not self.step_s or not instants_s.size:
            return instants_s
        moved = instants_s + self.rng.random(instants_s.size) * self.step_s
        known = np.sort(np.concatenate([self.waiting, moved]))
        # What comes later is not before the last instant of this chunk.
        done = int(np.searchsorted(known, instants_s[-1], side="right"))
        self.waiting = known[done:]
        return known[:done]
