"""CSV with a header, a chunk of lines at a time."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.rows import CHUNK_ROWS, Floats, Ints
from simulator.traffic.formats.source import Source, text_lines

QUOTE = '"'


@dataclass(frozen=True)
class Table:
    """Some lines of a CSV file: where they stand, and their fields column by column, as text."""

    line: Ints
    columns: Mapping[str, Sequence[str]]

    def numbers(self, name: str) -> Floats:
        return numbers(self.columns[name])

    def numbers_or_unknown(self, name: str) -> Floats:
        """NaN for all where the file has no such column."""
        if name not in self.columns:
            return np.full(self.line.size, np.nan)
        return numbers(self.columns[name])


def tables(source: Source, faults: Faults, header: bool = True) -> Iterator[Table]:
    """All lines with as many fields as the header; the others are faults.

    Without a header the columns are called '0', '1' and so on, as many as the first line has.
    """
    names = [name.strip() for name in source.columns]
    if not header:
        names = [str(place) for place in range(len(names))]
    lines, line = text_lines(source), source.start_line
    if header:
        next(lines)
        line += 1
    while some := list(islice(lines, CHUNK_ROWS)):
        if any(QUOTE in text for text in some):
            # From here on a field may hold commas, and even ends of lines.
            quoted = quoted_tables(source, chain(some, lines), line, names, faults)
            yield from (without_headers(table, faults) if header else table for table in quoted)
            return
        texts = [text.rstrip("\r\n") for text in some]
        counts = np.array([text.count(",") + 1 for text in texts])
        blank = np.array([not text or text.isspace() for text in texts])
        refuse_odd(np.arange(line, line + len(texts)), counts, blank, len(names), faults)
        kept = np.flatnonzero((counts == len(names)) & ~blank)
        # One list for all fields: a list per line would be slow, and take ten times the room.
        fields = ",".join([texts[place] for place in kept]).split(",") if kept.size else []
        columns = {name: fields[place :: len(names)] for place, name in enumerate(names)}
        table = Table(line + kept, columns)
        yield without_headers(table, faults) if header else table
        line += len(some)


def quoted_tables(
    source: Source, lines: Iterator[str], line: int, names: list[str], faults: Faults
) -> Iterator[Table]:
    """The rest of a file in which fields are quoted; `line` is where it begins."""
    reader = csv.reader(lines)
    while True:
        try:
            numbered = [(line - 1 + reader.line_num, row) for row in islice(reader, CHUNK_ROWS)]
        except csv.Error as error:
            place = line - 1 + reader.line_num
            raise TraceError(
                f"{source.path}: line {place}: text that is no CSV: {error}"
            ) from error
        if not numbered:
            return
        places = np.array([place for place, _ in numbered])
        counts = np.array([len(row) for _, row in numbered])
        refuse_odd(places, counts, counts == 0, len(names), faults)
        rows = [row for _, row in numbered if len(row) == len(names)]
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        yield Table(places[counts == len(names)], columns)


def refuse_odd(
    line: Ints, counts: Ints, blank: NDArray[np.bool_], usual: int, faults: Faults
) -> None:
    """Lines with more or fewer fields than the header has; blank ones are no rows at all."""
    odd = (counts != usual) & ~blank
    for count in np.unique(counts[odd]):
        faults.add(f"{count} fields, where the header has {usual}", line[odd & (counts == count)])


def without_headers(table: Table, faults: Faults) -> Table:
    """Files that were put together hold their header again and again."""
    names = list(table.columns)
    first = table.columns[names[0]]
    again = [place for place, text in enumerate(first) if text.strip() == names[0]]
    if not again:
        return table
    faults.add("the header once more", table.line[again])
    left = np.setdiff1d(np.arange(table.line.size), again)
    columns = {name: [values[i] for i in left] for name, values in table.columns.items()}
    return Table(table.line[left], columns)


def numbers(values: Sequence[object]) -> Floats:
    """Each value as a number, NaN where it is none.

    >>> numbers(["3", " 4.5", "", "many", None, [3]]).tolist()
    [3.0, 4.5, nan, nan, nan, nan]
    """
    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return np.array([number(value) for value in values], dtype=np.float64)


def number(value: object) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    return np.nan
