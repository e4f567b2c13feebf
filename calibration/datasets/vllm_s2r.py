"""vLLM online serving, load stage by load stage (vllm_s2r)."""

import math
from collections.abc import Mapping

import numpy as np

from calibration.cases import Case, OpenLoop, Stage
from calibration.datasets.dataset import (
    WHOLE_RUN,
    CaseOf,
    Dataset,
    Figures,
    figures_of,
    in_our_metrics,
    measured_figures,
    need_some,
    peer_figures,
    split_of,
)
from calibration.datasets.prompts import most_frequent
from calibration.datasets.recordings import SPAN_MAX_S, Floats, prompt_count, recording
from calibration.datasets.tables import COUNT_MAX, Row, Unusable
from calibration.datasets.vllm_flags import replica_in

TIMEOUT_S = 300.0
"""Of the client, inference-perf."""
PAUSE_S = 5.5
"""Between two stages; 4 to 7 s where it was recorded."""
PROMPT_TOKENS = {"general": 575, "codegen": 593, "roleplay": 786, "reasoning": 1081}
"""Mean prompt of a workload, nominal tokens re-encoded."""
MORE_THAN_NOMINAL = 35
FAILED_SHARE = 0.02
TTFT_MS = 2000.0
"""A mean TTFT beyond this, with prompts of a thousand tokens, is waiting."""


def vllm_s2r(dataset: Dataset) -> CaseOf:
    """One row of cases.csv: a run, with what was measured and predicted in the other files."""
    measured_of, peers_of = measured_figures(dataset), peer_figures(dataset)

    def case_of(row: Row) -> Case:
        published = measured_of.get(row.case_id, {})
        whole = published.get(WHOLE_RUN, {})
        load, requests, assumed = load_of(dataset, row, whole)
        model = dataset.known.model(row.text("model"))
        longest = load.input_tokens + load.output_tokens
        if load.recorded is not None:
            longest = int((load.recorded.input_tokens + load.recorded.output_tokens).max())
        replica, more = replica_in(dataset, row, model, longest)
        by_stage = {
            stage: in_our_metrics(figures)
            for stage, figures in sorted(published.items())
            if stage != WHOLE_RUN
        }
        measured = in_our_metrics(whole)
        if not measured and len(by_stage) == 1:
            measured = next(iter(by_stage.values()))
        if load.recorded is not None and requests:
            outputs = load.recorded.output_tokens.astype(np.int64)
            recorded = figures_of(requests["ttft"], requests["e2e"], outputs)
            measured = recorded | measured
        return Case(
            dataset=dataset.name,
            case_id=row.case_id,
            split=split_of(row),
            model=model,
            replica=replica,
            load=load,
            measured=need_some(measured),
            measured_requests=requests,
            peers=peers_of.get(row.case_id, {}),
            assumed=(*assumed, *more),
            overloaded=overloaded(load, published, measured),
        )

    return case_of


def overloaded(load: OpenLoop, published: Mapping[int, Figures], measured: Figures) -> bool:
    """Whether work piled up in the run or in one of its stages: by failed requests, or by TTFT."""
    sent = sum(stage.requests for stage in load.stages)
    for figures in (*published.values(), measured):
        failed = figures.get("n_failed", 0.0)
        all_of = failed + figures.get("n_success", float(sent))
        if figures.get("ttft_mean", 0.0) > TTFT_MS or failed > FAILED_SHARE * all_of:
            return True
    return measured.get("completed", sent) < (1.0 - FAILED_SHARE) * sent


# --- what was asked of it ------------------------------------------------------------------------


def load_of(
    dataset: Dataset, row: Row, whole: Figures
) -> tuple[OpenLoop, dict[str, Floats], tuple[str, ...]]:
    """The load; latencies of single requests (ttft, e2e) where recorded; what was assumed."""
    prompt_tokens, assumed = mean_prompt(row, whole)
    prompts = prompt_count(row)
    stages = stages_of(row)
    new = () if prompts else ("every prompt is new (no groups stated)",)
    try:
        recorded = recording(dataset, row)
    except Unusable as trouble:
        recorded, assumed = None, (*assumed, f"arrivals drawn anew: {trouble}")
    if recorded is not None:
        workload, latencies, stages = recorded
        prompt = round(float(workload.input_tokens.mean()))
        output = most_frequent(workload.output_tokens.astype(np.int64))
        load = OpenLoop(workload, stages, prompt, output, prompts, TIMEOUT_S)
        return load, latencies, new if workload.chains is None else ()
    if not stages:
        raise Unusable("neither arrivals nor stage_rates_rps and stage_durations_s")
    if prompt_tokens is None:
        raise Unusable("no prompt length: neither measured nor nominal")
    pauses = (f"{PAUSE_S} s between stages",) if len(stages) > 1 else ()
    output = row.count("output_tokens_requested")
    load = OpenLoop(None, stages, prompt_tokens, output, prompts, TIMEOUT_S)
    return load, {}, (*assumed, *new, *pauses)


def mean_prompt(row: Row, whole: Figures) -> tuple[int | None, tuple[str, ...]]:
    """Tokens of a prompt: measured, else usual in the workload, else nominal and a few more."""
    if whole.get("prompt_tokens_mean", 0.0) >= 1.0:
        return round(whole["prompt_tokens_mean"]), ()
    kind = row.cells.get("workload", "").removesuffix("-lite")
    if kind in PROMPT_TOKENS:
        return PROMPT_TOKENS[kind], (
            f"prompts of {PROMPT_TOKENS[kind]} tokens, as usual in {kind}",
        )
    parts = [row.value(f"{part}_tokens_nominal") for part in ("system_prompt", "question")]
    nominal = sum(part for part in parts if part is not None)
    if nominal < 1:
        return None, ()
    tokens = round(nominal) + MORE_THAN_NOMINAL
    return tokens, (f"prompts of {tokens} tokens: nominal and {MORE_THAN_NOMINAL}",)


def stages_of(row: Row) -> tuple[Stage, ...]:
    """Rates and durations stage by stage; none where they are missing. Raises Unusable when they
    contradict each other."""
    if "stage_rates_rps" not in row.cells or "stage_durations_s" not in row.cells:
        return ()
    rates, durations = (parts(row, column) for column in ("stage_rates_rps", "stage_durations_s"))
    if len(rates) != len(durations):
        raise Unusable(f"{len(rates)} stage rates, {len(durations)} durations")
    stages, start_s = [], 0.0
    for rate, duration_s in zip(rates, durations, strict=True):
        stages.append(Stage(start_s, duration_s, max(1, round(rate * duration_s))))
        start_s += duration_s + PAUSE_S
    if start_s > SPAN_MAX_S or sum(stage.requests for stage in stages) > COUNT_MAX:
        raise Unusable(
            f"stages of {start_s:g} s at {max(rates):g} requests/s: too many to simulate"
        )
    return tuple(stages)


def parts(row: Row, column: str) -> list[float]:
    """The positive numbers of '5.0|10.0'."""
    try:
        values = [float(part) for part in row.cells[column].split("|")]
    except ValueError:
        values = []
    if not values or not all(math.isfinite(value) and value > 0 for value in values):
        raise Unusable(f"{column} {row.cells[column]!r} are no positive numbers")
    return values
