"""A finished plan or simulation as a comparison needs it: the question, and its periods."""

from typing import Any, NamedTuple

import pandas as pd

from scenarios.fleet import Fleet
from scenarios.objectives import Objective, parse_objective

Data = dict[str, Any]


class ResultSet(NamedTuple):
    """What `fleetcast plan` or `simulate` left."""

    place: str
    manifest: Data
    plan: Data | None
    """plan.json; None of a simulation."""
    replicas: int
    """Of the main pool; with autoscaling its fewest, or those that it begins with."""
    periods: pd.DataFrame
    """The rows of replications.parquet that its figures are of, by replication."""
    latencies: pd.DataFrame
    """latencies.parquet."""

    @property
    def scenario(self) -> Data:
        """Of the fleet that was run, with the size of it."""
        told: Data = self.manifest["scenario"] if self.plan is None else self.plan["scenario"]
        fleet: Data = told["fleet"] | {"replicas": self.replicas}
        if self.plan is not None and "autoscaling" in fleet:
            fleet = Fleet.model_validate(told["fleet"]).of_size(self.replicas).as_yaml_data()
        return told | {"fleet": fleet}

    @property
    def objectives(self) -> list[Objective]:
        return [parse_objective(text) for text in self.sla.get("objectives", ())]

    @property
    def sla(self) -> Data:
        """What is promised; empty where nothing is."""
        return self.scenario.get("sla") or {}

    @property
    def whole(self) -> pd.DataFrame:
        """Periods that ran to their end: figures of the others are of a part of them only."""
        rows: pd.DataFrame = self.periods[~self.periods["stopped_early"].astype(bool)]
        return rows
