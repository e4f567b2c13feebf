"""The pictures of a comparison: P(SLA) of each set, latencies, periods in pairs."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from planner.comparing import minus
from planner.comparison import KEPT, Comparison, Finding
from planner.result_set import ResultSet
from reports.comparison import finding_text, metric_of, name_text
from reports.comparison_lines import LABELS, kept_text, share_kept
from reports.figures.latency import (
    DEFAULT_SHARE,
    METRICS,
    Counts,
    draw_limits,
    grid_of,
    scale_axes,
    share_text,
    visible,
)
from reports.figures.panel import Mark, Panel, blank, put_legend, rows_of
from reports.image import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from reports.tables import NUMBERS, percent, shown
from scenarios.objectives import LATENCIES, Objective

Floats = NDArray[np.float64]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
NAME = "comparison_"
"""How the names of all its files begin."""
STRIPS_MAX = 6
DOT_BINS = 60


# --- P(SLA) --------------------------------------------------------------------------------------


def p_sla(sets: Sequence[ResultSet]) -> list[Panel]:
    """The share of periods kept with its interval, set under set; none where no set has one."""
    known = [(place, share) for place, one in enumerate(sets) if (share := share_kept(one))]
    if not known:
        return []
    figure, axes = blank(
        "How often is the SLA kept?", "", "periods that keep it; the dashed line is promised",
        height_in=0.95 + 0.3 * len(sets), left_in=0.3,
    )  # fmt: skip
    for place, share in known:
        reach = [[max(share.value - share.low, 0.0)], [max(share.high - share.value, 0.0)]]
        axes.errorbar(
            [share.value], [place], xerr=reach, fmt="o", color=COLOURS[place], markersize=7,
            capsize=4, elinewidth=2.0, clip_on=False,
        )  # fmt: skip
    for place, one in enumerate(sets):
        if promised := one.sla.get("probability"):
            ends = [place - 0.4, place + 0.4]
            axes.plot([promised] * 2, ends, color=INK, linestyle="--", linewidth=1.2)
    low = min(share.low for _, share in known)
    left = max(0.0, low - 0.15 * (1.0 - low) - 0.01)
    axes.set_xlim(left, 1.0 + 0.03 * (1.0 - left))
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_yticks(range(len(sets)), LABELS[: len(sets)])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: percent(x)))
    axes.grid(axis="y", visible=False)
    texts = {place: f"{LABELS[place]}: {kept_text(sets[place])}" for place, _ in known}
    return [
        Panel(
            f"{NAME}p_sla", figure, alt="; ".join(texts.values()),
            caption="Of a simulation the interval is Clopper and Pearson's, 95%; of a plan it is "
            "that of its certificate, which holds although the plan went on until it knew.",
            marks=[Mark(share.value, place, texts[place]) for place, share in known],
        )
    ]  # fmt: skip


# --- latencies -----------------------------------------------------------------------------------


def latencies(sets: Sequence[ResultSet]) -> list[Panel]:
    """A panel per metric: the share of all requests of all periods that is slower than a time, a
    curve for each set."""
    every = {objective.text: objective for one in sets for objective in one.objectives}
    panels = []
    for metric in METRICS:
        counts = {
            label: Counts(rows)
            for label, one in zip(LABELS, sets, strict=False)
            if len(rows := one.latencies[one.latencies["metric"] == metric])
        }
        if counts:
            own = [objective for objective in every.values() if objective.metric == metric]
            panels.append(latency_panel(metric, counts, own))
    return panels


def latency_panel(metric: str, counts: dict[str, Counts], objectives: Sequence[Objective]) -> Panel:
    what = "gaps" if metric == "itl" else "requests"
    share = next((one.share for one in objectives if one.share), DEFAULT_SHARE)
    within = [f"{label} {shown(metric, one.within_s(share))}" for label, one in counts.items()]
    title = f"{metric.upper()}: {percent(float(share))} of {what} within {', '.join(within)}"
    grids_s = [grid_of(one) for one in counts.values()]
    grid_s = np.geomspace(min(g[0] for g in grids_s), max(g[-1] for g in grids_s), grids_s[0].size)
    low_s = min([grid_s[0] * 0.9, *(one.limit * 0.7 for one in objectives)])
    # A third of the panel is right of a limit: its name goes there.
    beyond_s = [one.limit * (one.limit / low_s) ** 0.5 for one in objectives]
    high_s = max([grid_s[-1] * 1.15, *beyond_s])
    unit, per_unit = ("s", 1.0) if high_s >= 5.0 else ("ms", 1e3)
    figure, axes = blank(
        title, f"share of {what} that are slower", f"{METRICS[metric]} ({unit})",
        legend_rows=rows_of(len(counts), 6),
    )  # fmt: skip
    scale_axes(axes, low_s, high_s, per_unit)
    slower = {label: one.slower(grid_s) for label, one in counts.items()}
    for label, shares in slower.items():
        axes.plot(
            grid_s, visible(shares), color=COLOURS[LABELS.index(label)], label=label,
            linewidth=3.0 if label == LABELS[0] else 1.4,  # seen below one that is the same
        )  # fmt: skip
    draw_limits(axes, objectives)
    put_legend(figure, 6)
    marks = []
    for at, time_s in enumerate(grid_s):
        lines = [f"{label}: {share_text(shares[at])}" for label, shares in slower.items()]
        text = "\n".join([f"slower than {shown(metric, time_s)}", *lines])
        marks.append(Mark(float(time_s), None, text))
    return Panel(
        f"{NAME}{metric}", figure, alt=f"{title}.", caption="", marks=marks, zooms=True,
        per_unit=per_unit,
    )  # fmt: skip


# --- period by period ----------------------------------------------------------------------------


class Unit(NamedTuple):
    name: str
    per_unit: float


def periods(one: Comparison, label: str) -> list[Panel]:
    """A panel per figure that is not the same, of those that differ beyond noise first: a dot for
    the difference of each pair or, unpaired, for each period, of A downwards."""
    known = [finding for finding in one.findings if finding.verdict != "same"]
    known = [finding for finding in known if finding.name != KEPT]
    first = sorted(known, key=lambda finding: finding.verdict != "differs")[:STRIPS_MAX]
    draw = pairs_panel if one.paired else both_panel
    return [draw(one, label, finding) for finding in known if finding in first]


def pairs_panel(one: Comparison, label: str, finding: Finding) -> Panel:
    """Zero, every pair's difference, and the median with its interval."""
    apart = minus(finding.values[1], finding.values[0])
    unit, colour = unit_of(metric_of(finding), apart, "points"), COLOURS[LABELS.index(label)]
    title = f"{name_text(finding)}: {finding_text(finding, one.paired)}"
    figure, axes = strip(title, f"{label} minus A, a dot per pair of periods", unit)
    top, marks = dots(axes, apart * unit.per_unit, colour, up=True)
    axes.axvline(0.0, color=INK, linestyle="--", linewidth=1.2)
    known = np.array([finding.low, finding.difference, finding.high]) * unit.per_unit
    if np.isfinite(known).all():
        axes.plot(known, [-0.3 * top] * 3, color=INK, linewidth=2.2)
        axes.plot(known[1:2], [-0.3 * top], "|", color=INK, markersize=9, markeredgewidth=2.2)
    axes.set_ylim(-0.6 * top, 1.15 * top)
    texts = [f"{value:+.4g} {unit.name}" for value, _ in marks]
    return Panel(
        file_name(label, finding), figure, alt=f"{title}.", caption="",
        marks=[Mark(*mark, text) for mark, text in zip(marks, texts, strict=True)],
    )  # fmt: skip


def both_panel(one: Comparison, label: str, finding: Finding) -> Panel:
    metric, colour = metric_of(finding), COLOURS[LABELS.index(label)]
    unit = unit_of(metric, np.concatenate(finding.values), "%")
    title = f"{name_text(finding)}: {finding_text(finding, one.paired)}"
    figure, axes = strip(title, f"a dot per period, of {label} above and of A below", unit)
    below, marks_a = dots(axes, finding.values[0] * unit.per_unit, COLOURS[0], up=False)
    above, marks_b = dots(axes, finding.values[1] * unit.per_unit, colour, up=True)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_ylim(-1.15 * below, 1.15 * above)
    marks = [
        Mark(x, y, f"{side}: {x:.4g} {unit.name}")
        for side, own in ((LABELS[0], marks_a), (label, marks_b))
        for x, y in own
    ]
    return Panel(file_name(label, finding), figure, alt=f"{title}.", caption="", marks=marks)


def strip(title: str, above: str, unit: Unit) -> tuple[Figure, Axes]:
    figure, axes = blank(title, above, unit.name, height_in=1.75, left_in=0.14)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    return figure, axes


def file_name(label: str, finding: Finding) -> str:
    return f"{NAME}{label}_{re.sub(r'[^A-Za-z0-9]+', '-', finding.name)}"


def unit_of(metric: str, values: Floats, of_shares: str) -> Unit:
    """What the axis counts in: seconds only where there are several."""
    if metric not in LATENCIES:
        return Unit("", 1.0) if metric in NUMBERS else Unit(of_shares, 1e2)
    many = np.abs(values[np.isfinite(values)]).max(initial=0.0) >= 2.0
    return Unit("s", 1.0) if many else Unit("ms", 1e3)


def dots(
    axes: Axes, values: Floats, colour: str, up: bool
) -> tuple[float, list[tuple[float, float]]]:
    """Dots stacked where they are close; those without end are counted at the edge. Returns the
    height of the highest stack, and the places."""
    finite = np.sort(values[np.isfinite(values)])
    heights = stacked(finite)
    top = max(float(heights.max(initial=0.0)), 6.0)
    places = np.column_stack([finite, heights if up else -heights])
    axes.scatter(places[:, 0], places[:, 1], s=max(3.0, 120.0 / top), color=colour, linewidths=0)
    for edge, without_end in ((1.0, np.inf), (0.0, -np.inf)):
        if count := int((values == without_end).sum()):
            axes.annotate(
                f"{count} never", (edge, 0.8 if up else 0.1), xycoords="axes fraction",
                ha="right" if edge else "left", fontsize=8.0, color=VERMILLION,
            )  # fmt: skip
    return top, [(float(x), float(y)) for x, y in places]


def stacked(ordered: Floats) -> Floats:
    """The height of each dot: its place, from 1, among those of its bin.

    >>> stacked(np.array([0.0, 0.0, 0.001, 9.0])).tolist()
    [1.0, 2.0, 3.0, 1.0]
    """
    if not ordered.size:
        return np.zeros(0)
    width = max(float(ordered[-1] - ordered[0]) / DOT_BINS, 1e-12)
    bins = np.floor((ordered - ordered[0]) / width)
    return np.asarray(np.arange(ordered.size) - np.searchsorted(bins, bins) + 1.0)
