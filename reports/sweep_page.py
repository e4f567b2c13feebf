"""A finished sweep -> report.html, one file that needs nothing else, and its pictures."""

from pathlib import Path
from typing import Any

from planner.statement import duration
from reports import inputs, tables
from reports.cautions import step_time_tables
from reports.figures.panel import WIDTH_IN, Panel
from reports.folder import PAGE, check_version, read_json
from reports.rendering import put_pictures, remove_stale, render, script_data, write_page
from reports.sources import sources
from reports.sweep_panels import left_out, sweep_panels
from reports.sweep_table import (
    DESIGNS,
    details,
    headline,
    objective_texts,
    outcome,
    short_keys,
    sweep_rows,
)
from scenarios.units import TIME_S, parse_quantity

Data = dict[str, Any]

FILES = {
    "replications/cell=.../part-0.parquet": "every simulated period, a partition per cell",
    "cells.parquet": "the cells as a table: values, P(SLA), medians, intervals, cost",
    "sweep.json": "the same as data",
    "manifest.json": "the whole scenario, what each cell has instead, hashes, seed and versions",
}
SECTIONS = {
    "pictures": "Where the SLA holds",
    "cells": "Every cell",
    "inputs": "What went in",
    "again": "Do it again",
}


def write_sweep_page(folder: Path) -> Path:
    """Draw the report of the finished sweep in `folder`: report.html, and a PNG and an SVG per
    picture. The same folder gives the same bytes. Returns the page's path.

    Raises OtherResults where another version wrote it, or a file is gone."""
    data, manifest = (read_json(folder, name) for name in ("sweep.json", "manifest.json"))
    check_version(folder, manifest)
    groups = sweep_panels(data)
    drawn = [panel for group in groups for panel in group]
    drawings = put_pictures(drawn, folder)
    remove_stale(folder / PAGE, drawings)
    page = render(
        "sweep.html",
        **facts(data, manifest["scenario"]),
        manifest=manifest,
        groups=rows_of_panels(groups),
        left_out=left_out(data),
        drawings=drawings,
        script_data=script_data(drawn),
        files=[*FILES.items(), *((f"{name}.png, {name}.svg", "a picture") for name in drawings)],
        contents=list(SECTIONS.items()),
    )
    return write_page(page, folder / PAGE)


def rows_of_panels(groups: list[list[Panel]]) -> list[list[Panel]]:
    """Pictures that may stand side by side: those of one quantity, or all where each has one."""
    single = all(len(group) == 1 for group in groups)
    wide = any(is_wide(panel) for group in groups for panel in group)
    if wide:
        return [[panel] for group in groups for panel in group]
    return [[panel for group in groups for panel in group]] if single else groups


def is_wide(panel: Panel) -> bool:
    return bool(panel.figure.get_size_inches()[0] > WIDTH_IN)


def facts(data: Data, scenario: Data) -> Data:
    """What the page tells in words."""
    return {
        "data": data,
        "scenario": scenario,
        "headline": headline(data),
        "outcome": outcome(data),
        "details": details(data),
        "design": DESIGNS[data["design"]],
        "names": short_keys([each["key"] for each in data["keys"]]),
        "objectives": objective_texts(data),
        "rows": sweep_rows(data),
        "period": duration(parse_quantity(scenario["horizon"], TIME_S, "a time")),
        "accuracy": tables.accuracy_texts(data["step_time"]),
        "step_times": step_time_tables(data["step_time"]),
        "sources": sources(scenario, data["step_time"]),
        "parts": inputs.parts(scenario),
        "yaml": inputs.yaml_text(scenario),
    }
