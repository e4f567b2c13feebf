"""What a file may say about turning requests away: by the rate of a class, or the lowest first."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, StrictFloat, model_validator

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.units import Count, PositiveRate

OUTSTANDING_MAX = 1e9
RATE_MAX_PER_S = 1e9
"""An interval between two tokens is 1 ns at least."""


class Bucket(Part):
    """A token bucket: requests of one class beyond a rate are rejected at arrival."""

    for_class: Annotated[str, Field(alias="class")]
    """The `sla_class` of traffic groups; they share the bucket."""
    rate_per_s: Annotated[PositiveRate, Field(le=RATE_MAX_PER_S)]
    burst: Annotated[Count, Field(le=1_000_000)] = 1
    """Requests that may come at once after a pause."""


class Shedding(Part):
    """Under load the lowest class is turned away first. Classes are the `priority` numbers of
    traffic groups; the highest one (the lowest number) is never shed, unless it is the only one."""

    from_outstanding: Annotated[
        StrictFloat, Field(alias="from", gt=0, le=OUTSTANDING_MAX, examples=[40])
    ]
    """Outstanding requests per routable replica from which on the lowest class is shed."""
    to_outstanding: Annotated[StrictFloat, Field(gt=0, le=OUTSTANDING_MAX)] | None = Field(
        None, alias="to"
    )
    """The same for the last class that is shed, those between at equal steps; `from` when not
    given."""

    @model_validator(mode="after")
    def ends_in_order(self) -> Self:
        if self.to_outstanding is not None and self.to_outstanding < self.from_outstanding:
            raise refuse("to below from", "from <= to", "to")
        return self

    def thresholds(self, priorities: Iterable[int]) -> dict[int, float]:
        """Outstanding requests per routable replica from which on each class is shed.

        >>> shedding = Shedding.model_validate({"from": 20.0, "to": 40.0})
        >>> shedding.thresholds([0, 1, 5, 9])
        {9: 20.0, 5: 30.0, 1: 40.0}
        >>> shedding.thresholds([3, 3])
        {3: 20.0}
        """
        lowest_first = sorted(set(priorities), reverse=True)
        shed = lowest_first[:-1] or lowest_first
        last = self.from_outstanding if self.to_outstanding is None else self.to_outstanding
        steps = max(len(shed) - 1, 1)
        step = (last - self.from_outstanding) / steps
        return {each: self.from_outstanding + step * rank for rank, each in enumerate(shed)}
