"""Why this answer: what binds one size below it, what it hangs on, how much room it has, and what
other sizes would promise. All on the seeds of the certificate, so that worlds differ in one thing.

These are estimates from a few periods beside the certificate, and say so with their intervals; only
the headroom is certified, by a test with an error probability of its own.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from planner.bracket import draw_periods
from planner.cost import HOURS_PER_MONTH, objective_value, varies
from planner.line_search import PARTS
from planner.metrics import Figures
from planner.plan import FiguresOf, Plan, asked
from planner.search import SCREENING, Tally, certified, screen
from planner.sequential import confidence_sequence
from planner.verdict import used_share
from planner.what_ifs import inputs_times, relieved, traffic_times
from scenarios.inputs import without_uncertainty
from scenarios.model import Scenario
from scenarios.objectives import Objective
from simulator.estimates import share_estimate
from simulator.monte_carlo import Trial

T = TypeVar("T")

RUNS = 20
"""Periods per what-if: enough to tell a cure from a coincidence."""
STEP = 0.2
"""How far each input is moved, down and up."""
NEIGHBOURS = 2
"""Sizes below and above the answer on the frontier."""
HEADROOM_STEP = 0.05
HEADROOM_MAX = 2.0
HEADROOM = 3_000_000
"""Its replications are numbered from here: the fleet was chosen by others."""

OnTrial = Callable[[str, int, int], None]
"""(what, period, of how many), as each ends."""


class Kept(NamedTuple):
    """How many of some periods kept the SLA, and how near the limits the median one came."""

    kept: int
    runs: int
    used: float | None = None
    """Share of the tightest objective's allowance that the median period used: 1 at the limit. None
    where periods were given up as lost."""

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's, 95 %, of the share that is kept."""
        share = share_estimate(self.kept, self.runs)
        return share.low, share.high


class Relief(NamedTuple):
    """One thing made better."""

    relieves: str
    change: str
    result: Kept


class Lever(NamedTuple):
    """One input less and more."""

    input: str
    less: Kept
    more: Kept


class Headroom(NamedTuple):
    """How much more traffic the fleet takes."""

    factor: float
    """The largest that was certified; 1.0: none above."""
    tally: Tally | None
    refused: float | None
    """The next larger one, which the rough screening refused or certification did; None: none was
    tried."""


class FrontierPoint(NamedTuple):
    """A size and what it promises."""

    replicas: int
    usd_per_month: float | None
    kept: int
    runs: int
    interval: tuple[float, float]
    """A confidence sequence: the number of periods was not fixed beforehand."""


@dataclass(frozen=True)
class Explanation:
    """Everything beside the certificate."""

    below: int
    """The size that the what-ifs are about."""
    base: Kept
    """It, as it is."""
    reliefs: tuple[Relief, ...]
    binding: tuple[str, ...]
    """What helps most; empty where nothing does, or nothing has to."""
    chosen: Kept
    levers: tuple[Lever, ...]
    headroom: Headroom
    frontier: tuple[FrontierPoint, ...]
    luck: Kept | None
    """The chosen fleet with uncertain inputs as given: what is left is luck."""


@dataclass
class Asking:
    """Runs worlds and counts."""

    plan: Plan
    figures_of: FiguresOf
    on_trial: OnTrial
    known: dict[tuple[int, int], bool] = field(default_factory=dict)
    """Verdicts of the plan's own scenario, by size and replication."""

    def figures(self, scenario: Scenario, trial: Trial) -> Figures:
        return self.figures_of(*asked(scenario, trial))

    def kept(self, scenario: Scenario, size: int, what: str) -> Kept:
        """How many of the first RUNS periods are kept; lost ones are given up early."""
        count = 0
        for replication in range(RUNS):
            count += bool(self.figures(scenario, Trial(size, replication, complete=False))["kept"])
            self.on_trial(what, replication + 1, RUNS)
        return Kept(count, RUNS)

    def measured(self, scenario: Scenario, size: int, what: str) -> Kept:
        """The same of whole periods, with how near they come to the limits."""
        count, used = 0, []
        objectives = self.plan.question.objectives
        for replication in range(RUNS):
            row = self.figures(scenario, Trial(size, replication))
            count += bool(row["kept"])
            used.append(max(share_used(row, objective) for objective in objectives))
            self.on_trial(what, replication + 1, RUNS)
        return Kept(count, RUNS, float(np.median(used)))


def share_used(row: Figures, objective: Objective) -> float:
    return used_share(float(row[objective.text]), objective)


def explain(plan: Plan, figures_of: FiguresOf, on_trial: OnTrial) -> Explanation | None:
    """The explanation of a certified plan; None of another one."""
    if plan.certificate.replicas is None:
        return None
    asking = Asking(plan, figures_of, on_trial, verdicts_of(plan))
    scenario, chosen = plan.scenario, plan.certificate.replicas
    sizes = plan.lines[plan.line].sizes
    assert sizes is not None
    below = chosen - 1 if chosen > sizes[0] else chosen
    base = asking.kept(scenario, below, "as it is")
    reliefs = tuple(
        Relief(one.relieves, one.change, asking.kept(one.scenario, below, one.change))
        for one in relieved(scenario, draw_periods(scenario, scenario.seed, SCREENING).given)
    )
    at_chosen = asking.measured(scenario, chosen, "the chosen fleet")
    return Explanation(
        below=below,
        base=base,
        reliefs=reliefs,
        binding=tuple(helping(base, reliefs)),
        chosen=at_chosen,
        levers=tuple(levers(asking, chosen)),
        headroom=headroom(asking, chosen),
        frontier=tuple(frontier(asking, chosen, sizes)),
        luck=luck(asking, chosen),
    )


def helping(base: Kept, reliefs: tuple[Relief, ...]) -> Iterator[str]:
    """What saves at least half of the lost periods, and as many as the best does but for chance:
    one in ten."""
    lost = base.runs - base.kept
    best = max((relief.result.kept for relief in reliefs), default=0)
    for relief in reliefs:
        saved = relief.result.kept - base.kept
        if lost and saved * 2 >= lost and relief.result.kept >= best - base.runs // 10:
            yield relief.relieves


def levers(asking: Asking, size: int) -> Iterator[Lever]:
    """Every input less and more, the heaviest first."""
    found = []
    more = dict(inputs_times(asking.plan.scenario, 1.0 + STEP))
    for name, less in inputs_times(asking.plan.scenario, 1.0 - STEP):
        sides = [
            asking.measured(world, size, f"{name} {sign}{STEP:.0%}")
            for sign, world in (("-", less), ("+", more[name]))
        ]
        found.append(Lever(name, *sides))
    yield from sorted(found, key=weight, reverse=True)


def weight(lever: Lever) -> tuple[int, float]:
    sides = (lever.less, lever.more)
    kept = [side.kept for side in sides]
    used = [side.used or 0.0 for side in sides]
    return max(kept) - min(kept), max(used) - min(used)


def luck(asking: Asking, size: int) -> Kept | None:
    scenario = asking.plan.scenario
    if not scenario.uncertain:
        return None
    return asking.kept(without_uncertainty(scenario), size, "inputs as given")


# --- headroom ------------------------------------------------------------------------------------


def headroom(asking: Asking, size: int) -> Headroom:
    """The largest multiple of the traffic that the fleet still certifies. A multiple is a step of a
    ladder, the first the largest; a search along it is one for the smallest size."""
    steps = round((HEADROOM_MAX - 1.0) / HEADROOM_STEP)
    promise = asking.plan.promise._replace(coupled=False)

    def factor(step: int) -> float:
        return round(HEADROOM_MAX - (step - 1) * HEADROOM_STEP, 6)

    def verdict(trial: Trial) -> bool:
        world = traffic_times(asking.plan.scenario, factor(trial.replicas))
        number = trial.replication % SCREENING + 1
        asking.on_trial(f"traffic x {factor(trial.replicas):g}", number, number)
        fresh = Trial(size, HEADROOM + trial.replication, trial.complete)
        return bool(asking.figures(world, fresh)["kept"])

    screened: dict[int, bool] = {}
    step = drive(screen(1, steps - 3, steps, promise, screened), verdict)
    for part in PARTS:
        if step is None or step > steps:
            break
        certificate = drive(certified(step, step, step, promise, {}, part), verdict)
        if certificate.replicas is not None:
            return Headroom(factor(step), certificate.tally(step), refused(step, factor))
        step += 1
    return Headroom(1.0, None, factor(steps if step is None else step - 1))


def refused(step: int, factor: Callable[[int], float]) -> float | None:
    return factor(step - 1) if step > 1 else None


def drive(asking: Generator[Trial, bool, T], verdict: Callable[[Trial], bool]) -> T:
    """Answers the questions of a search until it ends; returns its answer."""
    try:
        trial = next(asking)
        while True:
            trial = asking.send(verdict(trial))
    except StopIteration as end:
        answer: T = end.value
        return answer


# --- frontier ------------------------------------------------------------------------------------


def verdicts_of(plan: Plan) -> dict[tuple[int, int], bool]:
    """What certification saw of the chosen line, by size and replication."""
    rows = plan.trials
    own = rows[(rows["line"] == plan.line) & (rows["phase"] == "certify")]
    columns = (own["replicas"].tolist(), own["replication"].tolist(), own["kept"].tolist())
    return {(size, number): bool(kept) for size, number, kept in zip(*columns, strict=True)}


def frontier(asking: Asking, chosen: int, sizes: tuple[int, int]) -> Iterator[FrontierPoint]:
    """The chosen size and its neighbours on the periods of the certificate. Coupled, a period that
    a smaller fleet kept need not be run, nor one that a larger one broke."""
    tally = asking.plan.certificate.tally(chosen)
    assert tally is not None
    low, high = max(chosen - NEIGHBOURS, sizes[0]), min(chosen + NEIGHBOURS, sizes[1])
    outwards = sorted(range(low, high + 1), key=lambda size: abs(size - chosen))
    for size in outwards:
        for replication in range(tally.runs):
            if (size, replication) not in asking.known:
                asking.known[size, replication] = verdict_of(asking, size, replication)
                asking.on_trial(f"{size} replicas", replication + 1, tally.runs)
    for size in range(low, high + 1):
        kept = sum(asking.known[size, replication] for replication in range(tally.runs))
        alpha = asking.plan.promise.alpha
        yield FrontierPoint(
            size,
            usd_per_month(asking, size),
            kept,
            tally.runs,
            confidence_sequence(tally.runs, tally.runs - kept, alpha),
        )


def verdict_of(asking: Asking, size: int, replication: int) -> bool:
    if asking.plan.promise.coupled:
        for other in range(size - 2 * NEIGHBOURS, size + 2 * NEIGHBOURS + 1):
            kept = asking.known.get((other, replication))
            if kept is not None and kept == (other < size):
                return kept
    trial = Trial(size, replication, complete=False)
    return bool(asking.figures(asking.plan.scenario, trial)["kept"])


def usd_per_month(asking: Asking, size: int) -> float | None:
    """None of a fleet that comes and goes and has no whole run to be counted by."""
    plan = asking.plan
    if size == plan.shown:
        return plan.cost.usd_per_month
    rows: pd.DataFrame = plan.trials[
        (plan.trials["line"] == plan.line) & (plan.trials["replicas"] == size)
    ]
    whole = rows[~rows["stopped_early"].astype(bool)]
    if varies(plan.scenario) and whole.empty:
        return None
    periods = whole if varies(plan.scenario) else plan.shown_rows  # as busy as the answer
    return objective_value("cost", plan.scenario, size, periods) * HOURS_PER_MONTH
