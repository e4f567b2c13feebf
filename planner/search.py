"""The search for the smallest fleet: screen roughly, certify exactly, look one size below.

It proposes trials and learns verdicts (a generator: `yield Trial` asks, `send(kept)` tells) and
never runs anything itself. Screening picks where to look and is not protected; its replications
are numbered apart and never enter the certificate. Certification runs fresh ones.

Certification spends alpha once over all sizes, because more replicas hardly ever hurt on the same
replication: then accepting any size below the true one implies that the size just below the true
one was accepted too. A pass is therefore inherited by larger fleets while searching, and before a
size is accepted every inherited pass of it is run and counted as it comes out. How many of those
failed is reported, for it is the one thing here that is observed and not proven.
For routers without that property nothing is inherited and alpha is shared among the sizes that are
not accepted yet.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Literal, NamedTuple

from planner.sequential import accept_boundary, accepts, rejects
from simulator.monte_carlo import SERIES, Trial

SCREENING = SERIES
"""Screening replications are numbered from here, certifying ones from 0."""
WINDOW = 4
"""How many sizes one round of certification looks at."""
COUPLED_ROUTERS = ("least-outstanding",)

Ask = Generator[Trial, bool, "Certificate"]
Status = Literal["certified", "rejected", "undecided", "not tried"]


class Promise(NamedTuple):
    """Each period keeps the SLA with `probability`; the plan may err with 1 - `confidence`."""

    probability: float
    confidence: float
    coupled: bool = True

    @property
    def alpha(self) -> float:
        return 1.0 - self.confidence

    @property
    def runs_screen(self) -> int:
        return whole(0.6 / (1.0 - self.probability))

    @property
    def runs_economic(self) -> int:
        """Beyond this many runs a saved replica is not worth more of them."""
        return whole(10.0 / (1.0 - self.probability))

    @property
    def runs_max(self) -> int:
        return whole(60.0 / (1.0 - self.probability))


class Tally(NamedTuple):
    """What certification saw of one size."""

    replicas: int
    runs: int
    failed: int
    status: Status
    inherited: int = 0
    """How many of the runs were passes of a smaller fleet, not simulated for this one."""


@dataclass(frozen=True)
class Certificate:
    """The answer of a search. `replicas` is None when no size was certified."""

    replicas: int | None
    status: Literal["certified", "not certified", "infeasible"]
    alpha: float
    """Error probability of the round that answered; the rounds together keep 1 - confidence."""
    tallies: tuple[Tally, ...]
    inherited_run: int = 0
    """Inherited passes that were run after all, before their size was accepted ..."""
    inherited_failed: int = 0
    """... and how many of them failed: larger fleets that broke where a smaller one passed."""
    screened: dict[int, bool] = field(default_factory=dict)
    """Which sizes passed the rough screening."""

    def tally(self, replicas: int) -> Tally | None:
        return next((tally for tally in self.tallies if tally.replicas == replicas), None)


@dataclass
class Evidence:
    """Verdicts of certification so far: known[c][i] for each replication i that size c was run."""

    promise: Promise
    alpha: float
    """Of this round, for all its sizes together."""
    sharing: int = 1
    """Among how many sizes alpha is shared: one where larger fleets inherit passes."""
    known: dict[int, dict[int, bool]] = field(default_factory=dict)
    failures: dict[int, int] = field(default_factory=dict)
    """How many of those failed, which is asked after every run."""
    runs: dict[int, int] = field(default_factory=dict)
    """How many replications, from 0 on, each size has an answer for, run or inherited."""

    accepted: set[int] = field(default_factory=set)
    """Sizes that crossed the boundary in this round, with runs of their own: its error bound is
    about ever crossing it, so that what fails later does not take it back, short of a rejection."""
    inherited_run: int = 0
    inherited_failed: int = 0

    def failed(self, replicas: int) -> int:
        return self.failures.get(replicas, 0)

    def status(self, replicas: int) -> Status:
        runs, failed = self.runs.get(replicas, 0), self.failed(replicas)
        p0 = self.promise.probability
        crossed = accepts(p0, self.alpha_of(replicas), runs, failed, self.promise.runs_max)
        if not crossed and rejects(p0, self.promise.alpha, runs, failed):
            return "rejected"
        return "certified" if crossed or replicas in self.accepted else "undecided"

    def alpha_of(self, replicas: int) -> float:
        """The part of alpha this size is tested with: an equal one of those not accepted yet.

        Source: Holm 1979; an accepted size frees its part, as its acceptance is either wrong, and
        the error made, or right, and there is one size less to err about."""
        return self.alpha / max(self.sharing - len(self.accepted - {replicas}), 1)

    def ask(self, replicas: int, replication: int, complete: bool) -> Generator[Trial, bool, bool]:
        """Run one replication of one size, unless its verdict is known."""
        if replication not in self.known.get(replicas, {}):
            self.learn(replicas, replication, (yield Trial(replicas, replication, complete)))
        return self.known[replicas][replication]

    def learn(self, replicas: int, replication: int, kept: bool) -> None:
        self.known.setdefault(replicas, {})[replication] = kept
        self.failures[replicas] = self.failed(replicas) + (not kept)

    def tallies(self) -> tuple[Tally, ...]:
        return tuple(
            Tally(
                replicas,
                runs,
                self.failed(replicas),
                self.status(replicas),
                runs - len(self.known.get(replicas, {})),
            )
            for replicas, runs in sorted(self.runs.items())
            if replicas in self.known
        )


def search(low: int, start: int, high: int, promise: Promise) -> Ask:
    """Find and certify the smallest size in low..high, guessing first at `start`."""
    screened: dict[int, bool] = {}
    chosen = yield from screen(low, start, high, promise, screened)
    # A size that fails the rough screening everywhere still gets its exact answer.
    candidate = high if chosen is None else chosen
    return (yield from certified(low, candidate, high, promise, screened))


def certified(
    low: int,
    candidate: int,
    high: int,
    promise: Promise,
    screened: dict[int, bool],
    part: float = 1.0,
) -> Ask:
    """Certify the smallest size that can be, from `candidate` on, spending that part of alpha; then
    look below it."""
    evidence = Evidence(promise, 0.0)
    for window, evidence.alpha in rounds(candidate, high, promise, part):
        evidence.sharing = sharing(window, promise)
        evidence.accepted.clear()
        accepted = yield from certify(window, evidence)
        if accepted is not None:
            accepted = yield from descend(accepted, low, evidence)
            return answer(accepted, "certified", evidence, screened)
    hopeless = evidence.status(high) == "rejected"
    return answer(None, "infeasible" if hopeless else "not certified", evidence, screened)


def rounds(
    candidate: int, high: int, promise: Promise, part: float = 1.0
) -> Iterator[tuple[range, float]]:
    """The sizes that each round of certification looks at, and its alpha, when that part of it all
    is to be spent."""
    for share in (0.75, 0.25) if candidate + WINDOW <= high else (1.0,):
        window = range(candidate, min(candidate + WINDOW, high + 1))
        yield window, promise.alpha * part * share
        candidate = min(candidate + WINDOW, high)


def sharing(window: range, promise: Promise) -> int:
    """Among how many sizes the alpha of a round is shared at first."""
    return 1 if promise.coupled else len(window)


def periods_needed(
    replicas: int, failed: int, candidate: int, high: int, promise: Promise, part: float = 1.0
) -> int | None:
    """After how many periods a size is certified if no more than `failed` of them fail, in a
    search whose certification began with `candidate`; None: not within the budget."""
    alphas = (
        alpha / sharing(window, promise)
        for window, alpha in rounds(candidate, high, promise, part)
        if replicas in window
    )
    alpha = next(alphas, None)
    if alpha is None:
        return None
    boundary = accept_boundary(promise.probability, alpha, promise.runs_max)
    return boundary[failed] if failed < len(boundary) else None


def answer(
    replicas: int | None,
    status: Literal["certified", "not certified", "infeasible"],
    evidence: Evidence,
    screened: dict[int, bool],
) -> Certificate:
    return Certificate(
        replicas,
        status,
        evidence.alpha,
        evidence.tallies(),
        evidence.inherited_run,
        evidence.inherited_failed,
        screened,
    )


def looks_good(runs: int, failed: int, promise: Promise) -> bool | None:
    """What screening makes of a size: one failure is forgiven. None: not known yet."""
    if failed > 1:
        return False
    return True if runs >= promise.runs_screen else None


def screen(
    low: int, start: int, high: int, promise: Promise, passed: dict[int, bool]
) -> Generator[Trial, bool, int | None]:
    """The smallest size that looks good, or None: gallop away from `start`, then bisect."""

    def look(size: int) -> Generator[Trial, bool, bool]:
        if size not in passed:
            runs = failed = 0
            while (good := looks_good(runs, failed, promise)) is None:
                failed += not (yield Trial(size, SCREENING + runs, complete=False))
                runs += 1
            passed[size] = good
        return passed[size]

    bad, good = low - 1, None
    size, stride = min(max(start, low), high), 1
    while good is None or bad < good - 1:
        if (yield from look(size)):
            good = size
        else:
            bad = size
        if bad >= high:
            return None
        if good is None:
            size = min(bad + stride, high)
        elif bad < low and stride < good - bad:
            size = max(good - stride, low)
        else:
            size = (bad + good) // 2
        stride *= 2
    return good


def certify(window: range, evidence: Evidence) -> Generator[Trial, bool, int | None]:
    """Run replication after replication until the smallest certified size is clear; None if the
    budget ends first or every size is rejected."""
    promise = evidence.promise
    for index in range(promise.runs_max):
        yield from one_replication(window, index, evidence)
        accepted = yield from smallest_accepted(window, evidence)
        if accepted is not None:
            below = accepted - 1
            settled = below not in window or evidence.status(below) == "rejected"
            if settled or index + 1 >= promise.runs_economic:
                return accepted
        if all(evidence.status(size) == "rejected" for size in window):
            return None
    return None


def one_replication(window: range, index: int, evidence: Evidence) -> Generator[Trial, bool, None]:
    """Every open size gets its verdict on one replication, upwards; coupled, a pass ends it."""
    open_sizes = [size for size in window if evidence.status(size) != "rejected"]
    for size in open_sizes:
        # The smallest open size is the likely answer: its runs are kept whole for the report.
        kept = yield from evidence.ask(size, index, complete=size == open_sizes[0])
        if kept and evidence.promise.coupled:
            break
    for size in open_sizes:
        evidence.runs[size] = index + 1


def smallest_accepted(window: range, evidence: Evidence) -> Generator[Trial, bool, int | None]:
    """The smallest size that is certified by runs of its own: inherited passes are run first.

    With the largest first where alpha is shared: what they free helps the smaller ones."""
    if not evidence.promise.coupled:
        certified = [size for size in reversed(window) if accept(size, evidence)]
        return certified[-1] if certified else None
    for size in window:
        if evidence.status(size) == "certified":
            for index in range(evidence.runs[size]):
                if index not in evidence.known.get(size, {}):
                    kept = yield from evidence.ask(size, index, complete=True)
                    evidence.inherited_run += 1
                    evidence.inherited_failed += not kept
            if accept(size, evidence):
                return size
    return None


def accept(size: int, evidence: Evidence) -> bool:
    """Whether a size is certified; that it is will be remembered."""
    certified = evidence.status(size) == "certified"
    if certified:
        evidence.accepted.add(size)
    return certified


def descend(accepted: int, low: int, evidence: Evidence) -> Generator[Trial, bool, int]:
    """What one replica fewer would have done; should it be certified too, it is the answer."""
    while accepted > low:
        below = accepted - 1
        for index in range(evidence.promise.runs_economic):
            if evidence.status(below) != "undecided":
                break
            yield from evidence.ask(below, index, complete=False)
            evidence.runs[below] = max(evidence.runs.get(below, 0), index + 1)
        if evidence.status(below) != "certified" or not evidence.promise.coupled:
            return accepted
        yield from smallest_accepted(range(below, below + 1), evidence)
        accepted = below
    return accepted


def whole(value: float) -> int:
    """ceil, unbothered by 10 / (1 - 0.95) being 200.00000000000017."""
    return ceil(value - 1e-6)
