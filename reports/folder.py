"""A finished result set, read back: the answer, where it comes from, and its evidence."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from planner.verdict import keeps, used_share
from scenarios.objectives import Objective, parse_objective
from simulator.tables import RESULTS_VERSION, TABLES

Data = dict[str, Any]

PAGE = "report.html"
ANSWERS = {"plan": "plan.json", "simulate": "simulation.json"}
"""The file that holds the answer, by the command that made the set."""


class OtherResults(Exception):
    """A folder that holds no result set that this version reads; the message says why."""


class Results(NamedTuple):
    """What `fleetcast plan` or `simulate` left in a folder. The page needs no request rows."""

    answer: Data
    manifest: Data
    replications: pd.DataFrame
    latencies: pd.DataFrame
    timeline: pd.DataFrame
    incidents: pd.DataFrame

    @property
    def is_plan(self) -> bool:
        return bool(self.manifest["command"] == "plan")

    @property
    def scenario(self) -> Data:
        """Of the fleet that is shown: a plan's choices are made."""
        found: Data = self.answer.get("scenario") or self.manifest["scenario"]
        return found

    @property
    def replicas(self) -> int:
        """Of the fleet that the figures are of."""
        return int(self.answer["figures_of" if self.is_plan else "replicas"])


def read_results(folder: Path) -> Results:
    """Everything in `folder`; a table its manifest does not list is empty. Raises OtherResults."""
    manifest = read_manifest(folder)
    check_version(folder, manifest)
    return Results(
        read_json(folder, ANSWERS[manifest["command"]]),
        manifest,
        *(read_table(folder, manifest["files"], name) for name in Results._fields[2:]),
    )


def read_manifest(folder: Path) -> Data:
    """Of a finished plan or simulation. Raises OtherResults for anything else."""
    try:
        manifest = read_json(folder, "manifest.json")
        command = str(manifest["command"])
    except (OtherResults, KeyError) as error:
        raise OtherResults(f"{folder} holds no finished results") from error
    if command not in ANSWERS:
        told = " and ".join(ANSWERS)
        raise OtherResults(f"{folder} is of `fleetcast {command}`; this reads results of {told}")
    if not (folder / ANSWERS[command]).exists():
        raise OtherResults(f"{folder} is not finished; run `fleetcast {command}` again")
    return manifest


def check_version(folder: Path, manifest: Data) -> None:
    """Raises OtherResults."""
    found = manifest.get("results_version", 0)
    if found != RESULTS_VERSION:
        raise OtherResults(
            f"{folder}: results of version {found}; this fleetcast reads version "
            f"{RESULTS_VERSION}. Run the command again that made them"
        )


def read_json(folder: Path, name: str) -> Data:
    """A JSON object of a result set. Raises OtherResults."""
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise lacks(folder, name) from error
    if not isinstance(data, dict):
        raise lacks(folder, name)
    return data


def read_table(folder: Path, files: list[str], name: str) -> pd.DataFrame:
    """Raises OtherResults."""
    file = f"{name}.parquet"
    if file not in files:
        return pd.DataFrame(columns=[column.name for column in TABLES[name].columns])
    try:
        return pd.read_parquet(folder / file)
    except (OSError, ValueError) as error:  # Arrow's errors are among them
        raise lacks(folder, file) from error


def lacks(folder: Path, file: str) -> OtherResults:
    """Somebody took or damaged a file."""
    again = "run the command again that made it"
    return OtherResults(f"{folder}: {file} is missing or damaged; {again}")


def objectives_of(results: Results) -> list[Objective]:
    return [parse_objective(row["objective"]) for row in results.answer["objectives"]]


def shown_rows(results: Results) -> pd.DataFrame:
    """The figures of the periods that are shown: those of the plan's fleet that certified it."""
    rows = results.replications
    if not results.is_plan:
        return rows
    shown = (rows["phase"] == "certify") & (rows["replicas"] == results.replicas)
    own: pd.DataFrame = rows[shown & (rows["line"] == results.answer["line"])]
    return own


def period_values(results: Results) -> pd.DataFrame:
    """One row per period that is shown, by replication; one column per objective (its text): the
    figure it is about."""
    texts = [objective.text for objective in objectives_of(results)]
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


def broken_periods(values: pd.DataFrame, objectives: list[Objective]) -> set[int]:
    """Replications that break some objective."""
    broken: set[int] = set()
    for one in objectives:
        if one.text in values:
            own = values[one.text].dropna()
            broken.update(int(key) for key in own.index[[not keeps(v, one) for v in own]])
    return broken


def used_by_objective(values: pd.DataFrame, objectives: list[Objective]) -> pd.DataFrame:
    """How much of what each objective allows a period uses, by replication and objective text."""
    used = {
        one.text: values[one.text].map(lambda value, one=one: used_share(value, one))
        for one in objectives
        if one.text in values
    }
    return pd.DataFrame(used, index=values.index)


def used_shares(values: pd.DataFrame, objectives: list[Objective]) -> pd.Series:
    """Of the objective that a period uses most of, by replication; empty without objectives."""
    used = used_by_objective(values, objectives)
    return used.max(axis=1) if used.shape[1] else pd.Series(dtype=float)
