"""The figures of one run that people ask for, and their estimates over runs."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner import verdict
from planner.verdict import availability, error_rate, goodput, judge, measure
from scenarios.objectives import Objective
from simulator import histogram
from simulator.estimates import Estimate, median_estimate
from simulator.latencies import LATENCY_METRICS
from simulator.run import OUTCOMES, Run

PERCENTILES = ("50", "95", "99")

Figures = dict[str, Any]

TOLLED = ("incidents", "retried", "lost")
"""Counts of `simulator.control.accounts.Toll`: a column each per fault, 'lost: gpu-hbm'."""


def figures(run: Run, objectives: Sequence[Objective]) -> Figures:
    """One row of replications.parquet. Seconds, shares of one, requests and tokens per second;
    latencies are infinite where too many requests did not complete. Each objective has a column
    named by its text with the figure it is about; docs/reference/results.md tells all columns."""
    judged = judge(run, objectives)
    row: Figures = {
        "kept": judged.kept,
        "stopped_early": run.stopped_early,
        "requests": len(run),
        **{name: int((run.outcome == code).sum()) for code, name in enumerate(OUTCOMES)},
    }
    for metric in LATENCY_METRICS:
        for percentile in PERCENTILES:
            row[f"{metric}_s_p{percentile}"] = latency_s(run, metric, percentile)
    completed = run.completed
    return row | {
        "error_rate": error_rate(run),
        "goodput": goodput(run, objectives),
        "requests_per_s": len(run) / run.horizon_s,
        "output_tokens_per_s": int(run.output_tokens[completed].sum()) / run.horizon_s,
        "input_tokens_per_s": int(run.input_tokens[completed].sum()) / run.horizon_s,
        "busy_share": run.busy_share,
        "kv_used_max": float(run.timeline["kv_used"].max()),
        "waiting_max": int(run.timeline["waiting"].max()),
        "replicas_up_min": int(run.timeline["replicas_up"].min()),
        "preemptions": int(run.preemptions.sum()),
        "retries": int(run.retries.sum()),
        "prefix_hit_share": prefix_hit_share(run),
        "prefill_tokens_per_s": run.prefill_tokens / run.horizon_s,
        "steps": run.steps,
        "availability": availability(run, objectives),
        **fleet_figures(run),
        **{check.objective.text: check.value for check in judged.checks},
        **{f"input: {path}": drawn for path, drawn in run.inputs.items()},
    }


def fleet_figures(run: Run) -> Figures:
    """What the fleet was paid for, and what failures did."""
    accounts = run.accounts
    row: Figures = {
        "gpu_hours_paid": accounts.paid_gpu_hours,
        "gpu_hours_useful": accounts.useful_gpu_hours,
        "useful_share": accounts.useful_share,
        "cold_start_minutes": accounts.cold_start_minutes,
        "down_s": accounts.down_s,
        "some_down_s": sum(accounts.down_s[1:]),
        "replicas_down_max": len(accounts.down_s) - 1,
        "incidents": sum(toll.incidents for toll in accounts.tolls),
        "requests_hit": int(run.hit.sum()),
        "tokens_lost": accounts.tokens_lost,
    }
    for pool, gpus in enumerate(accounts.gpus_paid):
        row[f"gpus_paid_{pool}"] = gpus
        row[f"gpus_useful_{pool}"] = accounts.gpus_useful[pool]
    for toll in accounts.tolls:
        for count in TOLLED:
            row[f"{count}: {toll.fault}"] = getattr(toll, count)
    return row


class Summary:
    """`figures` for given objectives. (A class, since it travels to worker processes.)"""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.objectives = tuple(objectives)

    def __call__(self, run: Run) -> Figures:
        return figures(run, self.objectives)

    @property
    def digest(self) -> str:
        """Of all that figures depend on beside the run: the objectives with their groups, and how
        this file and verdict.py judge them."""
        told = [(o.text, o.groups and sorted(o.groups)) for o in self.objectives]
        digest = hashlib.sha256(json.dumps(told).encode())
        for source in (__file__, verdict.__file__):
            digest.update(Path(source).read_bytes())
        return digest.hexdigest()[:16]


def prefix_hit_share(run: Run) -> float:
    """Share of the prompt tokens of completed requests that the prefix cache held already. (After a
    preemption that includes generated tokens, which are then part of the prompt.)"""
    completed = run.completed
    asked = int(run.input_tokens[completed].sum())
    cached = np.minimum(run.cached_tokens, run.input_tokens)[completed]
    return int(cached.sum()) / asked if asked else 0.0


def latency_s(run: Run, metric: str, percentile: str) -> float:
    share = Fraction(percentile) / 100
    if metric == "itl":
        return histogram.quantile_s(run.itl_histogram, share)
    return measure(run, Objective(metric, share, "<=", 0.0, ""), ())


ESTIMATED = (
    *(f"{metric}_s_p{percentile}" for metric in LATENCY_METRICS for percentile in PERCENTILES),
    "error_rate", "goodput", "requests_per_s", "output_tokens_per_s", "input_tokens_per_s",
    "busy_share", "kv_used_max", "waiting_max", "preemptions", "retries", "prefix_hit_share",
    "prefill_tokens_per_s", "availability", "gpu_hours_paid", "gpu_hours_useful", "useful_share",
    "cold_start_minutes", "some_down_s", "replicas_down_max", "incidents", "requests_hit",
    "tokens_lost",
)  # fmt: skip


def table(rows: Iterable[Figures]) -> pd.DataFrame:
    """Rows of figures as replications.parquet holds them."""
    return pd.DataFrame(list(rows))


def estimates(rows: pd.DataFrame) -> dict[str, Estimate]:
    """Each figure's median over replications (one row each), with its 95 % interval."""
    return {name: median_estimate(rows[name].tolist()) for name in ESTIMATED}
