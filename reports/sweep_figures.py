"""The pictures of a sweep, one per quantity: a curve over one key, a heat map over two, small heat
maps over more, dots where cells were drawn. Draw inside `image.house_style()`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.image import BLUE, GREY, INK, VERMILLION
from reports.sweep_maps import heat_maps
from reports.sweep_table import short_keys
from reports.sweep_values import USED_MAX, Quantity, Seen, words
from reports.tables import percent

Data = dict[str, Any]

WIDTH = 9.6
KEYS_MAX = 12
"""Panels of one picture; the page says which keys are left out."""


def sweep_figure(data: Data, quantity: Quantity) -> Figure:
    """The picture that fits the design and the number of keys."""
    if data["design"] in ("random", "latin"):
        figure = scatter(data, quantity)
    elif data["design"] == "list" or len(data["keys"]) == 1:
        figure = curve(data, quantity)
    else:
        figure = heat_maps(data, quantity)
    figure.suptitle(words(quantity.title), x=0.01, ha="left")
    return figure


# --- one key, or cells one after the other --------------------------------------------------------


def curve(data: Data, quantity: Quantity) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.add_subplot()
    names = short_keys([each["key"] for each in data["keys"]])
    places, labels = positions(data)
    draw_cells(axes, places, data["cells"], quantity, joined=len(data["keys"]) == 1)
    if labels is not None:
        axes.set_xticks(places, labels, rotation=0 if len(labels) < 9 else 45,
                        ha="center" if len(labels) < 9 else "right")  # fmt: skip
    else:
        whole_ticks(axes, places)
    unit = data["keys"][0]["unit"] if labels is None else ""
    axes.set_xlabel(words(", ".join(names)) + (f" ({unit.strip()})" if unit else ""))
    axes.set_ylabel(quantity.axis)
    tell_line(axes, quantity)
    return figure


def positions(data: Data) -> tuple[list[float], list[str] | None]:
    """Where each cell is: at its number where there is one key that has numbers, else one after
    the other, with labels."""
    keys = data["keys"]
    asked = [[words(value) for value in cell["asked"].values()] for cell in data["cells"]]
    values = [cell["values"][keys[0]["key"]] for cell in data["cells"]]
    if len(keys) == 1 and keys[0]["unit"] is not None and None not in values:
        return values, None
    return [float(place) for place in range(len(asked))], ["\n".join(each) for each in asked]


def draw_cells(
    axes: Axes, places: Sequence[float], cells: Sequence[Data], quantity: Quantity, joined: bool
) -> None:
    """A mark with its interval per cell; those that cannot be, and those beyond the top, stand at
    the edge."""
    seen = [quantity.seen(cell) for cell in cells]
    top = 1.0 if quantity.kind == "p_sla" else ceiling([one for one in seen if one])
    if quantity.line is not None:
        axes.axhline(quantity.line, color=INK, linestyle="--", linewidth=1.2)
    known = [(place, one) for place, one in zip(places, seen, strict=True) if one is not None]
    if joined and len(known) > 1:
        beyond = math.nan
        line = [(place, one.value if one.value <= top else beyond) for place, one in sorted(known)]
        axes.plot(*zip(*line, strict=True), color=GREY, linewidth=1.0, zorder=1)
    for good, colour, marker in ((True, BLUE, "o"), (False, VERMILLION, "s")):
        own = [(place, one) for place, one in known if one.good is good]
        if own:
            draw_marks(axes, own, top, colour, marker)
    lost = [place for place, one in zip(places, seen, strict=True) if one is None]
    if lost:
        axes.plot(lost, [0.03] * len(lost), "x", color=GREY, transform=axes.get_xaxis_transform())
    axes.set_ylim(-0.03 * top, 1.06 * top)


def draw_marks(
    axes: Axes, own: Sequence[tuple[float, Seen]], top: float, colour: str, marker: str
) -> None:
    within = [(place, one) for place, one in own if one.value <= top]
    x = [place for place, _ in within]
    y, low, high = (
        np.minimum([getattr(one, end) for _, one in within], top)
        for end in ("value", "low", "high")
    )
    reach = np.nan_to_num(np.maximum([y - low, high - y], 0.0))
    axes.errorbar(x, y, reach, fmt=marker, color=colour, markersize=6.5, capsize=3.5,
                  elinewidth=1.6, clip_on=False)  # fmt: skip
    for place, one in own:
        if one.value > top:
            axes.plot(place, top, "^", color=colour, markersize=7.0, clip_on=False)
            axes.annotate(one.text, (place, top), (7, -3), textcoords="offset points",
                          fontsize=8.0)  # fmt: skip


def ceiling(seen: Sequence[Seen]) -> float:
    """A little above the limit, and above what is not far beyond it."""
    near = [one.value for one in seen if one.value <= USED_MAX]
    return max(1.25, 1.1 * max(near, default=0.0))


def whole_ticks(axes: Axes, places: Sequence[float]) -> None:
    """No ticks between whole numbers, where all are."""
    if all(float(place).is_integer() for place in places if math.isfinite(place)):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def tell_line(axes: Axes, quantity: Quantity) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    if quantity.line_text:
        told = f"dashed: {quantity.line_text}"
        axes.set_title(told, loc="right", fontsize=8.5, fontweight="normal")


# --- cells that were drawn ------------------------------------------------------------------------


def scatter(data: Data, quantity: Quantity) -> Figure:
    """A panel per key: all cells over it, whatever their other values are."""
    keys = data["keys"][:KEYS_MAX]
    columns = min(3, len(keys))
    lines = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(WIDTH, 0.6 + 3.1 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).flat
    names = short_keys([each["key"] for each in data["keys"]])
    for key, name, axes in zip(keys, names, panels, strict=False):
        places, ticks = along(data, key)
        draw_cells(axes, places, data["cells"], quantity, joined=False)
        if ticks:
            axes.set_xticks(range(len(ticks)), [words(tick) for tick in ticks])
        else:
            whole_ticks(axes, places)
        unit = (key["unit"] or "").strip()
        axes.set_xlabel(words(name) + (f" ({unit})" if unit else ""))
        tell_line(axes, quantity)
    for axes in list(panels):
        axes.set_visible(False)
    figure.supylabel(quantity.axis, fontsize=9.0)
    return figure


def along(data: Data, key: Data) -> tuple[list[float], list[str]]:
    """Where each cell is on a key: at its number, else at the place of its value among those that
    are named."""
    cells = data["cells"]
    if key["unit"] is not None:
        values = [cell["values"][key["key"]] for cell in cells]
        return [math.nan if value is None else float(value) for value in values], []
    named = list(dict.fromkeys(cell["asked"][key["key"]] for cell in cells))
    return [float(named.index(cell["asked"][key["key"]])) for cell in cells], named
