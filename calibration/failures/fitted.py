"""What a fit of failures ends with: faults as a scenario says them, and how sure each figure is."""

from dataclasses import dataclass, field
from typing import Any

from calibration.failures.lifetimes import Fit, Interval
from calibration.traffic.rounding import significant

Yaml = dict[str, Any]

HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365 * 86_400.0
TIME_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
UNIT_WORDS = {"gpu": "GPU"}
FEW = 10
"""Fewer incidents make a rate that may be off by a factor of two."""


@dataclass(frozen=True)
class Rate:
    """Incidents per hour of one component of a kind, with the interval."""

    unit: str
    """'gpu', 'replica', 'node', 'rack', 'zone' or 'instance'."""
    per_hour: Interval
    incidents: int
    unit_hours: float

    @property
    def scale(self) -> tuple[float, str]:
        """Factor and words in which people say such a rate."""
        word = UNIT_WORDS.get(self.unit, self.unit)
        match self.unit:
            case "gpu":
                return 1e6, f"per 1e6 {word}-hours"
            case "instance":
                return 1.0, "per instance-hour"
            case _:
                return YEAR_S / HOUR_S, f"per {word}-year"

    @property
    def told(self) -> Interval:
        return self.per_hour.times(self.scale[0])

    @property
    def text(self) -> str:
        """As a scenario file says it; an instance is a node there."""
        words = self.scale[1].replace("instance", "node")
        return f"{significant(self.told.value):g} {words}"


@dataclass(frozen=True)
class Bursts:
    """Losses of spot instances that come together in a zone."""

    number: int
    losses: int
    within_s: float
    together: float
    """Share of losses that had company."""
    follow: float
    """If one goes: the probability of each other instance of its zone to go with it."""


@dataclass(frozen=True)
class FittedFault:
    """shape: of the Weibull between failures, and what it is of; None for too few."""

    name: str
    scope: str
    effect: str
    rate: Rate
    repair: Fit
    detection: Fit | None
    shape: Interval | None
    shape_of: str
    yaml: Yaml
    open: int = 0
    bursts: Bursts | None = None


@dataclass(frozen=True)
class ZoneFigures:
    """One zone of a spot trace."""

    name: str
    span_s: float
    instances_max: int
    instance_hours: float
    losses: int
    bursts: int
    unavailable: float
    """Share of the time in which no instance was up."""


@dataclass(frozen=True)
class FittedFailures:
    """kind: 'incidents' or 'spot'. about: the data in a few words; span: from when to when.
    warnings: what to know before believing it."""

    kind: str
    about: str
    span: str
    span_s: float
    faults: list[FittedFault]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    zones: list[ZoneFigures] = field(default_factory=list)

    @property
    def section(self) -> Yaml:
        """Ready for a scenario."""
        return {"failures": {"faults": [fault.yaml for fault in self.faults]}}


def time_text(seconds: float) -> str:
    """As a scenario file says it.

    >>> time_text(912.0), time_text(172_800.0), time_text(0.0)
    ('15.2min', '2d', '0s')
    """
    for unit, size in TIME_UNITS:
        if seconds >= 2 * size:
            return f"{significant(seconds / size):g}{unit}"
    return f"{significant(seconds):g}s"


def time_yaml(fit: Fit) -> str | Yaml:
    """The fit as a `Time` of a scenario."""
    match fit.family:
        case "fixed":
            return time_text(fit.median.value)
        case "lognormal":
            return {"median": time_text(fit.median.value), "p95": time_text(fit.p95)}
        case "weibull":
            return {"weibull": time_text(fit.mean), "shape": significant(fit.spread)}
        case _:
            return {"exponential": time_text(fit.mean)}


def confidence(rate: Rate) -> str:
    """How sure, in a word and numbers."""
    told, (_, words) = rate.told, rate.scale
    word = "low" if rate.incidents < FEW else "medium" if rate.incidents < 10 * FEW else "high"
    return (
        f"{word}: 95 % interval {told.low:.3g} to {told.high:.3g} {words}, "
        f"{incidents(rate.incidents)}"
    )


def incidents(number: int) -> str:
    """
    >>> incidents(1), incidents(1200)
    ('1 incident', '1,200 incidents')
    """
    return "1 incident" if number == 1 else f"{number:,} incidents"
