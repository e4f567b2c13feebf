"""Recorded traffic: a file of any known format -> rows to replay."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.reading import TraceFile, open_trace
from simulator.traffic.formats.rows import Rows, joined, take
from simulator.traffic.prefixes import Chains, Ints
from simulator.traffic.recordings.clock_step import clock_step_s
from simulator.traffic.recordings.recorded_chains import FINE_BLOCK_TOKENS, in_runs, numbered
from simulator.traffic.recordings.recorded_sessions import Sessions, resolved

__all__ = ["Sessions", "Trace", "TraceError", "read_lengths", "read_trace"]


@dataclass(frozen=True)
class Trace:
    """Rows of a trace, sorted by arrival; the first arrives at 0.

    With `sessions.relative` arrivals count from the start of each session instead, and the rows
    stand session by session.
    """

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    step_s: float
    """Resolution of the clock that recorded it: 3 for Mooncake's conversation file, else 0."""
    chains: Chains | None = None
    """What the prompts share, where the file says so ..."""
    block_tokens: int | None = None
    """... in blocks of so many tokens: 512 for Mooncake, 16 for Bailian, 64 for agents."""
    sessions: Sessions | None = None
    """Which request follows which, where the file says so."""

    @property
    def span_s(self) -> float:
        """Length of the recording: the last arrival and one mean gap."""
        rows = self.arrival_s.size
        return float(self.arrival_s[-1]) * rows / (rows - 1)


@lru_cache(maxsize=8)
def read_trace(path: str) -> Trace:
    """The trace at `path`. Raises TraceError for rows or files that cannot be used."""
    file = open_trace(Path(path))
    if not file.reading.timed:
        raise TraceError(
            f"{path}: {file.format} with lengths only: no {file.reading.names[0]} says when "
            "requests arrived; it can give lengths, not arrivals"
        )
    rows = sound_rows(file)
    relative = file.reading.relative
    if not relative and (len(rows) < 2 or np.unique(rows.arrival_s).size < 2):
        raise TraceError(f"{path}: a trace needs at least two rows at different times")
    return trace_of(rows, relative, file.reading.block_tokens)


@lru_cache(maxsize=8)
def read_lengths(path: str) -> tuple[Ints, Ints]:
    """Prompt and output tokens of each row of a trace, or of a file without arrivals. Raises
    TraceError for rows or files that cannot be used."""
    rows = sound_rows(open_trace(Path(path)))
    return rows.input_tokens, rows.output_tokens


def sound_rows(file: TraceFile) -> Rows:
    """All rows of a file; a TraceError when there is none, or one that cannot be used."""
    rows = joined(list(file.rows()))
    if file.faults.rows:
        total = len(rows) + file.faults.rows
        told = "".join(f"\n  {line}" for line in file.faults.lines())
        raise TraceError(
            f"{file.path}: {file.faults.rows:,} of {total:,} rows of this {file.format} cannot be "
            f"used:{told}\nto go on without them: "
            f"fleetcast trace convert {file.path.name} -o clean.parquet"
        )
    if not len(rows):
        raise TraceError(f"{file.path}: {file.format} without a single row")
    return rows


def trace_of(rows: Rows, relative: bool, block_tokens: int | None) -> Trace:
    """Sorted, counted from the first arrival, with what the rows share and whom they follow."""
    key = rows.links.session if relative and rows.links is not None else np.zeros(len(rows))
    rows = take(rows, np.lexsort((rows.arrival_s, key)))
    arrival_s = rows.arrival_s if relative else rows.arrival_s - rows.arrival_s[0]
    chains = rows.chains if block_tokens is not None else None
    if chains is not None and block_tokens is not None:
        chains = numbered(chains, block_tokens)
        chains = in_runs(chains) if block_tokens < FINE_BLOCK_TOKENS else chains
    return Trace(
        arrival_s,
        rows.input_tokens,
        rows.output_tokens,
        0.0 if relative else clock_step_s(arrival_s),
        chains,
        None if chains is None else block_tokens,
        None if rows.links is None else resolved(rows.links, arrival_s, relative),
    )
