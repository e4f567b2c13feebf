"""Progress on stderr: a live line on a terminal, a sign of life every half minute elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

SILENCE_MAX_S = 30.0
REDRAW_S = 0.2
NARROW, BAR_CELLS = 90, (16, 40)
"""A terminal of fewer columns has the shorter bar."""

Board = Callable[[int], RenderableType]
"""What stands below the line, made for so many columns."""


class Bar(Progress):
    """A bar with a board below it."""

    board: RenderableType = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield self.board


class Line:
    """One live line: what is under way and how far it is."""

    def __init__(self, progress: Bar) -> None:
        self.progress = progress
        self.task = progress.add_task("starting", total=None)
        self.told_at_s = time.monotonic()
        self.drawn_at_s = 0.0

    def tell(
        self, what: str, done: int, total: int | None, latest: str = "", board: Board | None = None
    ) -> None:
        """latest: what has just come of it, for those who see no board."""
        self.progress.update(self.task, description=what, completed=done, total=total)
        self.progress.tasks[0].finished_time = None  # else its clock stands still from here on
        now_s = time.monotonic()
        if not self.progress.disable:
            if board is not None and now_s - self.drawn_at_s > REDRAW_S:
                self.drawn_at_s = now_s
                self.progress.board = board(self.progress.console.width)
        elif now_s - self.told_at_s > SILENCE_MAX_S:
            self.told_at_s = now_s
            self.progress.console.print(f"{what}: {latest}" if latest else what)


def compile_first(closed_loops: bool = False) -> None:
    """Before anything is simulated: compile the simulator if this version never was, closed loops
    only for those who compare with measurements."""
    from simulator import compiling

    if not compiling.is_compiled():
        stderr().print("compiling the simulator, once per version: half a minute ...")
        compiling.compile_kernel()
    if closed_loops and not compiling.are_closed_loops_compiled():
        stderr().print("compiling closed loops, once per version: a quarter of a minute ...")
        compiling.compile_closed_loops()


def stderr() -> Console:
    """No escape codes where it is piped, whatever FORCE_COLOR says: logs keep what is written."""
    return Console(stderr=True, force_terminal=sys.stderr.isatty())


@contextmanager
def watching() -> Iterator[Line]:
    """The line, gone again when the work is done."""
    console = stderr()
    live = console.is_terminal and not console.is_dumb_terminal
    # On a narrow terminal what is under way may take two lines, so that the figures fit beside it.
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=False)),
        BarColumn(BAR_CELLS[console.width >= NARROW], table_column=Column(no_wrap=True)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
    )
    with Bar(*columns, console=console, transient=True, disable=not live) as bar:
        yield Line(bar)
