"""How the rate changes over time: factors that multiply it.

Instants count from the start of the period (0); daily and weekly profiles follow the scenario's
`starts_at`. Each replication is one sample path: what is random is drawn anew in each.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, model_validator
from pydantic_core import PydanticCustomError

from scenarios.demand.lengths import FileReference
from scenarios.part import Part
from scenarios.units import Interval, PositiveSeconds, SomeSeconds

Factor = Annotated[StrictFloat, Field(ge=0, le=1e6)]


def starts_in_one_way(start_s: float, random_start: bool) -> None:
    """Raises PydanticCustomError for a start that is both given and random."""
    if start_s and random_start:
        raise PydanticCustomError(
            "quantity", "start beside random_start", {"allowed": "one of them", "at": ["start"]}
        )


class TableModulation(Part):
    """Factors of consecutive intervals, over and over."""

    kind: Literal["table"]
    every_s: Interval
    factors: Annotated[tuple[Factor, ...], Field(min_length=1)]
    start_s: SomeSeconds = 0.0
    """Where in the table the period starts."""
    random_start: StrictBool = False
    """The period starts anywhere in the table, anew in every replication."""

    @model_validator(mode="after")
    def starts_once(self) -> Self:
        starts_in_one_way(self.start_s, self.random_start)
        return self


class DailyModulation(Part):
    """24 factors, one per hour from midnight on."""

    kind: Literal["daily"]
    factors: Annotated[tuple[Factor, ...], Field(min_length=24, max_length=24)]


class WeeklyModulation(Part):
    """Seven factors, one per day from Monday on."""

    kind: Literal["weekly"]
    factors: Annotated[tuple[Factor, ...], Field(min_length=7, max_length=7)]


class RampModulation(Part):
    """From 1 to `factor` evenly, beginning at `at` and taking `lasts`; there it stays."""

    kind: Literal["ramp"]
    at_s: SomeSeconds = 0.0
    lasts_s: Interval
    factor: Factor


class SpikeModulation(Part):
    """`factor` for `lasts`, 1 before and after."""

    kind: Literal["spike"]
    at_s: SomeSeconds | None = None
    """At a random instant of the period when not given."""
    lasts_s: Interval
    factor: Factor


class LevelModulation(Part):
    """A random level per interval: lognormal with mean one. Intervals count from the start of the
    period."""

    kind: Literal["level"]
    every_s: Interval
    sigma: Annotated[StrictFloat, Field(gt=0, le=3)]
    """Standard deviation of the logarithm."""
    correlation: Annotated[StrictFloat, Field(ge=0, lt=1)] = 0.0
    """Between the logarithms of neighbouring intervals (first-order autoregressive)."""


class FileModulation(Part):
    """The shape of recorded demand: a file with columns `timestamp` and `value` (requests per
    interval), CSV or Parquet. Factors are its values over their mean: the level is `rate`."""

    kind: Literal["file"]
    file: FileReference
    start_s: SomeSeconds = 0.0
    """Where in the file the period starts."""
    random_start: StrictBool = False
    """The period starts anywhere in the file, anew in every replication."""
    missing_s: PositiveSeconds | None = None
    """Zeros that last at least this long are gaps of the recording and are left out."""

    @model_validator(mode="after")
    def starts_once(self) -> Self:
        starts_in_one_way(self.start_s, self.random_start)
        return self


Modulation = Annotated[
    TableModulation
    | DailyModulation
    | WeeklyModulation
    | RampModulation
    | SpikeModulation
    | LevelModulation
    | FileModulation,
    Field(discriminator="kind"),
]
CALENDAR = ("daily", "weekly")
"""Kinds that need to know when in the week a period starts."""
