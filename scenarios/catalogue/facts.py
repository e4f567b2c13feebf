"""What the catalogue knows about a GPU, a model, an engine: every entry with source and date."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat

from scenarios.part import Part
from scenarios.times import Time
from scenarios.units import (
    Bytes,
    BytesPerSecond,
    FlopsPerSecond,
    Seconds,
    Share,
    UsdPerHour,
    Watts,
    Whole,
)

Precision = Literal["bf16", "fp8", "int8", "int4", "nvfp4"]
"""Of the weights. int4 is weight-only (AWQ, GPTQ): products are computed in bf16."""
Positive = Annotated[Whole, Field(gt=0)]
Efficiency = Annotated[StrictFloat, Field(gt=0, le=1.5)]


class Price(Part):
    """What a GPU-hour costs on demand: the range seen, never used without the user's own price."""

    low_usd_per_hour: UsdPerHour
    high_usd_per_hour: UsdPerHour
    source: str


class Gpu(Part):
    """One accelerator, as its datasheet tells, and the share of it that engines reach."""

    name: str
    memory_bytes: Annotated[Bytes, Field(gt=0)]
    bandwidth_bytes_per_s: Annotated[BytesPerSecond, Field(gt=0)]
    bf16_flops_per_s: Annotated[FlopsPerSecond, Field(gt=0)]
    fp8_flops_per_s: Annotated[FlopsPerSecond, Field(gt=0)] | None = None
    int8_flops_per_s: Annotated[FlopsPerSecond, Field(gt=0)] | None = None
    nvfp4_flops_per_s: Annotated[FlopsPerSecond, Field(gt=0)] | None = None
    link: Literal["nvlink", "pcie"]
    link_bandwidth_bytes_per_s: Annotated[BytesPerSecond, Field(gt=0)]
    """One direction, per GPU."""
    gpus_per_node: Positive = 8
    """How many GPUs the link joins: the largest tensor parallel group."""
    silicon: str = "unknown"
    """The chip, whose measured shares are in catalogue/step_time.yaml; cards of one chip share
    them. The shares below come from there unless given."""
    achieved_bandwidth: Efficiency
    """Share of `bandwidth` that weight and KV reads reach."""
    achieved_flops: Efficiency
    """Share of peak FLOPs that GEMMs reach."""
    decode_flops_price: Annotated[StrictFloat, Field(ge=0, le=1)]
    """Part of a decode token's GEMM time that does not hide behind memory traffic."""
    power_w: Annotated[Watts, Field(gt=0)] | None = None
    """What the card is made to draw at most, by its datasheet (TDP, or the board's power)."""
    price: Price | None = None
    source: str
    date: str

    def flops_per_s(self, precision: Precision) -> float | None:
        """Dense peak of GEMMs at `precision`; None where the GPU has no such units."""
        peak: dict[Precision, float | None] = {
            "bf16": self.bf16_flops_per_s,
            "fp8": self.fp8_flops_per_s,
            "int8": self.int8_flops_per_s or self.fp8_flops_per_s,
            "int4": self.bf16_flops_per_s,
            "nvfp4": self.nvfp4_flops_per_s,
        }
        return peak[precision]


class LatentAttention(Part):
    """Multi-head latent attention (MLA): the cache holds one compressed vector per token."""

    kv_rank: Positive
    rope_dim: Positive
    nope_dim: Positive
    value_dim: Positive
    query_rank: Positive | None = None


class Experts(Part):
    """The mixture-of-experts layers of a model."""

    layers: Positive
    """How many of the model's layers are MoE layers; the others are dense."""
    experts: Positive
    per_token: Positive
    intermediate: Positive
    shared_intermediate: Annotated[Whole, Field(ge=0)] = 0
    """Width of the always-active shared expert(s) together; 0 for none."""


class SlidingWindow(Part):
    """Layers whose attention, and so KV cache, reaches back `tokens` only."""

    layers: Positive
    tokens: Positive


class Model(Part):
    """The shape of a transformer: enough for its memory, its traffic and its FLOPs."""

    name: str
    layers: Positive
    hidden: Positive
    heads: Positive
    kv_heads: Positive
    head_dim: Positive
    intermediate: Annotated[Whole, Field(ge=0)]
    """Width of the dense layers' MLP; unused when every layer is MoE."""
    mlp_matrices: Literal[2, 3] = 3
    """3 for gated MLPs (SwiGLU), 2 for plain ones (GPT-J, Falcon)."""
    parallel_attention: StrictBool = False
    """Attention and MLP side by side: one all-reduce per layer instead of two."""
    vocabulary: Positive
    tied_embeddings: StrictBool = False
    context_tokens: Positive
    """Longest prompt + output the model takes."""
    experts: Experts | None = None
    latent_attention: LatentAttention | None = None
    sliding_window: SlidingWindow | None = None
    published_parameters: StrictFloat | None = None
    published_active_parameters: StrictFloat | None = None
    source: str
    date: str


class Engine(Part):
    """What a serving engine adds to physics: overheads per step, reached shares, memory it keeps.

    Value, uncertainty and source of each constant: catalogue/step_time.yaml, unless given; what it
    multiplies: `simulator/latency.py`.
    """

    name: str
    step_overhead_s: Seconds
    """Of every step, whatever it computes."""
    layer_overhead_s: Seconds
    """Of each layer: launching its kernels."""
    moe_layer_overhead_s: Seconds
    """More for each mixture-of-experts layer: routing tokens to experts and back."""
    quantised_moe_layer_overhead_s: Seconds
    """More for each MoE layer whose weights are not bf16."""
    mixed_layer_overhead_s: Seconds
    """More for each layer of a step that computes any prefill token."""
    fp8_layer_overhead_s: Seconds
    """More for each layer when activations are quantised on the fly (fp8, int8)."""
    sequence_overhead_s: Seconds
    """Of each request running in the step."""
    blocking_sequence_overhead_s: Seconds
    """More per sequence without asynchronous scheduling: the GPU waits for the bookkeeping."""
    sampler_logit_s: Seconds
    """Per vocabulary entry and sequence when sampling needs the sorted logits (top-p, top-k)."""
    attention_efficiency: Efficiency
    """Share of the GEMMs' FLOPs that attention kernels reach."""
    expert_efficiency: Efficiency
    """Share of the dense GEMMs' FLOPs that experts reach in prefill."""
    nvfp4_efficiency: Efficiency
    """Share of the achieved bandwidth at which 4-bit weights are read."""
    routing_evenness: Annotated[StrictFloat, Field(gt=0, le=1)]
    """alpha: T tokens meet as many distinct experts as alpha T evenly routed ones would."""
    nvlink_efficiency: Efficiency
    """Share of the link's bandwidth that a collective reaches."""
    nvlink_latency_s: Seconds
    """Of each collective."""
    pcie_efficiency: Efficiency
    """Share of the link's bandwidth that a collective reaches."""
    pcie_latency_s: Seconds
    """Of each collective."""
    reply_s: Seconds
    """What HTTP, tokenising and detokenising add to the time of a request's first token, and so to
    its end."""
    reply_sequence_s: Seconds
    """More of that for each request running in the step."""
    kept_memory_bytes: Bytes
    """Activation peak and everything outside the weights and the KV pool, per GPU."""
    block_tokens: Positive = 16
    mixed_steps: StrictBool = True
    """Whether prefills and decodes share a step unless told otherwise."""
    source: str
    date: str


class Preset(Part):
    """One kind of traffic: what a traffic group may say, without its name and its rate."""

    name: str
    description: str
    """In a few words, for tables."""
    figures: dict[str, str]
    """Where each of its keys comes from: fitted to what, or assumed."""
    traffic: dict[str, Any]
    """As in a scenario's `traffic`; checked where it is used."""
    source: str
    date: str


class FailurePreset(Part):
    """Failures by name: what a scenario may say under `failures: {faults: ...}`."""

    name: str
    description: str
    """In a few words, for tables."""
    faults: tuple[dict[str, Any], ...] = ()
    """As in a scenario; checked where it is used (scenarios/failures/presets.py)."""
    source: str
    date: str


class StartPhase(Part):
    """How long one phase of a replica's start takes, when the scenario does not say."""

    name: str
    time: Time
    source: str
    date: str


class Storage(Part):
    """A place that weights are read from."""

    name: str
    bandwidth_bytes_per_s: Annotated[BytesPerSecond, Field(gt=0)]
    source: str
    date: str


class Draw(Part):
    """What a GPU draws in one state, as a share of its power."""

    name: str
    share: Annotated[Share, Field(ge=0, le=1)]
    source: str
    date: str
