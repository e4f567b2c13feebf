"""In what state the components are when control begins, and which of them need a process at all.

Each component alternates between working and being broken, and that began long ago: it is found
broken with probability downtime / (uptime + downtime); else it is somewhere within a length-biased
time of work. With mature hardware hardly anything happens in a run, so all components of a kind are
drawn at once, four numbers each, and only those to whom something happens are told of.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scenarios.failures import Fault
from scenarios.fleet import HealthChecks
from scenarios.times import ExponentialTime, Time
from simulator.control.outages import mean_outage_s, mean_uptime_s
from simulator.control.placement import Component
from simulator.control.times import biased_quantile_s

ONE_S = ExponentialTime.model_construct(exponential_s=1.0)


class Opening(NamedTuple):
    """One component at the instant at which control begins."""

    component: Component
    uptime: Time
    """From the end of one fault to the next."""
    broken: bool
    age_s: float
    """If it works: how long it has since its last repair."""
    left_s: float
    """If it works: until its next fault."""


def openings(
    fault: Fault,
    components: Sequence[Component],
    checks: HealthChecks | None,
    span_s: float,
    recent_s: float,
    rng_of: Callable[[str], np.random.Generator],
) -> list[Opening]:
    """Those that are broken, will be within `span_s`, or were repaired less than `recent_s` ago.

    rng_of: the stream of a pool. A component's numbers depend on its place in the pool alone.
    """
    found = []
    for pool in dict.fromkeys(component.pool for component in components):
        own = [component for component in components if component.pool == pool]
        numbers = np.array([component.number for component in own])
        luck = rng_of(pool).random((int(numbers.max()) + 1, 4))[numbers]
        base, scale = ONE_S if fault.every is None else fault.every, uptime_scales(fault, own)
        if fault.lemons is not None:
            scale = np.where(luck[:, 0] < fault.lemons.share, scale / fault.lemons.times, scale)
        down_s = mean_outage_s(fault, checks)
        broken = luck[:, 1] * (scale * base.mean_s + down_s) < down_s
        whole_s = biased_quantile_s(base, luck[:, 2]) * scale
        age_s = luck[:, 3] * whole_s
        told = broken | (whole_s - age_s < span_s) | (age_s < recent_s)
        found += [
            Opening(
                own[index],
                base.times(float(scale[index])),
                bool(broken[index]),
                float(age_s[index]),
                float(whole_s[index] - age_s[index]),
            )
            for index in np.flatnonzero(told).tolist()
        ]
    return found


def uptime_scales(fault: Fault, components: Sequence[Component]) -> np.ndarray:
    """Of each component: what its times of work are measured in, seconds or the given `every`."""
    if fault.every is not None:
        return np.ones(len(components))
    return np.array([mean_uptime_s(fault, component.units) for component in components])
