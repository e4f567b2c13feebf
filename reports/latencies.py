"""The figure of latencies: what share of requests, and of decode gaps, is slower than a time."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from reports.image import BLUE, BROAD, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from reports.tables import percent, shown
from scenarios.objectives import Objective, allowed_violations

Floats = NDArray[np.float64]

PANELS = {
    "ttft": "arrival to first token",
    "tpot": "mean time per output token after the first",
    "e2e": "arrival to last token",
    "itl": "gap between two tokens",
}
GROUP_COLOURS = (ORANGE, GREEN, PURPLE, SKY, YELLOW)
"""Traffic groups beyond these are not drawn one by one."""
DEFAULT_SHARE = Fraction(95, 100)
GRID_POINTS = 240
SHARE_MIN = 1e-4
"""Where the figure ends below; rarer delays are outliers of few requests."""


def latency(latencies: pd.DataFrame, objectives: Sequence[Objective]) -> Figure:
    """Share that is slower than x: of requests for TTFT, TPOT and E2E, of decode gaps for ITL.

    latencies: the table of simulator/tables.py. The time of a request that did not complete is
    infinite, so that its curve ends above zero.
    """
    figure = Figure(figsize=BROAD, layout="constrained")
    for axes, (metric, meaning) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        own = [objective for objective in objectives if objective.metric == metric]
        share = next((objective.share for objective in own if objective.share), DEFAULT_SHARE)
        own_bins = latencies[latencies["metric"] == metric]
        if metric == "itl":
            what, (grid_s, within_s) = "gaps", draw_gaps(axes, own_bins, share)
        else:
            what, (grid_s, within_s) = "requests", draw_requests(axes, own_bins, share)
        axes.set_title(
            f"{metric.upper()}: {percent(float(share))} of {what} within {shown(metric, within_s)}"
        )
        axes.set_ylabel(f"{what} slower")
        low_s, high_s = grid_s[0] * 0.9, grid_s[-1] * 1.15
        for objective in own:
            low_s = min(low_s, objective.limit * 0.7)
            # A third of the panel is right of the limit: its name goes there.
            high_s = max(high_s, objective.limit * (objective.limit / low_s) ** 0.5)
        scale_axes(axes, low_s, high_s, meaning)
        draw_limits(axes, own)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle(
        "How slow are the slowest? Share that is slower than a given time", x=0.01, ha="left"
    )
    return figure


def draw_requests(axes: Axes, bins: pd.DataFrame, share: Fraction) -> tuple[Floats, float]:
    """The pooled curve (every request counts the same), the band over periods, traffic groups.
    Returns the times it is drawn over, and the one that `share` of the requests keep."""
    pooled = Curve(bins)
    done = np.isfinite(pooled.times_s) & (pooled.times_s > 0)
    if not done.any():
        return draw_nothing(axes)
    times_s = pooled.times_s[done]
    counted = np.cumsum(pooled.counts[done])
    last_s = times_s[np.searchsorted(counted, counted[-1] - int(counted[-1] * SHARE_MIN))]
    grid_s = np.geomspace(max(times_s[0], last_s * 1e-4), last_s, GRID_POINTS)
    curves = [Curve(own).slower_than(grid_s) for _, own in bins.groupby("replication")]
    low, high = np.quantile(curves, [0.05, 0.95], axis=0)
    # Further right one period has too few requests to tell its share.
    axes.fill_between(
        grid_s, low, high, where=low > 0, color=BLUE, alpha=0.18, linewidth=0,
        label="9 of 10 periods",
    )  # fmt: skip
    axes.plot(grid_s, visible(pooled.slower_than(grid_s)), color=BLUE, label="all requests")
    groups = list(bins.groupby("group", observed=True))
    if 1 < len(groups) <= len(GROUP_COLOURS):
        for (name, own), colour in zip(groups, GROUP_COLOURS, strict=False):
            slower = Curve(own).slower_than(grid_s)
            # A dollar sign would start a formula.
            label = f"group {name}".replace("$", r"\$")
            axes.plot(grid_s, visible(slower), color=colour, linewidth=1.1, label=label)
    return grid_s, pooled.within_s(share)


def draw_gaps(axes: Axes, bins: pd.DataFrame, share: Fraction) -> tuple[Floats, float]:
    pooled = Curve(bins)
    if not pooled.times_s.size:
        return draw_nothing(axes)
    slower = pooled.slower_than(pooled.times_s)
    axes.step(pooled.times_s, visible(slower), where="post", color=BLUE)
    seen = slower >= SHARE_MIN
    return pooled.times_s[seen] if seen.any() else pooled.times_s, pooled.within_s(share)


class Curve:
    """How many of some requests, or gaps, took how long: rows of latencies.parquet, added up."""

    def __init__(self, bins: pd.DataFrame) -> None:
        added = bins.groupby("time_s")["count"].sum()
        self.times_s = added.index.to_numpy(dtype=float)
        self.counts = added.to_numpy()

    def slower_than(self, grid_s: Floats) -> Floats:
        """Share that took longer than each point of the grid.

        >>> bins = pd.DataFrame({"time_s": [1.0, 2.0, np.inf], "count": [1, 2, 1]})
        >>> Curve(bins).slower_than(np.array([0.5, 1.0, 2.0])).tolist()
        [1.0, 0.75, 0.25]
        """
        above = self.counts.sum() - np.concatenate([[0], np.cumsum(self.counts)])
        at = np.searchsorted(self.times_s, grid_s, side="right")
        return np.asarray(above[at] / self.counts.sum())

    def within_s(self, share: Fraction) -> float:
        """The time that `share` of them keep."""
        counted = np.cumsum(self.counts)
        total = int(counted[-1])
        return float(
            self.times_s[np.searchsorted(counted, total - allowed_violations(total, share))]
        )


def draw_nothing(axes: Axes) -> tuple[Floats, float]:
    axes.text(0.5, 0.5, "nothing completed", transform=axes.transAxes, ha="center")
    return np.array([0.01, 1.0]), float("inf")


def visible(shares: Floats) -> Floats:
    """Zero has no place on a logarithmic axis; just below the panel will do."""
    return np.maximum(shares, SHARE_MIN / 10)


def scale_axes(axes: Axes, low_s: float, high_s: float, meaning: str) -> None:
    """Logarithmic axes with plain numbers on them."""
    in_seconds = high_s >= 5.0
    per_unit = 1.0 if in_seconds else 1e3
    span = high_s / low_s
    steps = next(
        (
            steps
            for decades, steps in ((1, (1, 1.5, 2, 3, 4, 5, 7)), (1.8, (1, 2, 5)), (3.5, (1, 3)))
            if span < 10**decades
        ),
        (1,),
    )
    axes.set(xscale="log", yscale="log", xlim=(low_s, high_s), ylim=(SHARE_MIN, 1.0))
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * per_unit:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{meaning} ({'s' if in_seconds else 'ms'})")


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
            textcoords="offset points", va="top", fontsize=8.0, color=VERMILLION,
        )  # fmt: skip
