"""A heat map of a sweep over two of its keys, the others held."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm, to_rgb
from matplotlib.patches import Rectangle

from reports.figures.panel import WIDTH_IN, Mark, Panel, blank
from reports.image import DARK, LIGHT
from reports.sweep_values import USED_MAX, Quantity, Seen, alt_text

Data = dict[str, Any]

NARROW_MAX = 10
"""Tiles across a picture that stands beside another one; with more it is twice as wide."""
TEXT_TILE_IN, DETAIL_TILE_IN = 0.34, 0.66
"""Widths from which a tile has room for its value, and for its detail."""
TILE_HEIGHT_IN, HEIGHT_IN_MAX = 0.42, 7.0
CHARACTER_IN = 0.078

# Tiles look the same on dark and on light pages, and so do the words on them.
SHARES = LinearSegmentedColormap.from_list("shares", ["#f6e9dc", "#8fbbd6", "#0b3c5d"])
USED = LinearSegmentedColormap.from_list(
    "used", ["#0b3c5d", "#8fbbd6", "#f6f1e6", "#f0a35e", "#8a3203"]
)
NOTHING = "#c3cad2"
"""The tile of a cell that cannot be."""
CAPTION = {
    "p_sla": "The share of periods that kept the SLA, the darker the more; bold where that is as "
    "many as promised. Below, where there is room: the exact 95 % interval.",
    "used": "The median period's share of the limit, blue within, orange beyond; bold within. "
    "Below, where there is room: the figure itself.",
}


def heat_map(
    cells: Sequence[Data],
    across: tuple[str, list[str]],
    down: tuple[str, list[str]],
    place: Callable[[Data], tuple[int, int]],
    quantity: Quantity,
    name: str,
    held: str,
    tip: Callable[[Data], str],
) -> Panel:
    """One map. across, down: what the axis is called, and its values, from the left and from below;
    held: what the other keys are, empty where there are none."""
    left_in = 0.34 + CHARACTER_IN * max(map(len, down[1]))
    width_in = WIDTH_IN if len(across[1]) <= NARROW_MAX else 2 * WIDTH_IN
    height_in = min(1.0 + TILE_HEIGHT_IN * len(down[1]), HEIGHT_IN_MAX)
    title = f"{quantity.title}{', ' if held else ''}{held}"
    figure, axes = blank(
        title, f"{words(down[0])} (up)", words(across[0]), max(height_in, 1.6), left_in=left_in,
        width_in=width_in,
    )  # fmt: skip
    tile_in = (width_in - left_in) / len(across[1])
    colours, marks = colours_of(quantity), []
    for cell in cells:
        x, y = place(cell)
        draw_tile(axes, (x, y), quantity.seen(cell), colours, tile_in)
        marks.append(Mark(x, y, tip(cell)))
    axes.set_xlim(-0.5, len(across[1]) - 0.5)
    axes.set_ylim(-0.5, len(down[1]) - 0.5)
    axes.set_xticks(*ticks(across[1], int((width_in - left_in) / 0.3)))
    axes.set_yticks(*ticks(down[1], int(height_in / 0.17)))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return Panel(name, figure, alt_text(title, quantity, cells), CAPTION[quantity.kind], marks)


def words(text: str) -> str:
    """Text of the user's, in which matplotlib would see formulas."""
    return text.replace("$", r"\$")


def colours_of(quantity: Quantity) -> ScalarMappable:
    """P(SLA) from 0 to 1, light to dark; of a limit blue within and orange beyond."""
    if quantity.kind == "p_sla":
        return ScalarMappable(Normalize(0.0, 1.0), SHARES)
    return ScalarMappable(TwoSlopeNorm(1.0, 0.0, USED_MAX), USED)


def ticks(values: Sequence[str], most: int) -> tuple[list[int], list[str]]:
    """Places and labels, not more than so many."""
    step = -(-len(values) // max(most, 1))
    return list(range(0, len(values), step)), [words(value) for value in values[::step]]


def draw_tile(
    axes: Axes, at: tuple[int, int], seen: Seen | None, colours: ScalarMappable, tile_in: float
) -> None:
    x, y = at
    colour: Any = NOTHING
    if seen is not None:
        colour = colours.to_rgba(np.array([min(seen.value, USED_MAX)]))[0]
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0))
    if tile_in < TEXT_TILE_IN:
        return
    ink = DARK if luminance(colour) > 0.179 else LIGHT
    if seen is None:
        axes.text(x, y, "–", color=ink, fontsize=8.5, ha="center", va="center")
        return
    detailed = tile_in >= DETAIL_TILE_IN
    axes.text(x, y + (0.02 if detailed else 0.0), seen.text, color=ink, fontsize=8.5, ha="center",
              va="bottom" if detailed else "center",
              fontweight="bold" if seen.good else "normal")  # fmt: skip
    if detailed:
        axes.text(x, y - 0.06, seen.detail, color=ink, fontsize=6.8, ha="center", va="top")


def luminance(colour: Any) -> float:
    """Relative, as WCAG has it: black and white contrast alike with 0.18.

    >>> round(luminance("white"), 3), round(luminance("#000000"), 3)
    (1.0, 0.0)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
