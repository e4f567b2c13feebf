"""What a file may say about traffic: lengths, arrivals, traces, groups."""

import math
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StrictFloat, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from scenarios.part import Part
from scenarios.references import trace_reference
from scenarios.units import PerSecond, Seconds, Whole

TOKENS_MAX = 1 << 28
"""Longest prompt behind its prefixes, and longest answer ..."""
PREFIX_TOKENS_MAX = 1 << 24
"""... and longest prefix, of six at most: a request stays within 32 bits."""
Tokens = Annotated[Whole, Field(ge=1, le=TOKENS_MAX)]
PositiveRate = Annotated[PerSecond, Field(gt=0)]

VARIANTS_MAX = 1_000_000
CHAINS_MAX = 10**12
"""Different prefixes of one group: far above any number of requests, and numbers fit 64 bits."""

P95 = NormalDist().inv_cdf(0.95)


class Constant(Part):
    kind: Literal["constant"]
    tokens: Tokens


class Lognormal(Part):
    """Lognormal by its median and 95th percentile, rounded to whole tokens, clipped to min..max."""

    kind: Literal["lognormal"]
    median: Annotated[StrictFloat, Field(gt=0)]
    p95: Annotated[StrictFloat, Field(gt=0)]
    min: Tokens = 1
    max: Tokens | None = None

    @model_validator(mode="after")
    def percentiles_in_order(self) -> Self:
        if self.p95 < self.median:
            raise PydanticCustomError(
                "quantity", "p95 below the median", {"allowed": "a p95 of at least the median"}
            )
        if self.max is not None and self.max < self.min:
            raise PydanticCustomError("quantity", "max below min", {"allowed": "min <= max"})
        return self

    @property
    def mu(self) -> float:
        return math.log(self.median)

    @property
    def sigma(self) -> float:
        return math.log(self.p95 / self.median) / P95


class Table(Part):
    """An empirical table: each of `tokens` with its weight (all equal when not given)."""

    kind: Literal["table"]
    tokens: Annotated[tuple[Tokens, ...], Field(min_length=1)]
    weights: tuple[Annotated[StrictFloat, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def one_weight_each(self) -> Self:
        if self.weights is not None and (
            len(self.weights) != len(self.tokens) or sum(self.weights) <= 0
        ):
            raise PydanticCustomError(
                "quantity",
                "weights do not match tokens",
                {"allowed": f"{len(self.tokens)} weights, not all zero"},
            )
        return self


class FromTrace(Part):
    """The lengths of the trace's own rows; needs `arrivals: {kind: trace, ...}`. For input, prompts
    also share what the file's `hash_ids` say, if it has them: within one window, since windows are
    independent drawings."""

    kind: Literal["trace"]


class WeightedConstant(Constant):
    weight: Annotated[StrictFloat, Field(gt=0)]


class WeightedLognormal(Lognormal):
    weight: Annotated[StrictFloat, Field(gt=0)]


class WeightedTable(Table):
    weight: Annotated[StrictFloat, Field(gt=0)]


Component = Annotated[
    WeightedConstant | WeightedLognormal | WeightedTable, Field(discriminator="kind")
]


class Mixture(Part):
    """Each request draws one component, with probability proportional to its weight."""

    kind: Literal["mixture"]
    of: Annotated[tuple[Component, ...], Field(min_length=1)]


Lengths = Annotated[Constant | Lognormal | Table | Mixture | FromTrace, Field(discriminator="kind")]

# --- arrivals ----------------------------------------------------------------------------------


class RateChange(Part):
    """From `at` (0 = start of the period) on, the rate is `rate`."""

    at_s: Annotated[Seconds, Field(ge=0)]
    rate_per_s: PositiveRate


class ConstantArrivals(Part):
    """Evenly spaced: every gap is 1/rate."""

    kind: Literal["constant"]
    rate_per_s: PositiveRate
    rate_table: tuple[RateChange, ...] = ()


class PoissonArrivals(Part):
    """Independent arrivals: exponential gaps."""

    kind: Literal["poisson"]
    rate_per_s: PositiveRate
    rate_table: tuple[RateChange, ...] = ()


class GammaArrivals(Part):
    """Gamma gaps with coefficient of variation `cv`; 1 is Poisson, above 1 is bursty."""

    kind: Literal["gamma"]
    rate_per_s: PositiveRate
    cv: Annotated[StrictFloat, Field(gt=0, le=50)]
    rate_table: tuple[RateChange, ...] = ()


class TraceFile(Part):
    """A trace file; its bytes, not its place, are part of the scenario's identity."""

    path: str
    sha256: str


class TraceArrivals(Part):
    """Windows of a recorded trace, drawn anew in every replication (circular block bootstrap).

    Source: Politis and Romano 1992, 'A circular block-resampling procedure'.
    """

    kind: Literal["trace"]
    file: Annotated[TraceFile, BeforeValidator(trace_reference), WithJsonSchema({"type": "string"})]
    block_s: Annotated[Seconds, Field(gt=0)] = 300.0
    """Length of one window. Bursts shorter than this are kept as recorded."""
    rate_scale: Annotated[StrictFloat, Field(gt=0, le=1000)] = 1.0
    """Below 1 rows are thinned out, above 1 independent windows are laid over each other."""


Arrivals = Annotated[
    ConstantArrivals | PoissonArrivals | GammaArrivals | TraceArrivals, Field(discriminator="kind")
]


# --- what prompts share ------------------------------------------------------------------------


class Prefix(Part):
    """Tokens that prompts of a group have in common: a system prompt, a tool list, a document."""

    tokens: Annotated[Tokens, Field(le=PREFIX_TOKENS_MAX)]
    variants: Annotated[Whole, Field(ge=1, le=VARIANTS_MAX)] = 1
    """How many different ones there are; each request draws one."""
    zipf: Annotated[StrictFloat, Field(ge=0, le=20)] = 0.0
    """Popularity: the k-th variant is drawn with weight 1/k^zipf; 0 is uniform."""


class Traffic(Part):
    """One group of requests."""

    name: Annotated[str, Field(min_length=1)]
    arrivals: Arrivals
    input_tokens: Lengths
    """Tokens of the prompt behind its `prefixes`."""
    output_tokens: Lengths
    priority: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    """Lower is served first, under the engine's `scheduling_policy: priority`."""
    prefixes: Annotated[tuple[Prefix, ...], Field(max_length=6)] = ()
    """What the prompts of this group share, outermost first. These tokens stand in front of
    `input_tokens`: the prompt is longer by them. A variant after another parent is other tokens."""

    @model_validator(mode="after")
    def prefixes_can_be_counted(self) -> Self:
        if math.prod(prefix.variants for prefix in self.prefixes) > CHAINS_MAX:
            raise PydanticCustomError(
                "quantity",
                "too many different prefixes",
                {"allowed": f"variants whose product is at most {CHAINS_MAX:,}"},
            )
        return self

    @model_validator(mode="after")
    def trace_lengths_need_a_trace(self) -> Self:
        lengths = (self.input_tokens, self.output_tokens)
        if self.arrivals.kind != "trace" and any(part.kind == "trace" for part in lengths):
            raise PydanticCustomError(
                "quantity",
                "lengths from a trace without a trace",
                {"allowed": "`arrivals: {kind: trace, file: ...}` beside lengths of kind trace"},
            )
        return self
