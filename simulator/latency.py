"""The coefficients of the step time (simulator/kernel/step_time.py).

Physics gives them from model, GPU and engine; a scenario's `latency:` gives them directly.
Everything is a plain sum: on measured engines a sum fits better than a roofline maximum.
"""

from scenarios.catalogue.facts import Engine, Gpu, Model, Precision
from scenarios.fleet import LinearLatency, Replica
from scenarios.memory import (
    BYTES_PER_WEIGHT,
    attention_parameters_per_layer,
    dense_mlp_parameters,
    expert_parameters,
    head_parameters,
    kv_bytes_per_token_per_gpu,
    shared_parameters,
)
from simulator.kernel.step_time import StepTime


def step_time(model: Model, replica: Replica, latency: LinearLatency | None) -> StepTime:
    """The step time of a replica: the `latency:` given for it, or physics."""
    if latency is not None:
        return linear(latency)
    return physics(
        model, replica.gpu, replica.engine.facts, replica.precision, replica.tensor_parallel
    )


def linear(latency: LinearLatency) -> StepTime:
    """The explicit form: no experts, every coefficient as given."""
    return StepTime(
        fixed_s=latency.per_step_s,
        prefill_token_s=latency.per_prefill_token_s,
        decode_token_s=latency.per_decode_token_s,
        sequence_s=latency.per_sequence_s,
        kv_token_s=latency.per_kv_token_s,
        attention_pair_s=latency.per_attention_pair_s,
    )


def physics(
    model: Model, gpu: Gpu, engine: Engine, precision: Precision, tensor_parallel: int
) -> StepTime:
    """Coefficients from datasheets and achieved shares.

    Per GPU, tensor parallel t; weights and KV at the achieved share of HBM bandwidth, FLOPs at the
    achieved share of the dense peak, attention slower by `attention_efficiency`, two all-reduces
    per layer. Source: fitted on static batches and closed loops of four engines on five GPUs
    (docs/background/step-time.md has the equation, its constants and errors).
    """
    t = tensor_parallel
    peak_flops_per_s = gpu.flops_per_s(precision)
    assert peak_flops_per_s is not None, "the scenario checks that the GPU computes in it"
    flops_per_s = gpu.achieved_flops * peak_flops_per_s
    bf16_flops_per_s = gpu.achieved_flops * gpu.bf16_flops_per_s
    bytes_per_s = gpu.achieved_bandwidth * gpu.bandwidth_bytes_per_s
    weight_bytes = BYTES_PER_WEIGHT[precision]

    experts = model.experts
    moe_layers = experts.layers if experts else 0
    dense_layers = model.layers - moe_layers
    always_read = (
        model.layers * attention_parameters_per_layer(model)
        + dense_layers * dense_mlp_parameters(model)
        + moe_layers * shared_parameters(model)
    )
    routed = moe_layers * expert_parameters(model)
    active = always_read + (routed * experts.per_token if experts else 0)
    all_reduces, reduce_token_s, reduce_latency_s = communication(model, gpu, engine, t)
    token_s = 2.0 * active / t / flops_per_s + all_reduces * reduce_token_s
    return StepTime(
        fixed_s=(
            (always_read * weight_bytes + head_parameters(model) * 2.0) / t / bytes_per_s
            + engine.step_overhead_s
            + engine.layer_overhead_s * model.layers
            + engine.moe_layer_overhead_s * moe_layers
            + all_reduces * reduce_latency_s
        ),
        experts_s=(routed * experts.experts * weight_bytes / t / bytes_per_s) if experts else 0.0,
        expert_miss=1.0 - experts.per_token / experts.experts if experts else 0.0,
        prefill_token_s=token_s,
        decode_token_s=token_s,
        sequence_s=(
            engine.sequence_overhead_s + 2.0 * head_parameters(model) / t / bf16_flops_per_s
        ),
        kv_token_s=kv_bytes_per_token_per_gpu(model, t) / bytes_per_s,
        attention_pair_s=(
            attention_flops_per_pair(model) / t / (engine.attention_efficiency * bf16_flops_per_s)
        ),
    )


def attention_flops_per_pair(model: Model) -> float:
    """FLOPs of one token attending to one other, all layers: 4 L a d (2 for q k, 2 for the values).

    >>> from scenarios.catalogue import load_catalogue
    >>> attention_flops_per_pair(load_catalogue().models["meta-llama/Llama-3.1-8B-Instruct"])
    524288.0
    """
    latent = model.latent_attention
    if latent is not None:
        width = latent.nope_dim + latent.rope_dim + latent.value_dim
        return 2.0 * model.layers * model.heads * width
    return 4.0 * model.layers * model.heads * model.head_dim


def communication(
    model: Model, gpu: Gpu, engine: Engine, tensor_parallel: int
) -> tuple[int, float, float]:
    """All-reduces per step, seconds per token and fixed seconds of each: a ring over t GPUs moves
    2 (t-1)/t of the activations. All zero for one GPU."""
    t = tensor_parallel
    if t == 1:
        return 0, 0.0, 0.0
    nvlink = gpu.link == "nvlink"
    efficiency = engine.nvlink_efficiency if nvlink else engine.pcie_efficiency
    latency_s = engine.nvlink_latency_s if nvlink else engine.pcie_latency_s
    activation_bytes = model.hidden * 2.0 * 2.0 * (t - 1) / t
    per_layer = 1 if model.parallel_attention else 2
    return (
        per_layer * model.layers,
        activation_bytes / (efficiency * gpu.link_bandwidth_bytes_per_s),
        latency_s,
    )
