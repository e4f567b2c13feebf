"""The Scenario: everything one YAML file may say, as one frozen tree.

Field names end in their unit (`horizon_s`); YAML keys do not (`horizon: 5min`).
What a key means and which values it takes is written here and nowhere else: faults, the JSON
Schema and the reference page are made from this file.
"""

import hashlib
import json
import math
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

from scenarios.catalogue.facts import Engine, Gpu, Model, Precision
from scenarios.demand import P95, Traffic
from scenarios.objectives import ObjectiveText
from scenarios.part import Part
from scenarios.references import catalogue_name, function_reference, model_reference
from scenarios.units import Range, Seconds, Share, UsdPerHour, Whole

PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Count = Annotated[Whole, Field(ge=1)]


# --- the fleet ---------------------------------------------------------------------------------


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
    async_scheduling: StrictBool = True
    """A step is composed while the one before it computes, so requests that arrive meanwhile wait
    one step longer. vLLM's default since 0.14."""
    prefix_caching: StrictBool = True
    """Full KV blocks stay after use and serve later prompts that begin with the same tokens.
    vLLM V1's default."""
    scheduling_policy: Literal["fcfs", "priority"] = "fcfs"
    """Who runs first and is preempted last: the earliest arrival, or the lowest `priority` of the
    traffic group and within it the earliest arrival."""
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
    precision: Precision = "bf16"
    engine: EngineSettings

    @model_validator(mode="after")
    def gpu_computes_in_precision(self) -> Self:
        if self.gpu.flops_per_s(self.precision) is None:
            able = [p for p in ("bf16", "fp8", "nvfp4") if self.gpu.flops_per_s(p)]
            raise PydanticCustomError(
                "quantity",
                "precision the GPU does not compute in",
                {"allowed": f"on {self.gpu.name}: {', '.join(able)}"},
            )
        return self


class LinearLatency(Part):
    """An explicit step time: the sum of these costs. For measured engines and exact checks."""

    per_step_s: Seconds = 0.0
    per_prefill_token_s: Seconds = 0.0
    per_decode_token_s: Seconds = 0.0
    per_sequence_s: Seconds = 0.0
    per_kv_token_s: Seconds = 0.0
    """Per token of context that the step reads."""
    per_attention_pair_s: Seconds = 0.0
    """Per (token computed, token attended to) pair."""

    @model_validator(mode="after")
    def some_positive_cost(self) -> Self:
        costs = [getattr(self, name) for name in type(self).model_fields]
        if min(costs) < 0 or max(costs) == 0:
            raise PydanticCustomError(
                "quantity", "a step that takes no time", {"allowed": "costs >= 0, one above 0"}
            )
        return self


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
    latency: LinearLatency | None = None
    """An explicit step time of this pool; the scenario's own `latency` is the main pool's."""


class Autoscaling(Part):
    """The main pool grows and shrinks with its load, as Kubernetes' horizontal pod autoscaler does:
    every `interval` it is set to ceil(outstanding requests / target_outstanding) replicas, within
    the range."""

    replicas: Annotated[Range, Field(examples=["2..8"])]
    """Fewest and most replicas of the main pool."""
    target_outstanding: Annotated[StrictFloat, Field(gt=0)]
    """Requests running or waiting per replica that it aims at."""
    interval_s: PositiveSeconds = 15.0
    """Between two decisions. Default: the sync period of Kubernetes' autoscaler."""
    startup_s: Annotated[Seconds, Field(ge=0, examples=["3min"])]
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


class Clients(Part):
    """How long callers wait, and how often requests of a failed replica are tried again."""

    timeout_s: PositiveSeconds = 300.0
    retries: Annotated[Whole, Field(ge=0)] = 3


# --- failures ----------------------------------------------------------------------------------


class Duration(Part):
    """A lognormal duration by its median and 95th percentile."""

    median_s: PositiveSeconds
    p95_s: PositiveSeconds

    @model_validator(mode="after")
    def percentiles_in_order(self) -> Self:
        if self.p95_s < self.median_s:
            raise PydanticCustomError(
                "quantity", "p95 below the median", {"allowed": "a p95 of at least the median"}
            )
        return self

    @property
    def sigma(self) -> float:
        return math.log(self.p95_s / self.median_s) / P95

    @property
    def mean_s(self) -> float:
        return self.median_s * math.exp(self.sigma**2 / 2)


class ReplicaFailures(Part):
    """A replica stops at a constant hazard 1/mtbf; then detection, repair and a cold start."""

    mtbf_s: PositiveSeconds
    detection_s: Annotated[Seconds, Field(ge=0)]
    repair: Duration
    cold_start_s: Annotated[Seconds, Field(ge=0)] | None = None
    """From repaired to serving; the engine's catalogue entry when not given."""


class Failures(Part):
    replica: ReplicaFailures


# --- the promise -------------------------------------------------------------------------------


class Sla(Part):
    """A period keeps the SLA when it meets every objective; `probability` of periods must."""

    probability: Annotated[Share, Field(ge=0.5, le=0.9999)]
    confidence: Annotated[Share, Field(gt=0.5, le=0.9999)] = 0.95
    objectives: Annotated[tuple[ObjectiveText, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def objectives_differ(self) -> Self:
        texts = [objective.text for objective in self.objectives]
        if len(set(texts)) < len(texts):
            raise PydanticCustomError(
                "quantity", "the same objective twice", {"allowed": "objectives that differ"}
            )
        return self


class PlanBounds(Part):
    """Where the planner may search."""

    replicas: Range


class Scenario(Part):
    """One question: this traffic, this replica, these failures, this promise."""

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    horizon_s: Annotated[PositiveSeconds, Field(examples=["5min"])]
    """One SLA period: what one replication simulates and one verdict judges."""
    preroll_s: Annotated[Seconds, Field(ge=0)] = 60.0
    """Simulated before the period so that it starts from a working fleet; not counted."""
    drain_s: Annotated[Seconds, Field(ge=0)] = 300.0
    """Traffic goes on this long at most until every counted request has ended."""
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 0
    catalogue: tuple[str, ...] = ()
    """Your own files of GPUs, models and engines, beside the built-in ones."""
    model: Annotated[Model, BeforeValidator(model_reference), WithJsonSchema({"type": "string"})]
    replica: Replica
    latency: LinearLatency | None = None
    traffic: Annotated[tuple[Traffic, ...], Field(min_length=1)]
    fleet: Fleet
    clients: Clients = Clients()
    failures: Failures | None = None
    sla: Sla | None = Field(
        None, examples=["{probability: 0.95, objectives: [ttft p95 <= 500ms, error_rate <= 0.1%]}"]
    )
    plan: PlanBounds | None = Field(None, examples=["{replicas: 1..16}"])
    price: dict[str, Annotated[UsdPerHour, Field(ge=0)]] | None = Field(
        None, examples=["{h100-sxm-80gb: 2.95 USD/h}"]
    )

    @model_validator(mode="after")
    def group_names_differ(self) -> Self:
        names = [group.name for group in self.traffic]
        if len(set(names)) < len(names):
            raise PydanticCustomError(
                "quantity", "two traffic groups of one name", {"allowed": "names that differ"}
            )
        return self

    @property
    def gpus_per_replica(self) -> int:
        return self.replica.tensor_parallel

    @property
    def cold_start_s(self) -> float:
        """Seconds from repaired to serving; 0 when the scenario declares no failures."""
        if self.failures is None:
            return 0.0
        given = self.failures.replica.cold_start_s
        return self.replica.engine.facts.cold_start_s if given is None else given

    @property
    def hash(self) -> str:
        """Identity: sha256 over every fact; of files the bytes and not the place."""
        data = self.as_yaml_data()
        files = [group["arrivals"].get("file") for group in data["traffic"]]
        for file in (*files, data["fleet"]["router"], data["fleet"].get("admission")):
            if isinstance(file, dict):
                del file["path"]
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
