"""The twin's circuit breaker: docs/background/serving-engine.md, "Circuit breaker"."""

from typing import Any

from simulator.data_plane import Breaker
from simulator.kernel.journal import EJECTION, RETURN
from tests.oracles.twin_attempts import MILLION
from tests.oracles.twin_replica import BACK, Wake


class CircuitBreaker:
    """Counts first-token timeouts replica by replica; without rules nobody is ejected."""

    def __init__(self, twin: Any, rules: Breaker | None) -> None:
        self.twin, self.rules = twin, rules
        self.timeouts = [0] * len(twin.replicas)
        self.due: set[int] = set()
        """To be ejected once all boundaries of this instant are over."""

    def first_token(self, id: int) -> None:
        self.timeouts[id] = 0

    def timed_out(self, id: int) -> None:
        self.timeouts[id] += 1
        if self.rules is not None and self.timeouts[id] == self.rules.failures:
            self.timeouts[id] = 0
            self.due.add(id)

    def eject(self) -> None:
        """Those that are due, as far as that many may be ejected at once."""
        due, self.due = sorted(self.due), set()
        for id in due:
            if not self.twin.replicas[id].ejected:
                self.eject_one(id)

    def eject_one(self, id: int) -> None:
        assert self.rules is not None
        replicas = self.twin.replicas
        ejected = sum(replica.ejected for replica in replicas)
        if MILLION * (ejected + 1) > self.rules.at_most_ppm * len(replicas):
            self.twin.happened["ejections refused"] += 1
            return
        self.twin.happened["ejections"] += 1
        self.twin.write(EJECTION, None, id)
        replicas[id].ejected = True
        back = Wake(self.twin.env, self.rules.eject_ns, BACK)
        back.callbacks.append(lambda event: self.back(id))

    def back(self, id: int) -> None:
        replica = self.twin.replicas[id]
        self.twin.write(RETURN, None, id)
        replica.ejected = False
        if replica.routable:
            self.twin.happened["reopenings with stranded"] += self.twin.stranded() > 0
            self.twin.route_the_stranded()
