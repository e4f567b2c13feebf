"""Control of one run: places for the replicas, and processes for whatever happens to them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import simpy

from scenarios.failures import Fault
from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.books import Books
from simulator.control.drill import NAME as DRILL
from simulator.control.drill import Kill, component_named, fault_of, scripted
from simulator.control.effects import Hazard, Site
from simulator.control.faults import break_down
from simulator.control.history import memory_s
from simulator.control.lives import Life, Lives, Process, nanoseconds
from simulator.control.placement import groups
from simulator.control.repair import Workshop
from simulator.control.rollout import CAUSE as ROLLOUT
from simulator.control.rollout import roll_out
from simulator.control.scaling import autoscale
from simulator.control.starts import Starts, node_phases, start_phases
from simulator.control.stocks import main_sizes, stocks
from simulator.control.times import draw_s
from simulator.data_plane import DataPlane
from simulator.streams import stream
from simulator.traffic import NS_PER_S, week_time_s


class Control:
    """The control of one run, as it is put together."""

    def __init__(
        self, plane: DataPlane, scenario: Scenario, fleet: Fleet, seed: int, replication: int
    ) -> None:
        self.plane, self.scenario, self.fleet = plane, scenario, fleet
        self.seed, self.replication = seed, replication
        self.failures = scenario.failures
        self.faults = self.failures.all if self.failures else ()
        self.stocks = stocks(scenario, fleet)
        self.books = Books(tuple(fault.name for fault in self.faults))
        self.env = plane.env
        self.places = [(s.name, number) for s in self.stocks for number in range(s.replicas)]
        self.starts = Starts(
            plane.env, self.books, start_phases(scenario, fleet), self.stream_of_starts
        )
        self.lives = Lives(plane, self.all_lives(), self.books, self.starts.draw_s)
        self.site = Site(
            self.lives,
            self.books,
            Workshop(plane.env, self.failures),
            fleet.health_checks,
            self.check_phases_ns(),
        )

    # --- names and numbers -----------------------------------------------------------------------

    def all_lives(self) -> list[Life]:
        """Replicas of other pools are always wanted; of the main one as many as the fleet has."""
        pool_of = [pool for pool, stock in enumerate(self.stocks) for _ in range(stock.replicas)]
        return [
            Life(id, pool, self.stocks[pool].gpus, wanted=pool > 0 or id < self.fleet.replicas)
            for id, pool in enumerate(pool_of)
        ]

    def stream(self, *path: str | int) -> np.random.Generator:
        return stream(self.seed, "run", self.replication, *path)

    def stream_of_failures(self, *path: str | int) -> np.random.Generator:
        return self.stream("failures", *path)

    def stream_of_starts(self, life: Life) -> np.random.Generator:
        pool, number = self.places[life.id]
        return self.stream("starts", *([pool] if pool else []), number)

    def check_phases_ns(self) -> list[int]:
        """When in its period each replica is checked."""
        if self.fleet.health_checks is None:
            return []
        period_ns = nanoseconds(self.fleet.health_checks.period_s)
        phases: list[int] = []
        for stock in self.stocks:
            luck = self.stream("health", *([stock.name] if stock.name else []))
            phases += (luck.random(stock.replicas) * period_ns).astype(np.int64).tolist()
        return phases

    def code(self, name: str) -> int:
        """Of what is in the books beside the faults."""
        self.books.faults = (*self.books.faults, name)
        return len(self.books.faults) - 1

    # --- what happens ----------------------------------------------------------------------------

    def hazard(self, fault: Fault, code: int) -> Hazard:
        return Hazard(self.site, fault, code, simpy.Resource(self.env, fault.at_most))

    def begin_fault(self, fault: Fault, code: int) -> None:
        """Its processes, from now on. The run must not have begun, or only its history."""
        span_s = self.scenario.horizon_s + self.scenario.drain_s - self.env.now / NS_PER_S
        standing = groups(self.fleet.topology, self.stocks, fault.scope)
        for process in break_down(
            self.hazard(fault, code),
            [group for group in standing if fault.strikes(group.pool)],
            self.starts,
            span_s,
            self.stream_of_failures,
        ):
            self.env.process(process)

    def begin_early(self, fault: Fault, code: int, memory_s: float) -> Process:
        """A fault whose history tells."""
        begin_ns = -nanoseconds(self.scenario.preroll_s + memory_s)
        yield self.env.timeout(max(begin_ns - self.env.now, 0))
        self.begin_fault(fault, code)

    def begin(self) -> Process:
        """Everything, as early as it has to be; most of it with the traffic."""
        others = []
        for code, fault in enumerate(self.faults):
            memory = memory_s(self.failures, fault) if self.failures else 0.0
            if memory:
                self.env.process(self.begin_early(fault, code, memory))
            else:
                others.append((fault, code))
        yield self.env.timeout(-nanoseconds(self.scenario.preroll_s) - self.env.now)
        for fault, code in others:
            self.begin_fault(fault, code)
        self.begin_changes()

    def begin_changes(self) -> None:
        """What is done to the fleet on purpose: rollout and scaling."""
        scaled, slots = main_sizes(self.scenario, self.fleet)
        ids = list(range(scaled))
        if self.failures and self.failures.rollout:
            self.env.process(
                roll_out(
                    self.lives,
                    ids,
                    list(range(scaled, slots)),
                    self.failures.rollout,
                    self.code(ROLLOUT),
                    self.scenario.clients.timeout_s,
                )
            )
        if self.fleet.autoscaling is not None:
            starts_at_s = week_time_s(self.scenario, self.seed, self.replication)
            self.env.process(
                autoscale(self.lives, ids, self.fleet.autoscaling, starts_at_s, self.node_s())
            )

    def node_s(self) -> Callable[[], float]:
        """Draws how long a node of the warm pool takes to come."""
        phases, rng = node_phases(self.scenario), self.stream("warm_pool")
        return lambda: sum(draw_s(time, rng) for _, time in phases)

    def scripted(self, drill: Sequence[Kill]) -> Iterator[Process]:
        code = self.code(DRILL)
        for kill in drill:
            scope, component = component_named(kill.component, self.fleet.topology, self.stocks)
            yield scripted(self.hazard(fault_of(scope, kill), code), component, kill)


def start_control(
    plane: DataPlane,
    scenario: Scenario,
    fleet: Fleet,
    seed: int,
    replication: int,
    drill: Sequence[Kill] = (),
) -> Books:
    """Sets up everything that happens to the fleet, and tells where it will be written down.

    Streams are named by pool and place in it: one replica more leaves the failures of all others
    as they were. `drill` comes on top of the failures of the scenario. Raises UnknownComponent.
    """
    control = Control(plane, scenario, fleet, seed, replication)
    for process in control.scripted(drill) if drill else ():
        plane.env.process(process)
    plane.env.process(control.begin())
    return control.books
