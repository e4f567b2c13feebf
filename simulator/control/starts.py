"""How long starts take: each a sum of phases, drawn from a stream of its replica."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import simpy

from scenarios.fleet import Fleet, Replica
from scenarios.fleet.cold_start import Phases
from scenarios.model import Scenario
from simulator.control.books import Books, StartUp
from simulator.control.lives import STARTS, Life, nanoseconds
from simulator.control.times import draw_s

NODE_PHASES = ("provision", "node_init", "image")
"""Of a node that waits in the warm pool."""

PhasesOf = Mapping[str, Phases]
"""By kind of start."""


class Starts:
    """Draws the starts of a run, and writes them into the books."""

    def __init__(
        self,
        env: simpy.Environment,
        books: Books,
        phases: Sequence[PhasesOf],
        rng_of: Callable[[Life], np.random.Generator],
    ) -> None:
        """phases: per pool. rng_of: the stream of a replica."""
        self.env, self.books, self.phases, self.rng_of = env, books, phases, rng_of
        self.rngs: dict[int, np.random.Generator] = {}

    def mean_s(self, kind: str) -> float:
        """Of the pool where it takes longest."""
        return max(sum(time.mean_s for _, time in own[kind]) for own in self.phases)

    def draw_s(self, life: Life, kind: str, age_s: float = 0.0) -> float:
        """Seconds of one start that began `age_s` ago. If it is over, it is not in the books."""
        if life.id not in self.rngs:
            self.rngs[life.id] = self.rng_of(life)
        rng = self.rngs[life.id]
        drawn = tuple((name, draw_s(time, rng)) for name, time in self.phases[life.pool][kind])
        start_s = sum(seconds for _, seconds in drawn)
        if start_s > age_s:
            began_ns = int(self.env.now) - nanoseconds(age_s)
            self.books.starts.append(StartUp(began_ns, life.id, kind, drawn))
        return start_s


def start_phases(scenario: Scenario, fleet: Fleet) -> list[PhasesOf]:
    """Of every pool. `autoscaling.startup` takes the place of the main pool's start on a node."""
    main, *others = [scenario.replica, *(other.replica for other in fleet.others)]
    own = phases_of(scenario, main)
    if fleet.autoscaling is not None and fleet.autoscaling.startup is not None:
        own["node"] = (("start", fleet.autoscaling.startup),)
    return [own, *(phases_of(scenario, replica) for replica in others)]


def phases_of(scenario: Scenario, replica: Replica) -> dict[str, Phases]:
    read = scenario.bytes_to_load(replica)
    return {kind: scenario.cold_start.phases(kind, read) for kind in STARTS}


def node_phases(scenario: Scenario) -> Phases:
    """Of a node that is made ready for the warm pool; all of a start that has no phases."""
    phases = scenario.cold_start.phases("node", 0.0)
    return tuple(phase for phase in phases if phase[0] in NODE_PHASES) or phases
