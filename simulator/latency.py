"""The coefficients of the step time (simulator/kernel/step_time.py).

Physics gives them from model, GPU and engine; a scenario's `latency:` gives them directly.
Everything is a plain sum: on measured engines a sum fits better than a roofline maximum.
"""

from typing import NamedTuple

from scenarios.catalogue.facts import Engine, Gpu, Model
from scenarios.fleet import Replica
from scenarios.latency import Latency, LinearLatency, Profile
from scenarios.memory import (
    BYTES_PER_EMBEDDING_WEIGHT,
    BYTES_PER_WEIGHT,
    attention_parameters_per_layer,
    bytes_per_attention_weight,
    dense_mlp_parameters,
    expert_parameters,
    head_parameters,
    kv_bytes_per_token_on,
    shared_parameters,
)
from simulator.data_plane import Reply
from simulator.kernel.step_time import StepTime

ACTIVATION_BYTES = 2.0


def step_time(model: Model, replica: Replica, latency: Latency | None) -> StepTime:
    """The step time of a replica: the `latency:` given for it, or physics."""
    match latency:
        case None:
            return physics(model, replica)
        case Profile():
            return calibrated(model, replica, latency)
        case _:
            return linear(latency)


def linear(latency: LinearLatency) -> StepTime:
    """The explicit form: every coefficient as given."""
    return StepTime(
        fixed_s=latency.per_step_s,
        prefill_token_s=latency.per_prefill_token_s,
        decode_token_s=latency.per_decode_token_s,
        sequence_s=latency.per_sequence_s,
        kv_token_s=latency.per_kv_token_s,
        attention_pair_s=latency.per_attention_pair_s,
        mixed_s=latency.per_mixed_step_s,
        experts_s=latency.all_experts_s,
        expert_miss=latency.expert_miss,
    )


def calibrated(model: Model, replica: Replica, profile: Profile) -> StepTime:
    """Physics, or the step a profile gives, with the factors that load tests taught."""
    if profile.step is not None:
        time = linear(profile.step)
    else:
        time = physics(model, with_overheads(replica, profile.overhead_factor))
    costs = {
        name: value * profile.step_factor
        for name, value in time._asdict().items()
        if name != "expert_miss"
    }
    return time._replace(**costs)


def with_overheads(replica: Replica, factor: float) -> Replica:
    """The replica on an engine whose overheads per step and layer are `factor` times as long."""
    fields = (
        "step_overhead_s",
        "layer_overhead_s",
        "moe_layer_overhead_s",
        "quantised_moe_layer_overhead_s",
        "fp8_layer_overhead_s",
    )
    facts = replica.engine.facts
    slower = facts.model_copy(update={name: getattr(facts, name) * factor for name in fields})
    engine = replica.engine.model_copy(update={"facts": slower})
    return replica.model_copy(update={"engine": engine})


def reply(replica: Replica, latency: Latency | None) -> Reply:
    """What the front end adds between engine and client: nothing in process, nothing beside an
    explicit step time."""
    facts = replica.engine.facts
    if isinstance(latency, LinearLatency) or not replica.engine.http:
        return Reply()
    given = latency.reply_s if isinstance(latency, Profile) else None
    fixed_s = facts.reply_s if given is None else given
    return Reply(round(fixed_s * 1e9), round(facts.reply_sequence_s * 1e9))


class Weights(NamedTuple):
    """The weights a token meets: read in every step, and a routed choice of experts."""

    always: float
    """Attention, dense MLPs, shared experts: count."""
    always_bytes: float
    routed: float
    """Experts of all MoE layers that one token is sent to: count."""
    routed_bytes: float
    """Every expert of all MoE layers."""


def weights(model: Model, replica: Replica) -> Weights:
    """All GPUs of a rank together; bytes as if read at the achieved bandwidth. NVFP4 checkpoints
    with latent attention leave it in bf16."""
    per_weight = BYTES_PER_WEIGHT[replica.precision]
    attention_weight = bytes_per_attention_weight(model, replica.precision)
    if replica.precision == "nvfp4":
        efficiency = replica.engine.facts.nvfp4_efficiency
        attention_weight /= efficiency if attention_weight == per_weight else 1.0
        per_weight /= efficiency
    experts = model.experts
    moe_layers = experts.layers if experts else 0
    attention = float(model.layers * attention_parameters_per_layer(model))
    mlps = float(
        (model.layers - moe_layers) * dense_mlp_parameters(model)
        + moe_layers * shared_parameters(model)
    )
    routed = float(moe_layers * expert_parameters(model))
    return Weights(
        always=attention + mlps,
        always_bytes=attention * attention_weight + mlps * per_weight,
        routed=routed * experts.per_token if experts else 0.0,
        routed_bytes=routed * experts.experts * per_weight if experts else 0.0,
    )


def physics(model: Model, replica: Replica) -> StepTime:
    """Coefficients from datasheets and achieved shares, as docs/background/step-time.md derives
    them (fitted constants: scenarios/catalogue/step_time.yaml).

    One step of a replica is one pass through the model. Of t tensor ranks each does a t-th. With p
    pipeline stages p micro-batches are in flight: a pass reads all weights once and does a p-th of
    the work. d data parallel ranks share the requests and all experts.
    """
    gpu, engine = replica.gpu, replica.engine.facts
    t, p, d = replica.tensor_parallel, replica.pipeline_parallel, replica.data_parallel
    peak_flops_per_s = gpu.flops_per_s(replica.precision)
    assert peak_flops_per_s is not None, "the scenario checks that the GPU computes in it"
    work = t * p * d
    flops_per_s = gpu.achieved_flops * peak_flops_per_s * work
    bf16_flops_per_s = gpu.achieved_flops * gpu.bf16_flops_per_s * work
    bytes_per_s = gpu.achieved_bandwidth * gpu.bandwidth_bytes_per_s
    read, experts = weights(model, replica), model.experts
    head = float(head_parameters(model))
    moe_layers = experts.layers if experts else 0
    link_token_s, link_s = communication(model, replica)
    always_s, routed_s = 2.0 * read.always / flops_per_s, 2.0 * read.routed / flops_per_s
    return StepTime(
        fixed_s=(
            (read.always_bytes + head * BYTES_PER_EMBEDDING_WEIGHT) / t / bytes_per_s
            + engine.step_overhead_s
            + engine.layer_overhead_s * model.layers
            + engine.moe_layer_overhead_s * moe_layers
            + engine.quantised_moe_layer_overhead_s * moe_layers * (replica.precision != "bf16")
            + engine.fp8_layer_overhead_s * model.layers * (replica.precision in ("fp8", "int8"))
            + link_s
        ),
        mixed_s=engine.mixed_layer_overhead_s * model.layers,
        experts_s=read.routed_bytes / (t * d) / bytes_per_s,
        expert_miss=expert_miss(model, engine) ** (1.0 / p),
        prefill_token_s=always_s + routed_s / engine.expert_efficiency + link_token_s,
        decode_token_s=gpu.decode_flops_price * (always_s + routed_s) + link_token_s,
        sequence_s=(
            per_sequence_s(model, replica) / (p * d)
            + gpu.decode_flops_price * 2.0 * head / bf16_flops_per_s
        ),
        kv_token_s=kv_bytes_per_token_on(model, replica) / d / bytes_per_s,
        attention_pair_s=(
            attention_flops_per_pair(model) / (engine.attention_efficiency * bf16_flops_per_s)
        ),
    )


def per_sequence_s(model: Model, replica: Replica) -> float:
    """What a sequence adds to its rank's step, whatever it computes."""
    engine = replica.engine.facts
    seconds = engine.sequence_overhead_s
    if not replica.engine.async_scheduling:
        seconds += engine.blocking_sequence_overhead_s
    if replica.engine.sampling == "top-p":
        seconds += engine.sampler_logit_s * model.vocabulary
    return seconds


def expert_miss(model: Model, engine: Engine) -> float:
    """Chance that one token passes an expert by; 0 for a dense model."""
    if model.experts is None:
        return 0.0
    evenly = 1.0 - model.experts.per_token / model.experts.experts
    return float(evenly**engine.routing_evenness)


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


def communication(model: Model, replica: Replica) -> tuple[float, float]:
    """Seconds per token of the replica, and fixed ones, that a pass spends on links.

    t tensor ranks: two all-reduces per layer, a ring moves 2 (t-1)/t of the activations. d data
    ranks: two all-to-alls per MoE layer move (d-1)/d of them to the experts and back. p pipeline
    stages: p-1 hand-overs.
    """
    t, p, d = replica.tensor_parallel, replica.pipeline_parallel, replica.data_parallel
    bytes_per_s, latency_s = link(replica.gpu, replica.engine.facts)
    activation_s = model.hidden * ACTIVATION_BYTES / bytes_per_s
    reduces = (1 if model.parallel_attention else 2) * model.layers if t > 1 else 0
    moves = 2 * model.experts.layers if model.experts and d > 1 else 0
    hops = p - 1
    token_s = activation_s * (reduces * 2.0 * (t - 1) / t + moves * (d - 1) / d + hops)
    return token_s / (p * d), (reduces + moves + hops) * latency_s


def link(gpu: Gpu, engine: Engine) -> tuple[float, float]:
    """Bytes/s and latency, s, that a collective reaches between GPUs of a replica."""
    if gpu.link == "nvlink":
        return engine.nvlink_efficiency * gpu.link_bandwidth_bytes_per_s, engine.nvlink_latency_s
    return engine.pcie_efficiency * gpu.link_bandwidth_bytes_per_s, engine.pcie_latency_s
