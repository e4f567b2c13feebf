"""Tables for people, on terminals and in Markdown."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HEAD_WIDTH = 10


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """One row per entry, one column per key of any of them.

    >>> print(table([{"router": "random", "requests_per_s": 1234567.0, "ratio": 0.25}]))
    router  requests ratio
               per s
    random 1,234,567  0.25
    """
    keys = list(dict.fromkeys(key for entry in entries for key in entry))
    columns = [column(key, [entry.get(key) for entry in entries]) for key in keys]
    height = max(len(head) for head, _ in columns)
    padded = [[*head, *[""] * (height - len(head)), *cells] for head, cells in columns]
    return "\n".join(line.rstrip() for line in lines(padded))


def markdown(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """
    >>> print(markdown(("size", "kept"), [(4, "90 %")]))
    | size | kept |
    |---|---|
    | 4 | 90 % |
    """
    head = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join([*head, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def column(key: str, values: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The head, in several lines, and the cells."""
    return textwrap.wrap(key.replace("_", " "), HEAD_WIDTH), [shown(value) for value in values]


def lines(columns: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(cell) for cell in cells) for cells in columns]
    for row in zip(*columns, strict=True):
        cells = zip(row, widths, strict=True)
        yield " ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(cells)
        )


def shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
