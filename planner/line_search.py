"""The search over lines: which kind of fleet, and then how many replicas of it.

Every line (planner/search.py finds the smallest size of one) is screened in the order of what its
first guess costs, and only at sizes that would be better than the best so far. Then the best one
that looks able is certified and, while another may still be better than that, the other one too.
Screening spends no alpha; the lines that are certified share it, most of it to the first, so that
the whole search is wrong about its answer with probability alpha at most.

What is better is a number, the smaller the better: USD, GPUs or power. Of a fleet that comes and
goes it is known from its own runs, before them a bound.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple, TypeVar

from planner.search import Certificate, Promise, certified, screen
from simulator.monte_carlo import Trial

T = TypeVar("T")

PARTS = (0.8, 0.15, 0.04, 0.01)
"""How alpha is shared among the lines that are certified, in their order."""


class Bounds(NamedTuple):
    """Where to look on one line."""

    first: int
    last: int
    start: int
    """Tried first."""
    promise: Promise


class Question(NamedTuple):
    """One replication of one size of one line."""

    line: int
    trial: Trial


Ask = Generator[Question, bool, "Answer"]
Worth = Callable[[int, int], float]
"""(line, size) -> what it costs, as far as that is known; not less for a larger size."""
Fate = Literal["certified", "not certified", "infeasible", "dear", "unable", "not tried"]


@dataclass
class Found:
    """What became of one line."""

    screened: dict[int, bool] = field(default_factory=dict)
    """Which sizes passed the rough screening."""
    size: int | None = None
    """The smallest that did."""
    looked_to: int = 0
    """No larger size was looked at, since it would have been too dear."""
    certificate: Certificate | None = None
    fate: Fate = "dear"
    """dear: something better is certified. unable: no size passed the screening. not tried: it
    looks better than the answer, and no alpha was left for it."""


@dataclass(frozen=True)
class Answer:
    """The best certified line, or None; and what became of all."""

    line: int | None
    found: tuple[Found, ...]


def search_lines(lines: Sequence[Bounds], worth: Worth) -> Ask:
    """Find the line and size of least worth that is certified."""
    found = tuple(Found() for _ in lines)
    order = sorted(range(len(lines)), key=lambda line: worth(line, lines[line].start))
    parts = PARTS if len(lines) > 1 else (1.0,)
    yield from look_at_all(order, lines, found, worth, inf)
    best: int | None = None
    for part in parts:
        limit = inf if best is None else certified_worth(best, found, worth)
        candidate = best_screened(order, found, worth, limit)
        if candidate is None and best is None:
            # What fails the rough screening everywhere still gets its exact answer.
            candidate = next((line for line in order if found[line].certificate is None), None)
        if candidate is None:
            break
        yield from certify_line(candidate, lines, found, part)
        if found[candidate].fate == "certified" and (
            certified_worth(candidate, found, worth) < limit
        ):
            best = candidate
        left = certified_worth(best, found, worth) if best is not None else inf
        yield from look_at_all(order, lines, found, worth, left)
    left = certified_worth(best, found, worth) if best is not None else inf
    for line, own in enumerate(found):
        if own.certificate is None and own.size is not None and worth(line, own.size) < left:
            own.fate = "not tried"
    return Answer(best, found)


def look_at_all(
    order: Sequence[int],
    lines: Sequence[Bounds],
    found: Sequence[Found],
    worth: Worth,
    limit: float,
) -> Generator[Question, bool, None]:
    """Screen the lines that may have something better than `limit`, and than one another."""
    for line in order:
        if found[line].certificate is None and found[line].size is None:
            looking = [i for i in order if found[i].certificate is None and found[i].size]
            least = min([limit, *(worth(i, found[i].size or 0) for i in looking)])
            yield from look_at(line, lines[line], found[line], worth, least)


def look_at(
    line: int, bounds: Bounds, found: Found, worth: Worth, limit: float
) -> Generator[Question, bool, None]:
    """Screen the sizes of one line that are better than `limit` and were not looked at yet."""
    first = max(bounds.first, found.looked_to + 1)
    sizes = range(first, bounds.last + 1)
    high = next((size - 1 for size in sizes if worth(line, size) >= limit), bounds.last)
    if high < first:
        return
    start = min(max(bounds.start, first), high)
    screening = screen(first, start, high, bounds.promise, found.screened)
    found.size = yield from of_line(line, screening)
    found.looked_to = high
    found.fate = "unable" if found.size is None and high == bounds.last else "dear"


def certify_line(
    line: int, lines: Sequence[Bounds], found: Sequence[Found], part: float
) -> Generator[Question, bool, None]:
    own, bounds = found[line], lines[line]
    size = bounds.last if own.size is None else own.size
    own.certificate = yield from of_line(
        line,
        certified(bounds.first, size, bounds.last, bounds.promise, own.screened, part),
    )
    own.fate = own.certificate.status


def of_line(line: int, asking: Generator[Trial, bool, T]) -> Generator[Question, bool, T]:
    """The questions of a search within a line, as questions about it."""
    try:
        trial = next(asking)
        while True:
            trial = asking.send((yield Question(line, trial)))
    except StopIteration as end:
        answer: T = end.value
        return answer


def best_screened(
    order: Sequence[int], found: Sequence[Found], worth: Worth, limit: float
) -> int | None:
    """The line whose screened size is best, and better than `limit`; of equal ones the first."""
    able = [
        line
        for line in order
        if found[line].certificate is None
        and (size := found[line].size) is not None
        and worth(line, size) < limit
    ]
    return min(able, key=lambda line: worth(line, found[line].size or 0), default=None)


def certified_worth(line: int, found: Sequence[Found], worth: Worth) -> float:
    certificate = found[line].certificate
    assert certificate is not None and certificate.replicas is not None
    return worth(line, certificate.replicas)
