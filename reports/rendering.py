"""Facts -> HTML, one file that needs nothing else."""

import json
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jinja2

from reports import tables
from reports.figures.panel import Panel, as_data
from reports.image import house_style, on_page, svg, write_png

TEMPLATES = Path(__file__).parent / "templates"

DOTS_PER_INCH = 200
"""Of the PNG files, for slides."""

FILTERS = {
    "percent": tables.percent,
    "milliseconds": tables.milliseconds,
    "usd": tables.usd,
    "counted": tables.counted,
    "number": tables.number,
}


def render(template: str, **facts: Any) -> str:
    """A template of ours with its facts; one that is missing is our mistake."""
    return templates().get_template(template).render(**facts)


def templates() -> jinja2.Environment:
    """Our templates, with the filters that all of them know."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment


def write_page(page: str, path: Path) -> Path:
    """The whole page or, when this is killed, none. Returns its path."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path


def put_pictures(panels: Sequence[Panel], folder: Path) -> dict[str, str]:
    """Write NAME.png and NAME.svg of each panel into `folder`, and return their <svg> elements.
    Draw the panels inside `house_style()`."""
    drawings = {}
    with house_style():
        for panel in panels:
            panel.figure.set_dpi(DOTS_PER_INCH)
            write_png(panel.figure, folder / f"{panel.name}.png")
            drawing = svg(panel.figure, panel.name)
            write_page(drawing, folder / f"{panel.name}.svg")
            drawings[panel.name] = on_page(drawing, panel.alt)
    return drawings


def remove_stale(page: Path, names: Collection[str]) -> None:
    """Remove the pictures of an earlier `page` that the next one does not have: they must not pass
    for its own. Others stay: the folder may be anybody's."""
    earlier = page.read_text(encoding="utf-8") if page.exists() else ""
    for name in set(re.findall(r'data-panel="([\w-]+)"', earlier)) - set(names):
        for ending in ("png", "svg"):
            (page.parent / f"{name}.{ending}").unlink(missing_ok=True)


def script_data(panels: Sequence[Panel], **more: Any) -> str:
    """What the page's script knows, as JSON that may stand in HTML."""
    known = {"panels": {panel.name: as_data(panel) for panel in panels}, **more}
    text = json.dumps(known, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")
