"""`vllm bench serve --save-result`, with or without --save-detailed, and --append-result.

Source: vllm-project/vllm vllm/benchmarks/serve.py (2026). Statistics stand in ms under names like
`mean_ttft_ms`, `median_...`, `p99_...` (e2e is `e2el`); `duration` in s. Lists of single requests
(ttfts, itls, latencies, start_times; failed requests too) are in s and only in detailed results.
"""

from typing import Any

from calibration.loadtests.figures import (
    at,
    first_number,
    first_text,
    in_ms,
    listed,
    minus,
    number,
    positive,
    whole,
)
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

TOOL = "vllm-bench"
CAVEATS = ("the rate grew", "speculative decoding")
"""Oddities after which the figures are not those of one load level, or not of one token a step."""


def recognises(document: Any) -> bool:
    keys = ("duration", "completed", "request_throughput", "total_input_tokens")
    return all(at(document, key) is not None for key in keys)


def read_run(result: Any) -> tuple[Run, list[str]]:
    """One result and what is odd about it."""
    requests = whole(result["completed"])
    columns, notes = requests_of(result)
    measured, added = completed_by(measured_of(result), columns)
    concurrency = positive(result.get("max_concurrency"))
    rate = positive(result.get("request_rate"))
    run = Run(
        name=level_name(concurrency, rate),
        tool=TOOL,
        model=first_text(result.get("model_id")),
        concurrency=concurrency,
        rate_per_s=rate,
        duration_s=positive(result["duration"]),
        requests=requests,
        failed=failed_of(result),
        input_tokens_mean=per_request(result, "total_input_tokens"),
        output_tokens_mean=per_request(result, "total_output_tokens"),
        measured=measured,
        per_request=columns,
        caveat=next((odd for odd in oddities(result) if odd.startswith(CAVEATS)), ""),
    )
    return run, [*notes, *added, *oddities(result)]


def per_request(result: Any, total: str) -> float:
    """The mean of a total, NaN without it; a run of no requests is refused anyway."""
    return first_number(result.get(total)) / max(whole(result["completed"]) or 0, 1)


def failed_of(result: Any) -> int | None:
    """Results before late 2025 have no `failed`; what was sent and not completed failed."""
    if (failed := whole(result.get("failed"))) is not None:
        return failed
    sent = len(listed(result.get("output_lens"))) or whole(result.get("num_prompts"))
    return None if sent is None else max(sent - (whole(result["completed"]) or 0), 0)


def measured_of(result: Any) -> Figures:
    figures: Figures = {}
    for metric, theirs in (("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl"), ("e2e", "e2el")):
        values = {name: result.get(f"{name}_{theirs}_ms") for name in STATISTICS}
        values["p50"] = result.get(f"median_{theirs}_ms", values["p50"])
        figures |= latency(metric, values)
    return figures


def requests_of(result: Any) -> tuple[RequestColumns | None, list[str]]:
    """The completed requests of a detailed result, and what did not fit."""
    outputs, ttfts = listed(result.get("output_lens")), listed(result.get("ttfts"))
    if not outputs:
        return None, []
    inputs, starts = listed(result.get("input_lens")), listed(result.get("start_times"))
    errors = listed(result.get("errors")) or [""] * len(outputs)
    lengths = {len(x) for x in (outputs, ttfts, inputs, starts, errors) if x}
    if len(lengths) > 1:
        return None, [f"lists of single requests differ in length {sorted(lengths)}: left out"]
    first_s = min((x for x in map(number, starts) if x is not None), default=None)
    columns = request_columns(
        (
            minus(starts[i], first_s) if starts else None,
            number(inputs[i]) if inputs else None,
            number(outputs[i]),
            in_ms(positive(ttfts[i]) if ttfts else None),
            in_ms(latency_s(result, i)),
        )
        for i in range(len(outputs))
        if not errors[i] and positive(outputs[i])
    )
    found = 0 if columns is None else columns.e2e_ms.size
    if found == whole(result["completed"]):
        return columns, []
    return columns, [f"{found} of {len(outputs)} listed requests succeeded, not as many as stated"]


def latency_s(result: Any, row: int) -> float | None:
    """Seconds to the last token: stated by newer versions, else the sum of its parts."""
    stated, ttfts, itls = (listed(result.get(key)) for key in ("latencies", "ttfts", "itls"))
    if row < len(stated):
        return positive(stated[row])
    if row >= min(len(ttfts), len(itls)) or positive(ttfts[row]) is None:
        return None
    return float(ttfts[row]) + sum(number(gap) or 0.0 for gap in listed(itls[row]))


def oddities(result: Any) -> list[str]:
    """What a replay of this run would have to know."""
    notes = []
    if (ramp := result.get("ramp_up_strategy")) is not None:
        start, end = result.get("ramp_up_start_rps"), result.get("ramp_up_end_rps")
        notes.append(f"the rate grew ({ramp}) from {start} to {end} per second: no single level")
    elif positive(result.get("request_rate")) is None and not result.get("max_concurrency"):
        notes.append("neither rate nor concurrency was limited: all requests came at once")
    if (burstiness := number(result.get("burstiness"))) not in (None, 1.0):
        notes.append(f"burstiness {burstiness:g}: gaps between requests are not exponential")
    if (waited := positive(result.get("mean_client_queue_time_ms"))) and result.get("request_rate"):
        notes.append(f"requests waited {waited:.3g} ms (mean) in the client, in no latency here")
    if (accepted := positive(result.get("spec_decode_acceptance_length"))) is not None:
        notes.append(f"speculative decoding: {accepted:.3g} tokens per step on average")
    return notes
