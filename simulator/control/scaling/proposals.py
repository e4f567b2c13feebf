"""How many replicas each metric asks for, as Kubernetes' horizontal pod autoscaler works it out.

Source: pkg/controller/podautoscaler/replica_calculator.go of Kubernetes, as it stood in 2026.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Total(NamedTuple):
    """A sum over the pool, aimed at so much per replica: an external metric with an AverageValue,
    which is what KEDA's triggers are."""

    name: str
    target: float
    value: float | None
    """None: no data."""


class Value(NamedTuple):
    """One figure for the whole pool: an external metric with a Value."""

    name: str
    target: float
    value: float | None


class Each(NamedTuple):
    """A figure of each replica, whose mean is compared: a metric of type Pods."""

    name: str
    target: float
    values: tuple[float, ...]
    starting: int
    """Replicas that are not up yet."""
    missing: int
    """Replicas that should have told, and did not."""


Reading = Total | Value | Each


class Observed(NamedTuple):
    """What the autoscaler knows when it decides."""

    ready: int
    """Replicas that serve."""
    readings: Sequence[Reading]


def propose(current: int, observed: Observed, tolerance: float) -> tuple[int | None, str]:
    """The largest proposal and the metric it is of; None where Kubernetes would not scale: nothing
    is known, or something is not and the rest would scale down."""
    proposals = [
        (count, reading.name)
        for reading in observed.readings
        if (count := proposal_of(reading, current, observed.ready, tolerance)) is not None
    ]
    if not proposals:
        return None, "no data"
    count, name = max(proposals, key=lambda proposal: proposal[0])
    if len(proposals) < len(observed.readings) and count < current:
        return None, "not all data"
    return count, name


def proposal_of(reading: Reading, current: int, ready: int, tolerance: float) -> int | None:
    if isinstance(reading, Each):
        return from_each(reading, current, tolerance)
    if reading.value is None:
        return None
    value, target = milli(reading.value), milli(reading.target)
    if isinstance(reading, Total):
        return from_total(value, target, current, tolerance)
    return from_value(value, target, current, ready, tolerance)


def from_total(total: int, target: int, current: int, tolerance: float) -> int:
    """As many replicas as bring a total to the target.

    >>> from_total(8600, 2150, current=3, tolerance=0.1)
    4
    """
    if within(total / (target * current), tolerance):
        return current
    return math.ceil(total / target)


def from_value(value: int, target: int, current: int, ready: int, tolerance: float) -> int:
    """In proportion to the replicas that serve: those that do not had no part in the value.

    >>> from_value(200, 100, current=3, ready=3, tolerance=0.1)
    6
    """
    ratio = value / target
    return current if within(ratio, tolerance) else math.ceil(ratio * ready)


def from_each(each: Each, current: int, tolerance: float) -> int | None:
    """In proportion to the replicas that told; cautious about the others.

    Going up, replicas that are starting or did not tell count as idle. Going down, those that did
    not tell count as just on target, and those that are starting are left out.
    """
    if not each.values:
        return None
    values, target = [milli(value) for value in each.values], milli(each.target)
    ratio = mean_to(values, target)
    starting = each.starting if ratio > 1 else 0
    if not starting and not each.missing:
        return current if within(ratio, tolerance) else math.ceil(ratio * len(values))
    values += [0] * starting
    if ratio != 1:
        values += [target if ratio < 1 else 0] * each.missing
    cautious = mean_to(values, target)
    desired = math.ceil(cautious * len(values))
    turned = (cautious - 1) * (ratio - 1) < 0 or (cautious - 1) * (desired - current) < 0
    return current if turned or within(cautious, tolerance) else desired


def mean_to(values: list[int], target: int) -> float:
    """Kubernetes takes the mean in whole thousandths."""
    return (sum(values) // len(values)) / target


def milli(quantity: float) -> int:
    """Kubernetes counts in thousandths."""
    return round(quantity * 1000)


def within(ratio: float, tolerance: float) -> bool:
    return 1.0 - tolerance <= ratio <= 1.0 + tolerance
