"""Each objective over the periods of a fleet: rows for the page and for the terminal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from planner.plan_data import objective_json
from planner.verdict import keeps, used_share
from reports.folder import Results, period_values
from reports.tables import interval_text, shown
from scenarios.objectives import Objective, parse_objective
from simulator.estimates import median_estimate

Data = dict[str, Any]


class ObjectiveRow(NamedTuple):
    """One objective; without periods only its text."""

    text: str
    good: bool | None
    """Whether as many periods meet it as the SLA promises; None where none was run."""
    figure: str
    """In the median period ..."""
    interval: str
    """... with an interval for it, by order statistics."""
    used: float | None
    """Share of its allowance that the median period uses: 1 at the limit."""
    worst: str | None
    kept: int | None
    periods: int | None

    @property
    def kept_text(self) -> str:
        return f"{self.kept} of {self.periods}" if self.periods else "not run"

    @property
    def used_text(self) -> str:
        return "" if self.used is None else allowance_text(self.used)


def allowance_text(used: float) -> str:
    """How much of an allowance is used, in few digits.

    >>> allowance_text(0.5142), allowance_text(1.164), allowance_text(177.3)
    ('51.4%', '116%', '177 times')
    >>> allowance_text(float("inf"))
    'beyond it'
    """
    if used == float("inf"):
        return "beyond it"
    return f"{used * 100:.3g}%" if used < 9.99 else f"{used:,.0f} times"


def shown_objectives(results: Results) -> list[ObjectiveRow]:
    """Over the periods that a result set shows."""
    promised = (results.scenario.get("sla") or {}).get("probability", 1.0)
    return objective_rows(results.answer["objectives"], period_values(results), promised)


def objective_rows(
    told: list[Data], values: pd.DataFrame, probability: float
) -> list[ObjectiveRow]:
    """told: each objective with its estimate (planner.plan_data.objective_json). values: a row per
    period, a column per objective (its text)."""
    return [objective_row(data, values, probability) for data in told]


def objective_row(data: Data, values: pd.DataFrame, probability: float) -> ObjectiveRow:
    objective = parse_objective(data["objective"])
    metric, text = objective.metric, objective.text
    run = bool(data["replications"])
    figure = shown(metric, data["value"]) if run else "not run"
    interval = interval_text(metric, data) if run else ""
    own = values[text].dropna() if text in values else pd.Series(dtype=float)
    if not len(own):
        return ObjectiveRow(text, None, figure, interval, None, None, None, None)
    kept = sum(keeps(value, objective) for value in own)
    worst = own.max() if objective.relation == "<=" else own.min()
    return ObjectiveRow(
        text=text,
        good=kept >= probability * len(own),
        figure=figure,
        interval=interval,
        used=used_share(float("inf") if data["value"] is None else data["value"], objective),
        worst=shown(metric, worst),
        kept=kept,
        periods=len(own),
    )


def measured_objectives(
    objectives: Sequence[Objective], values: pd.DataFrame, probability: float
) -> list[ObjectiveRow]:
    """Over the periods of `values`, where no answer has the estimates yet."""
    told = [
        objective_json(each, median_estimate(values[each.text].tolist())) for each in objectives
    ]
    return objective_rows(told, values, probability)
