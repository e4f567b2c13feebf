"""Progress on stderr: a live line on a terminal, a sign of life every half minute elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from planner.line_search import PARTS
from planner.plan import PlanLine, promise_of
from planner.search import SCREENING, Promise, periods_needed
from scenarios.lines import named
from simulator.monte_carlo import SERIES, Trial

SILENCE_MAX_S = 30.0


class Line:
    """One live line: what is under way and how far it is."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("starting", total=None)
        self.told_at_s = time.monotonic()

    def tell(self, text: str, done: int, total: int | None) -> None:
        self.progress.update(self.task, description=text, completed=done, total=total)
        if self.progress.disable and time.monotonic() - self.told_at_s > SILENCE_MAX_S:
            self.told_at_s = time.monotonic()
            self.progress.console.print(text)


class Verdicts:
    """Tells each verdict of a search, and in certification how many periods are needed at least,
    which is if none fails from now on, and how long those take."""

    def __init__(
        self, line: Line, promise: Promise, largest: int, chosen: str = "", part: float = 1.0
    ) -> None:
        """chosen: what tells the fleets of this line from others; part: of alpha, at most."""
        self.part = part
        self.line, self.promise, self.largest = line, promise, largest
        self.fleet = f"replicas, {chosen}" if chosen else "replicas"
        self.candidate: int | None = None
        """The size that certification began with ..."""
        self.began_s = 0.0
        """... and when its first verdict fell."""
        self.latest = 0
        self.failed: Counter[int] = Counter()

    def __call__(self, trial: Trial, kept: bool) -> None:
        number = trial.replication % SERIES + 1
        verdict = f"{trial.replicas} {self.fleet}: period {number} {'kept' if kept else 'broken'}"
        if trial.replication >= SCREENING:
            self.line.tell(f"screening {verdict}", number, None)
            return
        if self.candidate is None:
            self.candidate, self.began_s = trial.replicas, time.monotonic()
        self.failed[trial.replicas] += not kept
        needed = self.needed(trial, number)
        text = f"certifying {verdict}" + (f", at least {needed} needed" if needed else "")
        if needed and number > 1:
            pace_s = (time.monotonic() - self.began_s) / (number - 1)
            text += f", {roughly(pace_s * (needed - number))} left"
        self.line.tell(text, number, needed)

    def needed(self, trial: Trial, number: int) -> int | None:
        """None where the search does not go on from here: it catches up with earlier periods, looks
        at smaller sizes, or has all that this size needs."""
        assert self.candidate is not None
        caught_up, self.latest = number >= self.latest, max(number, self.latest)
        failed = self.failed[trial.replicas]
        size = (trial.replicas, failed, self.candidate, self.largest)
        needed = periods_needed(*size, self.promise, self.part) if caught_up else None
        return needed if needed is not None and needed >= number else None


def telling(line: Line) -> Callable[[PlanLine, Trial, bool], None]:
    """Tells each verdict of a search over lines."""
    verdicts: dict[str, Verdicts] = {}

    def tell(own: PlanLine, trial: Trial, kept: bool) -> None:
        assert own.scenario is not None and own.sizes is not None
        chosen = ", ".join(map(named, own.values.values()))
        if chosen not in verdicts:
            promise, largest = promise_of(own.scenario), own.sizes[1]
            part = PARTS[0] if chosen else 1.0
            verdicts[chosen] = Verdicts(line, promise, largest, chosen, part)
        verdicts[chosen](trial, kept)

    return tell


def roughly(seconds: float) -> str:
    """Of how long something may take.

    >>> roughly(42.3), roughly(400.0), roughly(9000.0)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"


def compile_first(closed_loops: bool = False) -> None:
    """Before anything is simulated: compile the simulator if this version never was, closed loops
    only for those who compare with measurements."""
    from simulator import compiling

    if not compiling.is_compiled():
        Console(stderr=True).print("compiling the simulator, once per version: half a minute ...")
        compiling.compile_kernel()
    if closed_loops and not compiling.are_closed_loops_compiled():
        Console(stderr=True).print(
            "compiling closed loops, once per version: a quarter of a minute ..."
        )
        compiling.compile_closed_loops()


@contextmanager
def watching() -> Iterator[Line]:
    """The line, gone again when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield Line(bar)
