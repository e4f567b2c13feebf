"""A picture of one thing: a figure as wide as a phone, what it says in words, what each of its
places means to who points at it. The page puts panels side by side as far as there is room; slides
take the PNG or the SVG.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.image import GREY

Data = dict[str, Any]

WIDTH_IN, HEIGHT_IN = 4.8, 3.1
POINTS_PER_INCH = 72.0
TITLE_CHARACTERS = 62
LINE_IN = 0.19
LEFT_IN, RIGHT_IN, BELOW_IN = 0.56, 0.14, 0.46


class Mark(NamedTuple):
    """A place of the picture, in data coordinates, and what is told there."""

    x: float | None
    """None: the mark is told of all that is at this height."""
    y: float | None
    """None: ... at this x."""
    text: str
    replication: int | None = None
    """The period that is chosen by a click there."""


@dataclass
class Panel:
    name: str
    """Of its files, and unique on a page."""
    figure: Figure
    alt: str
    """What it shows, in words."""
    caption: str
    """How to read it."""
    marks: Sequence[Mark] = ()
    zooms: bool = False
    """Along x."""
    column: str | None = None
    """Of the timeline: the chosen period is drawn in."""
    per_unit: float = 1.0
    """Of what is written along x, per unit of its data."""

    @property
    def axes(self) -> Axes:
        return self.figure.axes[0]


def blank(
    title: str, above: str, below: str, height_in: float = HEIGHT_IN, legend_rows: int = 0,
    left_in: float = LEFT_IN, width_in: float = WIDTH_IN,
) -> tuple[Figure, Axes]:  # fmt: skip
    """An empty picture: its title says what is found, `above` what goes up, `below` what goes
    right.

    Places are fixed: to search for them would take longer than to draw.
    """
    titles = textwrap.wrap(title.replace("$", r"\$"), int(TITLE_CHARACTERS * width_in / WIDTH_IN))
    top_in = LINE_IN * (len(titles) + bool(above)) + 0.1
    below_in = BELOW_IN + LINE_IN * legend_rows
    height_in += LINE_IN * (len(titles) - 1)
    figure = Figure(figsize=(width_in, height_in))
    box = (
        left_in / width_in,
        below_in / height_in,
        1.0 - (left_in + RIGHT_IN) / width_in,
        1.0 - (top_in + below_in) / height_in,
    )
    axes = figure.add_axes(box)
    axes.xaxis.set_gid("axis-x")
    for line, text in enumerate(titles):
        figure.text(
            0.01, 1.0 - (0.02 + LINE_IN * line) / height_in, text, va="top", fontsize=9.5,
            fontweight="bold",
        )  # fmt: skip
    figure.text(
        0.01, 1.0 - (0.02 + LINE_IN * len(titles)) / height_in, above, va="top", color=GREY,
        fontsize=8.5,
    )  # fmt: skip
    axes.set_xlabel(below)
    return figure, axes


def put_legend(panel_figure: Figure, columns: int) -> None:
    """At the foot, where `blank` left rows for it."""
    axes = panel_figure.axes[0]
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        panel_figure.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0.0, -0.01), ncols=columns,
            columnspacing=1.2, handlelength=1.6, borderaxespad=0.2,
        )  # fmt: skip


def rows_of(count: int, columns: int) -> int:
    return -(-count // columns)


# --- for the page's script -----------------------------------------------------------------------


def as_data(panel: Panel) -> Data:
    """Where the axes are in the drawing (points from its top left), which data they span, and the
    marks in the drawing's coordinates."""
    axes = panel.axes
    width, height = panel.figure.get_size_inches() * POINTS_PER_INCH
    place = axes.get_position()
    box = [place.x0 * width, (1 - place.y1) * height, place.x1 * width, (1 - place.y0) * height]
    return {
        "box": rounded(box),
        "x": [*map(float, axes.get_xlim()), axes.get_xscale()],
        "y": [*map(float, axes.get_ylim()), axes.get_yscale()],
        "marks": [mark_data(axes, mark, height) for mark in panel.marks],
        "zooms": panel.zooms,
        "column": panel.column,
        "per_unit": panel.per_unit,
    }


def mark_data(axes: Axes, mark: Mark, height: float) -> list[Any]:
    anchor_x = axes.get_xlim()[0] if mark.x is None else mark.x
    anchor_y = axes.get_ylim()[0] if mark.y is None else mark.y
    at = axes.transData.transform((anchor_x, anchor_y)) * POINTS_PER_INCH / axes.figure.dpi
    x, y = rounded([at[0], height - at[1]])
    place: list[Any] = [None if mark.x is None else x, None if mark.y is None else y, mark.text]
    return place if mark.replication is None else [*place, mark.replication]


def rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 1) for value in values]
