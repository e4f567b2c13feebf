"""A finished result folder, read back: the plan, where it comes from, and its evidence."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from planner.verdict import keeps, used_share
from scenarios.objectives import Objective, parse_objective
from simulator.tables import RESULTS_VERSION, TABLES

Data = dict[str, Any]


class OtherResults(Exception):
    """A folder whose files say other things than this version reads; the message says which."""


class Results(NamedTuple):
    """What `fleetcast plan` left in a folder. The page needs no request rows."""

    plan: Data
    manifest: Data
    replications: pd.DataFrame
    latencies: pd.DataFrame
    timeline: pd.DataFrame
    incidents: pd.DataFrame


def read_results(folder: Path) -> Results:
    """Everything in `folder`; a table its manifest does not list is empty. Raises OtherResults."""
    manifest = json.loads((folder / "manifest.json").read_text())
    check_version(folder, manifest)
    return Results(
        json.loads((folder / "plan.json").read_text()),
        manifest,
        *(read_table(folder, manifest["files"], name) for name in Results._fields[2:]),
    )


def check_version(folder: Path, manifest: Data) -> None:
    """Raises OtherResults."""
    found = manifest.get("results_version", 0)
    if found != RESULTS_VERSION:
        raise OtherResults(
            f"{folder}: results of version {found}; this fleetcast reads version "
            f"{RESULTS_VERSION}. Run the command again that made them"
        )


def read_table(folder: Path, files: list[str], name: str) -> pd.DataFrame:
    file = f"{name}.parquet"
    if file not in files:
        return pd.DataFrame(columns=[column.name for column in TABLES[name].columns])
    return pd.read_parquet(folder / file)


def objectives_of(plan: Data) -> list[Objective]:
    return [parse_objective(row["objective"]) for row in plan["objectives"]]


def shown_rows(results: Results) -> pd.DataFrame:
    """The figures of the certification periods of the fleet that is shown."""
    rows = results.replications
    shown = (rows["phase"] == "certify") & (rows["replicas"] == results.plan["figures_of"])
    own: pd.DataFrame = rows[shown & (rows["line"] == results.plan["line"])]
    return own


def period_values(results: Results) -> pd.DataFrame:
    """One row per certification period of the fleet that is shown, by replication; one column per
    objective (its text): the figure it is about."""
    texts = [objective.text for objective in objectives_of(results.plan)]
    values: pd.DataFrame = shown_rows(results).set_index("replication").reindex(columns=texts)
    return values


def broken_counts(values: pd.DataFrame, objectives: list[Objective]) -> dict[str, int]:
    """How many periods break each objective, by its text."""
    return {
        objective.text: sum(
            not keeps(value, objective) for value in values[objective.text].dropna()
        )
        for objective in objectives
        if objective.text in values
    }


def worst_period(values: pd.DataFrame, objectives: list[Objective]) -> int | None:
    """The period that uses most of what some objective allows; the first of several."""
    known = [objective for objective in objectives if objective.text in values]
    if values.empty or not known:
        return None
    used = [values[o.text].map(lambda value, o=o: used_share(value, o)) for o in known]
    most = pd.concat(used, axis=1).max(axis=1).to_numpy()
    return int(values.index.to_numpy()[np.nanargmax(most)])
