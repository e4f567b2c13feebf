"""What a search of the planner has come to, while it goes on: for people who wait for it."""

import time
from math import exp
from typing import Any, NamedTuple

from planner.metrics import Figures, table
from planner.search import SCREENING, Promise, looks_good, periods_needed
from planner.sequential import log_e_value, rejects
from reports.objectives import ObjectiveRow, measured_objectives
from scenarios.objectives import Objective
from simulator.monte_carlo import SERIES, Trial


class News(NamedTuple):
    """What is under way, what has just come of it, and how far it is."""

    what: str
    latest: str
    done: int
    total: int | None


class Count(NamedTuple):
    """Periods of one size."""

    runs: int
    failed: int


NONE = Count(0, 0)


class Search:
    """The verdicts on one line: which sizes they leave, and how near a certificate is. That needs a
    number of periods at least, which is if none fails from now on."""

    def __init__(
        self,
        promise: Promise,
        sizes: tuple[int, int],
        objectives: tuple[Objective, ...] = (),
        chosen: str = "",
        part: float = 1.0,
    ) -> None:
        """sizes: fewest and most; chosen: what tells the fleets of this line from others; part: of
        alpha, at most."""
        self.promise, self.sizes, self.objectives = promise, sizes, objectives
        self.chosen, self.part = chosen, part
        self.candidate: int | None = None
        """The size that certification began with ..."""
        self.began_s = 0.0
        """... and when its first verdict fell."""
        self.latest = 0
        self.shown: int | None = None
        """The size that is likely to be the answer: its periods are run whole."""
        self.screened: dict[int, Count] = {}
        self.counts: dict[int, Count] = {}
        self.whole: dict[int, list[dict[str, Any]]] = {}
        """Figures of the objectives in whole periods of certification."""

    def hear(self, trial: Trial, row: Figures) -> News:
        """Learn what came of one period."""
        number, kept = trial.replication % SERIES + 1, bool(row["kept"])
        fleet = f"{trial.replicas} replicas" + (f", {self.chosen}" if self.chosen else "")
        latest = f"period {number} {'kept' if kept else 'broken'}"
        counts = self.screened if trial.replication >= SCREENING else self.counts
        runs, failed = counts.get(trial.replicas, NONE)
        counts[trial.replicas] = Count(runs + 1, failed + (not kept))
        if trial.replication >= SCREENING:
            return News(f"screening {fleet}", latest, number, None)
        if self.candidate is None:
            self.candidate, self.began_s = trial.replicas, time.monotonic()
        if trial.complete:
            self.shown = trial.replicas
            own = self.whole.setdefault(trial.replicas, [])
            own.append({each.text: row[each.text] for each in self.objectives})
        needed = self.needed(trial, number)
        if needed:
            latest += f", at least {needed} needed"
            if number > 1:
                pace_s = (time.monotonic() - self.began_s) / (number - 1)
                latest += f", {roughly(pace_s * (needed - number))} left"
        return News(f"certifying {fleet}", latest, number, needed)

    def needed(self, trial: Trial, number: int) -> int | None:
        """None where the search does not go on from here: it catches up with earlier periods, looks
        at smaller sizes, or has all that this size needs."""
        assert self.candidate is not None
        caught_up, self.latest = number >= self.latest, max(number, self.latest)
        failed = self.counts[trial.replicas].failed
        size = (trial.replicas, failed, self.candidate, self.sizes[1])
        needed = periods_needed(*size, self.promise, self.part) if caught_up else None
        return needed if needed is not None and needed >= number else None

    def count(self, size: int) -> Count:
        """In certification; with passes that a larger size has of a smaller one."""
        runs, failed = self.counts.get(size, NONE)
        inherits = self.promise.coupled and self.candidate is not None and size >= self.candidate
        return Count(max(runs, self.latest) if inherits else runs, failed)

    def possible(self) -> tuple[int, int]:
        """The smallest and the largest size that may still be the answer."""
        looks = {size: looks_good(*seen, self.promise) for size, seen in self.screened.items()}
        lost = [size for size, good in looks.items() if good is False]
        lost += [size for size in self.counts if self.is_rejected(size)]
        low = min(max(lost, default=self.sizes[0] - 1) + 1, self.sizes[1])
        able = [size for size, good in looks.items() if good and size >= low]
        return low, min(able, default=self.sizes[1])

    def is_rejected(self, size: int) -> bool:
        return rejects(self.promise.probability, self.promise.alpha, *self.count(size))

    def e_value(self, size: int) -> float:
        """Evidence against a size; it is rejected at 1 / alpha."""
        return exp(log_e_value(self.promise.probability, *self.count(size)))

    def objective_rows(self) -> list[ObjectiveRow]:
        """Of the likely answer, over its periods so far."""
        periods = self.whole.get(self.shown or 0)
        if not periods:
            return []
        return measured_objectives(self.objectives, table(periods), self.promise.probability)


def roughly(seconds: float) -> str:
    """Of how long something may take.

    >>> roughly(42.3), roughly(400.0), roughly(9000.0)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
