"""A sweep as data: sweep.json, and the tables of its cells and of their periods."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from planner.cost import fleet_cost, gpus
from planner.metrics import Figures, table
from planner.sweep import Cell
from planner.sweep_design import DesignKind
from planner.verdict import used_share
from scenarios.document import has, place_of
from scenarios.model import Scenario
from scenarios.objectives import Objective
from scenarios.spread import split
from scenarios.varied import Varied
from simulator.estimates import Estimate, median_estimate, share_estimate
from simulator.provenance import step_times
from simulator.results import versions

Data = dict[str, Any]
NO_FLEET: Data = {
    "scenario_hash": None,
    "replicas": None,
    "gpus": None,
    "promised": None,
    "replications": 0,
    "kept": None,
    "p_sla": None,
    "objectives": [],
    "usd_per_month": None,
}
PLAIN = (
    "fate", "why_not", "scenario_hash", "replicas", "gpus", "promised", "replications", "kept",
    "usd_per_month",
)  # fmt: skip
"""What of a cell is one value."""


def as_json(
    base: Scenario,
    kind: DesignKind,
    varied: Sequence[Varied],
    cells: Sequence[Cell],
    periods: Mapping[int, Sequence[Figures]],
) -> Data:
    """The sweep as data, stable keys: seconds, shares of one, USD; `values` in base units.
    periods: the figures of each cell, by its number; those that cannot be have none."""
    units = units_of([each.key for each in varied if each.varies], cells)
    asked = {each.key: each.text for each in varied}
    data = [cell_json(cell, units, periods.get(cell.number, ())) for cell in cells]
    return {
        "name": base.name,
        "scenario_hash": base.hash,
        "seed": base.seed,
        "versions": versions(),
        "design": kind,
        "keys": [{"key": key, "asked": asked[key], "unit": unit} for key, unit in units.items()],
        "replications": max((cell["replications"] for cell in data), default=0),
        "step_time": step_times(base),
        "cells": data,
    }


def units_of(keys: Sequence[str], cells: Sequence[Cell]) -> dict[str, str | None]:
    """The base unit of each key, empty of plain numbers; None where values are no numbers, or not
    of one kind."""
    found: dict[str, str | None] = {}
    for key in keys:
        told = [split(told_at(cell, key)) for cell in cells if cell.scenario is not None]
        units = {None if number is None else number[1] for number in told}
        found[key] = units.pop() if len(units) == 1 else None
    return found


def told_at(cell: Cell, key: str) -> Any:
    """What stands at a key of the cell's scenario in full; None where nothing does."""
    data: Any = cell.can_be.as_yaml_data()
    for step in place_of(data, key):
        data = data[step] if has(data, step) else None
    return data


def value_of(cell: Cell, key: str, unit: str | None) -> Any:
    """The number in base units; what was asked where values are no numbers, None where there is
    none."""
    if unit is None:
        return cell.values[key]
    if cell.scenario is None:
        return None
    told = told_at(cell, key)
    number = split(told)
    assert number is not None, "units_of looked"
    return told if isinstance(told, int) else number[0]


def cell_json(cell: Cell, units: Mapping[str, str | None], rows: Sequence[Figures]) -> Data:
    """One cell; what only a fleet has is null where there can be none."""
    told: Data = {
        "cell": cell.number,
        "asked": cell.values,
        "values": {key: value_of(cell, key, unit) for key, unit in units.items()},
        "fate": "impossible" if cell.scenario is None else "simulated",
        "why_not": cell.why_not,
    }
    if cell.scenario is None:
        return told | NO_FLEET
    scenario, periods = cell.scenario, table(rows)
    assert scenario.sla is not None, "the caller asks for scenarios with an sla"
    kept = int(periods["kept"].sum())
    return told | {
        "scenario_hash": scenario.hash,
        "replicas": scenario.fleet.replicas,
        "gpus": gpus(scenario, scenario.fleet.replicas),
        "promised": scenario.sla.probability,
        "replications": len(periods),
        "kept": kept,
        "p_sla": share_estimate(kept, len(periods))._asdict(),
        "objectives": [
            objective_json(objective, median_estimate(periods[objective.text].tolist()))
            for objective in scenario.objectives
        ],
        "usd_per_month": usd_per_month(scenario, periods),
    }


def objective_json(objective: Objective, estimate: Estimate) -> Data:
    """used: how much of what is allowed the median period uses, 1 at the limit."""
    used = used_share(estimate.value, objective)
    told = {"objective": objective.text, "limit": objective.limit, "used": used}
    return told | estimate._asdict()


def usd_per_month(scenario: Scenario, periods: pd.DataFrame) -> float | None:
    """None without prices."""
    if scenario.price is None:
        return None
    return fleet_cost(scenario, scenario.fleet.replicas, periods).usd_per_month


# --- tables ---------------------------------------------------------------------------------------


def cells_table(data: Data) -> pd.DataFrame:
    """cells.parquet: one row per cell; its keys, P(SLA), objectives and cost."""
    return pd.DataFrame([cell_row(cell) for cell in data["cells"]])


def cell_row(cell: Data) -> Data:
    share = cell["p_sla"] or {}
    row = {"cell": cell["cell"]} | key_columns(cell)
    row |= {name: cell[name] for name in PLAIN}
    row |= {"p_sla": share.get("value"), "low: p_sla": share.get("low")}
    row |= {"high: p_sla": share.get("high")}
    for objective in cell["objectives"]:
        text = objective["objective"]
        row |= {text: objective["value"], f"used: {text}": objective["used"]}
        row |= {f"{end}: {text}": objective[end] for end in ("low", "high")}
    return row


def periods_table(data: Data, periods: Mapping[int, Sequence[Figures]]) -> pd.DataFrame:
    """The rows of the data set `replications`, with the number of their cell: its keys, then the
    figures of each period."""
    return table(
        {"cell": cell["cell"]}
        | key_columns(cell)
        | {"replicas": cell["replicas"], "replication": replication}
        | figures
        for cell in data["cells"]
        for replication, figures in enumerate(periods.get(cell["cell"], ()))
    )


def key_columns(cell: Data) -> Data:
    """Each key by its name, a number in base units or text; and as it was asked."""
    return {**cell["values"], **{f"text: {key}": text for key, text in cell["asked"].items()}}
