"""How long prompts and answers are."""

import math
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StrictFloat, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from scenarios.part import Part
from scenarios.references import trace_reference
from scenarios.units import P95, Whole

TOKENS_MAX = 1 << 28
"""Longest prompt behind its prefixes, and longest answer."""
Tokens = Annotated[Whole, Field(ge=1, le=TOKENS_MAX)]
Positive = Annotated[StrictFloat, Field(gt=0)]
Cv = Annotated[StrictFloat, Field(gt=0, le=50)]
"""Coefficient of variation: standard deviation / mean."""
Weights = tuple[Annotated[StrictFloat, Field(ge=0)], ...]


class TraceFile(Part):
    """A file; its bytes, not its place, are part of the scenario's identity."""

    path: str
    sha256: str


FileReference = Annotated[
    TraceFile, BeforeValidator(trace_reference), WithJsonSchema({"type": "string"})
]


def in_order(low: float, high: float | None, what: str, allowed: str) -> None:
    """Raises PydanticCustomError unless low <= high."""
    if high is not None and high < low:
        raise PydanticCustomError("quantity", what, {"allowed": allowed})


def one_weight_each(weights: Weights | None, values: int, of: str) -> None:
    """Raises PydanticCustomError unless there are as many weights as values, not all zero."""
    if weights is not None and (len(weights) != values or sum(weights) <= 0):
        raise PydanticCustomError(
            "quantity",
            f"weights do not match {of}",
            {"allowed": f"{values} weights, not all zero"},
        )


class Clipped(Part):
    """Rounded to whole tokens and clipped to min..max."""

    min: Tokens = 1
    max: Tokens | None = None

    @model_validator(mode="after")
    def bounds_in_order(self) -> Self:
        in_order(self.min, self.max, "max below min", "min <= max")
        return self


class Constant(Part):
    kind: Literal["constant"]
    tokens: Tokens


class Uniform(Part):
    """Every whole number of tokens from min to max equally likely."""

    kind: Literal["uniform"]
    min: Tokens
    max: Tokens

    @model_validator(mode="after")
    def bounds_in_order(self) -> Self:
        in_order(self.min, self.max, "max below min", "min <= max")
        return self


class Lognormal(Clipped):
    """Lognormal by its median and 95th percentile, rounded to whole tokens, clipped to min..max."""

    kind: Literal["lognormal"]
    median: Positive
    p95: Positive

    @model_validator(mode="after")
    def percentiles_in_order(self) -> Self:
        in_order(self.median, self.p95, "p95 below the median", "a p95 of at least the median")
        return self

    @property
    def mu(self) -> float:
        return math.log(self.median)

    @property
    def sigma(self) -> float:
        return math.log(self.p95 / self.median) / P95


class Gamma(Clipped):
    """Gamma by its mean and coefficient of variation."""

    kind: Literal["gamma"]
    mean: Positive
    cv: Cv


class Weibull(Clipped):
    """Weibull by its mean and coefficient of variation."""

    kind: Literal["weibull"]
    mean: Positive
    cv: Cv


class Table(Part):
    """An empirical table: each of `tokens` with its weight (all equal when not given)."""

    kind: Literal["table"]
    tokens: Annotated[tuple[Tokens, ...], Field(min_length=1)]
    weights: Weights | None = None

    @model_validator(mode="after")
    def one_weight_each(self) -> Self:
        one_weight_each(self.weights, len(self.tokens), "tokens")
        return self


class Quantiles(Part):
    """A distribution by its quantiles, evenly spaced from the least (0) to the largest (1) and
    joined by straight lines: a smooth empirical table."""

    kind: Literal["quantiles"]
    tokens: Annotated[tuple[Tokens, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def quantiles_in_order(self) -> Self:
        if list(self.tokens) != sorted(self.tokens):
            raise PydanticCustomError(
                "quantity", "quantiles that fall", {"allowed": "tokens in ascending order"}
            )
        return self


class FromTrace(Part):
    """The lengths of the trace's own rows; needs `arrivals` or `sessions` that come from a file.
    For input, prompts also share what the file's `hash_ids` say, if it has them: within one window,
    since windows are independent drawings."""

    kind: Literal["trace"]


class FromFile(Part):
    """Rows of a file of lengths, drawn with replacement. Where prompt and answer name the same
    file, those of one request come from one row: what belongs together stays together."""

    kind: Literal["file"]
    file: FileReference


class WeightedConstant(Constant):
    weight: Positive


class WeightedUniform(Uniform):
    weight: Positive


class WeightedLognormal(Lognormal):
    weight: Positive


class WeightedGamma(Gamma):
    weight: Positive


class WeightedWeibull(Weibull):
    weight: Positive


class WeightedTable(Table):
    weight: Positive


class WeightedQuantiles(Quantiles):
    weight: Positive


Component = Annotated[
    WeightedConstant
    | WeightedUniform
    | WeightedLognormal
    | WeightedGamma
    | WeightedWeibull
    | WeightedTable
    | WeightedQuantiles,
    Field(discriminator="kind"),
]


class Mixture(Part):
    """Each request draws one component, with probability proportional to its weight."""

    kind: Literal["mixture"]
    of: Annotated[tuple[Component, ...], Field(min_length=1)]


DrawnLengths = Constant | Uniform | Lognormal | Gamma | Weibull | Table | Quantiles | Mixture
OwnLengths = Annotated[DrawnLengths, Field(discriminator="kind")]
"""Lengths that need no file."""
Lengths = Annotated[DrawnLengths | FromFile | FromTrace, Field(discriminator="kind")]
