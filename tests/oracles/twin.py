"""The slow twin of the compiled plane: one SimPy event per engine step, plain Python objects.

An independent reading of docs/background/serving-engine.md, for `make fuzz` to compare with. Here
are the fleet, its clock, and what becomes of requests. twin_arrivals.py says who is sent when,
twin_gates.py who is let in, twin_routing.py where they go, twin_attempts.py who tries again,
twin_breaker.py which replicas are left alone, twin_hedging.py who is sent twice; twin_replica.py is
one replica on the clock, twin_engine.py its scheduler, twin_cache.py its KV blocks; twin_books.py
tells what happened.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from simulator.data_plane import Ints, Observation, Outcome, Setup
from simulator.kernel.attempts import COMPLETION, LOST_RACE, PATIENCE, TIMEOUT
from simulator.kernel.journal import ENDED, FAILED, FULL, LEFT, STRANDED
from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED, REJECTED, TIMED_OUT, UNFINISHED
from tests.oracles.twin_arrivals import Arrivals
from tests.oracles.twin_attempts import ENDS, SHORTEST_WAIT_NS, Clients, Reason
from tests.oracles.twin_books import exceeded, observation, sample, told
from tests.oracles.twin_breaker import CircuitBreaker
from tests.oracles.twin_engine import Left, Request
from tests.oracles.twin_gates import GateKeeper
from tests.oracles.twin_hedging import Hedges
from tests.oracles.twin_replica import END, SAMPLE, SETTLE, Counts, Replica, Wake
from tests.oracles.twin_requests import requests_of
from tests.oracles.twin_routing import router, view_of_replica, view_of_request

HOW = {
    Left.COMPLETED: COMPLETION,
    Left.OUT_OF_PATIENCE: PATIENCE,
    Left.NO_FIRST_TOKEN: TIMEOUT,
    Left.LOST_RACE: LOST_RACE,
}
"""As the journal tells it."""
REASONS = tuple(Reason)
"""In the journal's order."""


class Twin:
    """The data plane (simulator/data_plane.py), slowly."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.env = simpy.Environment(initial_time=setup.start_ns)
        self.happened: Counter[str] = Counter()
        """What the outcome does not tell, for the fuzz to see that it does happen."""
        self.requests = requests_of(setup)
        self.fits = [column.tolist() for column in setup.fits()]
        self.replicas = [
            Replica(self, id, pool, setup.pools[pool]) for id, pool in enumerate(setup.pool_of)
        ]
        self.router = router(setup.router, len(self.replicas), setup.salt)
        self.waiting_for_a_replica: deque[Request] = deque()
        self.arrivals = Arrivals(self.env, self.requests, self.arrive)
        self.gates = [GateKeeper(gate, self.happened) for gate in setup.gates]
        self.clients = Clients(setup, self.happened)
        self.breaker = CircuitBreaker(self, setup.breaker)
        self.hedges = Hedges(self)
        self.noticed: set[Request] = set()
        """To be looked at after all boundaries of the present instant."""
        self.counts = Counts()
        self.samples: list[tuple[float, ...]] = []
        self.journal: list[tuple[int, ...]] = []
        """As simulator/kernel/journal.py has it."""
        self.counted_left = int(setup.counted.sum())
        self.violations_left = [allowance.violations for allowance in setup.allowances]
        self.stopped_early = self.over = False

    # What control processes may do, and know.

    def stop(self, replica: int, fault: int = -1) -> None:
        self.replicas[replica].stop(fault)

    def start(self, replica: int) -> None:
        self.replicas[replica].start()

    def slow(self, replica: int, slowness: float) -> None:
        self.replicas[replica].slowness = slowness

    def close(self, replica: int) -> None:
        self.replicas[replica].closed = True

    def open(self, replica: int) -> None:
        self.replicas[replica].closed = False
        if self.replicas[replica].routable:
            self.route_the_stranded()

    def drain(self, replica: int) -> None:
        assert not self.replicas[replica].up and self.replicas[replica].closed
        for request in self.replicas[replica].drain():
            if request.race is None:
                self.failed(request, Reason.FAILURE, self.env.now)
            else:
                self.hedges.judge(request, settled=False)

    def observe(self) -> Observation:
        return observation(self)

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
        return told(self)

    # Sending requests.

    def arrive(self, request: Request) -> None:
        """What nobody could ever hold is turned away."""
        if request.waits_for:
            request.patience_ns = self.env.now + self.setup.timeout_ns
            request.counted = self.in_period(self.env.now)
            self.counted_left += request.counted
        if any(fits[request.row] for fits in self.fits):
            self.clients.arrived()
            self.hedges.arrived(request)
            self.send(request)
        else:
            self.end(request, REJECTED, self.env.now)

    def send(self, request: Request) -> None:
        """Through its gate, the first time or again."""
        if request.patience_ns > self.env.now and self.gates:
            gate = self.gates[int(self.setup.gate_of[request.row])]
            if not gate.lets_in(self.env.now, self.replicas, self.stranded()):
                self.failed(request, Reason.REJECTION, self.env.now)
                return
        self.route(request)

    def route(self, request: Request) -> None:
        """To a replica, or away, or to wait until a replica is routable."""
        setup, now_ns = self.setup, self.env.now
        if request.patience_ns <= now_ns:
            self.end(request, TIMED_OUT, request.patience_ns)
            return
        able = self.able(request)
        if setup.admission_rule is not None or setup.routing_rule is not None:
            seen = view_of_request(request, now_ns)
            views = [view_of_replica(replica, request) for replica in able]
        if setup.admission_rule is not None and not setup.admission_rule(seen, views):
            self.failed(request, Reason.REJECTION, now_ns)
            return
        if not able:
            self.write(STRANDED, request, -1)
            self.waiting_for_a_replica.append(request)
            return
        if setup.routing_rule is not None:
            id = setup.routing_rule(seen, views)
            chosen = next((replica for replica in able if replica.id == id), None)
        else:
            chosen = self.router(request, able)
        if chosen is None or self.is_full(chosen):
            if chosen is not None:
                self.write(FULL, request, chosen.id, chosen.queued, 0)
            self.failed(request, Reason.REJECTION, now_ns)
        else:
            self.hand_over(request, chosen)

    def able(self, request: Request) -> list[Replica]:
        """Those that may take it."""
        return [r for r in self.replicas if r.routable and self.fits[r.pool][request.row]]

    def is_full(self, replica: Replica) -> bool:
        return self.setup.queue_limit is not None and replica.queued >= self.setup.queue_limit

    def hand_over(self, request: Request, replica: Replica) -> None:
        timeout_ns = self.setup.attempts.first_token_timeout_ns
        request.first_token_by_ns = NEVER_NS if timeout_ns is None else self.env.now + timeout_ns
        request.race_lost_ns = NEVER_NS
        replica.take(request)

    def route_the_stranded(self) -> None:
        stranded, self.waiting_for_a_replica = self.waiting_for_a_replica, deque()
        for request in stranded:
            self.route(request)

    # What becomes of them.

    def first_token(self, request: Request) -> None:
        """One has come out."""
        self.counts.first_tokens += 1
        self.counts.ttft_ns += request.first_token_ns - request.arrival_ns
        self.breaker.first_token(request.replica)
        if request.race is not None:
            self.notice(request)

    def left(self, request: Request, how: Left) -> None:
        """It has left its replica at a boundary."""
        request.held, request.left = False, how
        self.write(LEFT, request, request.replica, HOW[how], self.replicas[request.replica].fault)
        if how is Left.NO_FIRST_TOKEN:
            self.breaker.timed_out(request.replica)
        if request.race is not None or how is Left.NO_FIRST_TOKEN:
            self.notice(request)
        elif how is Left.COMPLETED:
            self.end(request, COMPLETED, request.finish_ns)
        else:
            self.end(request, TIMED_OUT, request.patience_ns)

    def notice(self, request: Request) -> None:
        """It will be looked at after all boundaries of the instant."""
        if not self.noticed:
            Wake(self.env, 0, SETTLE).callbacks.append(self.settle)
        self.noticed.add(request)

    def settle(self, event: simpy.Event) -> None:
        noticed, self.noticed = self.noticed, set()
        self.breaker.eject()
        for request in sorted(noticed, key=lambda request: request.lot):
            if request.race is not None:
                self.hedges.settle(noticed, request)
            else:
                self.failed(request, Reason.TIMEOUT, request.first_token_by_ns, settled=True)

    def failed(self, request: Request, reason: Reason, at_ns: int, settled: bool = False) -> None:
        """An attempt has: another one, or the end. settled: it is looked at after boundaries."""
        if reason is Reason.FAILURE and request.patience_ns <= self.env.now:
            self.end(request, TIMED_OUT, request.patience_ns)
            return
        again = self.clients.try_again(request, reason)
        self.write(FAILED, request, -1, REASONS.index(reason), int(again))
        if not again:
            self.end(request, ENDS[reason], at_ns)
            return
        request.retries += 1
        request.goes_on_alone()
        request.lose_progress()
        wait_ns = self.clients.wait_ns(request)
        if settled:
            wait_ns = max(wait_ns, SHORTEST_WAIT_NS)
        if wait_ns == 0:
            self.send(request)
        else:
            self.happened["retries after a wait"] += 1
            self.arrivals.at(self.env.now + wait_ns, request.lot, lambda: self.send(request))

    def end(self, request: Request, outcome: int, at_ns: int) -> None:
        """A request leaves, once and for all."""
        assert request.outcome == UNFINISHED, "a request ends once"
        self.write(ENDED, request, -1, outcome, 0)
        request.outcome, request.story.finish_ns = outcome, at_ns
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
            if request.outcome == UNFINISHED and request.patience_ns <= self.env.now:
                request.outcome, request.finish_ns = TIMED_OUT, request.patience_ns

    # The clock, and the journal.

    def write(
        self, event: int, request: Request | None, replica: int, value: int = 0, beside: int = 0
    ) -> None:
        lot = -1 if request is None else request.lot
        self.journal.append((self.env.now, event, lot, replica, value, beside))

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
            self.samples.append(sample(self))
