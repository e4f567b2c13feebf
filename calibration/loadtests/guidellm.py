"""GuideLLM's JSON report: `benchmarks[]`, one per load level of a sweep.

Source: vllm-project/guidellm, 0.2 (`args.strategy`) to 0.8 (`config.strategy`; report version 2).
Every metric has a distribution per outcome; we read `successful`. Units are in the names (`_ms`);
`request_latency` is in s. `inter_token_latency_ms` is (last token - first) / (tokens - 1) of a
request, weighted by tokens: the TPOT of our glossary. Its `time_per_output_token_ms` counts the
first token in, so it is nothing of ours.
"""

import math
from typing import Any

from calibration.loadtests.figures import at, first_text, in_ms, listed, minus, positive, whole
from calibration.loadtests.runs import (
    STATISTICS,
    Figures,
    RequestColumns,
    Run,
    completed_by,
    latency,
    level_name,
    request_columns,
)

TOOL = "guidellm"
METRICS = {
    "ttft": ("time_to_first_token_ms", 1.0),
    "tpot": ("inter_token_latency_ms", 1.0),
    "e2e": ("request_latency", 1000.0),
}


def recognises(document: Any) -> bool:
    return any(at(part, "metrics") is not None for part in listed(at(document, "benchmarks")))


def parts(documents: list[Any]) -> list[Any]:
    """The benchmarks of all reports, each with its report for what only that says."""
    return [(report, part) for report in documents for part in listed(report["benchmarks"])]


def read_run(part: Any) -> tuple[Run, list[str]]:
    """One benchmark and what is odd about it."""
    report, benchmark = part
    concurrency, rate, oddity = load_of(benchmark)
    totals = totals_of(benchmark)
    columns = requests_of(benchmark)
    measured, added = completed_by(measured_of(benchmark), columns)
    run = Run(
        name=level_name(concurrency, rate),
        tool=TOOL,
        model=model_of(report, benchmark),
        concurrency=concurrency,
        rate_per_s=rate,
        duration_s=positive(minus(at(benchmark, "end_time"), at(benchmark, "start_time"))),
        requests=whole(at(totals, "successful")),
        failed=whole(at(totals, "errored")),
        input_tokens_mean=mean_of(benchmark, "prompt_token_count"),
        output_tokens_mean=mean_of(benchmark, "output_token_count"),
        measured=measured,
        per_request=columns,
        caveat=next((odd for odd in oddity if odd.startswith("strategy")), ""),
    )
    return run, [*oddity, *oddities(run, totals), *added]


def load_of(benchmark: Any) -> tuple[float | None, float | None, list[str]]:
    """Concurrency, rate, and what neither of them tells.

    A strategy's own max_concurrency is a default of the client (512 to 10,240) in newer reports;
    there the profile has the user's.
    """
    settings = at(benchmark, "config") or at(benchmark, "args")
    strategy, profile = at(settings, "strategy"), at(settings, "profile")
    own = profile if isinstance(profile, dict) and "max_concurrency" in profile else strategy
    limit = positive(at(own, "max_concurrency"))
    match at(strategy, "type_"):
        case "synchronous":
            return 1.0, None, []
        case "concurrent" if streams := positive(at(strategy, "streams")) or limit:
            return streams, None, []
        case "constant" | "poisson" if rate := positive(at(strategy, "rate")):
            # Before 0.4 the strategy held the limit, a default as often as not.
            return limit if own is profile else None, rate, []
        case "throughput":
            return limit, None, [] if limit else ["as many at once as the client could send"]
        case kind:
            return None, None, [f"strategy {kind!r} states neither a rate nor a concurrency"]


def totals_of(benchmark: Any) -> Any:
    """Requests by outcome, from where the version keeps them."""
    return (
        at(benchmark, "metrics", "request_totals")
        or at(benchmark, "request_totals")
        or at(benchmark, "run_stats", "requests_made")
    )


def model_of(report: Any, benchmark: Any) -> str | None:
    return first_text(
        at(benchmark, "config", "backend", "model"),
        at(report, "config", "spec", "backend", "model"),
        at(report, "args", "model"),
        at(benchmark, "worker", "backend_model"),
    )


def mean_of(benchmark: Any, metric: str) -> float:
    """Over the successful requests, NaN when none counts in it; the tool then writes 0."""
    return positive(at(benchmark, "metrics", metric, "successful", "mean")) or math.nan


def measured_of(benchmark: Any) -> Figures:
    figures: Figures = {}
    for metric, (theirs, unit_ms) in METRICS.items():
        summary = at(benchmark, "metrics", theirs, "successful")
        values = {name: at(summary, "percentiles", name) for name in STATISTICS}
        values["mean"] = at(summary, "mean")
        values["p50"] = at(summary, "median") if values["p50"] is None else values["p50"]
        figures |= latency(metric, values, unit_ms)
    return figures


def requests_of(benchmark: Any) -> RequestColumns | None:
    """The successful requests that the report kept: all, a sample or none."""
    rows = listed(at(benchmark, "requests", "successful"))
    starts = [at(row, "request_start_time") or at(row, "start_time") for row in rows]
    first_s = min((x for x in starts if positive(x)), default=None)
    return request_columns(
        (
            minus(start, first_s),
            positive(at(row, "prompt_tokens")),
            positive(at(row, "output_tokens")),
            positive(at(row, "time_to_first_token_ms")),
            in_ms(positive(at(row, "request_latency"))),
        )
        for row, start in zip(rows, starts, strict=True)
    )


def oddities(run: Run, totals: Any) -> list[str]:
    notes = []
    if count := whole(at(totals, "incomplete")):
        notes.append(f"{count} requests were cut off at the end: no failures, not counted")
    if run.per_request and run.per_request.e2e_ms.size < (run.requests or 0):
        kept = f"{run.per_request.e2e_ms.size} of {run.requests}"
        notes.append(f"single requests are a sample: {kept}")
    if "tpot_mean" in run.measured:
        notes.append("its inter_token_latency is read as tpot (per request, weighted by tokens)")
    return notes
