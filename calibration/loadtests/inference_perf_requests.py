"""inference-perf's per_request_lifecycle_metrics.json: a list of one object per request.

Source: kubernetes-sigs/inference-perf inference_perf/reportgen/base.py (2026). Times are in s of
an arbitrary clock. Token times stand in `info.response_metrics` (older files: `info`), figures
already made of them in `computed_metrics`. Rate, concurrency and stage are not in the file.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from calibration.loadtests.figures import at, first_number, in_ms, listed, minus, number
from calibration.loadtests.inference_perf import TOOL
from calibration.loadtests.runs import (
    Run,
    column_mean,
    completed_by,
    latency_of_values,
    request_columns,
)


def recognises(document: Any) -> bool:
    return all(number(at(document, key)) is not None for key in ("start_time", "end_time")) and (
        at(document, "info") is not None or at(document, "computed_metrics") is not None
    )


def read_run(rows: list[Any]) -> tuple[Run, list[str]]:
    """The run of all requests and what is odd about it."""
    done = [row for row in rows if at(row, "error") is None]
    first_s = min(row["start_time"] for row in rows)
    columns = request_columns(
        (
            minus(row["start_time"], first_s),
            input_tokens(row),
            output_tokens(row),
            in_ms(ttft_s(row)),
            in_ms(minus(row["end_time"], row["start_time"])),
        )
        for row in done
    )
    gaps = [gap * 1000.0 for row in done for gap in gaps_s(row)]
    measured, added = completed_by(latency_of_values("itl", np.array(gaps, dtype=float)), columns)
    run = Run(
        name="all requests",
        tool=TOOL,
        model=None,
        concurrency=None,
        rate_per_s=None,
        duration_s=minus(max(row["end_time"] for row in rows), first_s),
        requests=len(done),
        failed=len(rows) - len(done),
        input_tokens_mean=column_mean(columns, "input_tokens"),
        output_tokens_mean=column_mean(columns, "output_tokens"),
        measured=measured,
        per_request=columns,
    )
    note = "single requests tell neither stage, concurrency nor rate: the stage_* files do"
    return run, [note, *added]


def response(row: Any, key: str) -> Any:
    """What the response was measured to be, wherever the version keeps it."""
    inner = at(row, "info", "response_metrics", key)
    return at(row, "info", key) if inner is None else inner


def input_tokens(row: Any) -> float:
    return first_number(
        at(row, "info", "request_metrics", "text", "input_tokens"),
        at(row, "info", "input_tokens"),
        at(row, "computed_metrics", "input_tokens"),
    )


def output_tokens(row: Any) -> float:
    """The server's count where it gave one, else the client's."""
    usage = response(row, "server_usage")
    return first_number(
        at(usage, "completion_tokens"),
        at(usage, "output_tokens"),
        response(row, "output_tokens"),
        at(row, "computed_metrics", "output_tokens"),
    )


def token_times_s(row: Any) -> list[float]:
    return [x for x in map(number, listed(response(row, "output_token_times"))) if x is not None]


def ttft_s(row: Any) -> float | None:
    stated = number(at(row, "computed_metrics", "time_to_first_token"))
    times = token_times_s(row)
    return minus(times[0], row["start_time"]) if stated is None and times else stated


def gaps_s(row: Any) -> list[float]:
    stated = listed(at(row, "computed_metrics", "inter_token_latencies"))
    if stated:
        return [x for x in map(number, stated) if x is not None]
    return [later - earlier for earlier, later in pairwise(token_times_s(row))]
