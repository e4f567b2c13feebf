"""The cells of a sweep over one of its keys, or one after the other: marks with their intervals."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.figures.panel import Mark, Panel, blank
from reports.figures.sweep_map import ticks, words
from reports.image import BLUE, GREY, INK, VERMILLION
from reports.sweep_values import USED_MAX, Quantity, Seen, alt_text
from reports.tables import percent

Data = dict[str, Any]

LABELS_MAX = 12
CAPTION = (
    "Circles keep what is promised, squares do not; triangles at the top are further up, crosses "
    "at the foot cannot be. Bars: 95 % intervals, exact for P(SLA), by order statistics for "
    "medians."
)


def points(
    cells: Sequence[Data],
    axis: str,
    places: Sequence[float],
    labels: Sequence[str] | None,
    quantity: Quantity,
    name: str,
    joined: bool,
    tip: Callable[[Data], str],
) -> Panel:
    """A mark per cell, at its place on the axis. labels: what is written at 0, 1, ...; without
    them, places are numbers. joined: by a line."""
    above = quantity.axis + (f"; dashed: {quantity.line_text}" if quantity.line_text else "")
    figure, axes = blank(f"{quantity.title}, by {axis}", above, words(axis))
    seen = [quantity.seen(cell) for cell in cells]
    top = 1.0 if quantity.kind == "p_sla" else ceiling([one for one in seen if one])
    if quantity.line is not None:
        axes.axhline(quantity.line, color=INK, linestyle="--", linewidth=1.2)
    known = [(place, one) for place, one in zip(places, seen, strict=True) if one is not None]
    if joined:
        line = [(x, one.value if one.value <= top else math.nan) for x, one in sorted(known)]
        axes.plot([x for x, _ in line], [y for _, y in line], color=GREY, linewidth=1.0, zorder=1)
    for good, colour, marker in ((True, BLUE, "o"), (False, VERMILLION, "s")):
        draw_marks(axes, [one for one in known if one[1].good is good], top, colour, marker)
    lost = [place for place, one in zip(places, seen, strict=True) if one is None]
    axes.plot(lost, [0.03] * len(lost), "x", color=GREY, transform=axes.get_xaxis_transform())
    axes.set_ylim(-0.03 * top, 1.06 * top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    if labels is not None:
        axes.set_xticks(*ticks(labels, LABELS_MAX))
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif all(float(place).is_integer() for place in places if math.isfinite(place)):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    marks = [
        Mark(place, 0.0 if one is None else min(one.value, top), tip(cell))
        for cell, place, one in zip(cells, places, seen, strict=True)
        if math.isfinite(place)
    ]
    alt = alt_text(f"{quantity.title}, by {axis}", quantity, cells)
    return Panel(name, figure, alt, CAPTION, marks)


def draw_marks(
    axes: Axes, own: Sequence[tuple[float, Seen]], top: float, colour: str, marker: str
) -> None:
    within = [(place, one) for place, one in own if one.value <= top]
    if within:
        y, low, high = (
            np.minimum([getattr(one, end) for _, one in within], top)
            for end in ("value", "low", "high")
        )
        reach = np.nan_to_num(np.maximum([y - low, high - y], 0.0))
        axes.errorbar(
            [place for place, _ in within], y, reach, fmt=marker, color=colour, markersize=6,
            capsize=3.0, elinewidth=1.4, clip_on=False,
        )  # fmt: skip
    for place, one in own:
        if one.value > top:
            axes.plot(place, top, "^", color=colour, markersize=6.5, clip_on=False)
            axes.annotate(one.text, (place, top), (6, -3), textcoords="offset points",
                          fontsize=8.0)  # fmt: skip


def ceiling(seen: Sequence[Seen]) -> float:
    """A little above the limit, and above what is not far beyond it."""
    near = [one.value for one in seen if one.value <= USED_MAX]
    return max(1.25, 1.1 * max(near, default=0.0))
