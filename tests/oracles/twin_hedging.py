"""The twin's hedging: a second copy of a request, and the race of the two.

docs/background/serving-engine.md, "Hedging".
"""

from typing import Any

from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED, TIMED_OUT, UNFINISHED
from tests.oracles.twin_attempts import Reason
from tests.oracles.twin_engine import Left, Request
from tests.oracles.twin_requests import copy_of

NOTICE_NS = 1_000_000
"""How long after the race the loser hangs up."""


class Race:
    """A request and its copy."""

    def __init__(self, original: Request, copy: Request) -> None:
        self.original, self.copy = original, copy
        self.winner: Request | None = None
        self.last: Request | None = None
        """The one that went last."""
        self.over = False
        """The request has ended, or goes on without a copy."""

    def other(self, attempt: Request) -> Request:
        return self.copy if attempt is self.original else self.original


class Hedges:
    """Sends copies and judges races."""

    def __init__(self, twin: Any) -> None:
        self.twin = twin
        self.after_ns = twin.setup.attempts.hedge_ns
        self.copies: list[Request] = []

    def arrived(self, request: Request) -> None:
        """Of each first arrival: a copy may be wanted later."""
        if self.after_ns is not None:
            arrivals, rows = self.twin.arrivals, len(self.twin.requests)
            lot, instant_ns = rows + request.row, request.arrival_ns + self.after_ns
            arrivals.at(instant_ns, lot, lambda: self.send_copy(request))

    def send_copy(self, request: Request) -> None:
        """If its first attempt is held by a replica and nothing has come of it."""
        twin, now_ns = self.twin, self.twin.env.now
        if request.outcome != UNFINISHED or request.retries or not request.held:
            return
        if request.generated or request.patience_ns <= now_ns:
            return
        copy = copy_of(request, len(twin.requests))
        able = [replica for replica in twin.able(copy) if replica.id != request.replica]
        if not able:
            twin.happened["copies without a replica"] += 1
            return
        chosen = twin.router(copy, able)
        if twin.is_full(chosen):
            twin.happened["copies before a full queue"] += 1
            return
        twin.happened["copies sent"] += 1
        request.race = copy.race = Race(request, copy)
        self.copies.append(copy)
        twin.hand_over(copy, chosen)

    def settle(self, attempts: set[Request], attempt: Request) -> None:
        """A first token, or the end, of one of two, after all boundaries of an instant. Of two that
        have something to tell the copy tells it."""
        if attempt is not attempt.race.original or attempt.race.copy not in attempts:
            self.judge(attempt, settled=True)

    def judge(self, attempt: Request, settled: bool) -> None:
        """settled: after boundaries."""
        race = attempt.race
        if race.over:
            return
        if race.winner is None:
            self.find_winner(race)
        if not attempt.held:
            race.last = attempt
        winner, happened = race.winner, self.twin.happened
        happened["races cancelled"] += attempt.left is Left.LOST_RACE
        if winner is not None and winner.left is Left.COMPLETED:
            happened["copies that won"] += winner is race.copy
            self.decide(race, winner, settled)
        elif not race.original.held and not race.copy.held:
            happened["races without a winner"] += winner is None
            self.decide(race, winner or race.last, settled)
        else:
            happened["silent ends"] += not attempt.held
            attempt.finish_ns = NEVER_NS  # a loser may have had its last token

    def find_winner(self, race: Race) -> None:
        """The first to have a first token, the original if both have."""
        for attempt in (race.original, race.copy):
            if attempt.generated:
                race.winner, loser = attempt, race.other(attempt)
                if loser.held:
                    loser.race_lost_ns = self.twin.env.now + NOTICE_NS
                    self.twin.replicas[loser.replica].hangs_up_earlier(loser)
                return

    def decide(self, race: Race, decisive: Request, settled: bool) -> None:
        """The request has ended, or may be sent again: without a copy."""
        race.over, original = True, race.original
        if decisive is race.copy:
            original.copy = decisive
        match decisive.left:
            case Left.COMPLETED:
                self.twin.end(original, COMPLETED, decisive.finish_ns)
            case Left.OUT_OF_PATIENCE:
                self.twin.end(original, TIMED_OUT, original.patience_ns)
            case Left.NO_FIRST_TOKEN:
                self.twin.failed(original, Reason.TIMEOUT, decisive.deadline_ns, settled)
            case Left.DRAINED:
                self.twin.failed(original, Reason.FAILURE, self.twin.env.now, settled)
