"""How far the truth may be from a number that a scenario gives."""

import math
import re
from statistics import NormalDist
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.units import (
    BANDWIDTH_BYTES_PER_S,
    COMPUTE_FLOPS_PER_S,
    NUMBER,
    RATE_PER_S,
    SHARE,
    SIZE_BYTES,
    TIME_S,
    Share,
)

DEVIATIONS_MAX = 4.0
"""Lognormal draws end here, on both sides, so that the ends of a range can be checked: 6 in
100,000 would lie beyond."""
STEP_TIME = "step_time"
"""The key of the factor on the step time of every pool."""
FORMS = "`{within: 20%}` or `{sd: 10%}`"
UNITS = {
    unit
    for units in (TIME_S, RATE_PER_S, SIZE_BYTES, BANDWIDTH_BYTES_PER_S, COMPUTE_FLOPS_PER_S, SHARE)
    for unit in units
}


class Spread(Part):
    """How far an uncertain number may be from the one given: drawn anew for each period."""

    within: Annotated[Share, Field(gt=0, lt=1)] | None = None
    """Anything up to this share below or above, all equally likely."""
    sd: Annotated[Share, Field(gt=0, le=1)] | None = None
    """Lognormal with this standard deviation, relative, and the number given as its median; up to
    four of them away."""
    calibrated: Literal[True] | None = None
    """Of `step_time`, which may also be written as `step_time: calibrated`: lognormal with the
    error to expect of such step times, which `fleetcast check` tells."""

    @model_validator(mode="before")
    @classmethod
    def calibrated_alone(cls, given: Any) -> Any:
        if given == "calibrated":
            return {"calibrated": True}
        if isinstance(given, dict | Part):
            return given
        raise refuse("not a spread", f"{FORMS}; `calibrated` for {STEP_TIME}")

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise refuse("how far?", f"one of them: {FORMS}")
        return self

    def factor(self, luck: float) -> float:
        """The factor on the number given that a share `luck` of all draws is below.

        >>> Spread(within=0.2).factor(0.0), Spread(within=0.2).factor(0.75)
        (0.8, 1.1)
        >>> Spread(sd=0.1).factor(0.5)
        1.0
        """
        if self.within is not None:
            return 1.0 + self.within * (2.0 * luck - 1.0)
        assert self.sd is not None, "whoever draws has put a number in place of `calibrated`"
        return lognormal_factor(self.sd, luck)

    def __str__(self) -> str:
        """
        >>> str(Spread(within=0.2)), str(Spread(sd=0.075)), str(Spread(calibrated=True))
        ('within 20 %', 'sd 7.5 %', 'calibrated')
        """
        ((name, value),) = self.model_dump(exclude_none=True).items()
        return name if value is True else f"{name} {100 * value:.3g} %"


def lognormal_factor(sd: float, luck: float) -> float:
    """The same of a lognormal of median 1 with a relative standard deviation."""
    normal, sigma = NormalDist(), math.sqrt(math.log1p(sd * sd))
    edge = normal.cdf(-DEVIATIONS_MAX)
    return math.exp(sigma * normal.inv_cdf(edge + luck * (1.0 - 2.0 * edge)))


def split(told: Any) -> tuple[float, str] | None:
    """The number of a scenario's value and its unit as it is written; None of what is no number.

    >>> split("30.0/s"), split(0.95), split("6.97 per 1e6 GPU-hours"), split("1..16")
    ((30.0, '/s'), (0.95, ''), (6.97, ' per 1e6 GPU-hours'), None)
    """
    if isinstance(told, int | float) and not isinstance(told, bool):
        return float(told), ""
    found = re.fullmatch(rf"\s*({NUMBER})(\s*\S.*?)\s*", told) if isinstance(told, str) else None
    if found is None or not (found[2].strip() in UNITS or found[2].lstrip().startswith("per ")):
        return None
    return float(found[1]), found[2]


def scaled(told: Any, factor: float) -> Any:
    """A number of a scenario times a factor, written alike. Whole ones are rounded, and stay 1 or
    more.

    >>> scaled("30.0/s", 1.1), scaled(512, 0.8), scaled(1, 0.3), scaled(0.5, 1.5)
    ('33.0/s', 410, 1, 0.75)
    """
    parts = split(told)
    assert parts is not None, told
    number, unit = parts
    if isinstance(told, int):
        return max(1, round(number * factor))
    return f"{number * factor!r}{unit}" if unit else number * factor


def shown_number(told: Any) -> str:
    """A number of a scenario, to six digits.

    >>> shown_number("24.000000000000004/s"), shown_number(0.30000000000000004), shown_number(12)
    ('24/s', '0.3', '12')
    """
    parts = split(told)
    assert parts is not None, told
    return f"{parts[0]:.6g}{parts[1]}"
