"""CPU seconds of pieces of work: medians of several turns."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Effort(NamedTuple):
    """How much is measured."""

    plane: float
    """Scale of the number of requests the plane serves."""
    twin: float
    """Scale of the number of requests the twin serves."""
    repeats: int
    """Turns of everything that is measured; medians are reported."""
    most_requests: int
    """Of the largest run."""
    cold: bool
    """Also start once without compiled code."""

    def requests(self, full: int) -> int:
        return max(round(full * self.plane), 500)

    def twin_requests(self, full: int) -> int:
        return max(round(full * self.twin), 200)


FULL = Effort(1.0, 1.0, 3, 10_000_000, True)
QUICK = Effort(0.05, 0.1, 1, 200_000, False)


class Timed(NamedTuple):
    """The median over all turns, and what the last turn returned."""

    cpu_s: float
    result: Any


def cpu_s(work: Callable[[], Any]) -> Timed:
    """CPU seconds of this process for one turn of `work`."""
    gc.collect()
    begin_s = time.process_time()
    result = work()
    return Timed(time.process_time() - begin_s, result)


def take_turns(repeats: int, works: Mapping[Any, Callable[[], Any]]) -> dict[Any, Timed]:
    """Every work `repeats` times, one after the other in turn: whatever else the machine does
    meanwhile meets all of them alike."""
    turns = [{name: cpu_s(work) for name, work in works.items()} for _ in range(repeats)]
    return {
        name: Timed(statistics.median(turn[name].cpu_s for turn in turns), turns[-1][name].result)
        for name in works
    }
