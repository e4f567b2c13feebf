"""How our figures look and how they leave matplotlib: the same figure gives the same bytes."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import matplotlib
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Okabe and Ito 2008: eight colours that people of any colour vision tell apart.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW = "#CC79A7", "#56B4E9", "#F0E442"
INK, GREY, PALE = "#1f2933", "#6b7785", "#d5dbe1"

DARK, LIGHT = "#000001", "#fffffe"
"""As good as black and white, for what stands on a colour of its own: a page turns those around."""

ON_PAGE = {
    "#ffffff": "paper", PALE: "line", GREY: "soft", INK: "ink", BLUE: "blue", ORANGE: "orange",
    GREEN: "green", VERMILLION: "vermillion", PURPLE: "purple", SKY: "sky", YELLOW: "yellow",
}  # fmt: skip
"""Names of our colours in report.css, which has them for light and for dark."""

STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "lines.linewidth": 1.8,
    "figure.dpi": 140,
    "svg.fonttype": "none",
    "path.simplify": True,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw inside this: our style on matplotlib's defaults, whatever the user's matplotlibrc."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def write_png(figure: Figure, path: Path) -> None:
    """Write the figure to `path`, which appears only when it is whole."""
    temporary = path.with_name(path.name + ".tmp")
    # Straight to the canvas: `savefig` would draw everything twice. Without metadata: a new
    # matplotlib that draws the same writes the same.
    FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})
    os.replace(temporary, path)


def inline_svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element to put into HTML; `name` keeps its ids apart from those of
    the page's other figures. A screen reader says its title."""
    title = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    return on_page(svg(figure, name), title)


def svg(figure: Figure, name: str) -> str:
    """The figure as an SVG file; `name` makes its ids."""
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=no_metadata)
    return buffer.getvalue()


def on_page(drawing: str, alt: str) -> str:
    """An SVG file as an element of a page: its colours are those of the page, light or dark; a
    screen reader says `alt`. Groups that were given an id of ours (`axis-x`) have it as class."""
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'<g id="(axis-\w)"', r'<g class="\1"', drawing)
    # Ids of groups count up from 1 in every figure and nothing refers to them.
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)
    for colour, name_on_page in ON_PAGE.items():
        drawing = drawing.replace(colour.lower(), f"var(--{name_on_page})")
    box = re.search(r'viewBox="[^"]*"', drawing)
    assert box is not None, "matplotlib writes a viewBox"
    opening = f'<svg {box[0]} role="img" aria-label="{escape(alt)}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, drawing, count=1)
