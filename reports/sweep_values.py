"""What the pictures of a sweep show of each cell: P(SLA), and how much of each objective's limit
the median period uses."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from planner.verdict import used_share
from reports.sweep_table import objective_figure, objective_texts, share_figure
from reports.tables import INTERVAL_PERIODS_MIN, counted, percent
from scenarios.objectives import parse_objective

Data = dict[str, Any]

USED_MAX = 2.0
"""Twice a limit and more look alike."""


class Seen(NamedTuple):
    """Of one cell."""

    value: float
    """A share of one; infinite where too many requests never completed."""
    low: float
    high: float
    """An interval; NaN where there is none."""
    text: str
    detail: str
    """The interval, or the figure in its own unit."""
    good: bool
    """Whether the value is within what is promised."""


class Quantity(NamedTuple):
    """One of them, for all cells."""

    name: str
    """Of the picture's file."""
    title: str
    short: str
    """In a line of several."""
    axis: str
    kind: Literal["p_sla", "used"]
    line: float | None
    """What is promised; None where cells differ in it."""
    line_text: str
    seen: Callable[[Data], Seen | None]
    """None of a cell that has none."""


def quantities(data: Data) -> list[Quantity]:
    texts = objective_texts(data)
    return [p_sla(data), *(used(text, number) for number, text in enumerate(texts, 1))]


def p_sla(data: Data) -> Quantity:
    promised = {cell["promised"] for cell in data["cells"] if cell["promised"] is not None}
    line = promised.pop() if len(promised) == 1 else None
    return Quantity(
        name="p_sla",
        title="P(SLA)",
        short="P(SLA)",
        axis="periods that keep the SLA",
        kind="p_sla",
        line=line,
        line_text="" if line is None else f"promised {percent(line)}",
        seen=p_sla_of,
    )


def p_sla_of(cell: Data) -> Seen | None:
    share = cell["p_sla"]
    if share is None:
        return None
    figure = share_figure(share)
    good = share["value"] >= cell["promised"]
    return Seen(share["value"], share["low"], share["high"], *figure, good)


def used(text: str, number: int) -> Quantity:
    def seen(cell: Data) -> Seen | None:
        known = next((one for one in cell["objectives"] if one["objective"] == text), None)
        return known and used_of(known)

    return Quantity(
        name=f"objective-{number}",
        title=text,
        short=text,
        axis="share of the limit that the median period uses",
        kind="used",
        line=1.0,
        line_text="the limit",
        seen=seen,
    )


def used_of(objective: Data) -> Seen:
    """Null is what JSON has for infinite."""
    promise = parse_objective(objective["objective"])
    ends = [
        used_share(math.inf if objective[key] is None else objective[key], promise)
        for key in ("value", "low", "high")
    ]
    value, *interval = ends
    if objective["replications"] < INTERVAL_PERIODS_MIN:
        interval = [math.nan, math.nan]
    low, high = sorted(interval)  # of a promise from below the higher figure uses less
    text = f"{value:.0%}" if math.isfinite(value) else "never"
    return Seen(value, low, high, text, objective_figure(objective).value, value <= 1.0)


def alt_text(title: str, quantity: Quantity, cells: Sequence[Data]) -> str:
    """What a picture shows, in words; the table of the page has every number."""
    known = [one for one in map(quantity.seen, cells) if one is not None]
    if not known:
        return f"{title}: none of these cells can be."
    ends = sorted(known, key=lambda one: one.value)
    good = sum(one.good for one in known)
    return (
        f"{title}: {ends[0].text} to {ends[-1].text} over {counted(len(known), 'cell')}, "
        f"{good} of them within what is promised."
    )
