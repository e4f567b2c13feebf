"""A finished result set -> report.html, one file that needs nothing else, and its pictures."""

from pathlib import Path
from typing import Any

import pandas as pd

from planner.statement import duration
from reports import explanation, inputs, tables
from reports.accounts import account_rows, fault_rows
from reports.cautions import cautions, step_time_tables
from reports.costs import cost_rows, draw_text, price_text
from reports.figure_rows import (
    count_rows,
    hardest,
    latency_rows,
    periods_with_outage,
)
from reports.first_screen import tiles
from reports.folder import (
    ANSWERS,
    PAGE,
    Data,
    Results,
    objectives_of,
    period_values,
    read_results,
    used_by_objective,
)
from reports.lines import line_rows
from reports.objectives import shown_objectives
from reports.panels import course_data, panels_of
from reports.rendering import put_pictures, remove_stale, render, script_data, write_page
from reports.sizes import size_rows
from reports.sources import sources
from scenarios.units import TIME_S, parse_quantity
from simulator.tables import TABLES

FILES = {
    "plan.json": "the answer as data",
    "simulation.json": "the figures as data",
    "manifest.json": "the whole scenario, its hash, the seed and the versions",
}

SECTIONS = {
    "certainty": "How sure",
    "users": "What users feel",
    "inside": "A period from inside",
    "failures": "Failures and recovery",
    "why": "Why this answer",
    "cost": "What it costs",
    "inputs": "What went in",
    "method": "How it was done",
    "again": "Do it again",
}


def write_report(folder: Path) -> Path:
    """Draw the report of the finished result set in `folder`: report.html, and a PNG and an SVG per
    picture. The same folder gives the same bytes. Returns the page's path.

    Raises OtherResults when another version wrote it.
    """
    results = read_results(folder)
    values = period_values(results)
    panels = panels_of(results, values)
    drawn = [panel for section in panels.values() for panel in section]
    drawings = put_pictures(drawn, folder)
    remove_stale(folder / PAGE, drawings)
    told = {
        **common(results, values),
        "panels": panels,
        "drawings": drawings,
        "script_data": script_data(drawn, periods=course_data(results, values)),
        "files": files(results, drawings),
    }
    if results.is_plan:
        page = render("report.html", **told, **of_plan(results, values))
    else:
        page = render("simulation.html", **told, simulation=results.answer)
    return write_page(page, folder / PAGE)


def common(results: Results, values: pd.DataFrame) -> Data:
    """What the pages of a plan and of a simulation both tell."""
    answer, scenario = results.answer, results.scenario
    accounts = answer["accounts"]
    promised = (scenario.get("sla") or {}).get("probability", 1.0)
    told = {
        "is_plan": results.is_plan,
        "manifest": results.manifest,
        "scenario": scenario,
        "period": duration(horizon_s(scenario)),
        "shown": tables.counted(results.replicas, "replica"),
        "period_count": len(values),
        "promised": promised,
        "objectives": shown_objectives(results),
        "latencies": latency_rows(answer["metrics"]),
        "counts": count_rows(answer["metrics"]),
        "accounts": accounts and account_rows(accounts),
        "faults": accounts and fault_rows(accounts, results.incidents),
        "outages": periods_with_outage(results),
        "accuracy": tables.accuracy_texts(answer["step_time"]),
        "cautions": cautions(answer["step_time"]),
        "step_times": step_time_tables(answer["step_time"]),
        "sources": sources(scenario, answer["step_time"]),
        "parts": inputs.parts(scenario),
        "yaml": inputs.yaml_text(results.manifest["scenario"]),
    }
    there = {
        "certainty": results.is_plan,
        "inside": len(results.timeline),
        "failures": accounts,
        "why": answer.get("explanation"),
        "cost": results.is_plan,
        "method": results.is_plan,
    }
    told["contents"] = [(name, title) for name, title in SECTIONS.items() if there.get(name, True)]
    return told


def of_plan(results: Results, values: pd.DataFrame) -> Data:
    """What only the page of a plan tells."""
    plan, objectives = results.answer, objectives_of(results)
    energy = plan["cost"]["energy"]
    return {
        "plan": plan,
        "answer": None if plan["fleet"]["replicas"] is None else tables.fleet_text(plan["fleet"]),
        "one_fewer": None if plan["one_fewer"] is None else tables.one_fewer_line(plan),
        "tiles": tiles(plan, used_by_objective(values, objectives), objectives),
        "hardest": hardest(values, objectives),
        "sizes": size_rows(plan),
        "lines": line_rows(plan),
        "why": why(plan),
        "costs": cost_rows(plan["cost"]),
        "energy": energy,
        "draw": energy and draw_text(energy),
        "price_text": price_text(plan["cost"]),
    }


def why(plan: Data) -> Data | None:
    """The explanation in words; None where there is none."""
    found = plan["explanation"]
    if found is None:
        return None
    binding = explanation.binding_text(plan)
    return {
        "binding": binding[:1].upper() + binding[1:],
        "reliefs": explanation.relief_rows(plan),
        "room": explanation.headroom_text(found["headroom"]),
        "levers": explanation.lever_rows(plan),
        "frontier": explanation.frontier_rows(plan),
        "nine": explanation.nine_text(plan),
        "luck": found["luck"] and explanation.luck_text(found),
    }


def horizon_s(scenario: Data) -> float:
    return parse_quantity(scenario["horizon"], TIME_S, "a time")


def files(results: Results, drawings: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, what it holds) of what is in the folder."""
    names = [ANSWERS[results.manifest["command"]], "manifest.json", *results.manifest["files"]]
    pictures = [(f"{name}.png, {name}.svg", "a picture of this page") for name in drawings]
    return [*((name, file_text(name)) for name in names), *pictures]


def file_text(name: str) -> str:
    """
    >>> file_text("timeline.parquet")
    'A row per sample of a period. Of all periods of the shown fleet, some 120 samples of each.'
    """
    if name in FILES:
        return FILES[name]
    table = TABLES[name.removesuffix(".parquet")]
    return f"A row per {table.rows}. {table.about}".replace("`", "")
