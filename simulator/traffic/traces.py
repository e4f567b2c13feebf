"""Recorded traffic: files, recognised by their columns, and windows of them drawn anew.

Formats: our Parquet (`arrival_s, input_tokens, output_tokens`), Azure LLM CSV
(`TIMESTAMP,ContextTokens,GeneratedTokens`) and Mooncake JSONL (`timestamp` in ms). The first and
the last may say what prompts share, in `hash_ids`: a list per row, one id per block of 512 tokens.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from scenarios.demand import TOKENS_MAX, TraceArrivals
from simulator.traffic.prefixes import Chains, first_of

BLOCK_TOKENS = 512
"""Tokens that one of `hash_ids` stands for: Mooncake's block (FAST 2025)."""
COLUMNS = ["arrival_s", "input_tokens", "output_tokens"]


class TraceError(ValueError):
    """A trace that cannot be used; the message names the file, the row and the reason."""


@dataclass(frozen=True)
class Trace:
    """Rows of a trace, sorted by arrival; the first arrives at 0."""

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    step_s: float
    """Resolution of the clock that recorded it: 3 for Mooncake's conversation file, else 0."""
    chains: Chains | None = None
    """What the prompts share, where the file says so."""

    @property
    def span_s(self) -> float:
        """Length of the recording: the last arrival and one mean gap."""
        rows = self.arrival_s.size
        return float(self.arrival_s[-1]) * rows / (rows - 1)


@lru_cache(maxsize=8)
def read_trace(path: str) -> Trace:
    """The trace at `path`. Raises TraceError for rows or files that cannot be used."""
    try:
        frame = read_columns(Path(path))
    except (OSError, ValueError, KeyError) as error:
        raise TraceError(f"{path}: {error}") from error
    for column in COLUMNS:
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
        bad = frame.index[~np.isfinite(frame[column].to_numpy(dtype=float))]
        if len(bad):
            raise TraceError(f"{path}: row {bad[0] + 1}: no {column} ({len(bad)} such rows)")
        parts = frame.index[frame[column] % 1 != 0]
        if len(parts) and column != "arrival_s":
            where = f"{path}: row {parts[0] + 1}"
            raise TraceError(f"{where}: {column} is no whole number ({len(parts)} such rows)")
    usable = frame[(frame["input_tokens"] >= 1) & (frame["output_tokens"] >= 1)]
    if len(usable) < len(frame):
        bad = frame.index.difference(usable.index)
        raise TraceError(
            f"{path}: row {bad[0] + 1}: a request without prompt or output tokens "
            f"({len(bad)} such rows); remove them first"
        )
    huge = usable.index[usable[["input_tokens", "output_tokens"]].max(axis=1) > TOKENS_MAX]
    if len(huge):
        raise TraceError(
            f"{path}: row {huge[0] + 1}: more than {TOKENS_MAX:,} tokens ({len(huge)} such rows)"
        )
    if len(usable) < 2 or usable["arrival_s"].nunique() < 2:
        raise TraceError(f"{path}: a trace needs at least two rows at different times")
    usable = usable.sort_values("arrival_s", kind="stable")
    arrival_s = usable["arrival_s"].to_numpy(dtype=float)
    arrival_s = arrival_s - arrival_s[0]
    return Trace(
        arrival_s,
        usable["input_tokens"].to_numpy(dtype=np.int64),
        usable["output_tokens"].to_numpy(dtype=np.int64),
        clock_step_s(arrival_s),
        recorded_chains(usable, path) if "hash_ids" in usable else None,
    )


def read_columns(path: Path) -> pd.DataFrame:
    """arrival_s, input_tokens, output_tokens of a file whose format its columns tell."""
    match path.suffix:
        case ".parquet":
            known = pyarrow.parquet.read_schema(path).names
            return pd.read_parquet(path, columns=COLUMNS + ["hash_ids"] * ("hash_ids" in known))
        case ".csv":
            frame = pd.read_csv(path)
            if {"TIMESTAMP", "ContextTokens", "GeneratedTokens"} <= set(frame.columns):
                return azure(frame)
        case ".jsonl":
            frame = pd.read_json(path, lines=True, dtype=False)
            if {"timestamp", "input_length", "output_length"} <= set(frame.columns):
                return mooncake(frame)
    raise TraceError(
        "unknown trace format; allowed: Parquet with arrival_s, input_tokens, output_tokens; "
        "Azure CSV with TIMESTAMP, ContextTokens, GeneratedTokens; "
        "Mooncake JSONL with timestamp, input_length, output_length"
    )


def azure(frame: pd.DataFrame) -> pd.DataFrame:
    """Azure LLM inference traces 2023 and 2024; the latter may carry a time zone."""
    when = pd.to_datetime(frame["TIMESTAMP"], utc=True, format="ISO8601", errors="coerce")
    return pd.DataFrame(
        {
            "arrival_s": (when - when.min()).dt.total_seconds(),
            "input_tokens": frame["ContextTokens"],
            "output_tokens": frame["GeneratedTokens"],
        }
    )


def mooncake(frame: pd.DataFrame) -> pd.DataFrame:
    """Mooncake (FAST 2025): milliseconds since the start of the trace."""
    return pd.DataFrame(
        {
            "arrival_s": frame["timestamp"] / 1000.0,
            "input_tokens": frame["input_length"],
            "output_tokens": frame["output_length"],
        }
        | ({"hash_ids": frame["hash_ids"]} if "hash_ids" in frame else {})
    )


def recorded_chains(frame: pd.DataFrame, path: str) -> Chains:
    """What prompts share by their `hash_ids`, one segment per block; the last one of a prompt may
    be part of a block. Raises TraceError for lists that cannot be meant so."""
    tokens = frame["input_tokens"].to_numpy(dtype=np.int64)
    lists = [block_ids(entry) for entry in frame["hash_ids"]]
    for row, ids, prompt in zip(frame.index, lists, tokens, strict=True):
        if ids is None:
            raise TraceError(f"{path}: row {row + 1}: hash_ids is no list of whole numbers")
        if (ids.size - 1) * BLOCK_TOKENS >= prompt:
            raise TraceError(
                f"{path}: row {row + 1}: {ids.size} hash_ids for a prompt of {prompt} tokens; "
                f"each stands for a block of {BLOCK_TOKENS}"
            )
    counts = np.array([ids.size for ids in lists if ids is not None])
    first = first_of(counts)
    position = np.arange(first[-1]) - np.repeat(first[:-1], counts)
    ends = np.minimum((position + 1) * BLOCK_TOKENS, np.repeat(tokens, counts))
    ids = np.concatenate([ids for ids in lists if ids is not None])
    _, seen, block = np.unique(ids, return_index=True, return_inverse=True)
    parent = np.where(position > 0, np.roll(block, 1), -1)
    strange = np.flatnonzero(parent != parent[seen][block])
    if strange.size:
        row = frame.index[np.searchsorted(first, strange[0], side="right") - 1]
        raise TraceError(
            f"{path}: row {row + 1}: hash id {ids[strange[0]]} follows other ids than in an "
            "earlier row; equal ids must mean equal prompts up to there"
        )
    # A block of which a prompt holds a part is another one than the whole.
    _, keys = np.unique(block * BLOCK_TOKENS + ends % BLOCK_TOKENS, return_inverse=True)
    return Chains(first, keys, ends)


def block_ids(entry: Any) -> NDArray[np.int64] | None:
    """The ids of one row, none where the file has none; None when that is no list of them."""
    if entry is None or (isinstance(entry, float) and np.isnan(entry)):
        return np.empty(0, dtype=np.int64)
    try:
        ids = np.asarray(entry)
    except ValueError:  # lists of lists
        return None
    whole = ids.ndim == 1 and (ids.size == 0 or ids.dtype.kind in "iu")
    return ids.astype(np.int64) if whole else None


def clock_step_s(arrival_s: NDArray[np.float64]) -> float:
    """The recording clock's step when it lumps requests together, else 0."""
    instants = np.unique(arrival_s)
    if instants.size > arrival_s.size / 2:
        return 0.0
    return float(np.median(np.diff(instants)))


def draw_trace_rows(
    arrivals: TraceArrivals, start_s: float, end_s: float, rng: np.random.Generator
) -> tuple[Trace, NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Arrival instants in [start_s, end_s), the trace row each one repeats, and the number of the
    window it was drawn with.

    A circular block bootstrap: the period is laid out in blocks, each a window of the trace from a
    random instant on. `rate_scale` 2.5 lays two drawings over each other and thins a third to half.
    """
    trace = read_trace(arrivals.file.path)
    scale = arrivals.rate_scale
    copies = [1.0] * int(scale) + ([scale % 1.0] if scale % 1.0 else [])
    drawn = [one_drawing(trace, arrivals.block_s, start_s, end_s, keep, rng) for keep in copies]
    times, rows, windows = (np.concatenate(part) for part in zip(*drawn, strict=True))
    windows = windows * len(copies) + np.repeat(np.arange(len(copies)), [x.size for x, *_ in drawn])
    order = np.argsort(times, kind="stable")
    return trace, times[order], rows[order], windows[order]


def one_drawing(
    trace: Trace,
    block_s: float,
    start_s: float,
    end_s: float,
    keep: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Windows of the trace back to back over [start_s, end_s); each row kept with chance `keep`."""
    span_s = trace.span_s
    block_s = min(block_s, span_s)
    at_s = trace.arrival_s
    if trace.step_s:
        # Requests lumped on one tick are spread over the tick, anew in every replication.
        at_s = (at_s + rng.random(at_s.size) * trace.step_s) % span_s
    blocks = np.arange(start_s, end_s, block_s)
    offsets_s = rng.random(blocks.size) * span_s
    times, rows = [], []
    for begin_s, offset_s in zip(blocks, offsets_s, strict=True):
        since_s = (at_s - offset_s) % span_s
        inside = np.flatnonzero(since_s < min(block_s, end_s - begin_s))
        times.append(begin_s + since_s[inside])
        rows.append(inside)
    all_times, all_rows = np.concatenate(times), np.concatenate(rows)
    windows = np.repeat(np.arange(blocks.size), [inside.size for inside in rows])
    kept = rng.random(all_times.size) < keep
    return all_times[kept], all_rows[kept], windows[kept]
