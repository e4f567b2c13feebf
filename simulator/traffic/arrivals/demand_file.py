"""A file of recorded demand -> the shape of the rate over time.

Columns `timestamp` and `value` (how much was asked for in the interval that begins there), as CSV
or Parquet. Timestamps are dates (with or without a time zone; without one they may repeat or leave
out an hour where clocks change) or seconds.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulator.traffic.arrivals.steps import Floats
from simulator.traffic.formats.faults import TraceError

SECONDS_MAX = 1e11
"""Numbers above this are no seconds since 1970, but milliseconds or less."""


@dataclass(frozen=True)
class Demand:
    """factors float64[intervals]: of mean one, for consecutive intervals of every_s."""

    every_s: float
    factors: Floats


@lru_cache(maxsize=8)
def read_demand(path: str, missing_s: float | None) -> Demand:
    """The demand at `path` without intervals that nobody recorded: those without a row or a value,
    and zeros that last `missing_s` at least. Raises TraceError for what cannot be used."""
    frame = read_table(Path(path))
    if not {"timestamp", "value"} <= set(frame.columns):
        there = ", ".join(map(str, frame.columns)) or "none"
        raise TraceError(
            f"{path}: demand needs columns `timestamp` and `value`; there are: {there}"
        )
    seconds = instants_s(frame["timestamp"], path)
    values = numbers(frame["value"], "value", path)
    if (values < 0).any():
        row = int(np.flatnonzero(values < 0)[0])
        raise TraceError(f"{path}: row {row + 1}: a value below 0")
    every_s, regular = on_a_grid(seconds, values, path)
    kept = regular[~np.isnan(regular) & ~(long_zeros(regular, every_s, missing_s))]
    if not kept.size or not kept.sum() > 0:
        raise TraceError(f"{path}: demand without a value above 0")
    return Demand(every_s, kept / kept.mean())


def read_table(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        return pd.read_parquet(path) if parquet else pd.read_csv(path, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: {str(error).splitlines()[0]}") from error


def instants_s(column: "pd.Series[Any]", path: str) -> Floats:
    """Seconds from any origin. Raises TraceError where there is no time."""
    if pd.api.types.is_numeric_dtype(column):
        seconds = numbers(column, "timestamp", path)
        if np.nanmax(np.abs(seconds), initial=0.0) > SECONDS_MAX:
            raise TraceError(f"{path}: timestamps {seconds[0]:.0f} ...; numbers must be seconds")
    else:
        when = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
        seconds = when.to_numpy(dtype="datetime64[us]").astype(np.float64) / 1e6
        seconds[when.isna().to_numpy()] = np.nan
    untimed = np.flatnonzero(np.isnan(seconds))
    if untimed.size:
        got = f"timestamp {str(column.iloc[untimed[0]])[:40]} is no time"
        raise TraceError(f"{path}: row {untimed[0] + 1}: {got} ({untimed.size} such rows)")
    return np.asarray(seconds)


def numbers(column: "pd.Series[Any]", name: str, path: str) -> Floats:
    """As numbers; NaN where a cell is empty. Raises TraceError for text that is none."""
    found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    strange = np.flatnonzero((np.isnan(found) & column.notna().to_numpy()) | np.isinf(found))
    if strange.size:
        got = str(column.iloc[strange[0]])[:40]
        raise TraceError(f"{path}: row {strange[0] + 1}: {name} {got} is no number")
    return found


def on_a_grid(seconds: Floats, values: Floats, path: str) -> tuple[float, Floats]:
    """The usual time between rows, and the value of each such interval from the first row to the
    last: the mean where two rows fall into one, NaN where none does."""
    order = np.argsort(seconds, kind="stable")
    seconds, values = seconds[order], values[order]
    gaps_s = np.diff(seconds)
    gaps_s = gaps_s[gaps_s > 0]
    if not gaps_s.size:
        raise TraceError(f"{path}: demand needs at least two rows at different times")
    every_s = float(np.median(gaps_s))
    place = np.rint((seconds - seconds[0]) / every_s).astype(np.int64)
    known = ~np.isnan(values)
    total = np.bincount(place[known], values[known], minlength=place[-1] + 1)
    rows = np.bincount(place[known], minlength=place[-1] + 1)
    with np.errstate(invalid="ignore"):
        return every_s, total / rows


def long_zeros(values: Floats, every_s: float, missing_s: float | None) -> "np.ndarray[Any, Any]":
    """Which values belong to zeros that last `missing_s` at least.

    >>> long_zeros(np.array([0.0, 3.0, 0.0, 0.0, 2.0]), 60.0, 120.0).tolist()
    [False, False, True, True, False]
    """
    zero = values == 0
    if missing_s is None:
        return np.zeros(values.size, dtype=bool)
    edges = np.flatnonzero(np.diff(zero, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    marks = np.zeros(values.size + 1, dtype=np.int64)
    long = (ends - begins) * every_s >= missing_s
    np.add.at(marks, begins[long], 1)
    np.add.at(marks, ends[long], -1)
    return np.cumsum(marks)[:-1] > 0
