"""The twin's clients: whether a failed attempt is made again, and when.

docs/background/serving-engine.md, "Attempts".
"""

from collections import Counter
from enum import Enum

from simulator.data_plane import Setup
from simulator.run import LOST, REJECTED, TIMED_OUT
from tests.oracles.twin_engine import Request
from tests.oracles.twin_routing import dice

MILLION = 1_000_000
SHORTEST_WAIT_NS = 1_000_000


class Reason(Enum):
    """Why an attempt failed."""

    FAILURE = "failure"
    REJECTION = "rejection"
    TIMEOUT = "timeout"


ENDS = {Reason.FAILURE: LOST, Reason.REJECTION: REJECTED, Reason.TIMEOUT: TIMED_OUT}
"""What becomes of a request whose last attempt failed so."""


class Clients:
    """What all clients go by, and the budget they share."""

    def __init__(self, setup: Setup, happened: Counter[str]) -> None:
        self.rules, self.salt, self.retries = setup.attempts, setup.salt, setup.retries
        self.happened = happened
        waits = self.rules.wait_first_ns > 0
        self.retried = {
            Reason.FAILURE: self.rules.on_failure,
            Reason.REJECTION: self.rules.on_rejection and waits,
            Reason.TIMEOUT: self.rules.on_timeout and waits,
        }
        self.balance = self.most = self.rules.budget_burst * MILLION

    def arrived(self) -> None:
        """Each first arrival adds a part of a retry to the budget."""
        if self.rules.budget_ppm is not None:
            self.balance = min(self.balance + self.rules.budget_ppm, self.most)

    def try_again(self, request: Request, reason: Reason) -> bool:
        """Whether they do; the budget pays."""
        if not self.retried[reason] or request.retries >= self.retries:
            return False
        if self.rules.budget_ppm is not None:
            if self.balance < MILLION:
                self.happened["budget refusals"] += 1
                return False
            self.balance -= MILLION
        self.happened[f"retries after a {reason.value}"] += 1
        return True

    def wait_ns(self, request: Request) -> int:
        """Before the retry that `request.retries` counts already."""
        rules = self.rules
        if rules.wait_first_ns == 0:
            return 0
        wait_ns = min(rules.wait_first_ns * 2 ** (request.retries - 1), rules.wait_most_ns)
        luck = dice(self.salt, request, 2) % MILLION
        wait_ns -= wait_ns * (rules.jitter_ppm * luck // MILLION) // MILLION
        return max(wait_ns, SHORTEST_WAIT_NS)
