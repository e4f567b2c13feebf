"""Who repairs what is broken: crews for what needs hands, spares that stand in meanwhile.

The machine-repair model with spares: of M components and S spares with B broken, min(M, M + S - B)
work, and min(B, crews) are under repair. A repaired one becomes a spare, given first to whoever has
waited longest.
"""

from collections.abc import Generator
from typing import Any

import simpy

from scenarios.failures import Failures
from simulator.control.lives import Process, nanoseconds
from simulator.control.outages import Outage

CREWS_WITHOUT_LIMIT = 1 << 31


class Workshop:
    """Crews and spares of one run. Both serve in order of asking."""

    def __init__(self, env: simpy.Environment, failures: Failures | None) -> None:
        self.env = env
        crews = failures.repair_crews if failures else None
        spares = failures.spares if failures else None
        self.crews = simpy.Resource(env, CREWS_WITHOUT_LIMIT if crews is None else crews)
        self.spares = simpy.Container(env, init=spares.nodes) if spares and spares.nodes else None
        self.swap_s = spares.swap_s if spares else 0.0

    def mend(self, outage: Outage, swappable: bool) -> Process:
        """From the fault being known until the component works again.

        swappable: a single node at most is broken, so that a spare can take its place.
        """
        repair = outage.repair
        if not repair.hands_on:
            yield self.env.timeout(nanoseconds(outage.repair_s))
        elif self.spares is None or not swappable:
            yield from self.by_hand(outage.repair_s)
        else:
            self.env.process(self.refill(outage.repair_s))
            yield self.spares.get(1)
            swap_s = self.swap_s if repair.swap_s is None else repair.swap_s
            yield self.env.timeout(nanoseconds(swap_s))

    def by_hand(self, repair_s: float) -> Process:
        with self.crews.request() as crew:
            yield crew
            yield self.env.timeout(nanoseconds(repair_s))

    def refill(self, repair_s: float) -> Generator[simpy.Event, Any, None]:
        """What was broken is repaired and becomes a spare."""
        assert self.spares is not None
        yield from self.by_hand(repair_s)
        yield self.spares.put(1)
