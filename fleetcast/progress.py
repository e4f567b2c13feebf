"""Progress on stderr: a live line on a terminal, a sign of life every half minute elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from planner.plan import PlanLine
from planner.search import SCREENING
from scenarios.lines import named
from simulator.monte_carlo import Trial

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

    def tell_verdict(self, line: PlanLine, trial: Trial, kept: bool) -> None:
        phase = "screening" if trial.replication >= SCREENING else "certifying"
        verdict = "kept" if kept else "broken"
        number = trial.replication % SCREENING + 1
        chosen = "".join(f", {named(value)}" for value in line.values.values())
        fleet = f"{trial.replicas} replicas{chosen}"
        self.tell(f"{phase} {fleet}: period {number} {verdict}", number, None)


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
