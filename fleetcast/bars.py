"""Bars of one line: an interval on a scale, and where the limit is. Readable without colours."""

from math import ceil, log

from rich.text import Text

MARK = 2 / 3
"""Where on its scale a promise stands."""


def span_bar(low: float, high: float, mark: float | None, cells: int, style: str) -> Text:
    """Thick from `low` to `high` on a scale from 0 to 1, with a stroke at `mark`, if any.

    >>> span_bar(0.0, 0.5, 0.75, 8, "red").plain, span_bar(0.5, 1.0, 0.75, 8, "green").plain
    ('━━━━──┃─', '────━━╋━')
    """
    first = min(int(low * cells), cells - 1)
    at = None if mark is None else min(int(mark * cells), cells - 1)
    last = ceil(high * cells) - 1
    bar = Text()
    for cell in range(cells):
        inside = first <= cell <= last
        sign = ("╋" if inside else "┃") if cell == at else ("━" if inside else "─")
        bar.append(sign, style if inside else "bold" if cell == at else "bright_black")
    return bar


def in_nines(probability: float, promise: float) -> float:
    """Where a probability stands between 0 and 1 if each nine takes as much room as the last, and
    the promise stands at MARK.

    >>> [round(in_nines(p, 0.9), 2) for p in (0.5, 0.9, 0.99, 1.0)]
    [0.2, 0.67, 1.0, 1.0]
    """
    if probability >= 1.0:
        return 1.0
    return min(MARK * log(1.0 - probability) / log(1.0 - promise), 1.0)


def promise_bar(interval: tuple[float, float], promise: float, cells: int, style: str) -> Text:
    """An interval of P(SLA) on a scale of nines; the stroke is the promise."""
    low, high = (in_nines(probability, promise) for probability in interval)
    return span_bar(low, high, MARK, cells, style)


def mark_text(text: str, cells: int) -> Text:
    """The head of a column of such bars: what the stroke is, above it.

    >>> mark_text("0.95", 18).plain
    '            ┃ 0.95'
    """
    at = int(MARK * cells)
    return Text(f"{' ' * at}┃ {text}" if at + 2 + len(text) <= cells else f"{' ' * at}┃")
