"""The answer of `plan` and `simulate` as a terminal shows it. Elsewhere it is plain lines
(reports/answer.py): same facts, same words."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fleetcast.bars import mark_text, promise_bar
from fleetcast.ticks import tick, ticks
from reports.answer import (
    certificate_text,
    cost_text,
    fleet_found_text,
    ground_facts,
    kept_text,
    simulated_text,
    simulation_facts,
)
from reports.explanation import explanation_facts, interval_text
from reports.facts import Fact
from reports.lines import line_facts
from reports.objectives import ObjectiveRow
from reports.sizes import SizeRow, size_rows
from reports.tables import one_fewer_line, usd

Data = dict[str, Any]

WIDTH_MAX = 110
"""Wider tables are harder to read, not easier."""
INSET = 2
"""As far as the text in the panel."""
GPUS_WIDTH = 90
"""Columns of a terminal from which there is room for the GPUs of a size."""
SIZE_CELLS = 62
"""What the other columns of the sizes take, about; the bar takes what is left of the width."""
BAR_CELLS = range(8, 25)
STYLES = {
    "certified": "green", "undecided": "yellow", "not certified": "yellow", "rejected": "red",
    "infeasible": "red", "not tried": "bright_black",
}  # fmt: skip


def on_screen() -> bool:
    """Whether stdout shows tables and colours: a terminal that nobody asked to be plain."""
    console = Console()
    plain = console.is_dumb_terminal or console.no_color
    return sys.stdout.isatty() and not plain and console.encoding.startswith("utf")


def show(screen: Callable[[int], RenderableType]) -> None:
    """Print a screen, made for the width of this terminal."""
    console = Console()
    width = min(console.width, WIDTH_MAX)
    console.print(screen(width), width=width)


def plan_screen(
    data: Data, objectives: list[ObjectiveRow], page: str, width: int
) -> RenderableType:
    """A plan (planner.plan_data.as_json), each objective over the periods of its fleet, and where
    the report is."""
    return Group(
        answer_panel(data),
        inset(size_table(data, width - 2 * INSET)),
        *never_tried(data),
        Text(),
        inset(ticks(objectives, width - 2 * INSET)),
        Text(),
        inset(
            fact_table(
                [
                    *line_facts(data),
                    *explanation_facts(data),
                    *ground_facts(data),
                    Fact("report:", page),
                ]
            )
        ),
    )


def simulation_screen(
    data: Data, objectives: list[ObjectiveRow], folder: str, width: int
) -> RenderableType:
    """A summary of `simulate`, and the same of its periods."""
    kept, good = kept_text(data), all(row.good for row in objectives)
    lines, facts = [Text(simulated_text(data), "bold")], simulation_facts(data)
    told: list[RenderableType] = []
    box = boxed(data, lines, None, "cyan")
    if kept is not None:
        box = boxed(data, [*lines, Text(kept)], good, "green" if good else "red")
        told = [Text(), inset(ticks(objectives, width - 2 * INSET))]
    return Group(box, *told, Text(), inset(fact_table([*facts, Fact("results:", folder)])))


def answer_panel(data: Data) -> Panel:
    """The fleet, how sure that is, and what it costs."""
    status, found = data["certificate"]["status"], data["fleet"]["replicas"] is not None
    lines = [Text(certificate_text(data), STYLES[status])]
    if (cost := cost_text(data)) is not None:
        lines.append(Text(cost))
    return boxed(data, [Text(fleet_found_text(data), "bold"), *lines], found, STYLES[status])


def boxed(data: Data, lines: list[Text], good: bool | None, style: str) -> Panel:
    """A frame with the scenario's name; a tick before the first line where there is a verdict."""
    inside = Table.grid(padding=(0, 1, 0, 0))
    for index, line in enumerate(lines):
        inside.add_row(*([Text() if index else tick(good)] if good is not None else []), line)
    title = Text(data["name"], "bold")
    return Panel(inside, title=title, title_align="left", border_style=style)


def size_table(data: Data, width: int) -> Table:
    """Every size tried: how many periods failed, where P(SLA) lies, its price, and its fate."""
    cells = min(width - SIZE_CELLS, BAR_CELLS[-1])
    promise = data["certificate"]["probability"]
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bright_black")
    table.add_column("replicas", justify="right")
    if width >= GPUS_WIDTH:
        table.add_column("GPUs", justify="right")
    table.add_column("failed", justify="right", no_wrap=True)
    table.add_column("P(SLA)", no_wrap=True)
    if cells in BAR_CELLS:
        table.add_column(mark_text(f"{promise:g}", cells), no_wrap=True)
    table.add_column("USD/month", justify="right", no_wrap=True)
    table.add_column("status")
    for row in size_rows(data):
        table.add_row(*size_cells(row, promise, width, cells), style="bold" if row.chosen else "")
    return table


def size_cells(row: SizeRow, promise: float, width: int, cells: int) -> list[Text]:
    tally = row.tally
    style = STYLES[tally["status"]] if tally else "bright_black"
    cost = "–" if row.usd_per_month is None else usd(row.usd_per_month, 0).removesuffix(" USD")
    gpus = [Text(f"{row.gpus}")] if width >= GPUS_WIDTH else []
    failed = f"{tally['failed']} of {tally['runs']}" if tally else "screened"
    interval = Text(interval_text(tally) if tally else "–", style)
    bars = []
    if cells in BAR_CELLS:
        bars = [promise_bar(tally["interval"], promise, cells, style) if tally else Text()]
    size = Text(f"▸ {row.replicas}" if row.chosen else f"{row.replicas}")
    return [size, *gpus, Text(failed), interval, *bars, Text(cost), Text(row.fate, style)]


def never_tried(data: Data) -> list[RenderableType]:
    """A line where one replica fewer has no row in the table of sizes."""
    fewer = data["one_fewer"]
    if fewer is None or fewer["runs"]:
        return []
    return [inset(Text(one_fewer_line(data), "bright_black"))]


def fact_table(facts: list[Fact]) -> Table:
    """Labels in a column of their own, texts wrapped beside them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for fact in facts:
        table.add_row(Text(fact.label.strip().rstrip(":"), "cyan"), Text(fact.text))
    return table


def inset(content: RenderableType) -> Padding:
    return Padding(content, (0, INSET))
