"""Quantities as people write them: '500ms', '80GiB', '12/s', '0.1%', '2.95 USD/h', '1..16'.

A quantity is held in its base unit (seconds, bytes, watts, USD per hour, a share of one) as a
float. A bare number is refused where a unit is needed: `timeout: 30` once meant 30 ms to somebody.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

P95 = NormalDist().inv_cdf(0.95)
"""Standard deviations from the median to the 95th percentile."""
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"

TIME_S = {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0,
          "d": 86400.0}  # fmt: skip
RATE_PER_S = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600, "/d": 1 / 86400}
SIZE_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
              "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}  # fmt: skip
BANDWIDTH_BYTES_PER_S = {f"{unit}/s": size for unit, size in SIZE_BYTES.items()}
COMPUTE_FLOPS_PER_S = {"GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15, "FLOP/s": 1.0}
DAY_S = 86400.0
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHARE = {"%": 0.01}
PRICE_USD_PER_HOUR = {"USD/h": 1.0}
MONEY_USD = {"USD": 1.0}
PRICE_USD_PER_KWH = {"USD/kWh": 1.0}
CARBON_KG_PER_KWH = {"kg/kWh": 1.0, "g/kWh": 1e-3}
POWER_W = {"W": 1.0, "kW": 1e3}


def parse_quantity(text: Any, units: dict[str, float], allowed: str) -> float:
    """`text` in the base unit of `units` (the one whose factor is 1).

    Raises PydanticCustomError, with what is allowed, for a bare number or an unknown unit.

    >>> parse_quantity("15min", TIME_S, "a time")
    900.0
    """
    match = re.fullmatch(rf"\s*({NUMBER})\s*(\S+)\s*", text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise PydanticCustomError("quantity", "not a quantity", {"allowed": allowed})
    # Exact until the one rounding at the end: with floats, 99.9 / 100 is above 0.999.
    number, factor = Decimal(match[1]), units[match[2]]
    # 1/60 is not a float: dividing by the exact 60 keeps '30/min' equal to '0.5/s'.
    return float(number / round(1 / factor) if factor < 1 else number * Decimal(factor))


@dataclass(frozen=True, eq=False)  # compared, and hashed, by identity
class Quantity:
    """Makes `Annotated[float, Quantity(...)]` a quantity: parsed from text with its unit, written
    back as text in `base`, the unit whose factor is 1."""

    units: dict[str, float]
    base: str
    allowed: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda text: parse_quantity(text, self.units, self.allowed),
            core_schema.float_schema(allow_inf_nan=False),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: f"{value!r}{self.base}", return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        units = "|".join(re.escape(unit) for unit in self.units)
        pattern = rf"^\s*{NUMBER}\s*({units})\s*$"
        return {
            "type": "string",
            "pattern": pattern,
            "description": self.allowed,
            "x-base-unit": self.base,
        }


def whole(value: Any) -> Any:
    """1e3 is a whole number, though YAML calls it a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_share(value: Any) -> float:
    """A share of one, from 0.95 or '95%'."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return parse_quantity(value, SHARE, "a share such as 0.95 or 95%")


def parse_range(text: Any, least: int = 1) -> tuple[int, int]:
    """Two whole numbers from '1..16', the second at least 1."""
    match = re.fullmatch(r"\s*(\d+)\s*\.\.\s*(\d+)\s*", text) if isinstance(text, str) else None
    if match is None or not least <= int(match[1]) <= int(match[2]) or int(match[2]) < 1:
        raise PydanticCustomError(
            "quantity", "not a range", {"allowed": f"a range such as {least}..16, from {least} up"}
        )
    return int(match[1]), int(match[2])


def parse_day_time(text: Any) -> float:
    """Seconds since midnight from '08:30'; '24:00' is the end of the day.

    >>> parse_day_time("08:30")
    30600.0
    """
    match = (
        re.fullmatch(r"\s*([01]?\d|2[0-4]):([0-5]\d)\s*", text) if isinstance(text, str) else None
    )
    seconds = int(match[1]) * 3600.0 + int(match[2]) * 60.0 if match else DAY_S + 1
    if seconds > DAY_S:
        raise PydanticCustomError(
            "quantity", "not a time of day", {"allowed": "a time of day such as 08:30, up to 24:00"}
        )
    return seconds


def day_time(seconds: float) -> str:
    """The inverse of `parse_day_time`."""
    return f"{round(seconds) // 3600:02}:{round(seconds) % 3600 // 60:02}"


def parse_week_time(text: Any) -> float | str:
    """Seconds since Monday 00:00 from 'Tue 09:30'; 'random' stays what it is.

    >>> parse_week_time("Tue 09:30")
    120600.0
    """
    if text == "random":
        return "random"
    match = re.fullmatch(r"\s*([A-Za-z]{3}) ([01]?\d|2[0-3]):([0-5]\d)\s*", str(text))
    if match is None or match[1].title() not in DAYS:
        raise PydanticCustomError(
            "quantity", "not an instant of the week", {"allowed": "such as Tue 09:30, or random"}
        )
    return DAYS.index(match[1].title()) * DAY_S + int(match[2]) * 3600.0 + int(match[3]) * 60.0


def week_time(value: float | str) -> str:
    """The inverse of `parse_week_time`."""
    if isinstance(value, str):
        return value
    day, second = divmod(round(value), round(DAY_S))
    return f"{DAYS[day]} {second // 3600:02}:{second % 3600 // 60:02}"


A_TIME = "a time with its unit, such as 500ms, 30s, 15min, 2h or 7d"
A_RATE = "a rate with its unit, such as 12/s, 30/min or 900/h"
A_SIZE = "a size with its unit, such as 80GiB or 2MB"
A_BANDWIDTH = "a bandwidth such as 3350GB/s"
A_COMPUTE_RATE = "a compute rate such as 989TFLOP/s"
A_PRICE = "a price per GPU-hour such as 2.95 USD/h"
A_SUM = "a sum of money such as 25000 USD"
A_TARIFF = "a price of electricity such as 0.09 USD/kWh"
A_CARBON_FACTOR = "the carbon of electricity, such as 0.38 kg/kWh or 380 g/kWh"
A_POWER = "a power such as 700W or 0.7kW"

Seconds = Annotated[float, Quantity(TIME_S, "s", A_TIME)]
PerSecond = Annotated[float, Quantity(RATE_PER_S, "/s", A_RATE)]
Bytes = Annotated[float, Quantity(SIZE_BYTES, "B", A_SIZE)]
BytesPerSecond = Annotated[float, Quantity(BANDWIDTH_BYTES_PER_S, "B/s", A_BANDWIDTH)]
FlopsPerSecond = Annotated[float, Quantity(COMPUTE_FLOPS_PER_S, "FLOP/s", A_COMPUTE_RATE)]
UsdPerHour = Annotated[float, Quantity(PRICE_USD_PER_HOUR, "USD/h", A_PRICE)]
Usd = Annotated[float, Quantity(MONEY_USD, "USD", A_SUM)]
UsdPerKwh = Annotated[float, Quantity(PRICE_USD_PER_KWH, "USD/kWh", A_TARIFF)]
KgPerKwh = Annotated[float, Quantity(CARBON_KG_PER_KWH, "kg/kWh", A_CARBON_FACTOR)]
Watts = Annotated[float, Quantity(POWER_W, "W", A_POWER)]
Whole = Annotated[StrictInt, BeforeValidator(whole)]

# Bounds that no scenario needs to pass and that 64-bit nanoseconds and 32-bit counts can hold.
TIME_MAX_S = 50 * 365 * DAY_S
SomeSeconds = Annotated[Seconds, Field(ge=0, le=TIME_MAX_S)]
PositiveSeconds = Annotated[Seconds, Field(gt=0, le=TIME_MAX_S)]
Interval = Annotated[Seconds, Field(ge=1e-3, le=TIME_MAX_S)]
"""Between events that go on for ever: a shorter one would stop the clock."""
Count = Annotated[Whole, Field(ge=1, lt=2**31)]
PositiveRate = Annotated[PerSecond, Field(gt=0)]


def two(value: Any) -> Any:
    """Two of something, as a list of a file."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PydanticCustomError(
            "quantity", "not two", {"allowed": "a list of two, the smaller first"}
        )
    return value


Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"type": ["number", "string"], "description": "a share: 0.95 or 95%"}),
]
Range = Annotated[
    tuple[int, int],
    BeforeValidator(parse_range),
    PlainSerializer(lambda ends: f"{ends[0]}..{ends[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+\s*\.\.\s*\d+\s*$"}),
]
RangeFromZero = Annotated[
    tuple[int, int],
    BeforeValidator(lambda text: parse_range(text, least=0)),
    PlainSerializer(lambda ends: f"{ends[0]}..{ends[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+\s*\.\.\s*\d+\s*$"}),
]
DayTime = Annotated[
    float,
    BeforeValidator(parse_day_time),
    PlainSerializer(day_time, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d?\d:\d\d\s*$"}),
]
WeekTime = Annotated[
    float | Literal["random"],
    BeforeValidator(parse_week_time),
    PlainSerializer(week_time, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["Tue 09:30", "random"]}),
]
