"""A sweep, and the check of one, as lines of text."""

from collections.abc import Iterator
from typing import Any

from reports.columns import aligned
from reports.sweep_table import (
    details,
    headline,
    objective_texts,
    outcome,
    short_keys,
    sweep_rows,
)
from reports.tables import counted

Data = dict[str, Any]

CELLS_NAMED = 6


def sweep_lines(data: Data) -> list[str]:
    """A sweep as `fleetcast sweep` prints it: a row per cell, without the intervals of medians."""
    rows, end = aligned(list(table(data))), f"{outcome(data)}. {details(data)}".rstrip()
    return [headline(data), *rows, *impossible_lines(data), f"  {end}"]


def table(data: Data) -> Iterator[list[str]]:
    keys, texts = short_keys([each["key"] for each in data["keys"]]), objective_texts(data)
    priced = any(cell["usd_per_month"] is not None for cell in data["cells"])
    yield ["cell", *keys, "P(SLA)", *texts, *(["USD/month"] if priced else [])]
    for row in sweep_rows(data):
        medians = [figure.value for figure in row.objectives]
        p_sla = "cannot be" if row.why_not else f"{row.p_sla.value} {row.p_sla.interval}"
        cost = [row.usd_per_month] if priced else []
        yield [str(row.number), *row.asked, p_sla, *medians, *cost]


def impossible_lines(data: Data) -> Iterator[str]:
    """Why cells cannot be, each reason once."""
    numbers = dict[str, list[int]]()
    for row in sweep_rows(data):
        if row.why_not:
            numbers.setdefault(row.why_not, []).append(row.number)
    for why, cells in numbers.items():
        named, more = ", ".join(map(str, cells[:CELLS_NAMED])), len(cells) - CELLS_NAMED
        which = f"{named} and {more} more" if more > 0 else named
        yield f"  cannot be: {why} (cell {which})"


# --- the check ------------------------------------------------------------------------------------

IN_ALL = {
    "holds": "every cell holds",
    "does not hold": "not every cell holds",
    "undecided": "undecided within the budget",
}


def check_lines(data: Data) -> list[str]:
    """What `fleetcast sweep --check` found (planner.sweep_check.as_data)."""
    cells = data["cells"]
    keys = short_keys(list(cells[0]["asked"]))
    rows = [["cell", *keys, "verdict", "periods", "broken", "P(SLA)", ""]]
    rows += [check_row(cell) for cell in cells]
    held = sum(cell["verdict"] == "holds" for cell in cells)
    total = f"{data['name']}: {IN_ALL[data['verdict']]} ({held} of {counted(len(cells), 'cell')})"
    return [total, *aligned(rows)]


def check_row(cell: Data) -> list[str]:
    begin = [str(cell["cell"]), *cell["asked"].values(), cell["verdict"]]
    if cell["verdict"] == "impossible":
        return [*begin, "–", "–", "–", cell["why_not"]]
    low, high = cell["interval"]
    seen = [str(cell["replications"]), str(cell["failed"]), f"[{low:.2f}, {high:.2f}]"]
    return [*begin, *seen, broken_text(cell)]


def broken_text(cell: Data) -> str:
    """Which objectives were broken, and how often; nothing where none was."""
    broken = [f"{one['objective']} in {one['periods']}" for one in cell["broken"] if one["periods"]]
    return f"broken: {', '.join(broken)}" if broken else ""
