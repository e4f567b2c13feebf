"""The fleet as SimPy processes: arrivals, replicas that step, failures, detection, repair.

The clock counts whole nanoseconds, so instants are exact and sums never drift. Where instants tie,
control events (SimPy's own priority) come first, then arrivals, then step boundaries.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from simulator.batching import NEVER_NS, Limits, Request, Scheduler
from simulator.latency import StepTime
from simulator.outages import Outage
from simulator.routing import Router
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S, Workload

Process = Generator[simpy.Event, Any, None]

ARRIVAL, BOUNDARY = 2, 3  # SimPy's own events, our control events, have priority 0 and 1


class Wake(simpy.Event):  # type: ignore[misc]  # simpy has no types
    """A timeout with a rank among events of the same instant."""

    def __init__(self, env: simpy.Environment, delay_ns: int, rank: int) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, rank, delay_ns)


Referee = Callable[[float, float, float], bool]
"""Hears TTFT, TPOT and E2E (seconds, infinite for a miss) of each counted request as it ends, and
says whether the period is already lost."""


class Records:
    """What becomes of every request, and when the run may end.

    Arrays over all rows of the workload; `counted` marks those that arrive in the period.
    """

    def __init__(
        self, env: simpy.Environment, workload: Workload, counted: NDArray[np.bool_],
        referee: Referee | None,
    ) -> None:  # fmt: skip
        rows = len(workload)
        self.workload, self.counted, self.referee = workload, counted, referee
        self.left = int(counted.sum()) + 1  # the requests, and the end of the period itself
        self.stopped_early = False
        self.over = env.event()
        self.first_token_ns = np.full(rows, NEVER_NS)
        self.finish_ns = np.full(rows, NEVER_NS)
        self.replica = np.full(rows, -1)
        self.preemptions = np.zeros(rows, dtype=np.int64)
        self.retries = np.zeros(rows, dtype=np.int64)
        self.outcome = np.full(rows, UNFINISHED)

    def end(self, request: Request, outcome: int, at_ns: int) -> None:
        """A request leaves, once and for all."""
        row = request.row
        assert self.outcome[row] == UNFINISHED, "a request ends once"
        self.first_token_ns[row] = request.first_token_ns
        self.finish_ns[row] = at_ns
        self.preemptions[row] = request.preemptions
        self.retries[row] = request.retries
        self.outcome[row] = outcome
        if not self.counted[row]:
            return
        self.one_less()
        if self.referee is not None and self.referee(*self.latencies_s(request, outcome, at_ns)):
            self.stopped_early = True
            self.stop()

    def one_less(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.stop()

    def latencies_s(self, request: Request, outcome: int, at_ns: int) -> tuple[float, float, float]:
        """TTFT, TPOT and E2E of an ended request, as `Run` defines them."""
        if outcome != COMPLETED:
            return math.inf, math.inf, math.inf
        arrival_ns = int(self.workload.arrival_ns[request.row])
        decode_s = (at_ns - request.first_token_ns) / NS_PER_S
        return (
            (request.first_token_ns - arrival_ns) / NS_PER_S,
            decode_s / max(request.output - 1, 1),
            (at_ns - arrival_ns) / NS_PER_S,
        )

    def sweep(self, timeout_ns: int, now_ns: int) -> None:
        """At the end of a run: clients of requests still around may have hung up unnoticed."""
        deadline_ns = self.workload.arrival_ns + timeout_ns
        gone = (self.outcome == UNFINISHED) & (deadline_ns <= now_ns)
        self.outcome[gone] = TIMED_OUT
        self.finish_ns[gone] = deadline_ns[gone]

    def stop(self) -> None:
        if not self.over.triggered:
            self.over.succeed()


class Replica:
    """One engine: a scheduler, stepped by its own process while it is up."""

    def __init__(
        self, env: simpy.Environment, id: int, limits: Limits, time: StepTime, records: Records,
        horizon_ns: int,
    ) -> None:  # fmt: skip
        self.env, self.id, self.time, self.records = env, id, time, records
        self.horizon_ns = horizon_ns
        self.scheduler = Scheduler(limits)
        self.routable = True
        self.up = True
        self.repaired = env.event()
        self.asleep: simpy.Event | None = None
        self.gaps: Counter[int] = Counter()
        """Inter-token latencies (ns) of the counted period."""
        self.steps = 0
        self.busy_ns = 0
        self.process = env.process(self.serve())

    @property
    def outstanding(self) -> int:
        return self.scheduler.outstanding

    def take(self, request: Request) -> None:
        self.records.replica[request.row] = self.id
        self.scheduler.add(request)
        if self.asleep is not None and not self.asleep.triggered:
            self.asleep.succeed()

    def serve(self) -> Process:
        """Step while there is work, sleep while there is none; a failure loses the step."""
        while True:
            try:
                if not self.up:
                    yield self.repaired
                if not self.scheduler.outstanding:
                    self.asleep = self.env.event()
                    yield self.asleep
                self.asleep = None
                # Requests that arrive at this very instant are all seen by the first step.
                yield Wake(self.env, 0, BOUNDARY)
                while self.scheduler.outstanding:
                    yield from self.step()
            except simpy.Interrupt:
                self.asleep = None

    def step(self) -> Process:
        """One engine step, from the boundary that composes it to the one that ends it."""
        step = self.scheduler.schedule()
        assert step is not None, "a replica with requests can always start one of them"
        begin_ns = self.env.now
        yield Wake(self.env, max(round(step.duration_s(self.time) * NS_PER_S), 1), BOUNDARY)
        now_ns = self.env.now
        in_period = 0 <= now_ns < self.horizon_ns
        self.steps += in_period
        self.busy_ns += max(min(now_ns, self.horizon_ns) - max(begin_ns, 0), 0)
        gaps = self.gaps if in_period else Counter()
        for request in self.scheduler.complete(step, now_ns, gaps):
            self.records.end(request, COMPLETED, now_ns)
        for request in self.scheduler.expire(now_ns):
            self.records.end(request, TIMED_OUT, request.deadline_ns)

    def fail(self) -> None:
        """Stop at once. The router does not know yet, and keeps sending."""
        self.up = False
        self.repaired = self.env.event()
        self.process.interrupt()

    def recover(self) -> None:
        self.up = self.routable = True
        self.repaired.succeed()


class Cluster:
    """The replicas behind one router, and the requests that wait while none is routable."""

    def __init__(
        self, env: simpy.Environment, replicas: list[Replica], router: Router, records: Records,
        retries: int,
    ) -> None:  # fmt: skip
        self.env, self.replicas, self.router, self.records = env, replicas, router, records
        self.retries = retries
        self.stranded: deque[Request] = deque()

    def dispatch(self, request: Request) -> None:
        """Route a request now, or keep it until a replica is routable."""
        if request.deadline_ns <= self.env.now:
            self.records.end(request, TIMED_OUT, request.deadline_ns)
            return
        chosen = self.router(self.replicas)
        if chosen is None:
            self.stranded.append(request)
        else:
            self.replicas[chosen].take(request)

    def fail_and_recover(self, replica: Replica, outages: Iterator[Outage]) -> Process:
        """The life of one replica: it stops, someone notices, it is repaired and starts cold."""
        for outage in outages:
            yield self.env.timeout(nanoseconds(outage.up_s))
            replica.fail()
            yield self.env.timeout(nanoseconds(outage.undetected_s))
            replica.routable = False
            for request in replica.scheduler.drain():
                self.retry(request)
            yield self.env.timeout(nanoseconds(outage.down_s))
            replica.recover()
            for _ in range(len(self.stranded)):
                self.dispatch(self.stranded.popleft())

    def retry(self, request: Request) -> None:
        """A request whose replica is gone starts over elsewhere, if its client still asks."""
        request.lose_progress()
        if request.deadline_ns <= self.env.now:
            self.records.end(request, TIMED_OUT, request.deadline_ns)
        elif request.retries >= self.retries:
            self.records.end(request, LOST, self.env.now)
        else:
            request.retries += 1
            self.dispatch(request)


def arrive(
    env: simpy.Environment, workload: Workload, timeout_ns: int, limits: Limits, cluster: Cluster
) -> Process:
    """Every request of the workload arrives at its instant; what can never fit is turned away."""
    rows = zip(
        workload.arrival_ns.tolist(),
        workload.input_tokens.tolist(),
        workload.output_tokens.tolist(),
        strict=True,
    )
    for row, (arrival_ns, prompt, output) in enumerate(rows):
        if arrival_ns > env.now:
            yield Wake(env, arrival_ns - env.now, ARRIVAL)
        request = Request(row, prompt, output, arrival_ns + timeout_ns)
        if limits.can_ever_serve(prompt, output):
            cluster.dispatch(request)
        else:
            cluster.records.end(request, REJECTED, arrival_ns)


def probe(
    env: simpy.Environment, cluster: Cluster, interval_ns: int, samples: list[tuple[float, ...]]
) -> Process:
    """Look at the fleet every interval from the start of the period on."""
    yield env.timeout(-env.now)
    while True:
        schedulers = [replica.scheduler for replica in cluster.replicas if replica.up]
        blocks = sum(scheduler.limits.blocks for scheduler in schedulers)
        used = blocks - sum(scheduler.free_blocks for scheduler in schedulers)
        samples.append(
            (
                env.now / NS_PER_S,
                len(schedulers),
                len(cluster.stranded) + sum(len(r.scheduler.waiting) for r in cluster.replicas),
                sum(len(scheduler.running) for scheduler in schedulers),
                used / blocks if blocks else 0.0,
            )
        )
        yield env.timeout(interval_ns)


def at(env: simpy.Environment, instant_ns: int, do: Callable[[], None]) -> Process:
    """Do one thing at one instant."""
    yield env.timeout(instant_ns - env.now)
    do()


def nanoseconds(seconds: float) -> int:
    return round(seconds * NS_PER_S)
