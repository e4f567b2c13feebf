"""One kind of fault: what breaks, how often, who notices when, and how it is mended."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    WithJsonSchema,
    model_validator,
)

from scenarios.failures.rates import HazardRate, Scope
from scenarios.faults import refuse
from scenarios.fleet.cold_start import Start
from scenarios.part import Part
from scenarios.times import AT_ONCE, FAMILIES, Time
from scenarios.units import Count, Interval, Share, SomeSeconds, parse_share, two

Effect = Literal["crash", "silence", "hang", "slow", "drain"]
UNITS_OF: dict[str, tuple[str, ...]] = {
    "gpu": ("gpu",),
    "replica": ("gpu", "replica"),
    "node": ("gpu", "node"),
    "rack": ("gpu", "node", "rack"),
    "zone": ("gpu", "node", "rack", "zone"),
}
"""What a rate may be counted per: the scope itself, or what it is made of."""
SWAPPABLE = ("gpu", "replica", "node")
MAIN_POOL = "main"
DRAIN_TIMEOUT_S = 300.0
INTERVAL_MIN_S = 1e-3
SUDDEN = ("crash", "silence")
GOES_WITH = {
    "speed": "effect slow",
    "drain_timeout": "effect drain",
    "at_most": "effect drain",
    "notice": "effect crash or silence",
    "burst": "effects that are not planned",
    "detection": "effects that are not planned",
    "probed": "effect crash or silence",
}


class Repair(Part):
    """One way in which a fault is mended."""

    short_forms: ClassVar[dict[str, str]] = {"time": ""}

    time: Time = Field(examples=["{median: 15min, p95: 2h}"])
    """From the fault being known to the end of the work."""
    share: Annotated[Share, Field(gt=0)] = 1.0
    """Its weight among the repairs of the fault: 60 % and 40 %, or 3 and 2."""
    start: Start = "cold"
    """What follows: nothing (the time includes it), a warm start, a cold one, or one on a new
    node. Of a slow replica: nothing."""
    hands_on: StrictBool = False
    """Somebody has to be there (`repair_crews`), and a spare node can stand in (`spares`)."""
    swap_s: SomeSeconds | None = None
    """How long it takes to put a spare in its place; that of `spares` when not given."""
    what: str = ""
    """A word for tables, such as physical-replacement."""

    @model_validator(mode="after")
    def only_hands_swap(self) -> Self:
        if self.swap_s is not None and not self.hands_on:
            raise refuse("a swap of what nobody touches", "`hands_on: true` beside it", "swap")
        return self


class Burst(Part):
    """Others of the same zone follow: spot nodes are reclaimed in groups."""

    share: Annotated[Share, Field(gt=0, le=1)]
    """Probability, of each other component of the zone, to go too."""
    within_s: Interval
    """At any instant up to that long after the first."""


class Lemons(Part):
    """Some components are worse than others, and stay so."""

    share: Annotated[Share, Field(gt=0, lt=1)]
    """How many of them."""
    times: Annotated[StrictFloat, Field(gt=0, le=1e6)]
    """How often they fail, against the others."""


def listed(value: Any) -> Any:
    """One repair, or a time alone, as a list of repairs."""
    repairs = value if isinstance(value, list | tuple) else [value]
    return [{"time": each} if is_time(each) else each for each in repairs]


def is_time(value: Any) -> bool:
    """A time alone, in place of a repair that has no more to say."""
    if isinstance(value, Repair):
        return False
    return not isinstance(value, dict) or bool(set(value) & set(FAMILIES))


def pair(value: Any) -> Any:
    """A share, or two: the ends of a range."""
    if not isinstance(value, list | tuple):
        value = [value, value]
    low, high = (parse_share(share) for share in two(value))
    if low > high:
        raise refuse("fastest first", "a list of two, the smaller first")
    return low, high


A_SHARE = {"type": ["number", "string"]}
Speed = Annotated[
    tuple[
        Annotated[float, Field(gt=0, le=1)],
        Annotated[float, Field(gt=0, le=1)],
    ],
    BeforeValidator(pair),
    WithJsonSchema({"anyOf": [A_SHARE, {"type": "array", "items": A_SHARE}]}),
]


class Fault(Part):
    """One kind of fault. It takes every replica with a GPU in its scope.

    crash: connections are refused, the router passes over it at once. silence: nothing comes out
    until somebody notices. hang: the same, but `/health` answers. slow: steps take longer. drain:
    planned, and graceful.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    scope: Scope
    effect: Effect = "silence"
    rate: HazardRate | None = Field(None, examples=["6.97 per 1e6 GPU-hours"])
    """How often, at a constant hazard."""
    mtbf_s: Interval | None = None
    """The same as mean time between failures of one component."""
    every: Time | None = None
    """From the end of one to the next, of one component."""
    detection: Time = AT_ONCE
    """From the fault to somebody knowing: monitoring, beside `fleet.health_checks`."""
    probed: StrictBool = True
    """Whether health checks see it. Default: of crash and silence."""
    repairs: Annotated[tuple[Repair, ...], BeforeValidator(listed), Field(min_length=1)] = Field(
        alias="repair", examples=["{median: 15min, p95: 2h}"]
    )
    """How long from known to repaired, and what start follows; several with their shares."""
    speed: Speed | None = None
    """Of slow: the rate of steps that is left, 0.7, or anything of [0.5, 0.9]."""
    notice_s: SomeSeconds = 0.0
    """Replicas get that long to drain before they go, as spot nodes do."""
    burst: Burst | None = None
    drain_timeout_s: SomeSeconds = DRAIN_TIMEOUT_S
    """Of drain: requests get that long to end."""
    at_most: Count = 1
    """Of drain: so many components at a time."""
    lemons: Lemons | None = None
    pools: tuple[str, ...] = Field((), examples=["[spot]"])
    """Only in these pools: `main`, and names of `fleet.others`; in all when not given."""
    paid: StrictBool = True
    """Whether hardware that is gone is paid for: not a spot node that was reclaimed."""
    source: str = ""
    confidence: str = ""
    remove: StrictBool = False
    """Takes the fault of this name out of the presets."""

    @model_validator(mode="before")
    @classmethod
    def what_the_effect_says(cls, given: Any) -> Any:
        """Health checks see crash and silence; what is slow goes on without a start."""
        if not isinstance(given, dict):
            return given
        effect = given.get("effect", "silence")
        told: dict[str, Any] = {"probed": effect in ("crash", "silence")} | given
        if effect == "slow" and "repair" in given:
            repairs = listed(given["repair"])
            told["repair"] = [
                {"start": "none"} | each if isinstance(each, dict) else each for each in repairs
            ]
        return told

    @model_validator(mode="after")
    def occurs_in_one_way(self) -> Self:
        given = [k for k in ("rate", "mtbf_s", "every") if getattr(self, k) is not None]
        if not given:
            raise refuse("how often?", "`rate: 0.06 per node-hour`, `mtbf: 400h` or `every: ...`")
        if len(given) > 1:
            first, second = (key.removesuffix("_s") for key in given[:2])
            raise refuse(f"{first} beside {second}", "one of rate, mtbf and every", second)
        if self.every is not None and self.every.mean_s < INTERVAL_MIN_S:
            raise refuse("a fault without end", "a mean time of at least 1ms", "every")
        return self

    @model_validator(mode="after")
    def counted_per_what_it_takes(self) -> Self:
        units = UNITS_OF[self.scope]
        if self.rate is not None and self.rate.unit not in units:
            raise refuse(
                f"a rate per {self.rate.unit} of a fault that takes a {self.scope}",
                f"per {' or '.join(units)}",
                "rate",
            )
        return self

    @model_validator(mode="after")
    def keys_that_mean_something(self) -> Self:
        """What would do nothing is a fault of the file."""
        effect, slow, drain = self.effect, self.effect == "slow", self.effect == "drain"
        if slow and self.speed is None:
            raise refuse("slow, but how slow?", "`speed: 0.7`, or `speed: [0.5, 0.9]`")
        said_in_vain = {
            "speed": self.speed is not None and not slow,
            "drain_timeout": self.drain_timeout_s != DRAIN_TIMEOUT_S and not drain,
            "at_most": self.at_most != 1 and not drain,
            "notice": self.notice_s > 0 and effect not in SUDDEN,
            "burst": self.burst is not None and drain,
            "detection": self.detection.mean_s > 0 and drain,
            "probed": self.probed and effect not in SUDDEN,
        }
        for key, in_vain in said_in_vain.items():
            if in_vain:
                raise refuse(f"nothing to the effect {effect}", f"with {GOES_WITH[key]}", key)
        if self.burst is not None and self.scope == "zone":
            raise refuse("nothing in a zone is beside the zone", "with a smaller scope", "burst")
        if self.pools and self.scope == "zone":
            raise refuse("a zone takes what is in it, of any pool", "with a smaller scope", "pools")
        if self.burst is not None and self.lemons is not None:
            raise refuse("lemons among what goes in bursts", "one of burst and lemons", "lemons")
        for index, repair in enumerate(self.repairs):
            if slow and repair.start != "none":
                what = "a start of what never stopped"
                raise refuse(what, "no such key with effect slow", "repair", index, "start")
            if repair.swap_s is not None and not self.swappable:
                what = f"a spare node in place of a whole {self.scope}"
                raise refuse(what, "with scope gpu, replica or node", "repair", index, "swap")
        return self

    def strikes(self, pool: str) -> bool:
        """Whether it occurs in a pool; the main one's name is empty."""
        return not self.pools or (pool or MAIN_POOL) in self.pools

    @property
    def swappable(self) -> bool:
        """A single node at most is broken: a spare can take its place."""
        return self.scope in SWAPPABLE

    @property
    def mean_repair_s(self) -> float:
        total = sum(repair.share for repair in self.repairs)
        return sum(repair.share * repair.time.mean_s for repair in self.repairs) / total
