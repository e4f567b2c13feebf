"""How long something takes: always the same, or drawn anew each time.

The keys say which family it is: `30s`, `{median: 15min, p95: 2h}`, `{exponential: 2h}`,
`{weibull: 100h, shape: 0.7}`, `{uniform: [10s, 2min]}`, `{empirical: [12min, 3h]}`.
"""

import math
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictFloat,
    Tag,
    model_serializer,
    model_validator,
)

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.units import P95, PositiveSeconds, SomeSeconds, two

EMPIRICAL_MAX = 100_000


class FixedTime(Part):
    """Always the same; written as the time alone."""

    short_forms: ClassVar[dict[str, str]] = {"fixed": ""}

    fixed_s: SomeSeconds

    @model_validator(mode="before")
    @classmethod
    def time_alone(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Part) else {"fixed": value}

    @model_serializer
    def as_text(self) -> str:
        return f"{self.fixed_s!r}s"

    @property
    def mean_s(self) -> float:
        return self.fixed_s

    def times(self, factor: float) -> "FixedTime":
        return FixedTime.model_construct(fixed_s=self.fixed_s * factor)


class LognormalTime(Part):
    """Lognormal by its median and 95th percentile."""

    median_s: PositiveSeconds
    p95_s: PositiveSeconds

    @model_validator(mode="after")
    def percentiles_in_order(self) -> Self:
        if self.p95_s < self.median_s:
            raise refuse("p95 below the median", "a p95 of at least the median")
        return self

    @property
    def sigma(self) -> float:
        return math.log(self.p95_s / self.median_s) / P95

    @property
    def mean_s(self) -> float:
        return self.median_s * math.exp(self.sigma**2 / 2)

    def times(self, factor: float) -> "LognormalTime":
        return LognormalTime.model_construct(
            median_s=self.median_s * factor, p95_s=self.p95_s * factor
        )


class ExponentialTime(Part):
    """Exponential by its mean: how long it has lasted says nothing of how long it will."""

    exponential_s: PositiveSeconds

    @property
    def mean_s(self) -> float:
        return self.exponential_s

    def times(self, factor: float) -> "ExponentialTime":
        return ExponentialTime.model_construct(exponential_s=self.exponential_s * factor)


class WeibullTime(Part):
    """Weibull by its mean and its shape: below 1 what has lasted goes on to last, above 1 it
    wears out."""

    weibull_s: PositiveSeconds
    """The mean, not the scale."""
    shape: Annotated[StrictFloat, Field(ge=0.1, le=50)]

    @property
    def mean_s(self) -> float:
        return self.weibull_s

    @property
    def scale_s(self) -> float:
        return self.weibull_s / math.gamma(1 + 1 / self.shape)

    def times(self, factor: float) -> "WeibullTime":
        return WeibullTime.model_construct(weibull_s=self.weibull_s * factor, shape=self.shape)


class UniformTime(Part):
    """Anything between two times, all equally likely."""

    uniform_s: Annotated[tuple[SomeSeconds, SomeSeconds], BeforeValidator(two)]

    @model_validator(mode="after")
    def ends_in_order(self) -> Self:
        if self.uniform_s[1] < self.uniform_s[0]:
            raise refuse("the longest below the shortest", "two times, shorter first")
        return self

    @property
    def mean_s(self) -> float:
        return sum(self.uniform_s) / 2

    def times(self, factor: float) -> "UniformTime":
        low_s, high_s = self.uniform_s
        return UniformTime.model_construct(uniform_s=(low_s * factor, high_s * factor))


class EmpiricalTime(Part):
    """One of those that were recorded, all equally likely."""

    empirical_s: Annotated[tuple[SomeSeconds, ...], Field(min_length=1, max_length=EMPIRICAL_MAX)]

    @property
    def mean_s(self) -> float:
        return math.fsum(self.empirical_s) / len(self.empirical_s)

    def times(self, factor: float) -> "EmpiricalTime":
        return EmpiricalTime.model_construct(
            empirical_s=tuple(each_s * factor for each_s in self.empirical_s)
        )


FAMILIES = {
    "fixed": "FixedTime",
    "median": "LognormalTime",
    "p95": "LognormalTime",
    "exponential": "ExponentialTime",
    "weibull": "WeibullTime",
    "shape": "WeibullTime",
    "uniform": "UniformTime",
    "empirical": "EmpiricalTime",
}
"""Which key says which family."""
FORMS = (
    "a time such as 30s, {median: 15min, p95: 2h}, {exponential: 2h}, {weibull: 100h, shape: 0.7}, "
    "{uniform: [10s, 2min]} or {empirical: [12min, 3h]}"
)


def family_of(value: Any) -> str | None:
    """The class that a value in a file is meant for; text and numbers are a time alone."""
    if isinstance(value, Part):
        return type(value).__name__
    if not isinstance(value, dict):
        return "FixedTime"
    return next((family for key, family in FAMILIES.items() if key in value), None)


def of_known_family(value: Any) -> Any:
    """The same. Raises PydanticCustomError for a mapping that no family has a key of."""
    if family_of(value) is None:
        raise refuse("not a time", FORMS)
    return value


Time = Annotated[
    Annotated[FixedTime, Tag("FixedTime")]
    | Annotated[LognormalTime, Tag("LognormalTime")]
    | Annotated[ExponentialTime, Tag("ExponentialTime")]
    | Annotated[WeibullTime, Tag("WeibullTime")]
    | Annotated[UniformTime, Tag("UniformTime")]
    | Annotated[EmpiricalTime, Tag("EmpiricalTime")],
    Discriminator(family_of),
    BeforeValidator(of_known_family),
]

AT_ONCE = FixedTime.model_validate("0s")
