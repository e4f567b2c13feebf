"""The twin's arrivals, known beforehand or brought by the end of others, and what else is sent at
an instant: requests once more, and copies of them.

docs/background/serving-engine.md, "Follow-ups".
"""

from collections.abc import Callable

import simpy

from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED
from tests.oracles.twin_engine import Request
from tests.oracles.twin_replica import ARRIVAL, Wake


class Arrivals:
    """Who is sent when: one SimPy event for each instant at which anybody is."""

    def __init__(
        self, env: simpy.Environment, requests: list[Request], arrive: Callable[[Request], None]
    ) -> None:
        self.env, self.requests, self.arrive = env, requests, arrive
        self.so_far = 0
        self.due: dict[int, dict[int, Callable[[], None]]] = {}
        """By instant and lot: what is to be done."""
        for request in requests:
            if not request.waits_for:
                self.announce(request, request.arrival_ns)

    def announce(self, request: Request, instant_ns: int) -> None:
        """Its first arrival."""
        self.at(instant_ns, request.lot, lambda: self.first(request))

    def at(self, instant_ns: int, lot: int, do: Callable[[], None]) -> None:
        """Do that among the arrivals of an instant to come, in order of lots."""
        if instant_ns not in self.due:
            self.due[instant_ns] = {}
            Wake(self.env, instant_ns - self.env.now, ARRIVAL).callbacks.append(self.now)
        assert lot not in self.due[instant_ns], "a request is sent once at a time"
        self.due[instant_ns][lot] = do

    def now(self, event: simpy.Event) -> None:
        for _, do in sorted(self.due.pop(self.env.now).items()):
            do()

    def first(self, request: Request) -> None:
        request.arrival_ns = self.env.now
        self.so_far += 1
        self.arrive(request)

    def ended(self, request: Request) -> None:
        """Those that waited for a request go on, or somebody else in their place."""
        ended_ns = max(request.story.finish_ns, self.env.now)
        if request.outcome == COMPLETED:
            for row in request.followers:
                follower = self.requests[row]
                follower.ends_ns.append(ended_ns)
                if len(follower.ends_ns) == follower.waits_for:
                    self.bring(follower, max(follower.ends_ns))
        elif request.otherwise is not None:
            self.bring(self.requests[request.otherwise], ended_ns)

    def bring(self, request: Request, ended_ns: int) -> None:
        """It arrives its pause later, unless it has arrived or does so before."""
        instant_ns = ended_ns + request.pause_ns
        if request.arrival_ns < NEVER_NS or request.planned_ns <= instant_ns:
            return
        if request.planned_ns < NEVER_NS:
            del self.due[request.planned_ns][request.lot]
        request.planned_ns = instant_ns
        self.announce(request, instant_ns)
