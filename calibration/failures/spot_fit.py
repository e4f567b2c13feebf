"""A trace of spot availability -> a fault `spot-preempt`: how often, in what bursts, for how long.

The model of a scenario (simulator/control/bursts.py): zones have bursts, and each instance takes
part in one with the same probability. So `rate` is that of one instance, however many there are,
and if one goes, each other one goes too with that probability.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from calibration.failures.cautions import SPANS_OF_REPAIR, interval_text
from calibration.failures.fitted import (
    DAY_S,
    FEW,
    HOUR_S,
    Bursts,
    FittedFailures,
    FittedFault,
    Rate,
    Yaml,
    ZoneFigures,
    confidence,
    time_text,
    time_yaml,
)
from calibration.failures.hazards import poisson_rate, weibull_shape
from calibration.failures.lifetimes import Fit, Floats, Interval, Lifetimes, best_fit
from calibration.failures.spot import Zone
from calibration.traffic.rounding import significant
from simulator.traffic.formats.faults import TraceError

WITHIN_S = 180.0
"""Spot-and-Scoot (arXiv:2604.16457) counts as one what goes within three minutes."""
NAME = "spot-preempt"


class Losses(NamedTuple):
    """What one zone lost. Of each burst: the instance-hours until it begins, its losses, and how
    many instances were up before it."""

    at_hours: Floats
    size: Floats
    up_before: Floats
    together: int
    """Losses in bursts of two or more."""


def fit_spot(zones: Sequence[Zone], source: str, within_s: float = WITHIN_S) -> FittedFailures:
    """Raises TraceError for traces in which nothing was ever up, or nothing ever lost."""
    found = [losses_of(zone, within_s) for zone in zones]
    hours = sum(instance_hours(zone) for zone in zones)
    lost = int(sum(each.size.sum() for each in found))
    if not lost:
        raise TraceError(f"{zones[0].name}: {nothing_lost(hours)}; there is nothing to fit")
    rate = Rate("instance", rate_of(found, hours), lost, hours)
    bursts = bursts_of(zones, found, within_s)
    repair = best_fit(joined([absences(zone) for zone in zones]))
    gaps = [between_bursts(*each) for each in zip(zones, found, strict=True)]
    fault = FittedFault(
        NAME, "node", "crash", rate, repair, None, weibull_shape(joined(gaps)),
        "bursts, in instance-hours", section(rate, bursts, repair, source), repair.running, bursts,
    )  # fmt: skip
    span_s = float(sum(zone.up.size * zone.step_s for zone in zones))
    of_zones = f" of {len(zones)} zones" if len(zones) > 1 else ""
    return FittedFailures(
        "spot", f"{lost:,} losses in {hours:,.4g} instance-hours{of_zones}",
        f"{span_s / DAY_S:.4g} days", span_s, [fault], list(warnings(zones, fault)),
        list(notes(zones, fault)),
        [zone_figures(*each) for each in zip(zones, found, strict=True)],
    )  # fmt: skip


def nothing_lost(hours: float) -> str:
    if not hours:
        return "no instance was ever up"
    most = poisson_rate(0, hours).high
    return f"no instance lost in {hours:,.4g} instance-hours (at most {most:.2g} per hour, 95 %)"


def section(rate: Rate, bursts: Bursts, repair: Fit, source: str) -> Yaml:
    yaml: Yaml = {
        "name": NAME, "scope": "node", "effect": "crash", "rate": rate.text,
        "repair": {"time": time_yaml(repair), "start": "node"},
    }  # fmt: skip
    if bursts.follow > 0:
        within = time_text(bursts.within_s)
        yaml["burst"] = {"share": significant(bursts.follow), "within": within}
    return yaml | {"paid": False, "source": source, "confidence": confidence(rate)}


def instance_hours(zone: Zone) -> float:
    return float(np.nansum(zone.up)) * zone.step_s / HOUR_S


def steps_of(zone: Zone) -> tuple[Floats, Floats]:
    """Instances before and after each step of the clock; no change where nobody looked."""
    before, after = zone.up[:-1], zone.up[1:]
    known = np.isfinite(before) & np.isfinite(after)
    return np.where(known, before, 0.0), np.where(known, after, np.where(known, before, 0.0))


def losses_of(zone: Zone, within_s: float) -> Losses:
    """A burst begins with a loss and holds all that follow within `within_s`; within one step of
    the clock, where that is longer."""
    before, after = steps_of(zone)
    lost = np.maximum(before - after, 0.0)
    until_hours = np.cumsum(np.nan_to_num(zone.up))[:-1] * zone.step_s / HOUR_S
    steps = int(within_s / zone.step_s)
    begins: list[int] = []
    sizes: list[float] = []
    for at in np.flatnonzero(lost):
        if begins and at - begins[-1] <= steps:
            sizes[-1] += lost[at]
        else:
            begins.append(int(at))
            sizes.append(float(lost[at]))
    size = np.array(sizes)
    together = int(size[size > 1].sum())
    return Losses(until_hours[begins], size, before[begins], together)


def rate_of(found: Sequence[Losses], hours: float) -> Interval:
    """Losses per instance-hour. Those of one burst tell as much as one alone: so the interval is
    that of as many independent ones as have the same spread."""
    size = np.concatenate([each.size for each in found])
    lost = float(size.sum())
    independent = lost**2 / float((size**2).sum())
    return poisson_rate(independent, independent * hours / lost)


def bursts_of(zones: Sequence[Zone], found: Sequence[Losses], within_s: float) -> Bursts:
    """Of each that went: how many of the others that were up went along."""
    size = np.concatenate([each.size for each in found])
    others = np.concatenate([each.up_before for each in found]) - 1.0
    # Those that came back and went again within a burst would make it more than all.
    along = np.minimum(size - 1.0, others)
    could = float((size * others).sum())
    return Bursts(
        size.size, int(size.sum()), max(within_s, *(zone.step_s for zone in zones)),
        sum(each.together for each in found) / float(size.sum()),
        float((size * along).sum()) / could if could else 0.0,
    )  # fmt: skip


def absences(zone: Zone) -> Lifetimes:
    """From each loss to an instance that comes instead; who was lost first is replaced first. What
    was missing when the trace began, or when nobody had looked, is not counted."""
    before, after = steps_of(zone)
    change = after - before
    most = float(np.nanmax(zone.up, initial=0.0))
    missing: deque[int | None] = deque([None] * int(most - np.nan_to_num(zone.up[0])))
    ended: list[float] = []
    for at, (was, by) in enumerate(zip(before, change, strict=True)):
        if not np.isfinite(zone.up[at]) or not np.isfinite(zone.up[at + 1]):
            if np.isfinite(zone.up[at + 1]):
                missing = deque([None] * int(most - zone.up[at + 1]))
            continue
        assert len(missing) == most - was, "what is not up is missing"
        missing.extend([at] * int(max(-by, 0)))
        for _ in range(int(max(by, 0))):
            since = missing.popleft()
            if since is not None:
                ended.append((at - since) * zone.step_s)
    last = zone.up.size - 1
    # It went within the step after `since`: half a step later, on average.
    running = [(last - since - 0.5) * zone.step_s for since in missing if since is not None]
    return Lifetimes(np.array(ended), np.array(running))


def between_bursts(zone: Zone, found: Losses) -> Lifetimes:
    """In instance-hours: at a constant hazard their gaps are exponential, however many are up."""
    gaps = np.diff(found.at_hours)
    last = instance_hours(zone) - found.at_hours[-1:]
    return Lifetimes(gaps[gaps > 0], last[last > 0])


def joined(parts: Sequence[Lifetimes]) -> Lifetimes:
    return Lifetimes(
        np.concatenate([each.ended for each in parts]),
        np.concatenate([each.running for each in parts]),
    )


def zone_figures(zone: Zone, found: Losses) -> ZoneFigures:
    known = zone.up[np.isfinite(zone.up)]
    return ZoneFigures(
        zone.name, zone.up.size * zone.step_s, int(known.max(initial=0.0)), instance_hours(zone),
        int(found.size.sum()), found.size.size, float((known == 0).mean()) if known.size else 0.0,
    )  # fmt: skip


def warnings(zones: Sequence[Zone], fault: FittedFault) -> Iterator[str]:
    rate, repair = fault.rate, fault.repair
    number = fault.bursts.number if fault.bursts else 0
    if number < FEW:
        apart = rate.per_hour.high / rate.per_hour.low
        yield (
            f"{number} bursts: the ends of the rate's interval are a factor of {apart:.2g} apart"
        )
    for zone in zones:
        unseen = int(np.isnan(zone.up).sum())
        if unseen:
            yield (
                f"{zone.name}: nobody looked at {unseen:,} of {zone.up.size:,} steps: what was "
                "lost in between is not counted"
            )
    shortest_s = min(zone.up.size * zone.step_s for zone in zones)
    if repair.family != "unknown" and shortest_s < SPANS_OF_REPAIR * repair.mean:
        yield (
            f"a trace spans {shortest_s / repair.mean:.2g} times the mean absence "
            f"({time_text(repair.mean)}); with less than {SPANS_OF_REPAIR:g} the long ones are "
            "hardly in it"
        )
    if repair.family == "unknown":
        yield "no instance came back: the repair is a guess"
    if repair.misfit:
        yield (
            f"{repair.family} fits the absences badly (distribution functions are up to "
            f"{repair.distance:.2f} apart): availability comes and goes by hours as well"
        )
    shape = fault.shape
    if shape is not None and not shape.low <= 1.0 <= shape.high:
        yield (
            f"the hazard is not constant (Weibull shape {interval_text(shape)} between "
            f"{fault.shape_of}): bad hours take turns with good ones, and the intervals are too "
            "narrow"
        )


def notes(zones: Sequence[Zone], fault: FittedFault) -> Iterator[str]:
    if fault.bursts is not None and fault.bursts.follow > 0:
        yield (
            "`rate` is that of one instance, alone or with others; `burst: share` is the chance of "
            "each other one of its zone to go with it"
        )
    step_s = max(zone.step_s for zone in zones)
    yield (
        f"what goes and comes back within a step of {time_text(step_s)} is not seen, and losses of "
        "one step are one burst"
    )
    yield (
        "the trace does not tell the notice: `notice: 2min` (AWS) or `notice: 30s` (Google) lets "
        "replicas drain; the time to an instance that is up counts as repair, a start of the node "
        "follows (`start: node`)"
    )
