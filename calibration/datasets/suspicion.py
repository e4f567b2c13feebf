"""Figures too good to be what they are called."""

from calibration.cases import Case, StaticBatch
from scenarios.memory import (
    BYTES_PER_EMBEDDING_WEIGHT,
    BYTES_PER_WEIGHT,
    head_parameters,
    layer_parameters,
)

PER_TOKEN = ("tpot_mean", "decode")


def least_step_ms(case: Case) -> float:
    """Of a decode step: one token's weights, read once by the GPUs of a tensor group at datasheet
    bandwidth. With data parallel ranks experts are spread wider, so none are counted."""
    model, replica = case.model, case.replica
    experts = model.experts.per_token if model.experts and replica.data_parallel == 1 else 0
    read = layer_parameters(model, experts) * BYTES_PER_WEIGHT[replica.precision]
    read += head_parameters(model) * BYTES_PER_EMBEDDING_WEIGHT
    return 1e3 * read / replica.tensor_parallel / replica.gpu.bandwidth_bytes_per_s


def least_prefill_ms(case: Case, load: StaticBatch) -> float:
    """Of a static batch: two FLOPs for each weight of the layers and token, at the datasheet's
    peak."""
    model, replica = case.model, case.replica
    peak_flops_per_s = replica.gpu.flops_per_s(replica.precision)
    assert peak_flops_per_s is not None, "a Replica computes in its precision"
    weights = layer_parameters(model, model.experts.per_token if model.experts else 0)
    tokens = load.batch * load.input_tokens
    return 1e3 * 2.0 * weights * tokens / replica.gpus / peak_flops_per_s


def too_good(case: Case) -> str | None:
    """Why its figures cannot be what they are called, if so."""
    if isinstance(case.load, StaticBatch) and "prefill" in case.measured:
        least, measured = least_prefill_ms(case, case.load), case.measured["prefill"]
        if measured < least:
            return f"prefill {measured:.0f} ms is beyond the GPUs' peak ({least:.0f} ms)"
    return faster_than_memory(case)


def faster_than_memory(case: Case) -> str | None:
    """Why the time per token cannot be that of single decode steps, if so."""
    least = least_step_ms(case)
    for metric in PER_TOKEN:
        measured = case.measured.get(metric)
        if measured is not None and measured < least:
            return (
                f"{metric} {measured:.2f} ms is less than reading the weights takes "
                f"({least:.2f} ms): speculative decoding, or another layout than stated"
            )
    return None
