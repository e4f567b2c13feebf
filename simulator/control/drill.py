"""Incidents by script: what breaks when, for how long."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple, get_args

from scenarios.failures import Effect, Fault, Repair, Scope
from scenarios.fleet import Start, Topology
from simulator.control.books import Incident
from simulator.control.effects import Hazard, enter, somebody_knows, there, vacate
from simulator.control.lives import Cause, Life, Process, nanoseconds
from simulator.control.outages import Outage
from simulator.control.placement import Component, Stock, components

NAME = "drill"
NEVER_S = 1e9
AT_ONCE = Repair(time="0s")
SHOWN = 12


class Kill(NamedTuple):
    """One scripted incident."""

    component: str
    """'zone-a', 'rack-1', 'node-3', 'gpu-17', 'replica-4'; of other pools 'POOL/node-3'."""
    at_s: float
    """After the start of the period."""
    lasts_s: float | None = None
    """Until it is repaired; None: not within the run."""
    effect: Effect = "silence"
    noticed_s: float | None = None
    """Until the router knows. None: at once after a crash, else by health checks, or only when it
    is repaired."""
    start: Start = "cold"
    """What follows the repair."""
    speed: float = 0.5
    """Of slow: the rate of steps that is left."""


class UnknownComponent(ValueError):
    """A drill names something that the fleet does not have."""


def component_named(
    name: str, topology: Topology, stocks: tuple[Stock, ...]
) -> tuple[Scope, Component]:
    """The component of that name. Raises UnknownComponent, with what there is."""
    known = {
        one.name: (scope, one)
        for scope in reversed(get_args(Scope))
        for one in components(topology, stocks, scope)
    }
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    names = list(known)
    listed = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    hint = f"; did you mean {near[0]}?" if near else "."
    raise UnknownComponent(f"no {name!r} in this fleet{hint} There are: {listed}")


def scripted(hazard: Hazard, component: Component, kill: Kill) -> Process:
    """The incident, from its instant on. It ends when the script says, whoever notices when."""
    lives, env = hazard.site.lives, hazard.site.lives.env
    cause = (*hazard.cause(component), kill.at_s)  # it may break again while it is broken
    yield env.timeout(max(nanoseconds(kill.at_s) - env.now, 0))
    end_ns = None if kill.lasts_s is None else int(env.now) + nanoseconds(kill.lasts_s)
    struck = there(hazard, component)
    outage = outage_of(kill)
    incident = enter(hazard, component, struck, outage)
    match kill.effect:
        case "slow":
            for life in struck:
                lives.slow_down(life, cause, outage.slowness)
        case "drain":
            yield from vacate(hazard, struck, cause, hazard.fault.drain_timeout_s)
            incident.noticed_ns = incident.begin_ns
        case _:
            for life in struck:
                lives.hit(life, cause, hazard.code, kill.effect == "crash")
            env.process(noticed(hazard, incident, struck, cause, outage))
    if end_ns is None:
        return
    yield env.timeout(max(end_ns - env.now, 0))
    incident.end_ns = int(env.now)
    for life in struck:
        lives.speed_up(life, cause)
        lives.mend(life, cause, kill.start)


def noticed(
    hazard: Hazard, incident: Incident, struck: Sequence[Life], cause: Cause, outage: Outage
) -> Process:
    yield from somebody_knows(hazard, struck, cause, outage)
    if incident.end_ns is None:
        incident.noticed_ns = int(hazard.site.lives.env.now)


def outage_of(kill: Kill) -> Outage:
    """Of a script: nobody repairs it before its time."""
    unnoticed_s = 0.0 if kill.effect == "crash" else NEVER_S
    noticed_s = unnoticed_s if kill.noticed_s is None else kill.noticed_s
    return Outage(noticed_s, AT_ONCE, 0.0, slowness=1 / kill.speed)


def fault_of(scope: Scope, kill: Kill) -> Fault:
    """The fault that a script stands for."""
    return Fault.model_validate(
        {"name": NAME, "scope": scope, "effect": kill.effect, "mtbf": "1h", "repair": "0s"}
        | ({"speed": kill.speed} if kill.effect == "slow" else {})
    )
