"""The true share of periods each size keeps, counted on replications that no planner sees.

Sizes that a first look settles are left there; all others, those near the promise, get every run.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks.planner_study.family import (
    CASES,
    Case,
    kept,
    promised,
    scenario_of,
    sizes_of,
    spread,
)
from simulator.estimates import share_estimate
from simulator.results import source_digest, write_json
from simulator.store import key

FILE = Path(__file__).parent / "truth.json"
SEED = 0
"""Planners start from the seeds above it."""
FIRST_LOOK = 500
FIRST_LOOK_ERROR = 1e-6
"""Of taking a size for settled wrongly."""
ERROR = 0.01
"""Of the interval that says whether a size keeps the promise."""
CHUNK = 250

Standing = Literal["keeps", "breaks", "unclear"]


class Count(NamedTuple):
    """Periods of one size."""

    runs: int
    failed: int

    @property
    def share(self) -> float:
        return 1.0 - self.failed / self.runs


Truth = dict[int, Count]
"""By size."""


class TruthError(ValueError):
    """A file of truths about something else; the message says what to do."""


def standing(count: Count, promise: float, error: float = ERROR) -> Standing:
    """What the counted periods show of a size; 'unclear' while the interval holds the promise."""
    kept_share = share_estimate(count.runs - count.failed, count.runs, 1 - error)
    if kept_share.low >= promise:
        return "keeps"
    return "breaks" if kept_share.high < promise else "unclear"


class Stretch(NamedTuple):
    """Replications [first, last) of one size."""

    case: Case
    replicas: int
    first: int
    last: int


def failed_in(stretch: Stretch) -> int:
    case, replicas, first, last = stretch
    return sum(not kept(case, replicas, SEED, index) for index in range(first, last))


def count(
    wanted: list[tuple[Case, int]], first: int, last: int, workers: int
) -> dict[tuple[Case, int], int]:
    """Failed periods among replications [first, last) of each case and size."""
    stretches = [
        Stretch(case, size, start, min(start + CHUNK, last))
        for case, size in wanted
        for start in range(first, last, CHUNK)
    ]
    failed = dict.fromkeys(wanted, 0)
    for stretch, found in zip(stretches, spread(failed_in, stretches, workers), strict=True):
        failed[stretch.case, stretch.replicas] += found
    return failed


def find(runs: int, workers: int, say: Callable[[str], None]) -> dict[Case, Truth]:
    """The truth of every case from up to `runs` periods of each size."""
    look = min(FIRST_LOOK, runs)
    sizes = [(case, size) for case in CASES for size in sizes_of(case)]
    say(f"truth: {look:,} periods of {len(sizes)} sizes")
    found = {key: Count(look, failed) for key, failed in count(sizes, 0, look, workers).items()}
    near = [
        (case, size) for (case, size), seen in found.items()
        if standing(seen, promised(case), FIRST_LOOK_ERROR) == "unclear"
    ]  # fmt: skip
    say(f"truth: {runs:,} periods of the {len(near)} near their promise")
    for place, failed in count(near, look, runs, workers).items():
        found[place] = Count(runs, found[place].failed + failed)
    return {case: {size: found[case, size] for size in sizes_of(case)} for case in CASES}


def write(truths: dict[Case, Truth], path: Path) -> None:
    """With what every scenario is to be known by; the digest of the source only tells which one
    counted."""
    cases: dict[str, Any] = {
        str(case): {
            "known_by": known_by(case),
            "sizes": {str(size): list(seen) for size, seen in truth.items()},
        }
        for case, truth in truths.items()
    }
    write_json({"seed": SEED, "source": source_digest(), "cases": cases}, path)


def known_by(case: Case) -> list[str]:
    """What a count depends on: the facts of the runs, as a digest, and what they are judged by."""
    scenario = scenario_of(case)
    return [key(scenario), *(objective.text for objective in scenario.objectives)]


def read(path: Path) -> dict[Case, Truth]:
    """Raises TruthError for a file that is not about these very scenarios, OSError for none."""
    told = json.loads(path.read_text(encoding="utf-8"))["cases"]
    truths = {}
    for case in CASES:
        known = told.get(str(case), {})
        if known.get("known_by") != known_by(case):
            raise TruthError(
                f"{path.name} does not hold the truth of scenario '{case}' as it is now: "
                "count it anew with --truth-runs 20000"
            )
        truths[case] = {int(size): Count(*seen) for size, seen in known["sizes"].items()}
    return truths
