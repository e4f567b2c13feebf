"""Our own CSV: one row per run, for results of tools we do not read or typed from a report.

Columns: `concurrency` and/or `rate_per_s`, `input_tokens`, `output_tokens` (means), any of
`ttft_mean_ms` ... `e2e_p99_ms`, optionally `name, model, requests, failed, duration_s`. Lines
starting with # and empty lines are skipped. All faults of a file are told at once.
"""

import csv
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calibration.loadtests.figures import number
from calibration.loadtests.runs import (
    METRICS,
    STATISTICS,
    Run,
    UnreadableLoadTest,
    level_name,
)
from scenarios.faults import Fault

TOOL = "csv"
LOAD = ("concurrency", "rate_per_s")
TOKENS = ("input_tokens", "output_tokens")
LATENCIES = tuple(f"{metric}_{name}_ms" for metric in METRICS for name in STATISTICS)
TEXTS = ("name", "model")
COUNTS = {"requests": 1, "failed": 0}
"""Whole numbers, and the least of each."""
COLUMNS = (*LOAD, *TOKENS, *LATENCIES, *TEXTS, *COUNTS, "duration_s")
SHORT = f"{', '.join((*LOAD, *TOKENS))}, ttft_mean_ms ... e2e_p99_ms, name, model, requests, failed"
"""COLUMNS in a line."""


@dataclass(frozen=True)
class Row:
    """A line of the file: where it ends, and its cells by column."""

    line: int
    cells: dict[str, str]


def recognises(text: str) -> bool:
    """A header that names at least one of our columns, or nearly."""
    names = [name.strip() for name in next(iter(lines_of(text)), (0, []))[1]]
    ours = (*LOAD, *TOKENS, *LATENCIES)
    return len(names) > 1 and any(difflib.get_close_matches(n, ours, 1, 0.85) for n in names)


def read_runs(path: Path, text: str) -> list[Run]:
    """The runs of the file. Raises UnreadableLoadTest with every fault."""
    lines = list(lines_of(text))
    (header_line, header), rest = lines[0], lines[1:]
    names = [name.strip() for name in header]
    faults = list(faults_of_header(f"{path}:{header_line}", names))
    rows = []
    for line, cells in rest:
        if len(cells) == len(names):
            rows.append(Row(line, {n: c.strip() for n, c in zip(names, cells, strict=True)}))
        else:
            got = f"{len(cells)} cells under {len(names)} columns"
            faults.append(Fault(f"{path}:{line}", "", got))
    for row in rows:
        faults += faults_of_row(f"{path}:{row.line}", row)
    faults.sort(key=lambda fault: int(fault.place.rpartition(":")[2]))
    if not rest:
        faults.append(Fault(f"{path}:{header_line}", "", "a header without rows"))
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise UnreadableLoadTest("\n".join([f"{path} has {count}", *map(str, faults)]))
    return [run_of(row) for row in rows]


def lines_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that holds something."""
    reader = csv.reader(text.splitlines())
    for cells in reader:
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
            yield reader.line_num, cells


def faults_of_header(place: str, names: list[str]) -> Iterator[Fault]:
    for name in dict.fromkeys(names):
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, 1)
            yield Fault(place, name or "(empty)", "unknown column", SHORT, "".join(close))
        if names.count(name) > 1:
            yield Fault(place, name, f"the column stands {names.count(name)} times")
    # A misspelt name is told once, not as missing too.
    if all(name in COLUMNS for name in names):
        yield from missing_columns(place, names)


def missing_columns(place: str, names: list[str]) -> Iterator[Fault]:
    for column in TOKENS:
        if column not in names:
            yield Fault(place, column, "missing")
    if not any(column in names for column in LOAD):
        yield Fault(place, " or ".join(LOAD), "missing")
    if not any(column in names for column in LATENCIES):
        yield Fault(place, "latency", "missing", f"any of {LATENCIES[0]} ... {LATENCIES[-1]}")


def faults_of_row(place: str, row: Row) -> Iterator[Fault]:
    """Cells that are no fit numbers, and what a row lacks though the header has it."""
    for name, cell in row.cells.items():
        if not cell or name in TEXTS or name not in COLUMNS:
            continue
        value = value_of(cell)
        if name in COUNTS:
            if value is None or value % 1 or value < COUNTS[name]:
                yield Fault(place, name, f"got {cell!r}", f"a whole number from {COUNTS[name]}")
        elif value is None or value <= 0:
            yield Fault(place, name, f"got {cell!r}", "a number above 0")
    for group in ((TOKENS[0],), (TOKENS[1],), LOAD, LATENCIES):
        named = [name for name in group if name in row.cells]
        if named and not any(row.cells[name] for name in named):
            yield Fault(place, " or ".join(named[:2]), "empty")


def value_of(cell: str) -> float | None:
    try:
        return number(float(cell))
    except ValueError:
        return None


def run_of(row: Row) -> Run:
    values = {name: value_of(cell) for name, cell in row.cells.items() if name not in TEXTS}
    requests, failed = values.get("requests"), values.get("failed")
    level = level_name(values.get("concurrency"), values.get("rate_per_s"))
    latencies = {name.removesuffix("_ms"): values.get(name) for name in LATENCIES}
    return Run(
        name=row.cells.get("name") or level,
        tool=TOOL,
        model=row.cells.get("model") or None,
        concurrency=values.get("concurrency"),
        rate_per_s=values.get("rate_per_s"),
        duration_s=values.get("duration_s"),
        requests=None if requests is None else int(requests),
        failed=None if failed is None else int(failed),
        input_tokens_mean=values["input_tokens"] or 0.0,
        output_tokens_mean=values["output_tokens"] or 0.0,
        measured={name: value for name, value in latencies.items() if value is not None},
    )
