"""How many (turns, calls, requests at once) and how long (thinking, a tool at work)."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from scenarios.demand.lengths import Positive, Weights, in_order, one_weight_each
from scenarios.part import Part
from scenarios.units import P95, PositiveSeconds, SomeSeconds, Whole

COUNT_MAX = 100_000
Number = Annotated[Whole, Field(ge=0, le=COUNT_MAX)]


class ConstantCount(Part):
    kind: Literal["constant"]
    count: Number

    @property
    def fewest(self) -> int:
        return self.count


class GeometricCount(Part):
    """`least`, `least` + 1, ...: after each one more follows with the same probability."""

    kind: Literal["geometric"]
    mean: Annotated[StrictFloat, Field(gt=0, le=COUNT_MAX)]
    least: Number = 1

    @model_validator(mode="after")
    def mean_above_the_least(self) -> Self:
        in_order(self.least, self.mean, "mean below the least", "mean >= least")
        return self

    @property
    def fewest(self) -> int:
        return self.least


class LognormalCount(Part):
    """Lognormal by its median and 95th percentile, rounded, at least `least`."""

    kind: Literal["lognormal"]
    median: Positive
    p95: Positive
    least: Number = 1
    most: Number = COUNT_MAX

    @model_validator(mode="after")
    def percentiles_and_bounds_in_order(self) -> Self:
        in_order(self.median, self.p95, "p95 below the median", "a p95 of at least the median")
        in_order(self.least, self.most, "most below the least", "least <= most")
        return self

    @property
    def sigma(self) -> float:
        return math.log(self.p95 / self.median) / P95

    @property
    def fewest(self) -> int:
        return self.least


class TableCount(Part):
    """Each of `counts` with its weight (all equal when not given)."""

    kind: Literal["table"]
    counts: Annotated[tuple[Number, ...], Field(min_length=1)]
    weights: Weights | None = None

    @model_validator(mode="after")
    def one_weight_each(self) -> Self:
        one_weight_each(self.weights, len(self.counts), "counts")
        return self

    @property
    def fewest(self) -> int:
        return min(self.counts)


Counts = Annotated[
    ConstantCount | GeometricCount | LognormalCount | TableCount, Field(discriminator="kind")
]

# --- durations ---------------------------------------------------------------------------------


class ConstantDuration(Part):
    kind: Literal["constant"]
    time_s: SomeSeconds


class ExponentialDuration(Part):
    kind: Literal["exponential"]
    mean_s: PositiveSeconds


class LognormalDuration(Part):
    """Lognormal by its median and 95th percentile, at most `max`."""

    kind: Literal["lognormal"]
    median_s: PositiveSeconds
    p95_s: PositiveSeconds
    max_s: PositiveSeconds | None = None

    @model_validator(mode="after")
    def percentiles_in_order(self) -> Self:
        in_order(self.median_s, self.p95_s, "p95 below the median", "a p95 of at least the median")
        return self

    @property
    def sigma(self) -> float:
        return math.log(self.p95_s / self.median_s) / P95


class WeightedConstantDuration(ConstantDuration):
    weight: Positive


class WeightedExponentialDuration(ExponentialDuration):
    weight: Positive


class WeightedLognormalDuration(LognormalDuration):
    weight: Positive


class MixtureDuration(Part):
    """Each draws one component, with probability proportional to its weight."""

    kind: Literal["mixture"]
    of: Annotated[
        tuple[
            Annotated[
                WeightedConstantDuration | WeightedExponentialDuration | WeightedLognormalDuration,
                Field(discriminator="kind"),
            ],
            ...,
        ],
        Field(min_length=1),
    ]


Durations = Annotated[
    ConstantDuration | ExponentialDuration | LognormalDuration | MixtureDuration,
    Field(discriminator="kind"),
]
