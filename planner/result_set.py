"""A finished plan or simulation, read back from its folder: the question, and its periods."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from scenarios.objectives import Objective, parse_objective

Data = dict[str, Any]

MADE_BY = ("plan", "simulate")


class NotASet(Exception):
    """What is in the folder is no finished result; the message is for its user."""


class ResultSet(NamedTuple):
    """What `fleetcast plan` or `simulate` left."""

    place: str
    manifest: Data
    plan: Data | None
    """plan.json; None of a simulation."""
    periods: pd.DataFrame
    """The rows of replications.parquet that its figures are of, by replication."""
    latencies: pd.DataFrame
    """latencies.parquet; empty where it was not written."""

    @property
    def scenario(self) -> Data:
        """Of the fleet that was run, with the size of it."""
        told: Data = self.manifest["scenario"] if self.plan is None else self.plan["scenario"]
        return told | {"fleet": told["fleet"] | {"replicas": self.replicas}}

    @property
    def replicas(self) -> int:
        """Of the main pool; with autoscaling its fewest, or those that it begins with."""
        told = self.manifest["replicas"] if self.plan is None else self.plan["figures_of"]
        return int(told)

    @property
    def objectives(self) -> list[Objective]:
        promised = self.scenario.get("sla", {}).get("objectives", ())
        return [parse_objective(text) for text in promised]

    @property
    def whole(self) -> pd.DataFrame:
        """Periods that ran to their end: figures of the others are of a part of them only."""
        rows: pd.DataFrame = self.periods[~self.periods["stopped_early"].astype(bool)]
        return rows


def read_set(folder: Path) -> ResultSet:
    """The result set in `folder`. Raises NotASet."""
    manifest = read_object(folder / "manifest.json")
    command = manifest.get("command")
    if command not in MADE_BY:
        what = f"what `fleetcast {command}` made" if command else "no finished results"
        raise NotASet(
            f"{folder} holds {what}; this needs folders of `fleetcast plan` or `simulate`"
        )
    plan = read_object(folder / "plan.json") if command == "plan" else None
    if plan == {}:
        raise NotASet(f"{folder} holds no finished plan; run `fleetcast plan` again")
    periods = read_table(folder, "replications")
    if "stopped_early" not in periods:
        made_by = manifest["versions"].get("fleetcast", "?")
        raise NotASet(f"{folder} is of fleetcast {made_by}, before its periods could be compared")
    shown = own_periods(periods, plan).set_index("replication")
    return ResultSet(str(folder), manifest, plan, shown, read_table(folder, "latencies"))


def own_periods(periods: pd.DataFrame, plan: Data | None) -> pd.DataFrame:
    """Those of a simulation or, of a plan, of the certificate of the fleet that it shows."""
    if plan is None:
        return periods
    of_fleet = (periods["replicas"] == plan["figures_of"]) & (periods["line"] == plan["line"])
    shown: pd.DataFrame = periods[of_fleet & (periods["phase"] == "certify")]
    return shown


def read_table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.parquet"
    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def read_object(path: Path) -> Data:
    """The JSON object in a file; empty when there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
