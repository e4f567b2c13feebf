"""What a file may say about money and energy: what a GPU costs, however paid for, and draws."""

import calendar
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictFloat,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.references import catalogue, folder
from scenarios.units import KgPerKwh, Share, Usd, UsdPerHour, UsdPerKwh

Purchase = Literal["on_demand", "reserved", "spot", "owned"]
Rate = Annotated[UsdPerHour, Field(ge=0)]
Pue = Annotated[StrictFloat, Field(ge=1)]
HOURS_PER_YEAR = 8760.0


class Owned(Part):
    """A GPU that was bought: every hour of its years is paid for, whether it runs or not."""

    capital_usd: Annotated[Usd, Field(ge=0, examples=["25000 USD"])]
    """Of one GPU, with its share of server and network."""
    years: Annotated[StrictFloat, Field(gt=0, examples=["4"])]
    """Over which the capital is spread evenly, 8,760 hours each; nothing is left of it then."""
    electricity_usd_per_kwh: Annotated[UsdPerKwh, Field(ge=0, examples=["0.09 USD/kWh"])]
    pue: Pue | None = None
    """Power of the whole site over that of its GPUs, for this GPU; that of `energy` when not
    given."""
    upkeep_usd_per_hour: Rate = 0.0
    """Rent of the place, staff, repairs: whatever else each hour of a GPU costs."""

    @property
    def usd_per_hour(self) -> float:
        """Without electricity, running or not.

        >>> given = {"capital": "35040 USD", "years": 4, "electricity": "0 USD/kWh"}
        >>> Owned.model_validate(given).usd_per_hour
        1.0
        """
        return self.capital_usd / (self.years * HOURS_PER_YEAR) + self.upkeep_usd_per_hour


class GpuPrice(Part):
    """What one GPU costs, by how it is paid for; the price on demand may stand alone."""

    short_forms: ClassVar[dict[str, str]] = {"on_demand": ""}

    on_demand_usd_per_hour: Rate | None = None
    reserved_usd_per_hour: Rate | None = None
    spot_usd_per_hour: Rate | None = None
    owned: Owned | None = None

    @model_validator(mode="before")
    @classmethod
    def price_alone(cls, given: Any) -> Any:
        return given if isinstance(given, dict | Part) else {"on_demand": given}

    @model_validator(mode="after")
    def some_price(self) -> Self:
        if not self.kinds:
            raise refuse("no price", "one of on_demand, reserved, spot and owned")
        return self

    @property
    def by_purchase(self) -> dict[Purchase, float | Owned | None]:
        return {
            "on_demand": self.on_demand_usd_per_hour,
            "reserved": self.reserved_usd_per_hour,
            "spot": self.spot_usd_per_hour,
            "owned": self.owned,
        }

    @property
    def kinds(self) -> list[Purchase]:
        """The ways of paying that have a price."""
        return [purchase for purchase, price in self.by_purchase.items() if price is not None]


def parse_date(value: Any) -> str:
    """A day of the calendar, as text; YAML makes a date of it unless it is quoted.

    >>> parse_date("2026-11-01")
    '2026-11-01'
    """
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value))
    year, month, day = map(int, match.groups()) if match else (0, 0, 0)
    if not year or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise refuse("not a date", "a date such as 2026-11-01")
    return str(value)


Date = Annotated[
    str, BeforeValidator(parse_date), WithJsonSchema({"type": "string", "format": "date"})
]


class Prices(Part):
    """What GPUs cost. A scenario may write the mapping of `gpus` alone, or name a file of all
    this."""

    short_forms: ClassVar[dict[str, str]] = {"gpus": ""}

    source: str = ""
    """Whose prices they are."""
    date: Date | None = None
    """When they held; `plan` warns when that is more than 90 days ago."""
    gpus: dict[str, GpuPrice]

    @model_validator(mode="before")
    @classmethod
    def gpus_alone(cls, given: Any) -> Any:
        """A mapping that has no key of this part is one of GPUs."""
        if not isinstance(given, dict) or given.keys() & {"source", "date", "gpus"}:
            return given
        return {"gpus": given}


def price_file(value: Any, info: ValidationInfo) -> Any:
    """The contents of the file that `{file: prices.yaml}` names; anything else as it is."""
    if not isinstance(value, dict) or "file" not in value:
        return value
    name = value["file"]
    if len(value) > 1 or not isinstance(name, str):
        raise refuse("a price file with other keys", "`{file: FILE}` alone")
    try:
        text = (folder(info) / name).read_text(encoding="utf-8")
        data = YAML(typ="safe", pure=True).load(text)
    except (OSError, YAMLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise refuse(f"no readable prices: {name}", f"a file of prices ({reason})") from error
    if not isinstance(data, dict):
        raise refuse(f"no prices in {name}", "a mapping of `source`, `date` and `gpus`")
    try:
        return Prices.model_validate(data)
    except ValidationError as error:
        raise refuse(f"wrong prices in {name}", "; ".join(faults_within(error))) from error


def faults_within(error: ValidationError) -> Iterator[str]:
    """What is wrong in a price file, each with its key."""
    for detail in error.errors():
        where = ".".join(map(str, detail["loc"])) or "the file"
        if detail["type"] == "extra_forbidden":
            yield f"{where}: unknown key"
        elif detail["type"] == "missing":
            yield f"{where}: missing"
        else:
            allowed = detail.get("ctx", {}).get("allowed") or detail["msg"].removeprefix(
                "Input should be "
            )
            yield f"{where}: got {detail['input']!r}, allowed: {allowed}"


Price = Annotated[Prices, BeforeValidator(price_file)]


class Energy(Part):
    """What the fleet draws. Without it energy is that of the GPUs alone, and not told."""

    pue: Pue = 1.0
    """Power of the whole site over that of its GPUs: cooling, and the rest of the servers. 1: the
    GPUs alone."""
    carbon_kg_per_kwh: Annotated[KgPerKwh, Field(ge=0)] | None = None
    """CO2 of the electricity; nothing is said of carbon when not given."""
    idle: Annotated[Share, Field(ge=0, le=1)]
    """Share of its `power` that a GPU draws while no engine step computes, broken and spare ones
    too. Assumed, unless given (the catalogue's `draws`, with their source)."""
    busy: Annotated[Share, Field(ge=0, le=1)]
    """The same while an engine step computes."""

    @model_validator(mode="before")
    @classmethod
    def rest_from_the_catalogue(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: draw.share for name, draw in catalogue(info).draws.items()} | given

    @model_validator(mode="after")
    def idle_draws_less(self) -> Self:
        if self.idle > self.busy:
            raise refuse(f"idle {self.idle:g} above busy {self.busy:g}", "idle up to busy")
        return self
