"""A finished sweep -> report.html, one file that needs nothing else, and its pictures."""

import json
import os
from pathlib import Path
from typing import Any

import jinja2

from planner.statement import duration
from reports import image, inputs
from reports.sweep_figures import KEYS_MAX, sweep_figure
from reports.sweep_maps import PANELS_MAX, layout_of
from reports.sweep_table import (
    DESIGNS,
    details,
    headline,
    objective_texts,
    outcome,
    short_keys,
    sweep_rows,
)
from reports.sweep_values import Quantity, quantities
from reports.tables import accuracy_texts, counted
from scenarios.units import TIME_S, parse_quantity

Data = dict[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "replications/cell=.../part-0.parquet": "every simulated period, a partition per cell",
    "cells.parquet": "the cells as a table: values, P(SLA), medians and intervals, cost",
    "sweep.json": "the same as data",
    "manifest.json": "the whole scenario, what each cell has instead, hashes, seed and versions",
}


def write_sweep_page(folder: Path) -> Path:
    """Draw the report of the finished sweep in `folder`: report.html and a PNG per picture. The
    same folder gives the same bytes. Returns the page's path."""
    data = json.loads((folder / "sweep.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    for stale in folder.glob("objective-*.png"):
        stale.unlink()
    drawn = quantities(data)
    page = render(data, manifest, [(each, draw(data, each, folder)) for each in drawn])
    path = folder / "report.html"
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path


def draw(data: Data, quantity: Quantity, folder: Path) -> str:
    """Write NAME.png; the <svg>."""
    with image.house_style():
        figure = sweep_figure(data, quantity)
        image.write_png(figure, folder / f"{quantity.name}.png")
        # The layout is found by now; finding it again would take as long again.
        figure.set_layout_engine("none")
        return image.inline_svg(figure, quantity.name)


def render(data: Data, manifest: Data, drawings: list[tuple[Quantity, str]]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted}
    scenario: Data = manifest["scenario"]
    return environment.get_template("sweep.html").render(
        data=data,
        manifest=manifest,
        scenario=scenario,
        headline=headline(data),
        outcome=outcome(data),
        details=details(data),
        design=DESIGNS[data["design"]],
        names=short_keys([each["key"] for each in data["keys"]]),
        objectives=objective_texts(data),
        rows=sweep_rows(data),
        period=duration(parse_quantity(scenario["horizon"], TIME_S, "a time")),
        drawings=drawings,
        caption=caption(data),
        accuracy=accuracy_texts(data["step_time"]),
        parts=inputs.parts(scenario),
        yaml=inputs.yaml_text(scenario),
        files=[*FILES.items(), *((f"{each.name}.png", each.title) for each, _ in drawings)],
    )


def caption(data: Data) -> str:
    """How to read the pictures."""
    interval = "intervals are 95 % intervals: exact for P(SLA), by order statistics for medians"
    if data["design"] in ("random", "latin"):
        left_out = len(data["keys"]) - KEYS_MAX
        more = f" {counted(left_out, 'key')} left out." if left_out > 0 else ""
        return f"A mark per cell, over each key; {interval}. Squares break what is promised.{more}"
    if data["design"] == "list" or len(data["keys"]) == 1:
        return (
            f"A mark per cell; {interval}. Squares break what is promised, crosses at the foot are "
            "cells that cannot be."
        )
    left_out = len(layout_of(data).panels) - PANELS_MAX
    more = f" {counted(left_out, 'more map')} left out: see the table." if left_out > 0 else ""
    return f"A tile per cell, bold where the promise is kept; {interval}.{more}"
