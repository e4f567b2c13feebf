"""Instants of a log, as seconds on one clock: ISO 8601, or plain seconds."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.faults import Fault
from simulator.traffic.formats.faults import TraceError

Floats = NDArray[np.float64]

SECONDS_MAX = 1e11
"""Numbers above this are no seconds since 1970, but milliseconds or less."""
AN_INSTANT = "ISO 8601 (2026-03-01T12:00:00Z; without a zone it is UTC), or seconds"
DAY_S = 86_400.0
GRAINS_S = (DAY_S, 3600.0, 60.0, 1.0)
FINEST_S = 1e-3


def instants_s(values: Sequence[Any]) -> Floats:
    """Seconds since 1970, or from whatever origin the log has; NaN for what is no instant.

    >>> instants_s(["1970-01-02T01:00:00+01:00", " 12.5 ", 3, "noon", None]).tolist()
    [86400.0, 12.5, 3.0, nan, nan]
    """
    seconds = np.array([plain_number(value) for value in values], dtype=float)
    seconds[np.abs(seconds) > SECONDS_MAX] = np.nan
    dated = [place for place, value in enumerate(values) if is_date(value)]
    if dated:
        texts = pd.Series([values[place].strip() for place in dated], dtype=object)
        when = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
        stamps = when.to_numpy(dtype="datetime64[us]")
        seconds[dated] = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)
    return seconds


def plain_number(value: Any) -> float:
    """NaN for what is none."""
    if isinstance(value, bool):
        return np.nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        return np.nan
    return number if np.isfinite(number) else np.nan


def is_date(value: Any) -> bool:
    return isinstance(value, str) and np.isnan(plain_number(value))


def text_of(seconds: float, dates: bool) -> str:
    """
    >>> text_of(86400.0, dates=True), text_of(90.0, dates=False)
    ('1970-01-02 00:00', '90 s')
    """
    if not dates:
        return f"{seconds:.10g} s"
    return str(np.datetime64(round(seconds), "s")).replace("T", " ")[:16]


def grain_s(instants_s: Floats) -> float:
    """The coarsest grain that all instants are whole multiples of: how finely the log tells time.

    >>> grain_s(np.array([3600.0, 7260.0]))
    60.0
    """
    for grain in GRAINS_S:
        if not np.mod(instants_s, grain).any():
            return grain
    return FINEST_S


def refusal(source: str, faults: Sequence[Fault]) -> TraceError:
    """Every fault of a file in one message."""
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    return TraceError("\n".join([f"{source} has {count}", *map(str, faults)]))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like it, or nothing."""
    known = list(known)
    starts = [name for name in known if name.lower().startswith(word.lower())]
    return (starts or difflib.get_close_matches(word.lower(), known, 1, cutoff=0.6) or [""])[0]
