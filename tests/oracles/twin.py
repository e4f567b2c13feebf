"""The slow twin of the compiled plane: one SimPy event per engine step, plain Python objects.

An independent reading of docs/background/serving-engine.md, for `make fuzz` to compare with. Here
are the fleet, its clock and its books; twin_arrivals.py says who arrives when, twin_routing.py
where they go, twin_replica.py is one replica on the clock, twin_engine.py its scheduler,
twin_cache.py its KV blocks.
"""

import math
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from simulator.data_plane import Allowance, Ints, Outcome, Setup
from simulator.histogram import histogram
from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S
from simulator.traffic.follow_ups import NOBODY, FollowUps
from tests.oracles.twin_arrivals import Arrivals
from tests.oracles.twin_engine import Request
from tests.oracles.twin_replica import END, SAMPLE, Counts, Replica, Wake
from tests.oracles.twin_routing import kv_used, router, view_of_replica, view_of_request


class Twin:
    """The data plane (simulator/data_plane.py), slowly."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.env = simpy.Environment(initial_time=setup.start_ns)
        self.requests = requests_of(setup)
        self.fits = [column.tolist() for column in setup.fits()]
        self.replicas = [
            Replica(self, id, pool, setup.pools[pool]) for id, pool in enumerate(setup.pool_of)
        ]
        self.router = router(setup.router, len(self.replicas), setup.salt)
        self.waiting_for_a_replica: deque[Request] = deque()
        self.arrivals = Arrivals(self.env, self.requests, self.arrive)
        self.counts = Counts()
        self.samples: list[tuple[float, ...]] = []
        self.counted_left = int(setup.counted.sum())
        self.violations_left = [allowance.violations for allowance in setup.allowances]
        self.stopped_early = self.over = False

    # What control processes may do, and know.

    def stop(self, replica: int) -> None:
        self.replicas[replica].stop()

    def start(self, replica: int) -> None:
        self.replicas[replica].start()

    def close(self, replica: int) -> None:
        self.replicas[replica].routable = False

    def open(self, replica: int) -> None:
        self.replicas[replica].routable = True
        stranded, self.waiting_for_a_replica = self.waiting_for_a_replica, deque()
        for request in stranded:
            self.route(request)

    def drain(self, replica: int) -> None:
        assert not self.replicas[replica].up and not self.replicas[replica].routable
        for request in self.replicas[replica].scheduler.drain():
            if request.deadline_ns <= self.env.now:
                self.end(request, TIMED_OUT, request.deadline_ns)
            elif request.retries == self.setup.retries:
                self.end(request, LOST, self.env.now)
            else:
                request.retries += 1
                self.route(request)

    def outstanding(self) -> Ints:
        return np.array([replica.outstanding for replica in self.replicas], dtype=np.int64)

    def stranded(self) -> int:
        return len(self.waiting_for_a_replica)

    def run(self, end_ns: int) -> Outcome:
        self.env.process(self.sampling())
        self.at_the_end_of(self.setup.horizon_ns, lambda event: self.look_for_the_end())
        self.at_the_end_of(end_ns, lambda event: self.finish())
        while not self.over:
            self.env.step()
        if not self.stopped_early:
            self.sweep()
        return self.told()

    # Requests.

    def arrive(self, request: Request) -> None:
        """What nobody could ever hold is turned away."""
        if request.waits_for:
            request.deadline_ns = self.env.now + self.setup.timeout_ns
            request.counted = self.in_period(self.env.now)
            self.counted_left += request.counted
        if any(fits[request.row] for fits in self.fits):
            self.route(request)
        else:
            self.end(request, REJECTED, self.env.now)

    def route(self, request: Request) -> None:
        """Send a request to a replica, turn it away, or keep it until a replica is routable."""
        setup, now_ns = self.setup, self.env.now
        if request.deadline_ns <= now_ns:
            self.end(request, TIMED_OUT, request.deadline_ns)
            return
        able = [r for r in self.replicas if r.routable and self.fits[r.pool][request.row]]
        if setup.admission_rule is not None or setup.routing_rule is not None:
            seen = view_of_request(request, now_ns)
            views = [view_of_replica(replica, request) for replica in able]
        if setup.admission_rule is not None and not setup.admission_rule(seen, views):
            self.end(request, REJECTED, now_ns)
            return
        if not able:
            self.waiting_for_a_replica.append(request)
            return
        if setup.routing_rule is not None:
            id = setup.routing_rule(seen, views)
            if id is None:
                self.end(request, REJECTED, now_ns)
                return
            chosen = next(replica for replica in able if replica.id == id)
        else:
            chosen = self.router(request, able)
        if setup.queue_limit is not None and chosen.queued >= setup.queue_limit:
            self.end(request, REJECTED, now_ns)
        else:
            chosen.take(request)

    def end(self, request: Request, outcome: int, at_ns: int) -> None:
        """A request leaves, once and for all."""
        assert request.outcome == UNFINISHED, "a request ends once"
        request.outcome, request.finish_ns = outcome, at_ns
        self.arrivals.ended(request)
        if not request.counted:
            return
        self.counted_left -= 1
        for index, allowance in enumerate(self.setup.allowances):
            self.violations_left[index] -= exceeded(allowance, request)
        if any(left < 0 for left in self.violations_left):
            self.stopped_early = True
            self.finish()
        self.look_for_the_end()

    def sweep(self) -> None:
        """Clients of requests still around may have hung up unnoticed."""
        for request in self.requests:
            if request.outcome == UNFINISHED and request.deadline_ns <= self.env.now:
                request.outcome, request.finish_ns = TIMED_OUT, request.deadline_ns

    # The clock.

    def in_period(self, now_ns: int) -> bool:
        return 0 <= now_ns < self.setup.horizon_ns

    def at_the_end_of(self, instant_ns: int, do: Callable[[simpy.Event], None]) -> None:
        """After the control events and the sample of an instant, before its arrivals."""
        Wake(self.env, instant_ns - self.env.now, END).callbacks.append(do)

    def look_for_the_end(self) -> None:
        if self.counted_left == 0 and self.env.now >= self.setup.horizon_ns:
            self.finish()

    def finish(self) -> None:
        self.over = True

    def sampling(self) -> Generator[simpy.Event, Any, None]:
        """Look at the fleet every interval of the period, both ends included."""
        interval_ns = self.setup.sample_interval_ns
        for instant_ns in range(0, self.setup.horizon_ns + 1, interval_ns):
            yield Wake(self.env, instant_ns - self.env.now, SAMPLE)
            self.samples.append(self.sample())

    def sample(self) -> tuple[float, ...]:
        live = [replica for replica in self.replicas if replica.up]
        used, blocks = (sum(kv_used(replica)[part] for replica in live) for part in (0, 1))
        return (
            self.env.now / NS_PER_S,
            len(live),
            self.stranded() + sum(replica.queued for replica in self.replicas),
            sum(len(replica.scheduler.running) for replica in live),
            used / blocks if blocks else 0.0,
        )

    def told(self) -> Outcome:
        """The requests as they stand and what was counted, in columns."""

        def column(name: str) -> Ints:
            return np.array([getattr(request, name) for request in self.requests], dtype=np.int64)

        return Outcome(
            arrival_ns=column("arrival_ns"),
            first_token_ns=column("first_token_ns"),
            finish_ns=column("finish_ns"),
            replica=column("replica"),
            preemptions=column("preemptions"),
            retries=column("retries"),
            outcome=column("outcome"),
            cached_tokens=column("cached_tokens"),
            samples=np.array(self.samples, dtype=np.float64).reshape(-1, 5),
            itl_histogram=histogram(self.counts.gaps),
            steps=self.counts.steps,
            prefill_tokens=self.counts.prefill_tokens,
            busy_ns=self.counts.busy_ns,
            stopped_early=self.stopped_early,
            free_blocks=np.array([r.scheduler.memory.free for r in self.replicas], dtype=np.int64),
        )


def requests_of(setup: Setup) -> list[Request]:
    """One object per row."""
    workload, chains = setup.workload, setup.workload.chains
    requests = []
    for row in range(len(workload)):
        request = Request(
            row=row,
            prompt=int(workload.input_tokens[row]),
            output=int(workload.output_tokens[row]),
            arrival_ns=int(workload.arrival_ns[row]),
            deadline_ns=int(workload.arrival_ns[row]) + setup.timeout_ns,
            priority=int(setup.priority[row]),
            group=int(workload.group[row]),
            counted=bool(setup.counted[row]),
        )
        if workload.follow_ups is not None:
            tell_who_follows(request, workload.follow_ups)
        if chains is not None:
            part = slice(int(chains.first[row]), int(chains.first[row + 1]))
            request.chain = tuple(
                zip(chains.keys[part].tolist(), chains.ends[part].tolist(), strict=True)
            )
        requests.append(request)
    return requests


def tell_who_follows(request: Request, follow_ups: FollowUps) -> None:
    """Its place in the graph; the arrival of a row that waits for others is not known."""
    row = request.row
    edges = slice(int(follow_ups.first[row]), int(follow_ups.first[row + 1]))
    request.followers = tuple(follow_ups.rows[edges].tolist())
    request.waits_for = int(follow_ups.waits[row])
    request.pause_ns = int(follow_ups.pause_ns[row])
    if follow_ups.otherwise[row] != NOBODY:
        request.otherwise = int(follow_ups.otherwise[row])
    if request.waits_for:
        request.arrival_ns = request.deadline_ns = NEVER_NS
        request.counted = False


def exceeded(allowance: Allowance, request: Request) -> bool:
    """Whether an ended request is one violation, by the latencies of simulator/run.py."""
    if allowance.metric == "error":
        return request.outcome != COMPLETED
    latency_s = math.inf
    if request.outcome == COMPLETED:
        match allowance.metric:
            case "ttft":
                latency_s = (request.first_token_ns - request.arrival_ns) / NS_PER_S
            case "tpot":
                decode_s = (request.finish_ns - request.first_token_ns) / NS_PER_S
                latency_s = decode_s / max(request.output - 1, 1)
            case "e2e":
                latency_s = (request.finish_ns - request.arrival_ns) / NS_PER_S
    return latency_s > allowance.limit_s
