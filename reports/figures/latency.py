"""The pictures of latency: what share of requests, and of decode gaps, is slower than a time.

All requests of all periods, from the histograms of latencies.parquet (0.4 % wide bins): no picture
depends on which request rows were kept.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from reports.figures.panel import Mark, Panel, blank, put_legend, rows_of
from reports.image import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from reports.tables import percent, shown
from scenarios.objectives import Objective, allowed_violations

Floats = NDArray[np.float64]

METRICS = {
    "ttft": "arrival to first token",
    "tpot": "mean time per output token after the first",
    "e2e": "arrival to last token",
    "itl": "gap between two tokens",
}
PART_COLOURS = (ORANGE, GREEN, PURPLE, SKY, YELLOW)
"""Traffic groups, or classes, beyond these are not drawn one by one."""
DEFAULT_SHARE = Fraction(95, 100)
GRID_POINTS = 160
SHARE_MIN = 1e-4
"""Where the picture ends below; rarer delays are outliers of few requests."""


class Counts:
    """Requests, or gaps, by how long they took; infinite is last."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """rows: columns time_s, count."""
        summed = rows.groupby("time_s")["count"].sum().sort_index()
        self.times_s = summed.index.to_numpy(dtype=float)
        self.up_to = np.cumsum(summed.to_numpy(dtype=np.int64))

    @property
    def total(self) -> int:
        return int(self.up_to[-1]) if self.up_to.size else 0

    def slower(self, grid_s: Floats) -> Floats:
        """Share above each time of the grid; infinite ones are always above.

        >>> rows = pd.DataFrame({"time_s": [1.0, 2.0, 3.0, np.inf], "count": [1, 1, 1, 1]})
        >>> Counts(rows).slower(np.array([1.0, 2.0])).tolist()
        [0.75, 0.5]
        """
        at = np.searchsorted(self.times_s, grid_s, side="right")
        return np.asarray(1.0 - np.append(0, self.up_to)[at] / self.total)

    def within_s(self, share: Fraction) -> float:
        """The time that a share of them keep, as objectives count it."""
        kept = self.total - allowed_violations(self.total, share)
        return float(self.times_s[np.searchsorted(self.up_to, kept)])


def latency(
    latencies: pd.DataFrame, classes: Mapping[str, str], objectives: Sequence[Objective]
) -> list[Panel]:
    """A panel per metric: the share that is slower than a time, of all requests together, of 9 of
    10 periods, of traffic groups and of SLA classes.

    latencies: columns replication, metric, group, time_s (infinite: did not complete), count.
    classes: of each group.
    """
    panels = []
    for metric, meaning in METRICS.items():
        rows = latencies[latencies["metric"] == metric]
        if len(rows):
            own = [objective for objective in objectives if objective.metric == metric]
            panels.append(latency_panel(metric, meaning, rows, classes, own))
    return panels


def latency_panel(
    metric: str, meaning: str, rows: pd.DataFrame, classes: Mapping[str, str],
    objectives: Sequence[Objective],
) -> Panel:  # fmt: skip
    pooled, what = Counts(rows), "gaps" if metric == "itl" else "requests"
    share = next((one.share for one in objectives if one.share), DEFAULT_SHARE)
    within = shown(metric, pooled.within_s(share))
    title = f"{metric.upper()}: {percent(float(share))} of {what} within {within}"
    grid_s = grid_of(pooled)
    low_s, high_s = grid_s[0] * 0.9, grid_s[-1] * 1.15
    for objective in objectives:
        low_s = min(low_s, objective.limit * 0.7)
        # A third of the panel is right of the limit: its name goes there.
        high_s = max(high_s, objective.limit * (objective.limit / low_s) ** 0.5)
    unit = "s" if high_s >= 5.0 else "ms"
    curves = parts(rows, classes)
    figure, axes = blank(
        title, f"share of {what} that are slower", f"{meaning} ({unit})",
        legend_rows=rows_of(2 + len(curves), 3),
    )  # fmt: skip
    per_unit = 1.0 if unit == "s" else 1e3
    scale_axes(axes, low_s, high_s, per_unit)
    band = period_band(rows, grid_s)
    # Further right one period has too few requests to tell its share.
    axes.fill_between(
        grid_s, band[0], band[1], where=band[0] > 0, color=BLUE, alpha=0.2, linewidth=0,
        label="9 of 10 periods",
    )  # fmt: skip
    axes.plot(grid_s, visible(pooled.slower(grid_s)), color=BLUE, label=f"all {what}")
    for (name, counts), colour in zip(curves.items(), PART_COLOURS, strict=False):
        axes.plot(
            grid_s, visible(counts.slower(grid_s)), color=colour, linewidth=1.2,
            label=name.replace("$", r"\$"),
        )  # fmt: skip
    draw_limits(axes, objectives)
    put_legend(figure, 3)
    return Panel(
        f"latency_{metric}",
        figure,
        alt=f"{title}. Median {shown(metric, pooled.within_s(Fraction(1, 2)))}, p99 "
        f"{shown(metric, pooled.within_s(Fraction(99, 100)))}.",
        caption="",
        marks=curve_marks(metric, grid_s, pooled, band, curves),
        zooms=True,
        per_unit=per_unit,
    )


def parts(rows: pd.DataFrame, classes: Mapping[str, str]) -> dict[str, Counts]:
    """Of each group, and of each class that several groups have; none where there is one."""
    groups = rows["group"].dropna().astype(str)
    names = sorted(groups.unique())
    if not 1 < len(names) <= len(PART_COLOURS):
        return {}
    found = {f"group {name}": Counts(rows[groups == name]) for name in names}
    own = groups.map(lambda name: classes.get(name, ""))
    wide = [name for name in sorted(own.unique()) if name and groups[own == name].nunique() > 1]
    if own.nunique() > 1 and len(found) + len(wide) <= len(PART_COLOURS):
        found |= {f"class {name}": Counts(rows[own == name]) for name in wide}
    return found


def grid_of(pooled: Counts) -> Floats:
    """The times to draw at: from the fastest to where only the rarest are slower."""
    finite = np.isfinite(pooled.times_s) & (pooled.times_s > 0)
    if not finite.any():
        return np.geomspace(0.01, 1.0, GRID_POINTS)
    times_s = pooled.times_s[finite]
    done = pooled.up_to[np.flatnonzero(finite)[-1]]
    last = int(np.searchsorted(pooled.up_to[finite], done * (1 - SHARE_MIN)))
    last_s = times_s[min(last, times_s.size - 1)]
    first_s = max(times_s[0], last_s * 1e-4)
    return np.geomspace(min(first_s, last_s / 1.05), last_s, GRID_POINTS)


def period_band(rows: pd.DataFrame, grid_s: Floats) -> Floats:
    """What 9 of 10 periods are between, at each time: (2, grid)."""
    curves = [Counts(own).slower(grid_s) for _, own in rows.groupby("replication")]
    return np.asarray(np.quantile(curves, [0.05, 0.95], axis=0))


def visible(shares: Floats) -> Floats:
    """Zero has no place on a logarithmic axis; just below the panel will do."""
    return np.maximum(shares, SHARE_MIN / 10)


def curve_marks(
    metric: str, grid_s: Floats, pooled: Counts, band: Floats, curves: Mapping[str, Counts]
) -> list[Mark]:
    """At each time of the grid the shares of all curves."""
    every = {"all": pooled, **curves}
    slower = {name: counts.slower(grid_s) for name, counts in every.items()}
    marks = []
    for at, time_s in enumerate(grid_s):
        lines = [f"slower than {shown(metric, time_s)}"]
        lines += [f"{name}: {share_text(shares[at])}" for name, shares in slower.items()]
        lines.append(f"9 of 10 periods: {share_text(band[0][at])} to {share_text(band[1][at])}")
        marks.append(Mark(float(time_s), None, "\n".join(lines)))
    return marks


def share_text(share: float) -> str:
    """
    >>> share_text(0.123456), share_text(0.0000123), share_text(0.0)
    ('12.3%', '0.0012%', '0%')
    """
    return f"{share * 100:.{2 if share < 1e-3 else 3}g}%"


def scale_axes(axes: Axes, low_s: float, high_s: float, per_unit: float) -> None:
    """Logarithmic axes with plain numbers on them."""
    span = high_s / low_s
    steps = next(
        (
            steps
            for decades, steps in ((0.9, (1, 1.5, 2, 3, 5, 7)), (1.8, (1, 2, 5)), (3.5, (1, 3)))
            if span < 10**decades
        ),
        (1,),
    )
    axes.set(xscale="log", yscale="log", xlim=(low_s, high_s), ylim=(SHARE_MIN, 1.0))
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * per_unit:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_limits(axes: Axes, objectives: Sequence[Objective]) -> None:
    """The corner a curve must stay out of: more requests above the limit than promised."""
    right_s = axes.get_xlim()[1]
    for index, objective in enumerate(objectives):
        if objective.share is None:
            axes.axvline(objective.limit, color=VERMILLION, linewidth=1.2, linestyle="--")
        else:
            allowed = float(1 - objective.share)
            axes.fill_between(
                [objective.limit, right_s], allowed, 1.0, color=VERMILLION, alpha=0.12,
                linewidth=0,
            )  # fmt: skip
            axes.plot(
                [objective.limit, objective.limit, right_s], [1.0, allowed, allowed],
                color=VERMILLION, linewidth=1.2, linestyle="--",
            )  # fmt: skip
        axes.annotate(
            objective.text, (objective.limit, 1.0), (4, -4 - 11 * index),
            textcoords="offset points", va="top", fontsize=8.0, color=GREY,
        )  # fmt: skip
