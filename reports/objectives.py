"""Each objective over the periods of a fleet: rows for the page and for the terminal."""

from typing import Any, NamedTuple

import pandas as pd

from planner.plan_data import objective_json
from planner.verdict import keeps, used_share
from reports.accounts import part
from reports.tables import counted, interval_text, shown
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
        return f"{self.kept} of {counted(self.periods, 'period')}" if self.periods else "not run"

    @property
    def used_text(self) -> str:
        """'51.4% of its allowance'."""
        if self.used is None:
            return ""
        beyond = self.used == float("inf")
        return "beyond its allowance" if beyond else f"{part(self.used)} of its allowance"


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


def measured(objectives: list[Objective], values: pd.DataFrame) -> list[Data]:
    """What `objective_rows` is told where no plan tells it."""
    figures = {each: median_estimate(values[each.text].tolist()) for each in objectives}
    return [objective_json(each, estimate) for each, estimate in figures.items()]
