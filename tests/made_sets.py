"""Result sets made by hand: what a plan or a simulation of an example leaves, not simulated."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner.comparison import FIGURES
from planner.result_set import ResultSet
from scenarios.loading import load
from simulator.control.accounts import Accounts
from simulator.tables import RESULTS_VERSION

Data = dict[str, Any]
EXAMPLE = load(Path(__file__).parents[1] / "scenarios" / "examples" / "chat.yaml").as_yaml_data()
OBJECTIVES = EXAMPLE["sla"]["objectives"]
NO_ACCOUNTS = Accounts(0, (), 0, 0, (), 0, (0,), (), 0)
"""Of a run whose fleet is not known."""


def make_periods(count: int = 20, first: int = 0, **columns: Any) -> pd.DataFrame:
    """Periods that keep everything; `columns` are named by figures, such as ttft_s_p95."""
    luck = np.random.default_rng(1).uniform(0.9, 1.1, 10_000)[first : first + count]
    rows: dict[str, Any] = {"replication": np.arange(first, first + count)}
    rows |= {"kept": True, "stopped_early": False}
    rows |= {column: 0.1 * luck for column in FIGURES.values()}
    rows |= {"error_rate": 0.0, "availability": 1.0, "gpu_hours_paid": 0.5} | columns
    rows |= dict(zip(OBJECTIVES, (rows["ttft_s_p95"], rows["tpot_s_p95"], rows["error_rate"]),
                     strict=True))  # fmt: skip
    return pd.DataFrame(rows).set_index("replication")


def make_latencies() -> pd.DataFrame:
    times_s = [0.05, 0.1, 0.2, 0.4, np.inf]
    rows = pd.DataFrame({"time_s": times_s, "count": [500, 300, 150, 45, 5]})
    each = [rows.assign(metric=metric) for metric in ("ttft", "tpot", "e2e", "itl")]
    return pd.concat(each, ignore_index=True).assign(replication=0, group="chat")


def make_set(
    periods: pd.DataFrame, place: str = "one", seed: int = 7, replicas: int = 5, **scenario: Any
) -> ResultSet:
    """Of `simulate`; `scenario` replaces keys of the example."""
    told: Data = deepcopy(EXAMPLE) | {"seed": seed} | scenario
    told["fleet"] |= {"replicas": replicas}
    manifest = {
        "command": "simulate", "scenario_hash": "ab" * 32, "seed": seed,
        "versions": {"fleetcast": "0.1.0", "source": "0123456789abcdef"},
        "files": ["replications.parquet", "latencies.parquet"], "scenario": told,
        "results_version": RESULTS_VERSION,
    }  # fmt: skip
    return ResultSet(place, manifest, None, replicas, periods, make_latencies())


def write_set(folder: Path, one: ResultSet) -> Path:
    """The files that `read_set` reads."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(one.manifest))
    (folder / "simulation.json").write_text(json.dumps({"replicas": one.replicas}))
    rows = one.periods.reset_index().assign(phase="simulate", line=0, replicas=one.replicas)
    rows.to_parquet(folder / "replications.parquet")
    one.latencies.to_parquet(folder / "latencies.parquet")
    return folder
