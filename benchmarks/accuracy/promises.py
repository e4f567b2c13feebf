"""What the project promises about accuracy, and what the present version keeps of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from calibration.cases import Case
from calibration.left_out import Row
from scenarios.memory import kv_blocks

Data = Mapping[str, Any]


class Promise(NamedTuple):
    """One line of the table: at most, or at least, a limit."""

    what: str
    value: float
    limit: float
    unit: str = "%"
    at_least: bool = False

    @property
    def kept(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def limit_text(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"


OVERLOAD = "trn-170634"
"""Llama-2-7B at 4 requests/s: thousands of preemptions, most clients gone."""
KV_POOLS = ("trn-155451", "s2r-02", "s2r-09", "s2r-06")
"""Runs whose engine's log told the pool: Llama-2-7b, CodeLlama-34b, Mixtral-8x7B, Llama-2-70b."""
OPEN_LOOPS = "vllm_s2r"


def promises(
    validated: Data, rows: Sequence[Row], cases: Sequence[Case],
    without: Sequence[Data], users: Sequence[Data],
) -> list[Promise]:  # fmt: skip
    """Every promise that the data at hand can test."""
    told = [
        *open_loops(validated),
        *left_out(rows),
        *overload(validated),
        *other_sets(validated),
        *(pool(case) for case in cases if case.case_id in KV_POOLS),
        *effects(without),
        *calibration(users),
    ]
    return [promise for promise in told if np.isfinite(promise.value)]


def open_loops(validated: Data) -> Iterable[Promise]:
    known = validated["datasets"].get(OPEN_LOOPS, {})
    limits = {"e2e_mean": 3, "ttft_mean": 5, "tpot_mean": 3, "e2e_p90": 4, "ttft_p90": 6}
    for metric, limit in limits.items():
        if metric in known:
            name = f"{OPEN_LOOPS} in sample, {metric}"
            yield Promise(name, known[metric]["median_abs_error_pct"], limit)


def left_out(rows: Sequence[Row]) -> Iterable[Promise]:
    limits = [("family", "e2e_mean", 5), ("family", "ttft_mean", 7), ("family", "tpot_mean", 5),
              ("data set", "tpot_mean", 6)]  # fmt: skip
    for scheme, metric, limit in limits:
        name = f"{OPEN_LOOPS} left out by {scheme}, {metric}"
        yield Promise(name, median(rows, scheme, OPEN_LOOPS, metric), limit)


def median(rows: Sequence[Row], scheme: str, dataset: str, metric: str) -> float:
    """Of the absolute errors, %."""
    errors = [
        abs(row.percent)
        for row in rows
        if (row.scheme, row.case.dataset, row.metric) == (scheme, dataset, metric)
    ]
    return float(np.nanmedian(errors)) if errors else float("nan")


def overload(validated: Data) -> Iterable[Promise]:
    for row in validated["cases"]:
        wanted = ("e2e_mean", "tpot_mean", "completed")
        if row["case_id"] == OVERLOAD and row["metric"] in wanted:
            yield Promise(f"overloaded Llama-2-7B, {row['metric']}", abs(row["error_pct"]), 5)


def other_sets(validated: Data) -> Iterable[Promise]:
    limits = [("trtllm_static_batch", "prefill", 7), ("trtllm_static_batch", "decode", 6),
              ("nim_closed_loop", "tpot_mean", 8), ("silicon_closed_loop", "ttft_mean", 39),
              ("llmservingsim_bench", "e2e_mean", 5)]  # fmt: skip
    for dataset, metric, limit in limits:
        known = validated["datasets"].get(dataset, {})
        if metric in known:
            yield Promise(f"{dataset}, {metric}", known[metric]["median_abs_error_pct"], limit)
    layers = validated["groups"].get("silicon_closed_loop", {}).get("layers", {})
    for kind, limit in (("dense", 9), ("MoE", 12)):
        if kind in layers:
            error = layers[kind]["tpot_mean"]["median_abs_error_pct"]
            yield Promise(f"silicon_closed_loop {kind}, tpot_mean", error, limit)
    for row in validated["requests"]:
        if row["dataset"] == "llmservingsim_bench":
            correlation = row["ttft_correlation"]
            name = "llmservingsim_bench, TTFT correlation by request"
            yield Promise(name, correlation, 0.99, unit="", at_least=True)


def pool(case: Case) -> Promise:
    """Computed KV blocks against those of the engine's log."""
    settings = case.replica.engine.model_copy(update={"num_gpu_blocks": None})
    computed = kv_blocks(case.model, case.replica.model_copy(update={"engine": settings}))
    logged = case.replica.engine.num_gpu_blocks
    assert logged is not None, "the data state it"
    return Promise(f"KV pool of {case.model.name}", 100 * abs(computed / logged - 1), 3)


def effects(without: Sequence[Data]) -> Iterable[Promise]:
    rows = {row["without"]: row for row in without}
    if rows:
        fall = -rows["asynchronous scheduling off"]["ttft_mean_signed"]
        yield Promise("TTFT falls without asynchronous scheduling", fall, 25, at_least=True)
        mean = rows["prefix cache off"]["ttft_mean_mean"]
        yield Promise("mean TTFT error without prefix hits", mean, 1000, at_least=True)


def calibration(users: Sequence[Data]) -> Iterable[Promise]:
    bad = [user for user in users if user["before_pct"] > 10.0]
    if bad:
        ratio = float(np.median([user["after_pct"] / user["before_pct"] for user in bad]))
        yield Promise("users above 10 %: error left after calibrating", 100 * ratio, 50)
    if users:
        grown = max(user["after_pct"] - user["before_pct"] for user in users)
        yield Promise("users: largest growth of an error", grown, 1, unit=" points")
