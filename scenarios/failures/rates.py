"""How often a fault occurs: '6.97 per 1e6 GPU-hours', '0.06 per node-hour', '1 per zone-year'."""

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from scenarios.faults import refuse

Scope = Literal["gpu", "replica", "node", "rack", "zone"]
UNITS: tuple[str, ...] = get_args(Scope)
PERIOD_HOURS = {"hour": 1, "day": 24, "week": 168, "month": 720, "year": 8760}
RATE_MAX_PER_HOUR = 3.6e6
"""One per millisecond: more often would stop the clock."""
NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
FORM = rf"\s*({NUMBER})\s+per\s+(?:({NUMBER})\s+)?([A-Za-z]+)-([A-Za-z]+?)s?\s*"
ALLOWED = (
    "a rate such as 6.97 per 1e6 GPU-hours, 0.06 per node-hour or 1 per zone-year, per "
    "gpu, replica, node, rack or zone and hour, day, week, month (30 d) or year (365 d)"
)


@dataclass(frozen=True)
class Rate:
    """A constant hazard per unit of hardware that the fleet uses."""

    per_hour: float
    unit: str

    @property
    def per_s(self) -> float:
        return self.per_hour / 3600

    def times(self, factor: float) -> "Rate":
        return Rate(self.per_hour * factor, self.unit)

    def __str__(self) -> str:
        """Text that reads back as the same rate.

        >>> str(parse_rate("6.97 per 1e6 GPU-hours")), str(parse_rate("12 per 100 node-days"))
        ('6.97 per 1e6 GPU-hours', '0.005 per node-hour')
        """
        unit = shown(self.unit)
        if self.per_hour >= 1e-3:
            return f"{self.per_hour!r} per {unit}-hour"
        return f"{(Decimal(repr(self.per_hour)) * 10**6).normalize():f} per 1e6 {unit}-hours"


def parse_rate(text: Any) -> Rate:
    """A rate from text. Raises PydanticCustomError, with what is allowed and the nearest unit."""
    if isinstance(text, Rate):
        return text
    match = re.fullmatch(FORM, text) if isinstance(text, str) else None
    if match is None:
        raise refuse("not a rate", ALLOWED)
    events, units, unit, period = match[1], match[2] or "1", match[3].lower(), match[4].lower()
    if unit not in UNITS or period not in PERIOD_HOURS:
        near = nearest(unit, UNITS), nearest(period, tuple(PERIOD_HOURS))
        name = f"{shown(near[0])}-{near[1]}"
        counted = f"{match[2]} {name}s" if match[2] else name
        suggestion = f"{events} per {counted}" if all(near) else ""
        raise refuse("a rate per unknown unit", ALLOWED, suggestion=suggestion)
    # Decimal until the one rounding at the end: '6 per 100 GPU-hours' is '0.06 per GPU-hour'.
    per = Decimal(units) * PERIOD_HOURS[period]
    per_hour = float(Decimal(events) / per) if per else 0.0
    if not 0 < per_hour <= RATE_MAX_PER_HOUR:
        raise refuse("a rate out of bounds", "above 0, at most 1 per millisecond")
    return Rate(per_hour, unit)


def shown(unit: str) -> str:
    return "GPU" if unit == "gpu" else unit


def nearest(word: str, words: tuple[str, ...]) -> str:
    return "".join(difflib.get_close_matches(word, words, 1, cutoff=0.5))


HazardRate = Annotated[
    Rate,
    PlainValidator(parse_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*{NUMBER}\s+per\s+({NUMBER}\s+)?[A-Za-z]+-[A-Za-z]+\s*$",
            "examples": ["6.97 per 1e6 GPU-hours", "0.06 per node-hour"],
            "x-number": True,
        }
    ),
]
