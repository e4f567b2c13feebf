"""What a file may say about starting a replica: a sum of phases, or one time for all of it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from scenarios.part import Part
from scenarios.references import catalogue, unknown_name
from scenarios.times import FAMILIES, FixedTime, Time
from scenarios.units import TIME_MAX_S, BytesPerSecond

Start = Literal["none", "warm", "cold", "node"]
"""none: nothing follows. warm: the engine's process starts where image, page cache and compile
cache are there. cold: on a ready node without them. node: a node is provisioned first."""
DEFAULT_TIERS = {"storage": "network", "page_cache": "page-cache"}
Phases = tuple[tuple[str, Time], ...]


def tier(value: Any, info: ValidationInfo) -> Any:
    """The bandwidth of a storage tier by its name; a bandwidth stays what it is."""
    if not isinstance(value, str) or value.strip()[:1].isdigit() or value[:1] in "+-.":
        return value
    known = catalogue(info).storage
    if value not in known:
        raise unknown_name(value, list(known), also="or a bandwidth such as 1.7GB/s")
    return f"{known[value].bandwidth_bytes_per_s!r}B/s"


StorageBandwidth = Annotated[BytesPerSecond, Field(gt=0), BeforeValidator(tier)]


class ColdStart(Part):
    """How long a replica takes to serve, by phases. What is not given is the catalogue's
    (`cold_start`: every number with its source)."""

    provision: Time
    """A new node, from the request to a machine that boots."""
    node_init: Time
    """Until the node's GPUs can be used: drivers, device plugin."""
    image: Time
    """Pulling the engine's container image."""
    framework: Time
    """Starting the engine's process on a node that never ran it: Python, imports, CUDA."""
    framework_warm: Time
    """The same where its files are cached."""
    storage_bytes_per_s: StorageBandwidth
    """What each node reads weights at: a bandwidth, or a tier of the catalogue by name."""
    page_cache_bytes_per_s: StorageBandwidth
    """The same where weights are in the node's page cache."""
    compile: Time
    """Compiling, capturing CUDA graphs and warming up."""
    compile_warm: Time
    """The same with a compile cache."""

    @model_validator(mode="before")
    @classmethod
    def rest_from_the_catalogue(cls, given: Any, info: ValidationInfo) -> Any:
        keys = [str(field.alias) for field in cls.model_fields.values()]
        if not isinstance(given, dict) or all(key in given for key in keys):
            return given
        known = catalogue(info)
        times = {name: phase.time for name, phase in known.cold_start.items()}
        return times | DEFAULT_TIERS | given

    def phases(self, kind: Start, weight_bytes: float) -> Phases:
        """(name, time) of each phase, one after the other; `weight_bytes`: what one node reads.

        >>> start = ColdStart.model_validate({"storage": "2GB/s"})
        >>> [name for name, _ in start.phases("cold", 16e9)]
        ['image', 'framework', 'weights', 'compile']
        >>> start.phases("cold", 16e9)[2][1].mean_s
        8.0
        """
        node = (("provision", self.provision), ("node_init", self.node_init))
        cold = (
            ("image", self.image),
            ("framework", self.framework),
            ("weights", reading(weight_bytes, self.storage_bytes_per_s)),
            ("compile", self.compile),
        )
        warm = (
            ("framework", self.framework_warm),
            ("weights", reading(weight_bytes, self.page_cache_bytes_per_s)),
            ("compile", self.compile_warm),
        )
        match kind:
            case "none":
                return ()
            case "warm":
                return warm
            case "cold":
                return cold
            case "node":
                return node + cold


def reading(weight_bytes: float, bytes_per_s: float) -> FixedTime:
    return FixedTime.model_construct(fixed_s=min(weight_bytes / bytes_per_s, TIME_MAX_S))


class WholeStart(Part):
    """One time for a whole start, whatever its kind; written as the time alone."""

    short_forms: ClassVar[dict[str, str]] = {"total": ""}

    total: Time

    @model_validator(mode="before")
    @classmethod
    def time_alone(cls, value: Any) -> Any:
        return value if isinstance(value, Part) else {"total": value}

    @model_serializer
    def as_time(self) -> Any:
        return self.total

    def phases(self, kind: Start, weight_bytes: float) -> Phases:
        """One phase; `weight_bytes` plays no part."""
        return () if kind == "none" else (("start", self.total),)


def by_phases(value: Any) -> str:
    """A time of any form is all of it; any other mapping is of phases."""
    if isinstance(value, Part):
        return "WholeStart" if isinstance(value, WholeStart) else "ColdStart"
    phases = isinstance(value, dict) and not set(value) & set(FAMILIES)
    return "ColdStart" if phases else "WholeStart"


AnyColdStart = Annotated[
    Annotated[ColdStart, Tag("ColdStart")] | Annotated[WholeStart, Tag("WholeStart")],
    Discriminator(by_phases),
]
