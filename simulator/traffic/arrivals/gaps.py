"""Gaps of mean one between arrivals, and the first gap of a process that has always run."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from simulator.traffic.arrivals.weibull import Real, weibull_shape

Floats = NDArray[np.float64]
Family = Literal["constant", "poisson", "gamma", "weibull"]
Shape = float | Floats


def shape_of(family: Family, cv: Real) -> Real:
    """The shape, one or many, whose gaps have this coefficient of variation.

    >>> shape_of("gamma", 2.0), shape_of("weibull", 1.0)
    (0.25, 1.0)
    """
    return weibull_shape(cv) if family == "weibull" else 1.0 / cv**2


def unit_gaps(family: Family, shape: Shape, size: int, rng: np.random.Generator) -> Floats:
    """`size` independent gaps of mean one; with many shapes one of each."""
    match family:
        case "constant":
            return np.ones(size)
        case "poisson":
            return rng.exponential(1.0, size)
        case "gamma":
            return rng.gamma(shape, 1.0 / shape, size)
        case "weibull":
            return rng.standard_exponential(size) ** (1.0 / shape) * weibull_scale(shape)


def first_gaps(family: Family, shape: Shape, size: int, rng: np.random.Generator) -> Floats:
    """From any instant to the next arrival, as if the process had always run: a uniform part of a
    length-biased gap, since an instant falls into long gaps more often (Cox 1962)."""
    part = rng.random(size)
    match family:
        case "constant":
            return part
        case "poisson":
            return part * rng.gamma(2.0, 1.0, size)
        case "gamma":
            return part * rng.gamma(shape + 1.0, 1.0 / shape, size)
        case "weibull":
            # (gap / scale)^shape is exponential; with weights that grow with the gap, gamma.
            biased = rng.standard_gamma(1.0 + 1.0 / shape, size) ** (1.0 / shape)
            return part * biased * weibull_scale(shape)


def weibull_scale(shape: Shape) -> Shape:
    """Of gaps with mean one."""
    return np.asarray(1.0 / special.gamma(1.0 + 1.0 / shape))
