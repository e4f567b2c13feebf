"""The Weibull law by its coefficient of variation."""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

Real = TypeVar("Real", float, NDArray[np.float64])

SMALL_CV = 1e-4
NEWTON_STEPS = 12


def weibull_shape(cv: Real) -> Real:
    """The shape whose coefficient of variation is `cv`, one or many, up to 150; to 1e-9.

    Newton's method on log(1 + cv^2) = log G(1 + 2/k) - 2 log G(1 + 1/k), in u = log k.

    >>> round(weibull_shape(1.0), 9), round(weibull_shape(math.sqrt(5.0)), 9)
    (1.0, 0.5)
    """
    wanted = np.log1p(np.square(np.maximum(cv, SMALL_CV)))
    # Start: exact to a few per cent near cv 1 (Justus et al. 1978).
    u = -1.086 * np.log(np.maximum(cv, SMALL_CV))
    for _ in range(NEWTON_STEPS):
        x = np.exp(-u)
        excess = special.gammaln(1.0 + 2.0 * x) - 2.0 * special.gammaln(1.0 + x) - wanted
        slope = 2.0 * x * (special.digamma(1.0 + x) - special.digamma(1.0 + 2.0 * x))
        u = u - excess / slope
    # Narrower still: cv = pi / sqrt(6) / k, where the difference of logarithms has no digits left.
    narrow = math.pi / math.sqrt(6.0) / np.maximum(cv, 1e-300)
    found = np.where(np.asarray(cv) < SMALL_CV, narrow, np.exp(u))
    return found if isinstance(cv, np.ndarray) else float(found)
