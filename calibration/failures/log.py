"""A log of incidents, as CSV or JSON lines. Every row counts in a rate, so none is left out: a row
that cannot be read is a fault of the file."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from calibration.failures.instants import (
    AN_INSTANT,
    Floats,
    instants_s,
    is_date,
    nearest,
    refusal,
)
from scenarios.failures.faults import Effect
from scenarios.failures.rates import Scope
from scenarios.faults import Fault
from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.source import Source, look_at, text_lines

SCOPES: tuple[str, ...] = get_args(Scope)
EFFECTS: tuple[str, ...] = get_args(Effect)
NEEDED = ("start", "end", "kind", "scope")
OPTIONAL = ("component", "detected", "zone", "effect")
INSTANTS = ("start", "end", "detected")
OTHER_NAMES = {"kind": "name"}
FAULTS_SHOWN = 20


class Row(NamedTuple):
    """One row as it is written; empty text is None."""

    line: int
    fields: dict[str, Any]

    def get(self, name: str) -> Any:
        value = self.fields.get(name)
        if value is None and name in OTHER_NAMES:
            value = self.fields.get(OTHER_NAMES[name])
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" or value != value else value


class Incident(NamedTuple):
    """Instants in seconds; end_s and detected_s are NaN where the log has none."""

    line: int
    kind: str
    scope: str
    start_s: float
    end_s: float
    detected_s: float
    component: str
    effect: str


@dataclass(frozen=True)
class Log:
    """incidents by start; dates: the log's instants are dates; unused: its other columns."""

    path: Path
    incidents: list[Incident]
    dates: bool
    unused: list[str] = field(default_factory=list)


def read_log(path: Path, scope: str | None = None) -> Log:
    """The log at `path`; `scope` is that of all incidents where it has no such column.

    Raises TraceError with all faults of the file, OSError for a file that cannot be opened.
    """
    source = look_at(path)
    if source.kind in ("table", "text"):
        # Before its rows: those of a file that is no log have faults without number.
        check_columns(path, source.columns, scope)
    rows, columns = table_of(source)
    check_columns(path, columns, scope)
    faults: list[Fault] = []
    dates = speaks_of_dates(rows)
    columns_s = {name: instants_of(path.name, rows, name, dates, faults) for name in INSTANTS}
    found = [
        incident(path.name, row, [columns_s[name][at] for name in INSTANTS], scope, faults)
        for at, row in enumerate(rows)
    ]
    if faults:
        more = len(faults) - FAULTS_SHOWN
        shown = faults[:FAULTS_SHOWN]
        if more > 0:
            shown.append(Fault(path.name, "", f"and {more:,} faults more"))
        raise refusal(path.name, shown)
    if not found:
        raise TraceError(f"{path}: a log without a single incident: there is nothing to fit")
    known = {*NEEDED, *OPTIONAL, *OTHER_NAMES.values()}
    unused = [name for name in columns if name not in known]
    return Log(path, sorted(found, key=lambda each: each.start_s), dates, unused)


def table_of(source: Source) -> tuple[list[Row], list[str]]:
    """Rows and columns of a CSV file with a header, of JSON lines, or of a JSON list of objects."""
    match source.kind:
        case "table" | "text":
            return csv_rows(source), list(source.columns)
        case "lines" | "document":
            rows = list(json_rows(source))
            return rows, list(dict.fromkeys(name for row in rows for name in row.fields))
        case _:
            raise TraceError(f"{source.path}: no log of incidents: CSV or JSON lines are read")


def csv_rows(source: Source) -> list[Row]:
    reader = csv.DictReader(text_lines(source), skipinitialspace=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    begin = source.start_line - 1
    rows, faults = [], []
    try:
        for fields in reader:
            line = begin + reader.line_num
            if None in fields or None in fields.values():
                got = "more fields than the header" if None in fields else "fewer fields"
                faults.append(Fault(f"{source.path.name}:{line}", "", got))
            rows.append(Row(line, fields))
    except csv.Error as error:
        raise TraceError(
            f"{source.path}:{reader.line_num}: text that is no CSV: {error}"
        ) from error
    if faults:
        raise refusal(source.path.name, faults[:FAULTS_SHOWN])
    return rows


def json_rows(source: Source) -> Iterator[Row]:
    """A line each; of a document the items, numbered."""
    if source.kind == "document":
        listed = source.document if isinstance(source.document, list) else [source.document]
        items: Iterator[tuple[int, Any]] = enumerate(listed, 1)
    else:
        items = decoded_lines(source)
    for place, value in items:
        if not isinstance(value, dict):
            raise TraceError(f"{source.path}:{place}: not a JSON object")
        yield Row(place, value)


def decoded_lines(source: Source) -> Iterator[tuple[int, Any]]:
    for place, line in enumerate(text_lines(source), 1):
        if not line.strip():
            continue
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{source.path}:{place}: unreadable JSON") from error


def check_columns(path: Path, columns: Sequence[str], scope: str | None) -> None:
    """Raises TraceError with every column that is missing."""
    wanted = [name for name in NEEDED if name != "scope" or scope is None]
    there = ", ".join(columns) or "none"
    faults = []
    for name in wanted:
        if name in columns or OTHER_NAMES.get(name) in columns:
            continue
        allowed = f"there are: {there}"
        if name == "scope":
            allowed += f"; --scope says it for all incidents: {', '.join(SCOPES)}"
        free = [column for column in columns if column not in (*NEEDED, *OPTIONAL)]
        suggestion = f"{name}` for `{close}" if (close := nearest(name, free)) else ""
        got = "no such column" if name != "kind" else "no such column (nor `name`)"
        faults.append(Fault(f"{path.name}:1", name, got, allowed, suggestion))
    if faults:
        raise refusal(path.name, faults)


def speaks_of_dates(rows: Sequence[Row]) -> bool:
    """Whether the first start that can be read is a date."""
    starts = [row.get("start") for row in rows]
    known = np.flatnonzero(~np.isnan(instants_s(starts)))
    return bool(known.size) and is_date(starts[known[0]])


def instants_of(
    file: str, rows: Sequence[Row], name: str, dates: bool, faults: list[Fault]
) -> Floats:
    """A column of instants, NaN where it is empty; what is none of the log's kind goes to
    `faults`."""
    values = [row.get(name) for row in rows]
    seconds = instants_s(values)
    for row, value, instant in zip(rows, values, seconds, strict=True):
        place = f"{file}:{row.line}"
        if value is None and name == "start":
            faults.append(Fault(place, name, "missing", AN_INSTANT))
        elif value is not None and np.isnan(instant):
            faults.append(Fault(place, name, f"got {str(value)[:40]!r}", AN_INSTANT))
        elif value is not None and is_date(value) != dates:
            allowed = "dates throughout, or seconds throughout"
            faults.append(Fault(place, name, f"got {str(value)[:40]!r}", allowed))
    return seconds


def incident(
    file: str, row: Row, instants: Sequence[float], scope: str | None, faults: list[Fault]
) -> Incident:
    """The incident of a row; what is wrong with it goes to `faults`."""
    place = f"{file}:{row.line}"
    start_s, end_s, detected_s = map(float, instants)
    kind, component = row.get("kind"), row.get("component")
    if kind is None:
        faults.append(Fault(place, "kind", "missing", "a word for what broke"))
    words = {
        "scope": word(file, row, "scope", SCOPES, scope),
        "effect": word(file, row, "effect", EFFECTS, "silence"),
    }
    for found in words.values():
        if isinstance(found, Fault):
            faults.append(found)
    made = Incident(
        row.line, name_of(kind), str(words["scope"]), start_s, end_s, detected_s,
        "" if component is None else str(component), str(words["effect"]),
    )  # fmt: skip
    faults.extend(disorder(place, made))
    return made


def name_of(kind: Any) -> str:
    """A kind as the name of a fault.

    >>> name_of("GPU fell off (Xid 79)")
    'GPU-fell-off-Xid-79'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(kind)).strip("-._") or "unnamed"


def word(file: str, row: Row, name: str, known: Sequence[str], default: str | None) -> str | Fault:
    """One of the known words, or what is wrong with it."""
    value = row.get(name)
    text = default if value is None else str(value).lower()
    if text in known:
        return str(text)
    got = "missing" if text is None else f"got {value!r}"
    return Fault(f"{file}:{row.line}", name, got, ", ".join(known), nearest(text or "", known))


def disorder(place: str, found: Incident) -> Iterator[Fault]:
    """An incident is noticed after it began, and ends after it was noticed."""
    if found.end_s < found.start_s:
        yield Fault(place, "end", "before its start", "an instant at or after `start`, or nothing")
    if found.detected_s < found.start_s:
        yield Fault(place, "detected", "before its start", "an instant at or after `start`")
    if found.detected_s > found.end_s >= found.start_s:
        yield Fault(place, "detected", "after its end", "an instant at or before `end`")
