"""What is wrong with a file, or odd about it: told with lines and counts, never kept silent."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIRST_PLACES = 5
"""Places of a fault that are named; the rest are counted."""


class TraceError(ValueError):
    """A trace that cannot be used; the message names the file, the row and the reason."""


class Faults:
    """Rows of a file that cannot be used, by reason, and notes on the rest; grows while it is read.

    unit: what the places count: 'line' of a text, 'row' of a table, 'item' of a JSON document.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.counts: dict[str, int] = {}
        self.first: dict[str, list[int]] = {}
        self.notes: dict[str, int] = {}

    def add(self, reason: str, places: Sequence[int] | NDArray[np.int64]) -> None:
        """These places hold no usable row, for this reason."""
        if len(places):
            self.counts[reason] = self.counts.get(reason, 0) + len(places)
            first = self.first.setdefault(reason, [])
            first += [int(place) for place in places[: FIRST_PLACES - len(first)]]

    def note(self, text: str, rows: int = 1) -> None:
        """Something to know of `rows` rows that are used all the same."""
        if rows:
            self.notes[text] = self.notes.get(text, 0) + rows

    @property
    def rows(self) -> int:
        """How many rows cannot be used."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """One line per reason.

        >>> faults = Faults("line")
        >>> faults.add("no output tokens", range(3, 10))
        >>> faults.lines()
        ['7 rows: no output tokens (line 3, 4, 5, 6, 7 ...)']
        """
        told = []
        for reason, count in self.counts.items():
            first = ", ".join(map(str, self.first[reason]))
            more = " ..." if count > len(self.first[reason]) else ""
            rows = "1 row" if count == 1 else f"{count:,} rows"
            told.append(f"{rows}: {reason} ({self.unit} {first}{more})")
        return told
