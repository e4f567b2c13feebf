"""Which pictures a result set has evidence for, by the section of the page that shows them."""

from typing import Any

import pandas as pd

from reports.figures import explanation, inside, p_sla, periods
from reports.figures.latency import latency
from reports.figures.panel import Panel
from reports.figures.recovery import recovery
from reports.folder import Results, broken_periods, objectives_of, used_shares
from reports.image import house_style
from reports.tables import shown
from scenarios.objectives import Objective

Data = dict[str, Any]

SECTIONS = ("certainty", "users", "inside", "heat", "recovery", "why")
PERIODS_MAX = 150
"""Of which the page knows the whole course, the worst ones first."""
FAULTS_NAMED = 3


def panels_of(results: Results, values: pd.DataFrame) -> dict[str, list[Panel]]:
    """By section; empty lists where there is nothing to show."""
    answer, objectives = results.answer, objectives_of(results)
    sections: dict[str, list[Panel | None]] = {name: [] for name in SECTIONS}
    with house_style():
        if results.is_plan:
            sections["certainty"] = [p_sla.p_sla(answer)]
            if answer["explanation"]:
                sections["certainty"].append(explanation.frontier(answer))
                sections["why"] = [explanation.tornado(answer)]
        classes = {
            group["name"]: group.get("sla_class") or "" for group in results.scenario["traffic"]
        }
        sections["users"] = [
            *latency(results.latencies, classes, objectives),
            *(periods.periods(values, objectives) if len(values) else []),
        ]
        if len(results.timeline):
            rows, order = inside.per_second(results.timeline), worst_first(results, values)
            drawn = inside.Shown(median_of(order), order[0])
            sections["inside"] = [*inside.timeline(rows, drawn, results.incidents)]
            if len(order) > 1:
                broken = broken_periods(values, objectives)
                sections["heat"] = [inside.heat_map(rows, order, broken)]
            sections["recovery"] = [recovery(rows, results.incidents)]
    return {name: [one for one in panels if one] for name, panels in sections.items()}


def worst_first(results: Results, values: pd.DataFrame) -> list[int]:
    """Replications by how much of what some objective allows they use; without objectives by the
    longest queue."""
    used = used_shares(values, objectives_of(results))
    if used.empty:
        used = results.timeline.groupby("replication")["waiting"].max().astype(float)
    known = used[used.index.isin(results.timeline["replication"].unique())]
    ordered = known.sort_index().sort_values(ascending=False, kind="stable", na_position="first")
    return [int(replication) for replication in ordered.index]


def median_of(order: list[int]) -> int | None:
    """The period in the middle; none where there is only the worst."""
    return order[len(order) // 2] if len(order) > 1 else None


# --- for the page's script -----------------------------------------------------------------------


def course_data(results: Results, values: pd.DataFrame) -> Data | None:
    """The course of each period that can be chosen, and what is said of it; None without any."""
    if not len(results.timeline):
        return None
    rows, objectives = inside.per_second(results.timeline), objectives_of(results)
    replications = worst_first(results, values)[:PERIODS_MAX]
    times_s = inside.instants(rows["time_s"].drop_duplicates().sort_values().to_numpy(dtype=float))
    _, per_unit_s = inside.time_unit(float(rows["time_s"].max()))
    at = rows[rows["time_s"].isin(times_s)]
    broken = broken_periods(values, objectives)
    tables = {
        name: at.pivot(index="replication", columns="time_s", values=name).ffill(axis=1).round(3)
        for name in inside.NAMES
    }
    return {
        "times": [round(time_s / per_unit_s, 4) for time_s in times_s],
        "replications": replications,
        "labels": [label(one, place, broken) for place, one in enumerate(replications)],
        "facts": [facts(one, values, objectives, results.incidents) for one in replications],
        "series": {
            name: table.loc[replications].to_numpy(dtype=float).tolist()
            for name, table in tables.items()
        },
    }


def label(replication: int, place: int, broken: set[int]) -> str:
    """
    >>> label(17, 0, {17}), label(4, 3, {17})
    ('17: broken, the worst', '4: kept')
    """
    fate = "broken" if replication in broken else "kept"
    return f"{replication}: {fate}{', the worst' if place == 0 else ''}"


def facts(
    replication: int, values: pd.DataFrame, objectives: list[Objective], incidents: pd.DataFrame
) -> str:
    """What a period's objectives came to, and its faults, in a line."""
    told = []
    if replication in values.index:
        row = values.loc[replication].dropna().astype(float).to_dict()
        told = [
            f"{objective.text}: {shown(objective.metric, row[objective.text])}"
            for objective in objectives
            if objective.text in row
        ]
    own = incidents[incidents["replication"] == replication]
    faults = [
        f"{fault} at {begin_s:.0f} s" if begin_s >= 0 else f"{fault} from before"
        for fault, begin_s in zip(own["fault"], own["begin_s"], strict=True)
    ]
    more = f" and {len(faults) - FAULTS_NAMED} more" if len(faults) > FAULTS_NAMED else ""
    told.append(f"faults: {', '.join(faults[:FAULTS_NAMED])}{more}" if faults else "no fault")
    return "; ".join(told)
