"""A trace file -> its figures and what is wrong with it, in bounded memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.traffic.figures.traffic import TrafficFigures, as_json, figures_of_rows
from simulator.traffic.formats.faults import Faults
from simulator.traffic.recordings.clock_step import ClockStep
from simulator.traffic.recordings.conversion import Sorted, Tell, sorted_rows, untold


@dataclass(frozen=True)
class Description:
    """faults: rows that were left out, and notes. out_of_order: rows that stood behind a later one.
    clock: 'common', 'per session' or 'none' (lengths only)."""

    path: Path
    format: str
    clock: str
    out_of_order: int
    faults: Faults
    figures: TrafficFigures


def describe_file(path: Path, tell: Tell = untold) -> Description:
    """Raises TraceError for files that are no requests or have no usable row."""
    with sorted_rows(path, tell) as found:
        reading = found.file.reading
        timed = reading.timed and not reading.relative
        return Description(
            path,
            found.file.format,
            "per session" if reading.relative else "common" if timed else "none",
            found.spool.out_of_order if reading.timed else 0,
            found.faults,
            figures_of_rows(
                found.rows, timed, step_of(found) if timed else 0.0, reading.block_tokens
            ),
        )


def step_of(found: Sorted) -> float:
    clock = ClockStep()
    for rows in found.rows():
        clock.add(rows.arrival_s)
    return clock.step_s


def description_json(described: Description) -> dict[str, Any]:
    """Everything as plain data."""
    faults = described.faults
    return {
        "file": str(described.path),
        "format": described.format,
        "clock": described.clock,
        **as_json(described.figures),
        "out_of_order": described.out_of_order,
        "left_out": [
            {"reason": reason, "rows": rows, "unit": faults.unit, "first": faults.first[reason]}
            for reason, rows in faults.counts.items()
        ],
        "notes": [{"note": note, "rows": rows} for note, rows in faults.notes.items()],
    }
