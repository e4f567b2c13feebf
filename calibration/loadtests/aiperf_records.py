"""AIPerf's profile_export.jsonl: one object per request, warm-up and failures included.

Source: ai-dynamo/aiperf docs/tutorials/working-with-profile-exports.md. Instants are ns since
1970 (`metadata.request_start_ns`), metrics {value, unit}; see aiperf.py for what they mean.
The file tells neither concurrency nor rate.
"""

from typing import Any

import numpy as np

from calibration.loadtests.aiperf import METRICS, TOOL, UNIT_MS
from calibration.loadtests.figures import at, listed, minus, number
from calibration.loadtests.runs import (
    Run,
    column_mean,
    completed_by,
    latency_of_values,
    request_columns,
)


def recognises(document: Any) -> bool:
    return (
        number(at(document, "metadata", "request_start_ns")) is not None
        and at(document, "metrics") is not None
    )


def read_run(records: list[Any]) -> tuple[Run, list[str]]:
    """The run of all records and what is odd about it."""
    counted = [row for row in records if at(row, "metadata", "benchmark_phase") != "warmup"]
    done = [row for row in counted if completed(row)]
    first_ns = min((instant(row, "start") for row in counted), default=None)
    ends_ns = [end for row in done if (end := instant(row, "end")) is not None]
    columns = request_columns(
        (
            seconds(minus(instant(row, "start"), first_ns)),
            value_of(row, "input_sequence_length"),
            output_tokens(row),
            ms_of(row, METRICS["ttft"]),
            ms_of(row, METRICS["e2e"]),
        )
        for row in done
    )
    gaps = [gap for row in done for gap in gaps_ms(row)]
    tpots = [ms_of(row, METRICS["tpot"]) for row in done]
    stated = latency_of_values("itl", np.array(gaps, dtype=float)) | latency_of_values(
        "tpot", np.array([tpot for tpot in tpots if tpot is not None], dtype=float)
    )
    measured, added = completed_by(stated, columns)
    run = Run(
        name="all requests",
        tool=TOOL,
        model=None,
        concurrency=None,
        rate_per_s=None,
        duration_s=seconds(minus(max(ends_ns, default=None), first_ns)),
        requests=len(done),
        failed=len(counted) - len(done),
        input_tokens_mean=column_mean(columns, "input_tokens"),
        output_tokens_mean=column_mean(columns, "output_tokens"),
        measured=measured,
        per_request=columns,
    )
    warm_up = len(records) - len(counted)
    notes = ["single requests tell neither concurrency nor rate: profile_export_aiperf.json does"]
    if warm_up:
        notes.append(f"{warm_up} warm-up requests: left out")
    return run, [*notes, *added]


def completed(row: Any) -> bool:
    return at(row, "error") is None and not at(row, "metadata", "was_cancelled")


def instant(row: Any, which: str) -> Any:
    """Start or end in ns, as the whole number it is."""
    value = at(row, "metadata", f"request_{which}_ns")
    return value if number(value) is not None else None


def seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def value_of(row: Any, metric: str) -> float | None:
    return number(at(row, "metrics", metric, "value"))


def output_tokens(row: Any) -> float | None:
    """With the reasoning tokens, where they were counted."""
    total = value_of(row, "output_sequence_length")
    return value_of(row, "output_token_count") if total is None else total


def ms_of(row: Any, metric: str) -> float | None:
    unit_ms = UNIT_MS.get(str(at(row, "metrics", metric, "unit")))
    value = value_of(row, metric)
    return None if value is None or unit_ms is None else value * unit_ms


def gaps_ms(row: Any) -> list[float]:
    """The gaps between chunks of one request; none without streaming."""
    unit_ms = UNIT_MS.get(str(at(row, "metrics", METRICS["itl"], "unit")), np.nan)
    values = map(number, listed(at(row, "metrics", METRICS["itl"], "value")))
    return [value * unit_ms for value in values if value is not None]
