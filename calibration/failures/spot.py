"""Traces of spot availability: how many instances were up, at each step of a clock.

As SkyPilot publishes them: `{"metadata": {"gap_seconds": 300}, "data": [4, 4, 3, ...]}`. One file
may hold several zones (`data` is a list of lists, or a mapping from zone to list; or the file is a
list of such objects), and several files may be given. `null` is a step that nobody looked at.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.failures.lifetimes import Floats
from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.source import look_at

SHOWN = 30


@dataclass(frozen=True)
class Zone:
    """up float64[steps]: instances, NaN where nobody looked."""

    name: str
    step_s: float
    up: Floats


def holds_spot_trace(path: Path) -> bool:
    """Whether a file looks like one, whatever is wrong with it."""
    source = look_at(path)
    return source.has("data") and (source.has("metadata") or not source.has("start"))


def read_zones(paths: Sequence[Path]) -> list[Zone]:
    """All zones of all files. Raises TraceError."""
    zones = [zone for path in paths for zone in zones_of(path)]
    names = [zone.name for zone in zones]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TraceError(f"two zones are called {twice}: give each its own file name")
    return zones


def zones_of(path: Path) -> Iterator[Zone]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise TraceError(f"{path}{place}: no JSON: {str(error).split(': line')[0]}") from error
    parts = content if isinstance(content, list) else [content]
    for number, part in enumerate(parts, 1):
        at = f"{path}: item {number}" if isinstance(content, list) else str(path)
        name = path.stem if len(parts) == 1 else f"{path.stem}-{number}"
        yield from zones_in(part, at, name)


def zones_in(part: Any, at: str, name: str) -> Iterator[Zone]:
    if not isinstance(part, dict) or "data" not in part:
        keys = ", ".join(part) if isinstance(part, dict) else "none"
        raise TraceError(f"{at}: no `data`; the keys there are: {keys or 'none'}")
    step_s = step_of(part, at)
    match part["data"]:
        case dict() as data:
            for zone, counts in data.items():
                yield Zone(zone, step_s, counts_of(counts, f"{at}: data.{zone}"))
        case [list(), *_] as lists:
            for number, counts in enumerate(lists, 1):
                yield Zone(f"{name}-{number}", step_s, counts_of(counts, f"{at}: data[{number}]"))
        case data:
            yield Zone(name, step_s, counts_of(data, f"{at}: data"))


def step_of(part: dict[str, Any], at: str) -> float:
    about = part.get("metadata")
    step_s = about.get("gap_seconds") if isinstance(about, dict) else None
    if isinstance(step_s, int | float) and math.isfinite(step_s) and step_s > 0:
        return float(step_s)
    got = "missing" if step_s is None else repr(step_s)[:SHOWN]
    raise TraceError(f"{at}: metadata.gap_seconds, the time between two values, is {got}")


def counts_of(values: Any, at: str) -> Floats:
    if not isinstance(values, list) or len(values) < 2:
        raise TraceError(f"{at}: no list of two values or more")
    counts = np.array([count_of(value) for value in values])
    strange = np.flatnonzero(np.isinf(counts))
    if strange.size:
        raise TraceError(
            f"{at}: value {strange[0] + 1} is {str(values[strange[0]])[:SHOWN]!r}; a number of "
            "instances is whole and not negative, null where nobody looked"
        )
    return counts


def count_of(value: Any) -> float:
    """NaN where nobody looked, infinite for what is no number of instances."""
    if value is None or value != value:
        return math.nan
    whole = isinstance(value, int | float) and value >= 0 and float(value).is_integer()
    return float(value) if whole else math.inf
