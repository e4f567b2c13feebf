"""AIPerf's profile_export_aiperf.json, and genai-perf's profile_export_genai_perf.json before it.

Source: ai-dynamo/aiperf docs/reference/json-export-schema.md (schema 1.0 to 1.5) and
docs/metrics-reference.md. Each metric is a block {unit, avg, p50, ...}; the unit in the block
counts. `inter_token_latency` is (request latency - ttft) / (tokens - 1) of a request: the TPOT of
our glossary; its `inter_chunk_latency`, the gaps between chunks, is our ITL.
"""

from typing import Any

import pandas as pd

from calibration.loadtests.figures import at, first_number, first_text, listed, positive, whole
from calibration.loadtests.runs import STATISTICS, Figures, Run, latency, level_name

TOOL = "aiperf"
METRICS = {
    "ttft": "time_to_first_token",
    "tpot": "inter_token_latency",
    "itl": "inter_chunk_latency",
    "e2e": "request_latency",
}
UNIT_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3}
TPOT_NOTE = "its inter_token_latency is read as tpot (mean per request)"


def recognises(document: Any) -> bool:
    return any(
        at(document, metric, "unit") is not None and at(document, metric, "avg") is not None
        for metric in METRICS.values()
    )


def read_run(document: Any) -> tuple[Run, list[str]]:
    """The run of an export and what is odd about it."""
    measured, strange = measured_of(document)
    concurrency, rate = load_of(at(document, "input_config"))
    run = Run(
        name=level_name(concurrency, rate),
        tool=TOOL,
        model=model_of(at(document, "input_config")),
        concurrency=concurrency,
        rate_per_s=rate,
        duration_s=duration_s(document),
        requests=requests_of(document),
        failed=failed_of(document),
        input_tokens_mean=tokens(document, "input_sequence_length"),
        output_tokens_mean=tokens(document, "output_sequence_length", "output_token_count"),
        measured=measured,
    )
    notes = [*strange, *([TPOT_NOTE] if "tpot_mean" in measured else [])]
    if at(document, "was_cancelled"):
        notes.append("the run was cancelled before its end")
    if concurrency is None and rate is None:
        notes.append("the file tells neither concurrency nor rate (AIPerf's default is 1 at once)")
    return run, notes


def measured_of(document: Any) -> tuple[Figures, list[str]]:
    figures: Figures = {}
    strange = []
    for metric, theirs in METRICS.items():
        block = at(document, theirs)
        if not isinstance(block, dict):
            continue
        unit_ms = UNIT_MS.get(str(block.get("unit")))
        if unit_ms is None:
            strange.append(f"{theirs} is in the unknown unit {block.get('unit')!r}: left out")
            continue
        values = {name: block.get(name) for name in STATISTICS} | {"mean": block.get("avg")}
        figures |= latency(metric, values, unit_ms)
    return figures, strange


def requests_of(document: Any) -> int | None:
    count = whole(at(document, "request_count", "avg"))
    return whole(at(document, "request_latency", "count")) if count is None else count


def failed_of(document: Any) -> int | None:
    """AIPerf leaves out a metric that nothing counted in; genai-perf never counts failures."""
    count = whole(at(document, "error_request_count", "avg"))
    return 0 if count is None and at(document, "aiperf_version") else count


def duration_s(document: Any) -> float | None:
    block = at(document, "benchmark_duration")
    unit_ms = UNIT_MS.get(str(at(block, "unit")))
    if unit_ms is not None and (length := positive(at(block, "avg"))) is not None:
        return length * unit_ms / 1000.0
    start, end = at(document, "start_time"), at(document, "end_time")
    try:
        return positive((pd.Timestamp(end) - pd.Timestamp(start)).total_seconds())
    except (TypeError, ValueError):
        return None


def tokens(document: Any, *names: str) -> float:
    """The first mean that the export has, else NaN."""
    return first_number(*(at(document, name, "avg") for name in names))


def load_of(config: Any) -> tuple[float | None, float | None]:
    """Concurrency and rate: AIPerf up to 0.5 keeps them in `loadgen`, later in the one of
    `phases` that is no warm-up, genai-perf in `perf_analyzer.stimulus`."""
    phases = at(config, "phases")
    counted = [phase for phase in listed(phases) if at(phase, "name") != "warmup"]
    places = [
        at(config, "loadgen"),
        *(counted if len(counted) == 1 else []),
        at(phases, "profiling"),
        at(config, "perf_analyzer", "stimulus"),
        config,
    ]
    concurrency = (lone_number(at(place, "concurrency")) for place in places)
    rate = (lone_number(at(place, key)) for place in places for key in ("request_rate", "rate"))
    return next(filter(None, concurrency), None), next(filter(None, rate), None)


def lone_number(value: Any) -> float | None:
    """genai-perf writes lists of one."""
    return positive(value[0] if isinstance(value, list) and value else value)


def model_of(config: Any) -> str | None:
    items = listed(at(config, "models", "items")) or listed(at(config, "models"))
    return first_text(
        at(config, "endpoint", "model_names"),
        [at(item, "name") or item for item in items],
        at(config, "model_names"),
        at(config, "model"),
    )
