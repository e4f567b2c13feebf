"""A sweep over two keys or more as heat maps: two keys are the axes, and each combination of the
others has a map of its own. Draw inside `image.house_style()`."""

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from reports.sweep_table import short_keys
from reports.sweep_values import USED_MAX, Quantity, Seen, words
from reports.tables import percent

Data = dict[str, Any]

WIDTH = 9.6
PANELS_MAX = 12
"""Maps of one picture; the page says how many more there are."""
TEXT_TILES_MAX = 18
"""In a row: with more there is no room for words."""
DETAIL_TILES_MAX = 10

# Tiles look the same on dark and on light pages, and so do the words on them.
DARK, LIGHT = "#10161b", "#fbfcfd"
SHARES = LinearSegmentedColormap.from_list("shares", ["#f6e9dc", "#8fbbd6", "#0b3c5d"])
USED = LinearSegmentedColormap.from_list(
    "used", ["#0b3c5d", "#8fbbd6", "#f6f1e6", "#f0a35e", "#8a3203"]
)
NOTHING = "#c3cad2"
"""The tile of a cell that cannot be."""


class Layout(NamedTuple):
    """Which keys are across and down, and what each panel has of the others."""

    across: str
    down: str
    others: list[str]
    values: dict[str, list[str]]
    """All of each key, in the order asked."""
    panels: list[tuple[str, ...]]
    """Values of the others."""

    @property
    def shown(self) -> list[tuple[str, ...]]:
        return self.panels[:PANELS_MAX]


def layout_of(data: Data) -> Layout:
    """The keys of most values are the axes, the one of more values across."""
    keys = [each["key"] for each in data["keys"]]
    values = {key: list(dict.fromkeys(c["asked"][key] for c in data["cells"])) for key in keys}
    across, down, *_ = sorted(keys, key=lambda key: -len(values[key]))
    others = [key for key in keys if key not in (across, down)]
    return Layout(across, down, others, values, list(product(*(values[key] for key in others))))


def heat_maps(data: Data, quantity: Quantity) -> Figure:
    layout = layout_of(data)
    names = dict(zip(layout.values, short_keys(list(layout.values)), strict=True))
    wide, high = len(layout.values[layout.across]), len(layout.values[layout.down])
    columns = min(len(layout.shown), max(1, min(4, TEXT_TILES_MAX // wide)))
    lines = math.ceil(len(layout.shown) / columns)
    tall = min(max(0.42 * high + 0.75, 1.4), 7.0)
    heads = 0.14 * max(len(layout.others) - 1, 0)
    figure = Figure(figsize=(WIDTH, 0.6 + (tall + heads) * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
    colours = colours_of(quantity)
    for chosen, axes in zip(layout.shown, panels, strict=False):
        draw_tiles(axes, data, layout, chosen, colours, quantity, wide * columns)
        told = [f"{names[key]} {value}" for key, value in zip(layout.others, chosen, strict=True)]
        axes.set_title(words("\n".join(told)), fontsize=8.5)
    for axes in list(panels):
        axes.set_visible(False)
    figure.supxlabel(words(names[layout.across]), fontsize=9.0)
    figure.supylabel(words(names[layout.down]), fontsize=9.0)
    bar = figure.colorbar(colours, ax=figure.axes, shrink=0.8, aspect=30, pad=0.01)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    bar.outline.set_visible(False)
    return figure


def colours_of(quantity: Quantity) -> ScalarMappable:
    """P(SLA) from 0 to 1, light to dark; of a limit blue within and orange beyond."""
    if quantity.kind == "p_sla":
        return ScalarMappable(Normalize(0.0, 1.0), SHARES)
    return ScalarMappable(TwoSlopeNorm(1.0, 0.0, USED_MAX), USED)


def draw_tiles(
    axes: Axes, data: Data, layout: Layout, chosen: tuple[str, ...], colours: ScalarMappable,
    quantity: Quantity, in_a_row: int,
) -> None:  # fmt: skip
    """One map. The first value down is the uppermost."""
    across, down = layout.values[layout.across], layout.values[layout.down]
    for cell in data["cells"]:
        asked = cell["asked"]
        if tuple(asked[key] for key in layout.others) == chosen:
            x, y = across.index(asked[layout.across]), down.index(asked[layout.down])
            draw_tile(axes, (x, y), quantity.seen(cell), colours, in_a_row)
    axes.set_xlim(-0.5, len(across) - 0.5)
    axes.set_ylim(len(down) - 0.5, -0.5)
    axes.set_xticks(*ticks(across, 40 // in_a_row + len(across)))
    axes.set_yticks(*ticks(down, 30))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def ticks(values: list[str], most: int) -> tuple[list[int], list[str]]:
    """Places and labels, not more than so many."""
    step = math.ceil(len(values) / most)
    return list(range(0, len(values), step)), [words(value) for value in values[::step]]


def draw_tile(
    axes: Axes, at: tuple[int, int], seen: Seen | None, colours: ScalarMappable, in_a_row: int
) -> None:
    """Bold where the promise is kept; the interval below, if there is room."""
    x, y = at
    colour: Any = NOTHING
    if seen is not None:
        colour = colours.to_rgba(np.array([min(seen.value, USED_MAX)]))[0]
    tile = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0)
    axes.add_patch(tile)
    if in_a_row > TEXT_TILES_MAX:
        return
    ink = DARK if luminance(colour) > 0.2 else LIGHT
    if seen is None:
        axes.text(x, y, "cannot be", color=ink, fontsize=7.0, ha="center", va="center")
        return
    with_detail = in_a_row <= DETAIL_TILES_MAX
    weight = "bold" if seen.good else "normal"
    axes.text(x, y, seen.text, color=ink, fontsize=9.0, weight=weight, ha="center",
              va="bottom" if with_detail else "center")  # fmt: skip
    if with_detail:
        axes.text(x, y + 0.08, seen.detail, color=ink, fontsize=7.0, ha="center", va="top")


def luminance(colour: Any) -> float:
    """Relative, as WCAG has it: black and white contrast alike with 0.18.

    >>> round(luminance("white"), 3), round(luminance("#000000"), 3)
    (1.0, 0.0)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
