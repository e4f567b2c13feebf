"""What a file may say about a replica: one serving engine and the GPUs under it."""

from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from scenarios.catalogue.facts import Engine, Gpu, Precision
from scenarios.part import Part
from scenarios.price import Purchase
from scenarios.references import catalogue_name
from scenarios.units import Count


class EngineSettings(Part):
    """The engine's own flags, by their own names."""

    facts: Annotated[
        Engine,
        Field(alias="name"),
        BeforeValidator(catalogue_name("engines")),
        WithJsonSchema({"type": "string"}),
    ]
    max_num_seqs: Count = 256
    max_num_batched_tokens: Count = 2048
    gpu_memory_utilization: Annotated[StrictFloat, Field(gt=0, le=1)] = 0.9
    chunked_prefill: StrictBool = True
    mixed_steps: StrictBool | None = None
    """Prefills and decodes share a step, as in vLLM V1; if not, prefills come first and decodes
    pause, as in SGLang without --enable-mixed-chunk. What the engine does when not given."""
    async_scheduling: StrictBool = True
    """A step is composed while the one before it computes, so requests that arrive meanwhile wait
    one step longer. vLLM's default since 0.14."""
    prefix_caching: StrictBool = True
    """Full KV blocks stay after use and serve later prompts that begin with the same tokens.
    vLLM V1's default."""
    scheduling_policy: Literal["fcfs", "priority"] = "fcfs"
    """Who runs first and is preempted last: the earliest arrival, or the lowest `priority` of the
    traffic group and within it the earliest arrival."""
    sampling: Literal["greedy", "top-p"] = "top-p"
    """top-p (or top-k) sorts the vocabulary for every token. `vllm serve` applies a model's own
    generation_config, and that of most chat models asks for it."""
    http: StrictBool = True
    """Whether requests come through the engine's HTTP server; no for in-process use."""
    num_gpu_blocks: Count | None = None
    """KV blocks from the engine's log; replaces the computed pool."""
    max_model_len: Count | None = None
    """Longest prompt + output; the model's own context when not given."""

    @model_validator(mode="after")
    def budget_above_seats(self) -> Self:
        if self.max_num_batched_tokens <= self.max_num_seqs and self.max_num_seqs > 1:
            raise PydanticCustomError(
                "quantity",
                "token budget not above the seats",
                {"allowed": "max_num_batched_tokens greater than max_num_seqs"},
            )
        return self


class Replica(Part):
    """One serving engine and the GPUs under it."""

    gpu: Annotated[Gpu, BeforeValidator(catalogue_name("gpus")), WithJsonSchema({"type": "string"})]
    tensor_parallel: Literal[1, 2, 4, 8, 16] = 1
    """GPUs that share every layer (of its attention, with `data_parallel`)."""
    pipeline_parallel: Count = 1
    """Groups of GPUs that hold consecutive layers; as many micro-batches are in flight."""
    data_parallel: Count = 1
    """Attention ranks with their own requests; the experts are spread over all of them."""
    precision: Precision = "bf16"
    kv_precision: Literal["bf16", "fp8"] = "bf16"
    engine: EngineSettings
    purchase: Purchase = "on_demand"
    """How its GPUs are paid for: which of the prices in `price` holds."""

    @model_validator(mode="after")
    def gpu_computes_in_precision(self) -> Self:
        if self.gpu.flops_per_s(self.precision) is None:
            able = [p for p in get_args(Precision) if self.gpu.flops_per_s(p)]
            raise PydanticCustomError(
                "quantity",
                "precision the GPU does not compute in",
                {"allowed": f"on {self.gpu.name}: {', '.join(able)}"},
            )
        return self

    @property
    def gpus(self) -> int:
        """How many it runs on."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel
