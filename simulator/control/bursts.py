"""Faults that come in bursts: what goes takes others of its zone along, as spot reclaims do.

Instead of one component pulling others along, the zone has bursts, and each component takes part in
one with the probability `share` (the common shocks of Marshall and Olkin 1967). So if one goes,
each other one goes too with that probability; the rate of every single component is the given one,
however many there are; and one more of them leaves the luck of the others alone. Where components
differ in size, and so in rate, the smaller ones take part in fewer.
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
    share, base, uptimes_s = fault.burst.share, fault.every, [1.0] * len(components)
    if base is None:
        base, uptimes_s = ONE_S, [mean_uptime_s(fault, one.units) for one in components]
    shortest_s = min(uptimes_s)
    between = base.times(shortest_s * share)
    wait_s = draw_residual_s(between, rng)
    while True:
        yield env.timeout(nanoseconds(wait_s))
        for component, luck, uptime_s in zip(components, rngs, uptimes_s, strict=True):
            takes_part, after, outage = luck.random(), luck.random(), draw_outage(fault, luck)
            if takes_part < share * shortest_s / uptime_s:
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
