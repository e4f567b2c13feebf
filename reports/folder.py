"""A finished result folder, read back: the plan, where it comes from, and its evidence."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from planner.verdict import keeps, used_share
from scenarios.objectives import Objective, parse_objective
from simulator.control.accounts import NO_ACCOUNTS
from simulator.run import OUTCOMES, Run, incident_frame

Data = dict[str, Any]

COLUMNS = {
    "requests": (
        "replication", "arrival_s", "group", "input_tokens", "output_tokens", "first_token_s",
        "finish_s", "replica", "preemptions", "retries", "outcome", "cached_tokens", "fault",
    ),
    "replications": ("phase", "replicas", "replication"),
    "timeline": ("replication", "time_s", "replicas_up", "waiting", "running", "kv_used"),
    "itl": ("itl_s", "tokens"),
    "incidents": (
        "replication", "fault", "component", "replicas", "begin_s", "noticed_s", "end_s",
    ),
}  # fmt: skip
"""The columns the page reads, for the tables of a plan whose fleet was never run."""


class Results(NamedTuple):
    """What `fleetcast plan` left in a folder."""

    plan: Data
    manifest: Data
    requests: pd.DataFrame
    replications: pd.DataFrame
    timeline: pd.DataFrame
    itl: pd.DataFrame
    incidents: pd.DataFrame


def read_results(folder: Path) -> Results:
    """Everything in `folder`; a table its manifest does not list is empty."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return Results(
        json.loads((folder / "plan.json").read_text()),
        manifest,
        *(read_table(folder, manifest["files"], name) for name in COLUMNS),
    )


def read_table(folder: Path, files: list[str], name: str) -> pd.DataFrame:
    file = f"{name}.parquet"
    if file not in files:
        return pd.DataFrame(columns=list(COLUMNS[name]))
    table = pd.read_parquet(folder / file)
    if name == "requests" and "fault" not in table:
        table["fault"] = None  # a folder of before it was told
    return table


def as_run(requests: pd.DataFrame) -> Run:
    """Rows of requests.parquet as a Run, so that latencies and verdicts mean what they mean in the
    planner. What other tables hold (decode gaps, timeline, steps, accounts) is left empty."""
    outcome = pd.Categorical(requests["outcome"].astype(object), categories=list(OUTCOMES)).codes
    fault = pd.Categorical(requests["fault"].astype(object))
    names = ("arrival_s", "first_token_s", "finish_s")
    counts = (
        "input_tokens", "output_tokens", "replica", "preemptions", "retries", "cached_tokens",
    )  # fmt: skip
    return Run(
        **{name: requests[name].to_numpy(dtype=np.float64) for name in names},
        **{name: requests[name].to_numpy(dtype=np.int64) for name in counts},
        group=np.zeros(len(requests), dtype=np.int64),
        outcome=outcome.astype(np.int64),
        fault=fault.codes.astype(np.int64),
        faults=tuple(fault.categories),
        horizon_s=0.0,
        itl_histogram=np.zeros(0, dtype=np.int64),
        timeline=pd.DataFrame(columns=list(COLUMNS["timeline"])),
        incidents=incident_frame(),
        accounts=NO_ACCOUNTS,
        steps=0,
        prefill_tokens=0,
        busy_share=0.0,
        stopped_early=False,
        inputs={},
    )


def objectives_of(plan: Data) -> list[Objective]:
    return [parse_objective(row["objective"]) for row in plan["objectives"]]


def shown_rows(results: Results) -> pd.DataFrame:
    """The figures of the certification periods of the fleet that is shown."""
    return certified_rows(results.plan, results.replications)


def certified_rows(plan: Data, rows: pd.DataFrame) -> pd.DataFrame:
    shown = (rows["phase"] == "certify") & (rows["replicas"] == plan["figures_of"])
    if "line" in rows:  # not in a folder of before there were several
        shown &= rows["line"] == plan["line"]
    own: pd.DataFrame = rows[shown]
    return own


def period_values(results: Results) -> pd.DataFrame:
    """One row per certification period of the fleet that is shown, by replication; one column per
    objective (its text): the figure it is about."""
    return values_of(results.plan, results.replications)


def values_of(plan: Data, replications: pd.DataFrame) -> pd.DataFrame:
    texts = [objective.text for objective in objectives_of(plan)]
    own = certified_rows(plan, replications).set_index("replication")
    values: pd.DataFrame = own.reindex(columns=texts)
    return values


def read_values(folder: Path, plan: Data) -> pd.DataFrame:
    """`period_values` of a folder, without reading its requests."""
    return values_of(plan, read_table(folder, ["replications.parquet"], "replications"))


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
