"""The figures of a result set as rows of tables."""

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


def periods_with_outage(results: Results) -> int:
    """How many of the periods that are shown saw a replica of the fleet down."""
    return int((shown_rows(results)["some_down_s"] > 0).sum())


def hardest(values: pd.DataFrame, objectives: list[Objective]) -> str | None:
    """The objective that most periods break; None when none does."""
    broken = broken_counts(values, objectives)
    most = max(broken, key=lambda text: broken[text], default=None)
    return most if most is not None and broken[most] else None


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
