"""Components that break, one process each, as long as it has a part in the run.

A process has its own random stream, named by fault and component: one replica more leaves the
faults of everything else as they were.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import simpy

from simulator.control.bursts import burst, follow
from simulator.control.effects import Hazard, strike
from simulator.control.lives import Process, nanoseconds
from simulator.control.openings import Opening, openings
from simulator.control.outages import choose, draw_outage, draw_outage_under_way
from simulator.control.placement import Component, Group
from simulator.control.starts import Starts
from simulator.control.times import draw_s

StreamOf = Callable[..., np.random.Generator]
"""The stream at a path below that of the failures of this run."""

STARTS_SEEN = 50
"""A start under way when control begins is not longer than so many times its mean."""


def break_down(
    hazard: Hazard,
    groups: Sequence[Group],
    starts: Starts,
    span_s: float,
    stream_of: StreamOf,
) -> Iterator[Process]:
    """The processes of one kind of fault in a run that lasts `span_s` from now."""
    fault, checks = hazard.fault, hazard.site.checks

    def luck_of(pool: str) -> np.random.Generator:
        return stream_of(fault.name, "opening", *([pool] if pool else []))

    def stream_for(component: Component) -> np.random.Generator:
        pool = [component.pool] if component.pool else []
        return stream_of(fault.name, "component", *pool, component.number)

    recent_s = 0.0
    if fault.effect != "slow":
        kinds = {repair.start for repair in fault.repairs}
        recent_s = STARTS_SEEN * max(map(starts.mean_s, kinds))
    for opening in openings(fault, groups, checks, span_s, recent_s, luck_of):
        rng = stream_for(opening.component)
        if opening.age_s < recent_s and not opening.broken:
            find_starts(hazard, opening, starts, rng)
        if fault.burst is None:
            yield component_life(hazard, opening, rng)
        elif opening.broken:
            outage = draw_outage_under_way(fault, checks, rng)
            yield follow(hazard, opening.component, outage, 0.0)
    if fault.burst is not None:
        components = [component for group in groups for component in group.components]
        for zone in sorted({component.zone for component in components}):
            own = [component for component in components if component.zone == zone]
            rngs = [stream_of(fault.name, "burst", *one.key) for one in own]
            yield burst(hazard, own, stream_of(fault.name, "zone", zone), rngs)


def component_life(hazard: Hazard, opening: Opening, rng: np.random.Generator) -> Process:
    """It works, breaks, is repaired, and works again, for ever."""
    env, fault = hazard.site.lives.env, hazard.fault
    if opening.broken:
        outage = draw_outage_under_way(fault, hazard.site.checks, rng)
        yield from strike(hazard, opening.component, outage)
        yield env.timeout(nanoseconds(draw_s(opening.uptime, rng)))
    else:
        yield env.timeout(nanoseconds(opening.left_s))
    while True:
        yield from strike(hazard, opening.component, draw_outage(fault, rng))
        yield env.timeout(nanoseconds(draw_s(opening.uptime, rng)))


def find_starts(hazard: Hazard, opening: Opening, starts: Starts, rng: np.random.Generator) -> None:
    """Of a component that was repaired a while ago, the replicas may not serve yet."""
    lives, repairs = hazard.site.lives, hazard.fault.repairs
    kind = choose(repairs, [repair.share for repair in repairs], rng).start
    turns = hazard.turns
    if kind == "none" or (hazard.fault.effect == "drain" and turns.count == turns.capacity):
        return
    for id in opening.component.replicas:
        if lives[id].up:
            start_s = starts.draw_s(lives[id], kind, opening.age_s)
            lives.find_starting(lives[id], kind, start_s - opening.age_s)
    if hazard.fault.effect == "drain":
        lives.env.process(keep_turn(hazard, turns.request(), opening.component))


def keep_turn(hazard: Hazard, turn: simpy.Event, component: Component) -> Process:
    """A drained component's turn ends when its replicas are back."""
    yield turn
    for id in component.replicas:
        yield from hazard.site.lives.started(hazard.site.lives[id])
    hazard.turns.release(turn)
