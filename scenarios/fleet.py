"""What a file may say about the fleet: replicas and their engines, pools, router, autoscaling."""

from pathlib import PurePath
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from scenarios.catalogue.facts import Engine, Gpu, Precision
from scenarios.latency import Latency
from scenarios.part import Part
from scenarios.references import catalogue_name, function_reference
from scenarios.units import Count, Interval, Range, SomeSeconds


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


class PythonRule(Part):
    """A function of the user's own; its file's bytes, not its place, are part of the scenario's
    identity. See `simulator/rules.py`."""

    path: str
    function: str
    sha256: str

    def __str__(self) -> str:
        """As a scenario names it: `my_rules.py:choose`."""
        return f"{PurePath(self.path).name}:{self.function}"


RouterName = Literal[
    "round-robin", "random", "power-of-two", "least-outstanding", "least-kv", "prefix-aware"
]
A_FUNCTION = {"type": "string", "pattern": r"^.+:[^\W\d]\w*$"}

Router = Annotated[
    Annotated[RouterName, Tag("RouterName")] | Annotated[PythonRule, Tag("PythonRule")],
    Discriminator(lambda value: "RouterName" if isinstance(value, str) else "PythonRule"),
    BeforeValidator(function_reference(*get_args(RouterName))),
    WithJsonSchema({"anyOf": [{"enum": list(get_args(RouterName))}, A_FUNCTION]}),
]


class OtherPool(Part):
    """Replicas of another kind beside the main ones, serving the same model and traffic."""

    name: Annotated[str, Field(min_length=1)]
    replicas: Count
    """How many, always: neither `plan` nor autoscaling changes them."""
    replica: Replica
    latency: Latency | None = None
    """The step time of this pool; the scenario's own `latency` is the main pool's."""


class Autoscaling(Part):
    """The main pool grows and shrinks with its load, as Kubernetes' horizontal pod autoscaler does:
    every `interval` it is set to ceil(outstanding requests / target_outstanding) replicas, within
    the range."""

    replicas: Annotated[Range, Field(examples=["2..8"])]
    """Fewest and most replicas of the main pool."""
    target_outstanding: Annotated[StrictFloat, Field(gt=0)]
    """Requests running or waiting per replica that it aims at."""
    interval_s: Interval = 15.0
    """Between two decisions. Default: the sync period of Kubernetes' autoscaler."""
    startup_s: Annotated[SomeSeconds, Field(examples=["3min"])]
    """From the decision to add a replica until it serves: node, image, weights, warm-up."""


class Fleet(Part):
    """Our choice: how many replicas, of one kind or several, stand behind one router."""

    replicas: Count
    """Size of the main pool, which `plan` searches; with autoscaling, the size it starts with."""
    router: Router = "least-outstanding"
    """Which replica a request goes to: a rule by name, or a function of your own as
    `my_rules.py:choose`, its file beside the scenario."""
    admission: (
        Annotated[
            PythonRule, BeforeValidator(function_reference()), WithJsonSchema(dict(A_FUNCTION))
        ]
        | None
    ) = None
    """A function of your own, `my_rules.py:admit`, that rejects requests at arrival."""
    queue_limit: Count | None = None
    """Requests that may wait at one replica before a further one sent there is rejected; no limit
    when not given."""
    others: Annotated[tuple[OtherPool, ...], Field(max_length=7)] = ()
    """Further pools of replicas behind the same router, seven at most."""
    autoscaling: Autoscaling | None = None

    @model_validator(mode="after")
    def pool_names_differ(self) -> Self:
        names = [pool.name for pool in self.others]
        if len(set(names)) < len(names):
            raise PydanticCustomError(
                "quantity", "two pools of one name", {"allowed": "names that differ"}
            )
        return self

    @model_validator(mode="after")
    def starts_within_its_range(self) -> Self:
        if self.autoscaling is not None:
            first, last = self.autoscaling.replicas
            if not first <= self.replicas <= last:
                raise PydanticCustomError(
                    "quantity",
                    "replicas outside autoscaling.replicas",
                    {"allowed": f"replicas from {first} to {last}, the size it starts with"},
                )
        return self
