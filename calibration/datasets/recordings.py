"""Files of single requests (vllm_s2r): what was sent when, and how long each took."""

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Stage
from calibration.datasets.dataset import Dataset
from calibration.datasets.prompts import most_frequent, repeated_prompts
from calibration.datasets.tables import COUNT_MAX, Row, Unusable, numbers, read_frame
from simulator.traffic import NS_PER_S, Workload

Floats = NDArray[np.float64]
SPAN_MAX_S = 1e7
"""From first to last arrival: months, and within 64-bit nanoseconds."""


def recording(
    dataset: Dataset, row: Row
) -> tuple[Workload, dict[str, Floats], tuple[Stage, ...]] | None:
    """Every request as it was sent, how long each took, and its stages; None without the file.

    A request that failed has no prompt length: it is that of the other copies of its prompt.
    Raises Unusable for a file without arrivals or lengths.
    """
    path = dataset.find(f"requests/{row.case_id}.csv", f"requests_{row.case_id}.csv")
    if path is None:
        return None
    frame = read_frame(path)
    arrival_s = numbers(frame, "arrival_s")
    if not arrival_s.size:
        raise Unusable(f"{path.name} is empty")
    order = np.argsort(arrival_s, kind="stable")
    columns = {
        name: numbers(frame, name)[order]
        for name in (
            *("prompt_id", "input_tokens", "output_tokens_requested", "output_tokens"),
            *("stage_index", "ttft_ms", "e2e_ms", "has_error"),
        )
    }
    arrival_s = arrival_s[order] - np.fmin.reduce(arrival_s)
    prompt = prompt_ids(columns["prompt_id"], prompt_count(row))
    inputs = filled_by_prompt(columns["input_tokens"], prompt)
    outputs = columns["output_tokens_requested"]
    stated = row.value("output_tokens_requested")
    for other in (columns["output_tokens"], np.full(outputs.size, stated or np.nan)):
        outputs = np.where(np.isnan(outputs), other, outputs)
    check_demand(path.name, arrival_s, inputs, outputs)
    lengths = inputs.astype(np.int64), outputs.astype(np.int64)
    chains = None
    if prompt is not None:
        system = round(row.value("system_prompt_tokens_nominal") or 0)
        groups = round(row.value("n_prompt_groups") or 0)
        chains = repeated_prompts(prompt, *lengths, groups, system)
    workload = Workload(
        np.rint(arrival_s * NS_PER_S).astype(np.int64),
        lengths[0].astype(np.int32),
        lengths[1].astype(np.int32),
        np.zeros(arrival_s.size, np.int16),
        chains,
    )
    failed = columns["has_error"] > 0
    latencies = {name: np.where(failed, np.nan, columns[f"{name}_ms"]) for name in ("ttft", "e2e")}
    both = latencies if all(np.isfinite(each).any() for each in latencies.values()) else {}
    return workload, both, recorded_stages(arrival_s, columns["stage_index"])


def check_demand(file: str, arrival_s: Floats, inputs: Floats, outputs: Floats) -> None:
    """Raises Unusable unless every request has an arrival and lengths that can be simulated."""
    sane = (arrival_s >= 0) & (arrival_s <= SPAN_MAX_S)
    for lengths in (inputs, outputs):
        sane &= (lengths >= 1) & (lengths <= COUNT_MAX)
    if not sane.all():
        raise Unusable(f"{file}: {sane.size - sane.sum()} of {sane.size} rows lack lengths")


def prompt_count(row: Row) -> int:
    """Distinct prompts, sent round robin; 0 where the columns do not say."""
    groups, each = row.value("n_prompt_groups"), row.value("prompts_per_group")
    return round(groups * each) if groups and each and groups > 0 and each > 0 else 0


def prompt_ids(stated: Floats, prompts: int) -> NDArray[np.int64] | None:
    """Which prompt each request carries, from 0: as stated, else round robin; None if unknown."""
    if not np.isnan(stated).any():
        return np.unique(stated, return_inverse=True)[1].astype(np.int64)
    return np.arange(stated.size) % prompts if prompts else None


def filled_by_prompt(inputs: Floats, prompt: NDArray[np.int64] | None) -> Floats:
    """Prompt lengths with the missing ones (0 or none) taken from other copies, else the mean."""
    known = inputs >= 1
    if not known.any():
        return np.full(inputs.size, np.nan)
    filled = np.where(known, inputs, np.rint(inputs[known].mean()))
    if prompt is not None:
        for kind in np.unique(prompt[~known]):
            others = inputs[known & (prompt == kind)]
            if others.size:
                filled[~known & (prompt == kind)] = most_frequent(others.astype(np.int64))
    return filled


def recorded_stages(arrival_s: Floats, stage: Floats) -> tuple[Stage, ...]:
    """From first to last arrival of each stage; one stage without their column."""
    stage = np.where(np.isnan(stage), 0.0, stage)
    spans = [arrival_s[stage == index] for index in np.unique(stage)]
    return tuple(Stage(float(each[0]), float(np.ptp(each)) or 1e-3, each.size) for each in spans)
