"""Progress on stderr: a live line on a terminal, silence elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from simulator.monte_carlo import Trial


class Line:
    """What is being run, for whoever watches."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: int | None = None

    def tell(self, text: str, done: int, total: int) -> None:
        if self.task is None:
            self.task = self.progress.add_task(text, total=total)
        self.progress.update(self.task, description=text, completed=done, total=total)  # type: ignore[arg-type]


@contextmanager
def watching() -> Iterator[Line]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Line(bar)


def trial_text(trial: Trial, kept: bool, phase: str) -> str:
    verdict = "kept" if kept else "broken"
    return f"{phase} {trial.replicas} replicas, period {trial.replication}: {verdict}"
