"""The figures of a result set as rows of tables."""

from typing import Any

import pandas as pd

from reports import tables
from reports.folder import Data, Results, broken_counts, shown_rows
from scenarios.objectives import Objective

COUNTS = {
    "goodput": "Goodput: requests that meet every latency limit",
    "error_rate": "Error rate: requests that did not complete",
    "availability": "Availability: minutes whose error rate is low enough",
    "requests_per_s": "Requests per second, offered",
    "input_tokens_per_s": "Prompt tokens per second, of completed requests",
    "output_tokens_per_s": "Output tokens per second, of completed requests",
    "busy_share": "Busy share: time that a replica spends computing",
    "kv_used_max": "KV cache in use, peak of the period",
    "waiting_max": "Requests waiting, peak of the period",
    "prefix_hit_share": "Prefix cache: share of prompt tokens found there",
    "prefill_tokens_per_s": "Prompt tokens computed per second",
    "preemptions": "Preemptions per period",
    "retries": "Retries per period",
    "gpu_hours_paid": "GPU-hours paid per period",
    "gpu_hours_useful": "GPU-hours useful: an engine step computes",
}
"""Metrics beside the latencies."""


def objective_rows(
    figures: list[Data], values: pd.DataFrame, objectives: list[Objective], promised: float
) -> list[dict[str, Any]]:
    """One row per objective with its figure; `kept` is None where no period was run. An objective
    is good when the promised share of periods keeps it."""
    broken = broken_counts(values, objectives)
    rows = []
    for objective, data in zip(objectives, figures, strict=True):
        row: dict[str, Any] = {
            "text": objective.text,
            "figure": objective_figure(objective.metric, data),
            "good": None,
        }
        row |= {"kept": None, "periods": None, "worst": None}
        if objective.text in broken and len(values):
            own = values[objective.text].dropna()
            worst = own.max() if objective.relation == "<=" else own.min()
            kept = len(own) - broken[objective.text]
            good = kept >= promised * len(own)
            row |= {"kept": kept, "periods": len(own), "good": good}
            row["worst"] = tables.shown(objective.metric, worst)
        rows.append(row)
    return rows


def objective_figure(metric: str, estimate: Data) -> str:
    if not estimate["replications"]:
        return "not run"
    value, interval = (
        tables.shown(metric, estimate["value"]),
        tables.interval_text(metric, estimate),
    )
    return f"{value} {interval}"


def periods_with_outage(results: Results) -> int:
    """How many of the periods that are shown saw a replica of the fleet down."""
    return int((shown_rows(results)["some_down_s"] > 0).sum())


def hardest(values: pd.DataFrame, objectives: list[Objective]) -> str | None:
    """The objective that most periods break; None when none does."""
    broken = broken_counts(values, objectives)
    most = max(broken, key=lambda text: broken[text], default=None)
    return most if most is not None and broken[most] else None


def size_rows(plan: Data) -> list[dict[str, Any]]:
    """Every size that was looked at, smallest first; those only screened have no periods. Where
    what is paid for comes and goes or depends on what it draws, its cost is known of the shown size
    alone."""
    per_replica, cost = plan["fleet"]["gpus_per_replica"], plan["cost"]
    usd_per_replica = cost["usd_per_replica_hour"]
    # What other pools cost is the same for every size.
    others_usd = cost["usd_per_hour"] - plan["figures_of"] * usd_per_replica
    others_gpus = sum(
        pool["replicas"] * pool["gpus_per_replica"] for pool in plan["fleet"]["others"]
    )
    screened = {row["replicas"]: row["passed"] for row in plan["screened"]}
    certified = {row["replicas"]: row for row in plan["sizes"]}
    owned = any(pool["purchase"] == "owned" for pool in cost.get("pools", []))
    rows = []
    for replicas in sorted({*screened, *certified}):
        usd_per_month = (replicas * usd_per_replica + others_usd) * cost["hours_per_month"]
        known = replicas == plan["figures_of"] or not (cost.get("varies", False) or owned)
        rows.append(
            {
                "replicas": replicas,
                "gpus": replicas * per_replica + others_gpus,
                "usd_per_month": usd_per_month if known else None,
                "tally": certified.get(replicas),
                "screened": screened.get(replicas),
                "chosen": replicas == plan["fleet"]["replicas"],
            }
        )
    return rows


def latency_rows(metrics: Data) -> list[tuple[str, list[tuple[str, str]]]]:
    """(metric, [(value, interval) at p50, p95, p99]) per latency."""
    names = {
        "ttft": "TTFT: arrival to first token",
        "tpot": "TPOT: mean time per output token after the first",
        "itl": "ITL: gap between two tokens",
        "e2e": "E2E: arrival to last token",
    }
    rows = []
    for metric, name in names.items():
        keys = [f"{metric}_s_{percentile}" for percentile in ("p50", "p95", "p99")]
        if all(key in metrics for key in keys):
            estimates = [metrics[key] for key in keys]
            cells = [
                (tables.shown(metric, e["value"]), tables.interval_text(metric, e))
                for e in estimates
            ]
            rows.append((name, cells))
    return rows


def count_rows(metrics: Data) -> list[tuple[str, str, str]]:
    """(name, value, interval) per metric that is no latency."""
    return [
        (name, tables.shown(key, metrics[key]["value"]), tables.interval_text(key, metrics[key]))
        for key, name in COUNTS.items()
        if key in metrics
    ]
