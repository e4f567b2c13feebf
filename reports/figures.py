"""The page's figures: numbers in, a matplotlib Figure out. Draw inside `image.house_style()`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from planner.verdict import keeps
from reports.image import BLUE, BROAD, GREEN, GREY, INK, NARROW, ORANGE, VERMILLION
from reports.tables import counted, percent, shown
from scenarios.objectives import Objective

Data = dict[str, Any]
Floats = NDArray[np.float64]

STATUS_LOOKS = {
    "certified": (GREEN, "o", "certified"),
    "rejected": (VERMILLION, "s", "rejected: too rarely"),
    "undecided": (ORANGE, "D", "undecided: could be either"),
}
LABELLED_SIZES_MAX = 8
BINS_ALLOWED = 36
"""Bins of a histogram between the ideal and the limit."""
CLIP = 1.6
"""Periods that use more than this much of what a limit allows share one bar at the edge."""


# --- P(SLA) over fleet sizes ---------------------------------------------------------------------


def p_sla(plan: Data) -> Figure:
    """Share of periods that keep the SLA, with its confidence sequence, against the fleet size."""
    figure = Figure(figsize=NARROW, layout="constrained")
    axes = figure.add_subplot()
    promised, sizes = plan["certificate"]["probability"], plan["sizes"]
    axes.axhline(promised, color=INK, linestyle="--", linewidth=1.2)
    for status, (colour, marker, label) in STATUS_LOOKS.items():
        rows = [size for size in sizes if size["status"] == status and size["runs"]]
        if rows:
            draw_intervals(axes, rows, colour, marker, label, len(sizes) <= LABELLED_SIZES_MAX)
    low = min([promised, *(size["interval"][0] for size in sizes if size["runs"])])
    bottom = max(0.0, low - 0.25 * (1.0 - low) - 0.01)
    axes.set_ylim(bottom, 1.0 + 0.06 * (1.0 - bottom))
    draw_screened(axes, plan["screened"])
    seen = [row["replicas"] for row in [*sizes, *plan["screened"]]] or [plan["figures_of"]]
    axes.set_xlim(min(seen) - 0.6, max(seen) + 0.9)
    axes.annotate(
        f"promised {percent(promised)}", (0.0, promised), xycoords=("axes fraction", "data"),
        xytext=(4, 3), textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("fleet size (replicas)")
    axes.set_ylabel("periods that keep the SLA")
    if sizes or plan["screened"]:
        figure.legend(loc="outside lower center", ncols=5)
    axes.set_title(p_sla_title(plan), fontsize=11.5)
    return figure


def p_sla_title(plan: Data) -> str:
    certificate, replicas = plan["certificate"], plan["fleet"]["replicas"]
    if replicas is None:
        return f"No fleet of up to {counted(plan['search']['last'], 'replica')} is certified"
    verb = "keeps" if replicas == 1 else "keep"
    return (
        f"{counted(replicas, 'replica')} {verb} the SLA in at least "
        f"{percent(certificate['probability'])} of periods "
        f"({percent(certificate['confidence'])} confidence)"
    )


def draw_intervals(
    axes: Axes, rows: list[Data], colour: str, marker: str, label: str, with_counts: bool
) -> None:
    x = np.array([row["replicas"] for row in rows])
    kept = np.array([1.0 - row["failed"] / row["runs"] for row in rows])
    low, high = np.array([row["interval"] for row in rows]).T
    reach = np.maximum([kept - low, high - kept], 0.0)
    axes.errorbar(
        x, kept, reach, fmt=marker, color=colour, markersize=8, capsize=5, elinewidth=2.0,
        label=label, clip_on=False,
    )  # fmt: skip
    if not with_counts:
        return
    for row, y in zip(rows, kept, strict=True):
        text = f"{row['failed']} of {row['runs']}\nbroken"
        axes.annotate(
            text, (row["replicas"], y), (10, 0), textcoords="offset points", va="center",
            fontsize=8.5,
        )  # fmt: skip


def draw_screened(axes: Axes, screened: list[Data]) -> None:
    """Screened sizes have no probability: they are marked at the foot of the figure."""
    looks = ((True, "^", "screened, looked good"), (False, "v", "screened, looked bad"))
    for passed, marker, label in looks:
        x = [row["replicas"] for row in screened if row["passed"] is passed]
        if x:
            axes.plot(
                x, [0.045] * len(x), marker, transform=axes.get_xaxis_transform(),
                markersize=6, markerfacecolor="white", markeredgecolor=GREY, label=label,
            )  # fmt: skip


# --- every period against its limits -------------------------------------------------------------


def periods(values: pd.DataFrame, objectives: Sequence[Objective]) -> Figure:
    """A histogram per objective: the figure of every certification period, and its limit.

    values: one row per period, one column per objective text; objectives without one are left out.
    """
    known = [objective for objective in objectives if objective.text in values]
    figure = Figure(figsize=(BROAD[0], 0.6 + 1.9 * len(known)), layout="constrained")
    panels = figure.subplots(len(known), 1, squeeze=False).flat
    for axes, objective in zip(panels, known, strict=True):
        draw_periods(axes, values[objective.text].dropna().to_numpy(dtype=float), objective)
    figure.suptitle("How far is every period from its limits?", x=0.01, ha="left")
    return figure


def draw_periods(axes: Axes, values: Floats, objective: Objective) -> None:
    at_most = objective.relation == "<="
    edges = period_edges(values, objective)
    low, high, bar = edges[0], edges[-1], edges[1] - edges[0]
    kept = np.array([keeps(value, objective) for value in values], dtype=bool)
    inside = (values >= low) & (values <= high)
    for mask, colour in ((kept, BLUE), (~kept, VERMILLION)):
        axes.hist(values[mask & inside], bins=edges.tolist(), color=colour)
    axes.axvline(objective.limit, color=INK, linestyle="--", linewidth=1.2)
    beyond = int((~inside).sum())
    if beyond:
        x = high + 1.5 * bar if at_most else low - 1.5 * bar
        axes.bar(x, beyond, bar, color=VERMILLION, hatch="///", edgecolor="white")
        axes.annotate(
            f"{beyond} beyond", (x, beyond), (0, 2), textcoords="offset points", ha="center",
            fontsize=8.0,
        )  # fmt: skip
    axes.set_xlim(low - (0 if at_most else 4 * bar), high + (4 * bar if at_most else 0))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    worst = values.max() if at_most else values.min()
    axes.set_title(
        f"{objective.text}, worst period: {shown(objective.metric, worst)}, "
        f"{int((~kept).sum())} of {counted(len(values), 'period')} broken"
    )
    unit, per_unit = ("ms", 1e3) if objective.is_latency else ("%", 1e2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * per_unit:.6g}"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    statistic = objective.text.split("<=")[0].split(">=")[0].strip()
    axes.set_xlabel(f"{statistic} of the period ({unit}); the line is the limit")
    axes.set_ylabel("periods")


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
