"""How well drawn traffic looks like a recording: figures side by side, and their errors."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from calibration.traffic.figures.traffic import TrafficFigures

REPLICATIONS = 20
REPLICATIONS_LEAST = 5
ROWS = 4_000_000
"""Drawn to judge a fit, about: long recordings get fewer replications."""
SEED = 20_231_116
SPREAD = (0.1, 0.9)
"""Of replications: what `low` and `high` are."""
DISPERSION_LIMIT = 0.25
LENGTH_LIMIT = 0.1
HIT_LIMIT = 0.05
SCALES_S = (1.0, 10.0, 60.0, 300.0)


@dataclass(frozen=True)
class Figure:
    """One figure of a recording and of what was drawn.

    synthetic: the median over replications; low, high: the tenth and ninetieth percentile of them.
    absolute: whether the error is a difference (of shares) rather than a share of the measured.
    limit: what the error is promised to stay within, if anything.
    """

    name: str
    measured: float
    synthetic: float
    low: float
    high: float
    absolute: bool = False
    limit: float | None = None

    @property
    def error(self) -> float:
        difference = self.synthetic - self.measured
        if self.absolute:
            return difference
        return difference / self.measured if self.measured else np.nan

    @property
    def kept(self) -> bool | None:
        """Whether the error is within its limit; None where there is no limit."""
        return None if self.limit is None else bool(abs(self.error) <= self.limit)


@dataclass(frozen=True)
class Kind:
    """How one figure is compared."""

    absolute: bool = False
    limit: float | None = None


def replications_for(rows: int) -> int:
    """As many as a fit to so many rows is judged by.

    >>> replications_for(7_000), replications_for(1_000_000)
    (20, 5)
    """
    return max(REPLICATIONS_LEAST, min(REPLICATIONS, ROWS // max(1, rows)))


def compared(
    measured: Mapping[str, float], drawn: Iterable[Mapping[str, float]], kinds: Mapping[str, Kind]
) -> list[Figure]:
    """Every figure of the recording that can be measured, beside that of the replications."""
    each = list(drawn)
    return [
        Figure(
            name, value, *quantiles([one[name] for one in each]), kinds[name].absolute,
            kinds[name].limit,
        )
        for name, value in measured.items()
        if np.isfinite(value)
    ]  # fmt: skip


def quantiles(values: list[float]) -> tuple[float, float, float]:
    """Median, low and high."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return np.nan, np.nan, np.nan
    median, low, high = np.quantile(known, [0.5, *SPREAD])
    return float(median), float(low), float(high)


def worst(figures: Iterable[Figure]) -> Figure | None:
    """The one that is furthest from its limit, of those that have one; else the largest error."""
    known = [figure for figure in figures if np.isfinite(figure.error)]
    promised = [figure for figure in known if figure.limit is not None]
    if promised:
        return max(promised, key=lambda figure: abs(figure.error) / (figure.limit or 1.0))
    return max(known, key=lambda figure: abs(figure.error), default=None)


# --- requests ----------------------------------------------------------------------------------

REQUESTS: dict[str, Kind] = {
    "rate_per_s": Kind(),
    **{f"dispersion_{t:g}s": Kind(limit=DISPERSION_LIMIT if t in (10.0, 60.0) else None)
       for t in SCALES_S},
    "gap_cv": Kind(),
    "empty_seconds_share": Kind(absolute=True),
    "peak_second": Kind(),
    "peak_minute_per_s": Kind(),
    **{f"{side}_tokens_{what}": Kind(limit=LENGTH_LIMIT if what != "mean" else None)
       for side in ("input", "output") for what in ("mean", "p50", "p90", "p99")},
    "rank_correlation": Kind(absolute=True),
    "hit_token_share": Kind(absolute=True, limit=HIT_LIMIT),
    "new_tokens_p50": Kind(),
    "new_tokens_p90": Kind(),
}  # fmt: skip
"""In the order of the tables."""


def flat(found: TrafficFigures) -> dict[str, float]:
    """The figures that are compared, by name; NaN where there is nothing to say."""
    values = dict(parts(found))
    return {name: float(values.get(name, np.nan)) for name in REQUESTS}


def parts(found: TrafficFigures) -> Iterator[tuple[str, float]]:
    if (arrivals := found.arrivals) is not None:
        for name in ("rate_per_s", "gap_cv", "empty_seconds_share", "peak_second",
                     "peak_minute_per_s"):  # fmt: skip
            yield name, getattr(arrivals, name)
        for scale_s in SCALES_S:
            yield f"dispersion_{scale_s:g}s", arrivals.dispersion_at(scale_s)
    for side, lengths in (("input", found.input_tokens), ("output", found.output_tokens)):
        for what in ("mean", "p50", "p90", "p99"):
            yield f"{side}_tokens_{what}", getattr(lengths, what)
    yield "rank_correlation", found.rank_correlation
    if (prefixes := found.prefixes) is not None:
        for name in ("hit_token_share", "new_tokens_p50", "new_tokens_p90"):
            yield name, getattr(prefixes, name)
