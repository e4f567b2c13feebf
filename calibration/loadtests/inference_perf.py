"""inference-perf's stage_*_lifecycle_metrics.json and summary_lifecycle_metrics.json.

Source: kubernetes-sigs/inference-perf inference_perf/reportgen/base.py and docs/metrics.md (2026).
All times are in s. TPOT, ITL and E2E mean what our glossary says; TPOT divides by the client's
count of tokens unless the user asked for the server's. Newer reports have `prompt_tokens` and
`output_tokens` (the server's count), older ones `prompt_len` and `output_len` (the client's).
"""

from typing import Any

from calibration.loadtests.figures import at, first_number, positive, whole
from calibration.loadtests.runs import STATISTICS, Figures, Run, latency, level_name

TOOL = "inference-perf"
METRICS = {
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    "itl": "inter_token_latency",
    "e2e": "request_latency",
}


def recognises(document: Any) -> bool:
    return at(document, "load_summary") is not None and at(document, "successes") is not None


def read_run(report: Any) -> tuple[Run, list[str]]:
    """The stage, or the summary of all, and what is odd about it."""
    load = at(report, "load_summary")
    concurrency = positive(at(load, "concurrency"))
    # Concurrent stages carry a rate too: an internal one, of how fast the queue is filled.
    rate = positive(at(load, "requested_rate")) if concurrency is None else None
    done = at(report, "successes")
    single = concurrency is not None or rate is not None
    run = Run(
        name=level_name(concurrency, rate) if single else "all stages",
        tool=TOOL,
        model=None,
        concurrency=concurrency,
        rate_per_s=rate,
        duration_s=duration_s(report),
        requests=whole(at(done, "count")),
        failed=whole(at(report, "failures", "count")),
        input_tokens_mean=tokens(done, "prompt_tokens", "prompt_len"),
        output_tokens_mean=tokens(done, "output_tokens", "output_len"),
        measured=measured_of(at(done, "latency")),
    )
    return run, oddities(report, single)


def measured_of(latencies: Any) -> Figures:
    figures: Figures = {}
    for metric, theirs in METRICS.items():
        values = {name: at(latencies, theirs, name) for name in STATISTICS}
        values["p50"] = at(latencies, theirs, "median")
        figures |= latency(metric, values, unit_ms=1000.0)
    return figures


def duration_s(report: Any) -> float | None:
    """First request sent to last one answered; older reports only have the throughput."""
    if (stated := positive(at(report, "benchmark_time_seconds"))) is not None:
        return stated
    throughput = positive(at(report, "successes", "throughput", "requests_per_sec"))
    count = positive(at(report, "successes", "count"))
    return count / throughput if count and throughput else None


def tokens(done: Any, *names: str) -> float:
    """The first mean that the report has, else NaN."""
    return first_number(*(at(done, name, "mean") for name in names))


def oddities(report: Any, single: bool) -> list[str]:
    notes = []
    if not single:
        notes.append(
            "a summary over all stages: with more than one stage it is no single load level; "
            "the stage_*_lifecycle_metrics.json files are"
        )
    if mismatches := whole(at(report, "successes", "token_count_mismatches")):
        notes.append(f"client and server count the output tokens of {mismatches} requests apart")
    if retried := whole(at(report, "retries", "requests_retried")):
        notes.append(f"{retried} requests were sent again; their latencies contain the waiting")
    return notes
