"""A plan made by one of several machines that share nothing while they work.

Which periods a plan needs is known only as it goes on, by what became of those before. So every
shard makes the whole plan, explanation and all, but simulates no more than its own periods: one in
so many of each fleet. Those of others it takes from its store, where a merge may have put them, and
guesses the rest. What it guesses decides nothing but which periods it simulates: the plan proper is
made from the runs of all shards, and has whatever is still missing simulated.

Screening is what everything begins with, and little. Every shard does it whole, so that all go on
from the same size.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from planner.explain import RUNS
from planner.metrics import Figures
from planner.search import SCREENING
from scenarios.model import Scenario
from simulator.monte_carlo import Runs, Trial


class Shard(NamedTuple):
    """One of so many, numbered from 1."""

    number: int
    of: int

    def owns(self, scenario: Scenario, replication: int) -> bool:
        """Each scenario is dealt out from another shard on: of some there are few periods."""
        return (replication + int(scenario.hash[:8], 16)) % self.of == self.number - 1


class Share:
    """The figures of trials, as a shard has them."""

    def __init__(self, shard: Shard, runs_of: Callable[[Scenario], Runs]) -> None:
        self.shard, self.runs_of = shard, runs_of
        self.screened: set[tuple[str, Trial]] = set()
        self.own: set[tuple[str, Trial]] = set()
        self.theirs: set[tuple[str, Trial]] = set()
        """Periods of others that the store had. (Each with the hash of its scenario.)"""
        self.guessed: dict[tuple[str, Trial], bool] = {}
        """Verdicts."""
        self.fleets: dict[tuple[str, int], Seen] = defaultdict(Seen)
        self.like: Figures = {}
        """Some figures, for fleets of which none were seen."""

    def __call__(self, scenario: Scenario, trial: Trial) -> Figures:
        runs, name = self.runs_of(scenario), (scenario.hash, trial)
        fleet = self.fleets[scenario.hash, trial.replicas]
        coming = None
        if trial.replication >= SCREENING:
            self.screened.add(name)
        elif self.shard.owns(scenario, trial.replication):
            self.own.add(name)
            # Explanations end after RUNS; what is started ahead beyond them would be for nothing.
            end = RUNS if trial.replication < RUNS else SCREENING
            coming = range(trial.replication, end, self.shard.of)
        elif runs.known(trial) is not None:
            self.theirs.add(name)
        else:
            if name not in self.guessed:
                self.guessed[name] = fleet.guess()
            return (fleet.like or self.like) | {"kept": self.guessed[name]}
        self.like = figures = runs(trial, coming)
        fleet.learn(trial, figures)
        return figures


class Seen:
    """What a shard saw of one fleet."""

    def __init__(self) -> None:
        self.kept: dict[int, bool] = {}
        """By replication."""
        self.like: Figures = {}
        """The figures of a period, if possible of a whole one: those that are guessed."""
        self.owed = 0.0
        """Failures that were due among those guessed, and not told yet."""

    def learn(self, trial: Trial, figures: Figures) -> None:
        self.kept[trial.replication] = bool(figures["kept"])
        if not self.like or not figures["stopped_early"]:
            self.like = figures

    def guess(self) -> bool:
        """Whether a period of others is kept. They fail as often as those seen, and a bit more:
        what is simulated for nothing costs less than what is missing."""
        failed = sum(not kept for kept in self.kept.values())
        self.owed += (failed + 0.5) / (len(self.kept) + 10.0)
        fails = self.owed >= 1.0
        self.owed -= fails
        return not fails
