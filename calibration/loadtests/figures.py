"""Getting numbers out of JSON whose shape is only hoped for."""

import math
from typing import Any


def at(data: Any, *keys: str) -> Any:
    """What stands under `keys`, or None where the path ends early.

    >>> at({"a": {"b": 1}}, "a", "b"), at({"a": [1]}, "a", "b")
    (1, None)
    """
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def number(value: Any) -> float | None:
    """A finite number, else None: tools write null, "inf", NaN or Infinity for 'none'.

    >>> number(3), number("inf"), number(float("nan")), number(True)
    (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # whole numbers have no largest one
        return None


def positive(value: Any) -> float | None:
    """A finite number above zero, else None."""
    found = number(value)
    return found if found is not None and found > 0 else None


def whole(value: Any) -> int | None:
    """A count, else None."""
    found = number(value)
    return round(found) if found is not None and found >= 0 else None


def first_number(*values: Any) -> float:
    """The first that is a number, else NaN: what reading.py refuses where it is needed."""
    return next((x for x in map(number, values) if x is not None), math.nan)


def first_text(*values: Any) -> str | None:
    """The first that is a name, or a list that starts with one, else None."""
    firsts = [value[0] if isinstance(value, list) and value else value for value in values]
    return next((first for first in firsts if isinstance(first, str) and first), None)


def listed(value: Any) -> list[Any]:
    """A list, or nothing."""
    return value if isinstance(value, list) else []


def minus(value: Any, start: Any) -> float | None:
    """The time from `start` to `value`, or None where either is missing.

    Subtracts before it rounds: nanoseconds since 1970 do not fit a float.
    """
    if number(value) is None or number(start) is None:
        return None
    return float(value - start)


def in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0
