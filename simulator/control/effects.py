"""What one fault of one component does to the replicas on it, from its first instant to the last.

Crash, silence and hang take the replicas; slow lets them go on more slowly; drain is planned, and
waits for its turn and for the requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import simpy

from scenarios.failures import Fault
from scenarios.fleet import HealthChecks
from simulator.control.books import Books, Incident
from simulator.control.lives import Cause, Life, Lives, Process, nanoseconds
from simulator.control.outages import Outage
from simulator.control.placement import Component
from simulator.control.repair import Workshop


@dataclass(frozen=True)
class Site:
    """What faults act on, and who looks after it."""

    lives: Lives
    books: Books
    workshop: Workshop
    checks: HealthChecks | None
    check_phases_ns: Sequence[int]
    """Per replica: when its first health check after instant 0 is made. Empty without."""


@dataclass(frozen=True)
class Hazard:
    """One kind of fault at work in a run."""

    site: Site
    fault: Fault
    code: int
    turns: simpy.Resource
    """Of planned drains: so many components at a time."""
    broken: set[str] = field(default_factory=set)
    """Of bursts: the components that are gone."""

    def cause(self, component: Component) -> Cause:
        return self.code, component.name


def strike(hazard: Hazard, component: Component, outage: Outage) -> Process:
    """The fault from beginning to end. Nothing happens where no replica is."""
    if not there(hazard, component):
        return
    match hazard.fault.effect:
        case "slow":
            yield from slowness(hazard, component, outage)
        case "drain":
            yield from maintenance(hazard, component, outage)
        case _:
            yield from failure(hazard, component, outage)


def there(hazard: Hazard, component: Component) -> list[Life]:
    """The replicas that stand on it now."""
    lives = hazard.site.lives
    return [lives[id] for id in component.replicas if lives[id].there]


def failure(hazard: Hazard, component: Component, outage: Outage) -> Process:
    """The replicas are gone, with notice or without; known, repaired, started."""
    site, fault, cause = hazard.site, hazard.fault, hazard.cause(component)
    if fault.notice_s and not outage.age_s:
        for life in there(hazard, component):
            site.lives.hold(life, cause)
        yield site.lives.env.timeout(nanoseconds(fault.notice_s))
    hit = there(hazard, component)
    incident = enter(hazard, component, hit, outage)
    refused = fault.effect == "crash" or fault.notice_s > 0
    for life in hit:
        site.lives.hit(life, cause, hazard.code, refused, fault.paid)
    yield from somebody_knows(hazard, hit, cause, outage)
    incident.noticed_ns = int(site.lives.env.now)
    yield from mend(hazard, incident, cause, outage)


def somebody_knows(hazard: Hazard, hit: Sequence[Life], cause: Cause, outage: Outage) -> Process:
    """Until detection, or the first health check that notices. The router hears of the other
    replicas by their own health checks, at the latest by detection."""
    site, env = hazard.site, hazard.site.lives.env
    detected_ns = env.now + nanoseconds(outage.undetected_s)
    checked = site.checks is not None and hazard.fault.probed and not outage.age_s
    noticed_ns = [
        min(detected_ns, check_fails_ns(site, life)) if checked else detected_ns for life in hit
    ]
    first_ns = min(noticed_ns, default=detected_ns)
    yield env.timeout(first_ns - env.now)
    for life, at_ns in zip(hit, noticed_ns, strict=True):
        if at_ns > first_ns:
            env.process(notice_later(site.lives, life, cause, at_ns))
        elif cause in life.faults:
            site.lives.notice(life)


def notice_later(lives: Lives, life: Life, cause: Cause, at_ns: int) -> Process:
    yield lives.env.timeout(at_ns - lives.env.now)
    if cause in life.faults:
        lives.notice(life)


def check_fails_ns(site: Site, life: Life) -> int:
    """When health checks have failed often enough, if they fail from now on."""
    assert site.checks is not None
    period_ns = nanoseconds(site.checks.period_s)
    next_ns = (site.check_phases_ns[life.id] - site.lives.env.now) % period_ns
    return int(
        site.lives.env.now
        + next_ns
        + (site.checks.threshold - 1) * period_ns
        + nanoseconds(site.checks.timeout_s)
    )


def maintenance(hazard: Hazard, component: Component, outage: Outage) -> Process:
    """Waits for its turn, then for the requests; the turn ends when the replicas are back."""
    site, fault, cause = hazard.site, hazard.fault, hazard.cause(component)
    lives, env = site.lives, site.lives.env
    with hazard.turns.request() as turn:
        asked_ns = env.now
        yield turn
        if env.now > asked_ns:
            outage = outage._replace(age_s=0.0)  # it has not begun before its turn
        leaving = there(hazard, component)
        if not leaving:
            return
        incident = enter(hazard, component, leaving, outage)
        incident.noticed_ns = int(env.now)
        yield from vacate(hazard, leaving, cause, 0.0 if outage.age_s else fault.drain_timeout_s)
        yield from mend(hazard, incident, cause, outage)
        for life in leaving:
            yield from lives.started(life)


def vacate(hazard: Hazard, leaving: Sequence[Life], cause: Cause, within_s: float) -> Process:
    """Closed, emptied, and stopped: within that time, with whatever is left."""
    lives = hazard.site.lives
    for life in leaving:
        lives.hold(life, cause)
    end_ns = lives.env.now + nanoseconds(within_s)
    for life in leaving:
        yield from lives.emptied(life, end_ns)
    for life in leaving:
        lives.hit(life, cause, hazard.code, known=True)


def slowness(hazard: Hazard, component: Component, outage: Outage) -> Process:
    """Slower from its beginning until somebody knows and has mended it; no start is needed."""
    site, cause = hazard.site, hazard.cause(component)
    slow = there(hazard, component)
    incident = enter(hazard, component, slow, outage)
    for life in slow:
        site.lives.slow_down(life, cause, outage.slowness)
    yield site.lives.env.timeout(nanoseconds(outage.undetected_s))
    incident.noticed_ns = int(site.lives.env.now)
    yield from site.workshop.mend(outage, hazard.fault.swappable)
    incident.end_ns = int(site.lives.env.now)
    for life in slow:
        site.lives.speed_up(life, cause)


def mend(hazard: Hazard, incident: Incident, cause: Cause, outage: Outage) -> Process:
    """The repair, and the start that follows it."""
    lives = hazard.site.lives
    yield from hazard.site.workshop.mend(outage, hazard.fault.swappable)
    incident.end_ns = int(lives.env.now)
    for id in incident.replicas:
        lives.mend(lives[id], cause, outage.repair.start)


def enter(hazard: Hazard, component: Component, hit: Sequence[Life], outage: Outage) -> Incident:
    """Into the books."""
    begin_ns = int(hazard.site.lives.env.now) - nanoseconds(outage.age_s)
    ids = tuple(life.id for life in hit)
    incident = Incident(hazard.code, component.name, ids, begin_ns)
    hazard.site.books.incidents.append(incident)
    return incident
