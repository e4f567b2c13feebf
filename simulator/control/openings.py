"""In what state the components are when control begins, and which of them need a process at all.

Each component alternates between working and being broken, and that began long ago: it is found
broken with probability downtime / (uptime + downtime); else it is somewhere within a length-biased
time of work. With mature hardware hardly anything happens in a run, so all components of a kind are
drawn at once, four numbers each, and only those to whom something happens are told of.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.failures import Fault
from scenarios.fleet import HealthChecks
from scenarios.times import ExponentialTime, Time
from simulator.control.outages import mean_outage_s, mean_uptime_s
from simulator.control.placement import Component, Group
from simulator.control.times import age_and_rest_s

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
    groups: Sequence[Group],
    checks: HealthChecks | None,
    span_s: float,
    recent_s: float,
    rng_of: Callable[[str], np.random.Generator],
) -> list[Opening]:
    """Those that are broken, will be within `span_s`, or were repaired less than `recent_s` ago.

    rng_of: the stream of a pool. A component's numbers depend on its place in the pool alone.
    """
    base = ONE_S if fault.every is None else fault.every
    down_s = mean_outage_s(fault, checks)
    found = []
    for group in groups:
        luck = rng_of(group.pool).random((int(group.numbers.max()) + 1, 4))[group.numbers]
        scale = uptimes(fault, group)
        if fault.lemons is not None:
            scale = np.where(luck[:, 0] < fault.lemons.share, scale / fault.lemons.times, scale)
        broken = luck[:, 1] * (scale * base.mean_s + down_s) < down_s
        age, rest = age_and_rest_s(base, luck[:, 2], luck[:, 3])
        age_s, rest_s = age * scale, rest * scale
        for index in np.flatnonzero(broken | (rest_s < span_s) | (age_s < recent_s)).tolist():
            found.append(
                Opening(
                    group.components[index],
                    base.times(float(scale[index])),
                    bool(broken[index]),
                    float(age_s[index]),
                    float(rest_s[index]),
                )
            )
    return found


def uptimes(fault: Fault, group: Group) -> NDArray[np.float64]:
    """Mean times of work in units of the given `every`, or in seconds."""
    if fault.every is not None:
        return np.ones(len(group.components))
    if fault.rate is None:
        return np.full(len(group.components), mean_uptime_s(fault))
    return mean_uptime_s(fault) / group.units[fault.rate.unit]
