"""Fitted numbers as a scenario file has them: as many digits as they are known to."""

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

DIGITS = 4


@overload
def significant(value: float) -> float: ...
@overload
def significant(value: NDArray[np.float64]) -> list[float]: ...
def significant(value: Any) -> Any:
    """Rounded to four significant digits.

    >>> significant(0.123456), significant(987654.0)
    (0.1235, 987700.0)
    """
    if isinstance(value, np.ndarray):
        return [significant(float(each)) for each in value]
    return float(f"{value:.{DIGITS}g}")


def seconds(value: float) -> str:
    """A time as a scenario file says it.

    >>> seconds(0.012345), seconds(300.0)
    ('0.01235s', '300s')
    """
    return f"{significant(value):g}s"


def per_second(value: float) -> str:
    """A rate as a scenario file says it.

    >>> per_second(5.90634)
    '5.906/s'
    """
    return f"{significant(value):g}/s"
