"""The figure of latencies: what share of requests, and of decode gaps, is slower than a time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from reports.image import BLUE, BROAD, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from reports.tables import percent, shown
from scenarios.objectives import Objective

Floats = NDArray[np.float64]

PANELS = {
    "ttft": "arrival to first token",
    "tpot": "mean time per output token after the first",
    "e2e": "arrival to last token",
    "itl": "gap between two tokens",
}
GROUP_COLOURS = (ORANGE, GREEN, PURPLE, SKY, YELLOW)
"""Traffic groups beyond these are not drawn one by one."""
GRID_POINTS = 240
SHARE_MIN = 1e-4
"""Where the figure ends below; rarer delays are outliers of few requests."""


def latency(
    latencies_s: pd.DataFrame, itl: pd.DataFrame, objectives: Sequence[Objective]
) -> Figure:
    """Share that is slower than x: of requests for TTFT, TPOT and E2E, of decode gaps for ITL.

    latencies_s: columns replication, group, ttft, tpot, e2e (seconds, infinite for a request that
    did not complete, so that its curve ends above zero); itl: columns itl_s, tokens.
    """
    figure = Figure(figsize=BROAD, layout="constrained")
    for axes, (metric, meaning) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        own = [objective for objective in objectives if objective.metric == metric]
        share = next((float(objective.share) for objective in own if objective.share), 0.95)
        if metric == "itl":
            what, (grid_s, within_s) = "gaps", draw_gaps(axes, itl, share)
        else:
            what, (grid_s, within_s) = "requests", draw_requests(axes, latencies_s, metric, share)
        axes.set_title(
            f"{metric.upper()}: {percent(share)} of {what} within {shown(metric, within_s)}"
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


def draw_requests(
    axes: Axes, latencies_s: pd.DataFrame, metric: str, share: float
) -> tuple[Floats, float]:
    """The pooled curve (every request counts the same), the band over periods, traffic groups.
    Returns the times it is drawn over, and the one that `share` of the requests keep."""
    pooled = sorted_values(latencies_s[metric])
    done = pooled[np.isfinite(pooled) & (pooled > 0)]
    if not done.size:
        return draw_nothing(axes)
    last_s = done[done.size - 1 - int(done.size * SHARE_MIN)]
    grid_s = np.geomspace(max(done[0], last_s * 1e-4), last_s, GRID_POINTS)
    curves = [
        slower_than(grid_s, sorted_values(values))
        for _, values in latencies_s.groupby("replication")[metric]
    ]
    low, high = np.quantile(curves, [0.05, 0.95], axis=0)
    # Further right one period has too few requests to tell its share.
    axes.fill_between(
        grid_s, low, high, where=low > 0, color=BLUE, alpha=0.18, linewidth=0,
        label="9 of 10 periods",
    )  # fmt: skip
    axes.plot(grid_s, visible(slower_than(grid_s, pooled)), color=BLUE, label="all requests")
    groups = list(latencies_s.groupby("group", observed=True)[metric])
    if 1 < len(groups) <= len(GROUP_COLOURS):
        for (name, values), colour in zip(groups, GROUP_COLOURS, strict=False):
            slower = slower_than(grid_s, sorted_values(values))
            # A dollar sign would start a formula.
            label = f"group {name}".replace("$", r"\$")
            axes.plot(grid_s, visible(slower), color=colour, linewidth=1.1, label=label)
    return grid_s, float(np.quantile(pooled, share, method="higher"))


def draw_gaps(axes: Axes, itl: pd.DataFrame, share: float) -> tuple[Floats, float]:
    ordered = itl.sort_values("itl_s")
    gaps_s, tokens = ordered["itl_s"].to_numpy(float), ordered["tokens"].to_numpy(float)
    if not tokens.sum():
        return draw_nothing(axes)
    slower = 1.0 - np.cumsum(tokens) / tokens.sum()
    axes.step(gaps_s, visible(slower), where="post", color=BLUE)
    seen = slower >= SHARE_MIN
    within = min(int((slower > 1.0 - share).sum()), gaps_s.size - 1)
    return gaps_s[seen] if seen.any() else gaps_s, float(gaps_s[within])


def draw_nothing(axes: Axes) -> tuple[Floats, float]:
    axes.text(0.5, 0.5, "nothing completed", transform=axes.transAxes, ha="center")
    return np.array([0.01, 1.0]), float("inf")


def sorted_values(values: pd.Series) -> Floats:
    return np.sort(values.to_numpy(dtype=float))


def visible(shares: Floats) -> Floats:
    """Zero has no place on a logarithmic axis; just below the panel will do."""
    return np.maximum(shares, SHARE_MIN / 10)


def slower_than(grid: Floats, ordered: Floats) -> Floats:
    """Share of the sorted values above each point of the grid; infinite ones are always above.

    >>> slower_than(np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0, np.inf])).tolist()
    [0.75, 0.5]
    """
    return np.asarray(1.0 - np.searchsorted(ordered, grid, side="right") / ordered.size)


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
