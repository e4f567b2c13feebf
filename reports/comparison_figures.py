"""Figures of a comparison. Draw inside `image.house_style()`."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from planner.comparing import minus
from planner.comparison import KEPT, Comparison, Finding
from planner.result_set import ResultSet
from reports.comparison import finding_text, metric_of, name_text
from reports.comparison_lines import LABELS, share_kept
from reports.image import BLUE, BROAD, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from reports.latencies import (
    GRID_POINTS,
    PANELS,
    SHARE_MIN,
    Curve,
    draw_limits,
    draw_nothing,
    scale_axes,
    visible,
)
from reports.tables import NUMBERS, percent
from scenarios.objectives import LATENCIES

Floats = NDArray[np.float64]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
STRIPS_MAX = 6
DOT_BINS = 90


# --- P(SLA) --------------------------------------------------------------------------------------


def p_sla(sets: Sequence[ResultSet]) -> Figure | None:
    """The share of periods kept, with its interval, set under set; None where none has one."""
    known = [(place, share) for place, one in enumerate(sets) if (share := share_kept(one))]
    if not known:
        return None
    figure = Figure(figsize=(BROAD[0], 1.2 + 0.42 * len(sets)), layout="constrained")
    axes = figure.add_subplot()
    for place, share in known:
        reach = [[max(share.value - share.low, 0.0)], [max(share.high - share.value, 0.0)]]
        axes.errorbar(
            [share.value], [place], xerr=reach, fmt="o", color=COLOURS[place], markersize=8,
            capsize=5, elinewidth=2.0, clip_on=False,
        )  # fmt: skip
    for place, one in enumerate(sets):
        if promised := one.scenario.get("sla", {}).get("probability"):
            axes.plot([promised] * 2, [place - 0.38, place + 0.38], color=INK, linestyle="--",
                      linewidth=1.2)  # fmt: skip
    low = min(share.low for _, share in known)
    axes.set_xlim(max(0.0, low - 0.15 * (1.0 - low) - 0.01), 1.0)
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_yticks(range(len(sets)), [f"{label}  {place_text(one)}" for label, one in
                                       zip(LABELS, sets, strict=False)])  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: percent(x)))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("periods that keep the SLA; the dashed line is what is promised")
    axes.set_title("How often is the SLA kept?")
    return figure


def place_text(one: ResultSet) -> str:
    """A dollar sign would start a formula."""
    return one.place.replace("$", r"\$")


# --- latencies -----------------------------------------------------------------------------------


def latencies(sets: Sequence[ResultSet]) -> Figure | None:
    """Share that is slower than x, of all requests of all periods, a curve for each set; None where
    no set has the table."""
    if not any(len(one.latencies) for one in sets):
        return None
    objectives = list({objective.text: objective for one in sets for objective in one.objectives}
                      .values())  # fmt: skip
    figure = Figure(figsize=BROAD, layout="constrained")
    for axes, (metric, meaning) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        own = [objective for objective in objectives if objective.metric == metric]
        axes.set_title(metric.upper())
        axes.set_ylabel(f"{'gaps' if metric == 'itl' else 'requests'} slower")
        low_s, high_s = draw_curves(axes, sets, metric)
        for objective in own:
            low_s = min(low_s, objective.limit * 0.7)
            high_s = max(high_s, objective.limit * 1.6)
        scale_axes(axes, low_s * 0.9, high_s * 1.15, meaning)
        draw_limits(axes, own)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle("How slow are the slowest? Share that is slower than a given time", x=0.01,
                    ha="left")  # fmt: skip
    return figure


def draw_curves(axes: Axes, sets: Sequence[ResultSet], metric: str) -> tuple[float, float]:
    """Returns the times they are drawn over."""
    ends_s = []
    for label, colour, one in zip(LABELS, COLOURS, sets, strict=False):
        rows = one.latencies
        curve = Curve(rows[rows["metric"] == metric]) if len(rows) else None
        if curve is None or not np.isfinite(curve.times_s).any():
            continue
        times_s = curve.times_s[np.isfinite(curve.times_s) & (curve.times_s > 0)]
        seen = times_s[curve.slower_than(times_s) >= SHARE_MIN]
        last_s = seen[-1] if seen.size else times_s[-1]
        grid_s = np.geomspace(max(times_s[0], last_s * 1e-3), last_s, GRID_POINTS)
        axes.plot(
            grid_s, visible(curve.slower_than(grid_s)), color=colour,
            linewidth=3.0 if label == LABELS[0] else 1.4,  # seen below one that is the same
            label=f"{label}  {place_text(one)}",
        )  # fmt: skip
        ends_s += [grid_s[0], last_s]
    if not ends_s:
        grid_s, _ = draw_nothing(axes)
        return grid_s[0], grid_s[-1]
    return min(ends_s), max(ends_s)


# --- period by period ----------------------------------------------------------------------------


def period_differences(one: Comparison, label: str) -> Figure | None:
    """Every period's difference from its pair, figure under figure; unpaired, the periods of the
    one below the line and those of the other above. None where nothing differs."""
    strips = shown_strips(one.findings)
    if not strips:
        return None
    figure = Figure(figsize=(BROAD[0], 0.8 + 1.15 * len(strips)), layout="constrained")
    draw_strip = draw_pairs if one.paired else draw_both
    for axes, finding in zip(figure.subplots(len(strips), squeeze=False).flat, strips, strict=True):
        draw_strip(axes, finding, COLOURS[LABELS.index(label)])
        axes.set_title(f"{name_text(finding)}: {finding_text(finding, one.paired)}")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
    what = (
        f"{label} minus A, pair by pair" if one.paired else f"Periods of {label} above, of A below"
    )
    figure.suptitle(what, x=0.01, ha="left")
    return figure


def shown_strips(findings: Sequence[Finding]) -> list[Finding]:
    """Figures that are not all the same, those that differ beyond noise before others."""
    known = [finding for finding in findings if finding.verdict != "same" and finding.name != KEPT]
    first = sorted(known, key=lambda finding: finding.verdict != "differs")[:STRIPS_MAX]
    return [finding for finding in known if finding in first]


def draw_pairs(axes: Axes, finding: Finding, colour: str) -> None:
    """A dot per pair, zero, and the median with its interval."""
    apart = minus(finding.values[1], finding.values[0])
    per_unit = name_axis(axes, metric_of(finding), apart, "points")
    top = draw_dots(axes, apart * per_unit, colour, up=True)
    axes.axvline(0.0, color=INK, linestyle="--", linewidth=1.2)
    known = np.array([finding.low, finding.difference, finding.high]) * per_unit
    if np.isfinite(known).all():
        axes.plot(known, [-0.28 * top] * 3, color=INK, linewidth=2.2)
        axes.plot(known[1:2], [-0.28 * top], "|", color=INK, markersize=11, markeredgewidth=2.2)
    axes.set_ylim(-0.55 * top, 1.1 * top)


def draw_both(axes: Axes, finding: Finding, colour: str) -> None:
    """A dot per period: of the one set downwards, of the other upwards."""
    per_unit = name_axis(axes, metric_of(finding), np.concatenate(finding.values), "%")
    below = draw_dots(axes, finding.values[0] * per_unit, COLOURS[0], up=False)
    above = draw_dots(axes, finding.values[1] * per_unit, colour, up=True)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_ylim(-1.1 * below, 1.1 * above)


def name_axis(axes: Axes, metric: str, values: Floats, of_shares: str) -> float:
    """Returns what to multiply with: seconds only where there are several."""
    many = np.abs(values[np.isfinite(values)]).max(initial=0.0) >= 2.0
    name, per_unit = ("s", 1.0) if many else ("ms", 1e3)
    if metric not in LATENCIES:
        name, per_unit = ("", 1.0) if metric in NUMBERS else (of_shares, 1e2)
    axes.set_xlabel(name, labelpad=1)
    return per_unit


def draw_dots(axes: Axes, values: Floats, colour: str, up: bool) -> float:
    """Dots stacked where they are close; those without end are counted at the edge. Returns the
    height of the highest stack."""
    finite = np.sort(values[np.isfinite(values)])
    heights = stacked(finite)
    top = max(float(heights.max(initial=0.0)), 6.0)
    axes.scatter(finite, heights if up else -heights, s=max(3.0, 150.0 / top), color=colour,
                 linewidths=0)  # fmt: skip
    for edge, without_end in ((1.0, np.inf), (0.0, -np.inf)):
        if count := int((values == without_end).sum()):
            axes.annotate(
                f"{count} never", (edge, 0.8 if up else 0.1), xycoords="axes fraction",
                ha="right" if edge else "left", fontsize=8.0, color=VERMILLION,
            )  # fmt: skip
    return top


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
