"""The pictures of headroom: a histogram per objective, the figure of every period and its limit."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from planner.verdict import keeps
from reports.figures.panel import Mark, Panel, blank
from reports.image import BLUE, INK, VERMILLION
from reports.tables import counted, shown
from scenarios.objectives import Objective

Floats = NDArray[np.float64]

BINS_ALLOWED = 36
"""Bins between the ideal and the limit."""
CLIP = 1.6
"""Periods that use more than this much of what a limit allows share one bar at the edge."""
NAMED_MAX = 8
"""Periods of a bar that are named."""


def periods(values: pd.DataFrame, objectives: Sequence[Objective]) -> list[Panel]:
    """A histogram per objective. values: one row per period, by replication; one column per
    objective text; objectives without one are left out."""
    known = [objective for objective in objectives if objective.text in values]
    return [
        period_panel(index, values[objective.text].dropna(), objective)
        for index, objective in enumerate(known)
    ]


def period_panel(index: int, column: pd.Series, objective: Objective) -> Panel:
    values = column.to_numpy(dtype=float)
    kept = np.array([keeps(value, objective) for value in values], dtype=bool)
    worst = values.max() if objective.relation == "<=" else values.min()
    title = (
        f"{objective.text}: {int(kept.sum())} of {counted(len(values), 'period')} keep it; "
        f"the worst comes to {shown(objective.metric, worst)}"
    )
    unit, per_unit = ("ms", 1e3) if objective.is_latency else ("%", 1e2)
    statistic = objective.text.split("<=")[0].split(">=")[0].strip()
    below = f"{statistic} of the period ({unit}); the line is the limit"
    figure, axes = blank(title, "periods", below, height_in=2.4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * per_unit:.6g}"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    edges = period_edges(values, objective)
    draw(axes, values, kept, edges, objective)
    return Panel(
        f"periods_{index}",
        figure,
        alt=title,
        caption="",
        marks=bar_marks(column, edges, objective),
    )


def draw(
    axes: Axes, values: Floats, kept: NDArray[np.bool_], edges: Floats, objective: Objective
) -> None:
    at_most = objective.relation == "<="
    low, high, bar = edges[0], edges[-1], edges[1] - edges[0]
    inside = (values >= low) & (values <= high)
    for mask, colour in ((kept, BLUE), (~kept, VERMILLION)):
        axes.hist(values[mask & inside], bins=edges.tolist(), color=colour)
    axes.axvline(objective.limit, color=INK, linestyle="--", linewidth=1.2)
    beyond = int((~inside).sum())
    if beyond:
        x = high + 1.5 * bar if at_most else low - 1.5 * bar
        axes.bar(x, beyond, bar, color=VERMILLION, hatch="///", edgecolor="white")
        axes.annotate(
            f"{beyond} beyond", (x, beyond), (0, 2), textcoords="offset points",
            ha="right" if at_most else "left", fontsize=8.0,
        )  # fmt: skip
    axes.set_xlim(low - (0 if at_most else 4 * bar), high + (4 * bar if at_most else 0))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)


def period_edges(values: Floats, objective: Objective) -> Floats:
    """Edges of bins from the ideal (0, or a share of 1) to a little beyond the limit, or to the
    worst value that is not far out. The limit is an edge: no bin holds kept and broken periods.

    >>> edges = period_edges(np.array([0.2, 0.4, np.inf]), Objective("ttft", None, "<=", 0.5, ""))
    >>> float(edges[0]), float(edges[BINS_ALLOWED]), round(float(edges[-1]), 2)
    (0.0, 0.5, 0.56)
    """
    ideal = 0.0 if objective.relation == "<=" else 1.0
    allowed = abs(objective.limit - ideal)
    used = np.abs(values[np.isfinite(values)] - ideal)
    if allowed:
        bar = allowed / BINS_ALLOWED
        near = used[used <= CLIP * allowed].max(initial=0.0)
        bars = int(max(1.1 * allowed, near * 1.02) / bar) + 1
    else:
        bars = BINS_ALLOWED
        bar = max(used.max(initial=0.0) * 1.05, 0.001) / bars
    edges = bar * np.arange(bars + 1)
    if ideal:
        return np.asarray(1.0 - edges[::-1])
    return np.asarray(edges)


def bar_marks(column: pd.Series, edges: Floats, objective: Objective) -> list[Mark]:
    """Each bar's periods by name; a click chooses the first."""
    at = np.clip(np.searchsorted(edges, column.to_numpy(dtype=float), "right") - 1, 0, None)
    inside = (column >= edges[0]) & (column <= edges[-1])
    marks = []
    for index in np.unique(at[inside.to_numpy()]):
        bar = np.minimum(index, edges.size - 2)
        own = column[inside & (np.minimum(at, edges.size - 2) == bar)].index.tolist()
        ends = [shown(objective.metric, edge) for edge in edges[bar : bar + 2]]
        marks.append(Mark(edges[bar : bar + 2].mean(), None, bar_text(ends, own), int(own[0])))
    if not inside.all():
        own = column[~inside].index.tolist()
        step = edges[1] - edges[0]
        x = edges[-1] + 1.5 * step if objective.relation == "<=" else edges[0] - 1.5 * step
        marks.append(Mark(float(x), None, bar_text(["beyond"], own), int(own[0])))
    return marks


def bar_text(ends: Sequence[str], replications: Sequence[int]) -> str:
    """
    >>> print(bar_text(["250 ms", "264 ms"], [3, 17]))
    250 ms to 264 ms: 2 periods
    replications 3, 17
    """
    named = ", ".join(map(str, replications[:NAMED_MAX]))
    more = " ..." if len(replications) > NAMED_MAX else ""
    noun = "replication" if len(replications) == 1 else "replications"
    return f"{' to '.join(ends)}: {counted(len(replications), 'period')}\n{noun} {named}{more}"
