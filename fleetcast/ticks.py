"""A tick per objective: kept as often as promised or not, and how much of its allowance is used."""

from rich.table import Table
from rich.text import Text

from fleetcast.bars import MARK, span_bar
from reports.objectives import ObjectiveRow
from reports.tables import INTERVAL_PERIODS_MIN

INTERVAL_WIDTH, BAR_WIDTH = 76, 96
"""Columns of a terminal from which there is room for them."""
BAR_CELLS = 12
NEAR = 0.8
"""Of its allowance: more than that is near the limit."""


def tick(good: bool | None) -> Text:
    if good is None:
        return Text("–", "bright_black")
    return Text("✓", "bold green") if good else Text("✗", "bold red")


def ticks(rows: list[ObjectiveRow], width: int) -> Table:
    """A row per objective, as many columns as there is room for."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bright_black")
    table.add_column()
    table.add_column("objective")
    table.add_column("median", justify="right")
    if width >= INTERVAL_WIDTH:
        table.add_column("", no_wrap=True)
    table.add_column("of allowance", justify="right")
    if width >= BAR_WIDTH:
        table.add_column("")
    table.add_column("kept in", justify="right", no_wrap=True)
    for row in rows:
        cells = [tick(row.good), Text(row.text), Text(row.figure, "bold")]
        if width >= INTERVAL_WIDTH:
            enough = (row.periods or 0) >= INTERVAL_PERIODS_MIN
            cells.append(Text(row.interval if enough else "", "bright_black"))
        cells.append(Text(row.used_text))
        if width >= BAR_WIDTH:
            cells.append(allowance_bar(row))
        table.add_row(*cells, Text(row.kept_text))
    return table


def allowance_bar(row: ObjectiveRow) -> Text:
    """From nothing used on; the stroke is the limit."""
    if row.used is None:
        return Text()
    style = "red" if row.used > 1.0 else "yellow" if row.used > NEAR else "green"
    return span_bar(0.0, min(row.used * MARK, 1.0), MARK, BAR_CELLS, style)
