"""A search of the planner on a terminal while it goes on, below the live line."""

from functools import partial

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleetcast.bars import promise_bar, span_bar
from fleetcast.progress import Line
from fleetcast.search_progress import Search
from fleetcast.ticks import ticks
from planner.line_search import PARTS
from planner.metrics import Figures
from planner.plan import PlanLine, promise_of
from planner.sequential import confidence_sequence
from reports.accounts import part as few_digits
from scenarios.lines import named
from simulator.monte_carlo import Trial

BAR_CELLS = 18
LINES_SHOWN = 5
"""Of several lines of fleets, those that the search looked at last."""


class SearchTold:
    """Tells a line of every period of a search over lines, and of the explanation after it."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.searches: dict[str, Search] = {}
        """By what tells the lines from one another, the one heard of last at the end."""

    def __call__(self, own: PlanLine, trial: Trial, row: Figures) -> None:
        assert own.scenario is not None and own.sizes is not None
        chosen = ", ".join(map(named, own.values.values()))
        search = self.searches.pop(chosen, None)
        if search is None:
            promise, part = promise_of(own.scenario), PARTS[0] if chosen else 1.0
            search = Search(promise, own.sizes, own.scenario.objectives, chosen, part)
        self.searches[chosen] = search
        what, latest, done, total = search.hear(trial, row)
        self.line.tell(what, done, total, latest, partial(self.board, latest))

    def explain(self, what: str, done: int, total: int) -> None:
        board = partial(self.board, "")
        self.line.tell(f"explaining: {what}", done, total, board=board)

    def board(self, latest: str, width: int) -> RenderableType:
        return search_board(list(self.searches.values()), latest, width)


def search_board(searches: list[Search], latest: str, width: int) -> RenderableType:
    """What is still possible, how near the certificate is, and each objective so far."""
    now = searches[-1]
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="cyan", no_wrap=True)
    facts.add_column()
    facts.add_column()
    if latest:
        facts.add_row("latest", "", latest)
    for index, search in enumerate(searches[-LINES_SHOWN:]):
        facts.add_row("" if index else "sizes", sizes_bar(search), sizes_text(search, now))
    if now.shown is not None:
        for index, (bar, text) in enumerate(certificate(now, now.shown)):
            facts.add_row("" if index else "certificate", bar, text)
    rows = now.objective_rows()
    told: list[RenderableType] = [Text(), ticks(rows, width), Text()] if rows else []
    return Group(facts, *told)


def sizes_bar(search: Search) -> Text:
    """The sizes still possible, of those allowed."""
    (first, last), (low, high) = search.sizes, search.possible()
    count = last - first + 1
    return span_bar((low - first) / count, (high - first + 1) / count, None, BAR_CELLS, "cyan")


def sizes_text(search: Search, now: Search) -> Text:
    """'5 to 8 of 1 to 16 replicas still possible'; where there are several lines, which it is."""
    (first, last), (low, high) = search.sizes, search.possible()
    left = f"{low}" if low == high else f"{low} to {high}"
    if not search.chosen:
        return Text(f"{left} of {first} to {last} replicas still possible")
    return Text(f"{left} of {first} to {last}: {search.chosen}", "bold" if search is now else "")


def certificate(search: Search, size: int) -> list[tuple[Text, str]]:
    """Where P(SLA) of a size lies so far and, once a period has failed, what speaks against it."""
    promise, (runs, failed) = search.promise, search.count(size)
    low, high = confidence_sequence(runs, failed, promise.alpha)
    bar = promise_bar((low, high), promise.probability, BAR_CELLS, "cyan")
    seen = f"{size} replicas: {failed} of {runs} periods failed"
    told = [(bar, f"{seen}; P(SLA) in {few_digits(low)} to {few_digits(high)}")]
    if failed:
        against = (
            f"e-value against it {search.e_value(size):.2g}, rejected at {1 / promise.alpha:g}"
        )
        told.append((Text(), against))
    return told
