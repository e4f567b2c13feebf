"""Drawing times: anew, and as one finds them at a random instant.

Who looks at a process at a random instant finds long times more often than short ones, in
proportion to their length: **length-biased** (Cox 1962, Renewal Theory, chapter 5). A fleet that is
in its steady state when a period starts needs those. All by inverse transform, one uniform number
each, so that whole fleets can be drawn at once and no draw disturbs another.
"""

from typing import Any

import numpy as np
from scipy import special

from scenarios.times import (
    EmpiricalTime,
    ExponentialTime,
    FixedTime,
    LognormalTime,
    Time,
    UniformTime,
    WeibullTime,
)


def draw_s(time: Time, rng: np.random.Generator) -> float:
    """Seconds of one such time."""
    return float(quantile_s(time, rng.random()))


def draw_biased_s(time: Time, rng: np.random.Generator) -> float:
    """Seconds of one that is under way at a random instant: from its beginning to its end."""
    return float(biased_quantile_s(time, rng.random()))


def draw_residual_s(time: Time, rng: np.random.Generator) -> float:
    """Seconds that are left of one that is under way at a random instant."""
    return float(age_and_rest_s(time, rng.random(), rng.random())[1])


def age_and_rest_s(time: Time, u: Any, v: Any) -> tuple[Any, Any]:
    """Of times that are under way at a random instant, from two uniform numbers each: how long they
    have lasted, and how long they still will. An exponential time's are independent."""
    if isinstance(time, ExponentialTime):
        return quantile_s(time, u), quantile_s(time, v)
    whole_s = biased_quantile_s(time, u)
    return v * whole_s, (1.0 - v) * whole_s


def quantile_s(time: Time, u: Any) -> Any:
    """The time that a share `u` of times is below; elementwise.

    >>> quantile_s(UniformTime(uniform=["10s", "30s"]), 0.25)
    15.0
    """
    match time:
        case FixedTime():
            return u * 0.0 + time.fixed_s
        case LognormalTime():
            return time.median_s * np.exp(time.sigma * special.ndtri(u))
        case ExponentialTime():
            return -time.exponential_s * np.log1p(-u)
        case WeibullTime():
            return time.scale_s * (-np.log1p(-u)) ** (1 / time.shape)
        case UniformTime():
            low_s, high_s = time.uniform_s
            return low_s + (high_s - low_s) * u
        case EmpiricalTime():
            values_s = np.sort(time.empirical_s)
            return values_s[(np.asarray(u) * values_s.size).astype(np.int64)]


def biased_quantile_s(time: Time, u: Any) -> Any:
    """The same of the length-biased distribution, whose density is that of the time x its length.

    Lognormal(mu, sigma) becomes lognormal(mu + sigma^2, sigma). Of a Weibull time x, (x / scale)^k
    is exponential; biased, it is gamma(1 + 1/k).
    """
    match time:
        case FixedTime():
            return u * 0.0 + time.fixed_s
        case LognormalTime():
            return np.exp(time.sigma**2) * quantile_s(time, u)
        case ExponentialTime():
            return time.exponential_s * special.gammaincinv(2.0, u)
        case WeibullTime():
            return time.scale_s * special.gammaincinv(1 + 1 / time.shape, u) ** (1 / time.shape)
        case UniformTime():
            low_s, high_s = time.uniform_s
            return np.sqrt(low_s**2 + (high_s**2 - low_s**2) * u)
        case EmpiricalTime():
            values_s = np.sort(time.empirical_s)
            total_s = np.cumsum(values_s)
            return values_s[np.searchsorted(total_s, np.asarray(u) * total_s[-1], side="right")]
