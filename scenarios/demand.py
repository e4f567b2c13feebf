"""What a file may say about traffic: lengths, arrivals, traces, groups."""

import math
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StrictFloat, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from scenarios.part import Part
from scenarios.references import trace_reference
from scenarios.units import PerSecond, Seconds, Whole

Tokens = Annotated[Whole, Field(ge=1)]
PositiveRate = Annotated[PerSecond, Field(gt=0)]

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
    """The lengths of the trace's own rows; needs `arrivals: {kind: trace, ...}`."""

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


class Traffic(Part):
    """One group of requests."""

    name: Annotated[str, Field(min_length=1)]
    arrivals: Arrivals
    input_tokens: Lengths
    output_tokens: Lengths

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
