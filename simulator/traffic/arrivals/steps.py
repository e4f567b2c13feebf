"""Functions of time that are constant between some instants: a rate, factors of it."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """values[i] on [times_s[i], times_s[i + 1]).

    times_s float64[pieces + 1]: never falling, seconds. values float64[pieces], at least 0.
    """

    times_s: Floats
    values: Floats

    def at(self, instants_s: Floats) -> Floats:
        """The values at instants from the first time on and before the last one."""
        return self.values[np.searchsorted(self.times_s[:-1], instants_s, side="right") - 1]

    @property
    def areas(self) -> Floats:
        """Under the function, from its first time to each of its times.

        >>> Steps(np.array([-1.0, 0.0, 5.0]), np.array([2.0, 3.0])).areas
        array([ 0.,  2., 17.])
        """
        return np.concatenate([[0.0], np.cumsum(self.values * np.diff(self.times_s))])

    def scaled(self, factor: float) -> "Steps":
        """The function, `factor` times as high."""
        return Steps(self.times_s, self.values * factor)


def product(functions: list[Steps]) -> Steps:
    """Of functions over one span of time.

    >>> rate = Steps(np.array([0.0, 10.0]), np.array([3.0]))
    >>> spike = Steps(np.array([0.0, 4.0, 10.0]), np.array([1.0, 2.0]))
    >>> product([rate, spike]).values
    array([3., 6.])
    """
    if len(functions) == 1:
        return functions[0]
    times_s = np.unique(np.concatenate([function.times_s for function in functions]))
    values = (function.at(times_s[:-1]) for function in functions)
    return Steps(times_s, reduce(np.multiply, values))


def cyclic(values: Floats, every_s: float, position_s: float, span_s: tuple[float, float]) -> Steps:
    """`values` of consecutive intervals, over and over; instant 0 lies `position_s` behind the
    beginning of the first one.

    >>> cyclic(np.array([1.0, 2.0]), 10.0, 5.0, (-10.0, 10.0))
    Steps(times_s=array([-10.,  -5.,   5.,  10.]), values=array([2., 1., 2.]))
    """
    start_s, end_s = span_s
    first = int(np.floor((start_s + position_s) / every_s))
    last = max(first + 1, int(np.ceil((end_s + position_s) / every_s)))
    intervals = np.arange(first, last)
    edges_s = np.clip(np.append(intervals, last) * every_s - position_s, start_s, end_s)
    edges_s[0], edges_s[-1] = start_s, end_s
    return Steps(edges_s, values[intervals % values.size])
