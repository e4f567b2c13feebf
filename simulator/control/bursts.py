"""Faults that come in bursts: what goes takes others of its zone along, as spot reclaims do.

Instead of one component pulling others along, the zone has bursts, and each component takes part in
one with the probability `share` (the common shocks of Marshall and Olkin 1967). So if one goes,
each other one goes too with that probability; the rate of every single component is the given one,
however many there are; and one more of them leaves the luck of the others alone.
"""

from collections.abc import Sequence

import numpy as np

from simulator.control.effects import Hazard, strike
from simulator.control.lives import Process, nanoseconds
from simulator.control.openings import ONE_S
from simulator.control.outages import Outage, draw_outage, mean_uptime_s
from simulator.control.placement import Component
from simulator.control.times import draw_residual_s, draw_s


def burst(
    hazard: Hazard,
    components: Sequence[Component],
    rng: np.random.Generator,
    rngs: Sequence[np.random.Generator],
) -> Process:
    """The bursts of one zone, one after the other; a stream for them and one per component."""
    env, fault = hazard.site.lives.env, hazard.fault
    assert fault.burst is not None
    base, scale = fault.every, 1.0
    if base is None:
        base, scale = ONE_S, mean_uptime_s(fault, components[0].units)
    between = base.times(scale * fault.burst.share)
    wait_s = draw_residual_s(between, rng)
    while True:
        yield env.timeout(nanoseconds(wait_s))
        for component, luck in zip(components, rngs, strict=True):
            takes_part, after, outage = luck.random(), luck.random(), draw_outage(fault, luck)
            if takes_part < fault.burst.share:
                env.process(follow(hazard, component, outage, after * fault.burst.within_s))
        wait_s = draw_s(between, rng)


def follow(hazard: Hazard, component: Component, outage: Outage, after_s: float) -> Process:
    """One component goes, unless it is gone already."""
    env = hazard.site.lives.env
    yield env.timeout(nanoseconds(after_s))
    if component.name not in hazard.broken:
        hazard.broken.add(component.name)
        yield from strike(hazard, component, outage)
        hazard.broken.discard(component.name)
