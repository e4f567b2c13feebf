"""A small finished result folder, made by hand: what `fleetcast plan` leaves, not simulated."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from planner.evidence import write_tables
from planner.verdict import measure
from reports import page
from reports.page import write_report
from reports.panels import SECTIONS
from scenarios.loading import load
from scenarios.objectives import parse_objective
from simulator.histogram import histogram
from simulator.keeping import Period
from simulator.record import read_record, record_bytes, rows_of
from simulator.results import versions
from simulator.run import COMPLETED, LOST, Run, incident_frame
from simulator.simulate import arrivals
from simulator.tables import RESULTS_VERSION, TABLES
from tests.made_sets import NO_ACCOUNTS

Data = dict[str, Any]
EXAMPLE = Path(__file__).parents[2] / "scenarios" / "examples" / "chat.yaml"
PERIODS, REQUESTS, REPLICAS = 8, 40, 3
GROUPS: Any = [
    SimpleNamespace(name=name, tenant="us", sla_class="gold") for name in ("chat", "$batch <b>")
]
FILES = [f"{name}.parquet" for name in TABLES]


def make_step_time() -> Data:
    """Fitted to this GPU and engine; one coefficient nobody measured."""
    bandwidth = {
        "name": "achieved_bandwidth", "of": "h100", "value": 0.98, "unit": "share",
        "uncertainty": 0.021, "origin": "measured",
    }  # fmt: skip
    sampler = {
        "name": "sampler_logit_s", "of": "vllm", "value": 0.15e-9, "unit": "s",
        "uncertainty": None, "origin": "assumed",
    }  # fmt: skip
    return {
        "pool": "main",
        "origin": "measured",
        "rests_on": "physics fitted to measurements, dense model",
        "error_pct": {"tpot_median": 4.1, "tpot_p90": 12.0},
        "coefficients": [bandwidth, sampler],
        "never_measured": [],
    }


def make_accounts() -> Data:
    """One replica down for a while in one period; two kinds of faults, of which one struck."""
    mean = {"value": 0.25, "low": 0.0, "high": 0.75, "replications": PERIODS}
    known = mean | {"low": None, "high": None}
    names = (
        "availability", "gpu_hours_paid", "gpu_hours_useful", "useful_share", "tokens_lost",
        "cold_start_minutes", "requests_hit",
    )  # fmt: skip
    return {
        "periods": PERIODS,
        "available_error_rate": 0.01,
        "means": dict.fromkeys(names, mean) | {"availability": known | {"value": 1.0}},
        "down": [{"replicas": 1, "exactly": mean, "or_more": mean}],
        "faults": [
            {"fault": "replica", "incidents": 2, "retried": 5, "lost": 2},
            {"fault": "host", "incidents": 0, "retried": 0, "lost": 0},
        ],
    }


def make_plan() -> Data:
    """Three replicas certified, two undecided, one only screened; nothing to choose."""
    latency = {"value": 0.2, "low": 0.19, "high": 0.21, "replications": PERIODS}
    never = {"value": None, "low": None, "high": None, "replications": PERIODS}
    share = {"value": 0.0, "low": 0.0, "high": 0.025, "replications": PERIODS}
    metrics = {
        f"{m}_s_{p}": latency for m in ("ttft", "tpot", "e2e") for p in ("p50", "p95", "p99")
    }
    shares = ("error_rate", "goodput", "busy_share", "kv_used_max", "requests_per_s", "preemptions")
    tally = {"runs": PERIODS, "inherited": 0}
    two = tally | {"replicas": 2, "failed": 2, "status": "undecided", "interval": [0.3, 0.97]}
    three = tally | {"replicas": 3, "failed": 0, "status": "certified", "interval": [0.62, 1.0]}
    screened = [{"replicas": 1, "passed": False}, {"replicas": 2, "passed": True}]
    line = {
        "choice": {}, "fate": "certified", "why_not": "", "gpu": "h100-sxm-80gb",
        "gpus_per_replica": 2, "sizes": [1, 16], "lower_bound": 1, "first_guess": 2,
        "replicas": REPLICAS, "value": 17.7, "screened": screened, "certified": [two, three],
    }  # fmt: skip
    pool = {
        "pool": "main", "gpu": "h100-sxm-80gb", "purchase": "on_demand", "gpus": 6.0,
        "usd_per_gpu_hour": 2.95, "usd_per_hour": 17.7, "usd_per_month": 12744.0, "kw": None,
    }  # fmt: skip
    return {
        "name": "chat",
        "scenario_hash": "ab" * 32,
        "scenario": load(EXAMPLE).as_yaml_data(),
        "versions": versions(),
        "seed": 7,
        "minimise": "cost",
        "line": 0,
        "choice": {},
        "statement": "In this model a period meets [ttft p95 <= 500ms] & is certified.",
        "fleet": {
            "replicas": REPLICAS, "gpus": REPLICAS * 2, "gpu": "h100-sxm-80gb",
            "gpus_per_replica": 2, "model": "meta-llama/Llama-3.1-8B-Instruct",
            "precision": "bf16", "router": "least-outstanding", "others": [], "most": None,
        },
        "certificate": {
            "status": "certified", "probability": 0.95, "confidence": 0.95,
            "replications": PERIODS, "failed": 0, "interval": [0.62, 1.0],
            "inherited_run": 0, "inherited_failed": 0,
        },
        "one_fewer": two,
        "cost": {
            "usd_per_gpu_hour": 2.95, "usd_per_replica_hour": 5.9,
            "usd_per_hour": 17.7, "usd_per_month": 12744.0,
            "usd_per_million_tokens": 0.2, "usd_per_million_output_tokens": 1.4,
            "hours_per_month": 720.0, "gpus_paid": 6.0, "varies": False, "pools": [pool],
            "energy": None, "price_source": "", "price_date": None,
        },
        "figures_of": REPLICAS,
        "objectives": [
            {"objective": "ttft p95 <= 500ms", "limit": 0.5} | latency,
            {"objective": "itl mean <= 40ms", "limit": 0.04} | latency,
            {"objective": "error_rate <= 0.1%", "limit": 0.001} | share,
        ],
        "metrics": metrics | {"e2e_s_p99": never} | dict.fromkeys(shares, share),
        "accounts": make_accounts(),
        "sizes": [two, three],
        "screened": screened,
        "search": {"first": 1, "last": 16, "lower_bound": 1, "first_guess": 2},
        "load": {"requests_per_s": 12.0, "input_tokens": 1326.8, "output_tokens": 227.0},
        "step_time": [make_step_time()],
        "lines": [line],
        "explanation": None,
    }  # fmt: skip


def make_run(replication: int) -> Run:
    """REQUESTS of two groups; two of the first period's never complete. Most gaps are short."""
    rng = np.random.default_rng([1, replication])
    arrival_s = np.sort(rng.uniform(0, 180.0, REQUESTS))
    first_s = arrival_s + rng.lognormal(-1.8, 0.4, REQUESTS)
    lost = (np.arange(REQUESTS) < 2) & (replication == 0)
    none = np.zeros(REQUESTS, dtype=np.int32)
    return Run(
        arrival_s=arrival_s,
        group=np.where(np.arange(REQUESTS) % 3, 0, 1),
        input_tokens=none + 1000,
        output_tokens=none + 100,
        first_token_s=np.where(lost, np.nan, first_s),
        finish_s=first_s + rng.lognormal(1.0, 0.3, REQUESTS),
        replica=none,
        preemptions=none,
        retries=none,
        outcome=np.where(lost, LOST, COMPLETED),
        cached_tokens=none + 400,
        fault=np.where(lost, 0, -1),
        faults=("replica",),
        horizon_s=180.0,
        itl_histogram=histogram({20_000_000: 700, 30_000_000: 290, 200_000_000: 10}),
        timeline=make_timeline(replication, arrival_s),
        incidents=TWO_INCIDENTS if replication == 4 else incident_frame(),
        accounts=NO_ACCOUNTS,
        steps=0,
        prefill_tokens=0,
        busy_share=0.0,
        stopped_early=False,
    )


TWO_INCIDENTS = incident_frame(
    {
        "fault": ["replica", "replica"],
        "component": ["replica-2", "replica-1"],
        "replicas": [[2], [1]],
        "begin_s": [60.0, 120.0],
        "noticed_s": [65.0, 135.0],
        "end_s": [110.0, np.nan],
    }
)
"""One is repaired, one is not."""


def make_timeline(replication: int, arrival_s: NDArray[np.float64]) -> pd.DataFrame:
    times_s = np.arange(0, 181, 15.0)
    up = np.where((replication == 4) & (times_s > 60), 2, REPLICAS)
    frame = pd.DataFrame({"time_s": times_s, "replicas_up": up})
    return frame.assign(
        waiting=replication % 3, running=20, kv_used=0.25, arrivals=arrivals(arrival_s, times_s)
    )


def make_replications(plan: Data) -> pd.DataFrame:
    """Each objective's figure per period, as the planner measures it; gaps are always 200 ms."""
    objectives = [parse_objective(each["objective"]) for each in plan["objectives"]]
    rows = []
    for replication in range(PERIODS):
        run = make_run(replication)
        row = {"phase": "certify", "line": 0, "replicas": plan["figures_of"]}
        row["replication"] = replication
        row["some_down_s"] = 120.0 if replication == 4 else 0.0
        for objective in objectives:
            gaps = objective.metric == "itl"
            row[objective.text] = 0.2 if gaps else measure(run, objective, objectives)
        rows.append(row)
    return pd.DataFrame(rows)


def write_results(
    folder: Path,
    change: Callable[[Data, Data], object] = lambda plan, scenario: None,
    files: list[str] = FILES,
) -> Path:
    """Write a folder; `change(plan, scenario)` edits both first, `files` names its tables."""
    plan = make_plan()
    scenario = plan["scenario"]
    change(plan, scenario)
    runs = [make_run(replication) for replication in range(PERIODS)]
    periods = [
        Period(number, read_record(record_bytes(run)), rows_of(run))
        for number, run in enumerate(runs)
    ]
    write_tables(folder, make_replications(plan), periods, GROUPS, "all")
    for file in {*FILES} - {*files}:
        (folder / file).unlink()
    manifest = {
        "results_version": RESULTS_VERSION, "command": "plan",
        "scenario_hash": plan["scenario_hash"], "seed": 7, "files": files,
        "versions": {"python": "3.11.7", "fleetcast": "0.1.0"}, "scenario": scenario,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture
def plan_data() -> Data:
    """The hand-made plan.json, to be changed at will."""
    return make_plan()


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes one result folder: `write_folder(change, files)`."""
    return partial(write_results, tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose report is drawn: look, do not write."""
    folder = write_results(tmp_path_factory.mktemp("finished"))
    write_report(folder)
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without its pictures, where a test is about the words."""
    monkeypatch.setattr(page, "panels_of", lambda *given: {name: [] for name in SECTIONS})
