"""Pauses as a scenario says them: lognormal, or a mixture of two."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration.traffic.lognormals import (
    Lognormals,
    distance,
    one_lognormal,
    sample,
    two_lognormals,
)
from calibration.traffic.rounding import seconds, significant
from scenarios.demand import P95

DISTANCE_MAX = 0.03
"""One lognormal is enough where its distribution function is as near as this."""
LEAST_S = 0.01
"""Shorter pauses are none: below the resolution of any recording."""
NONE_SHARE = 0.02
"""As many of them are a component of their own."""


def fit_durations(pauses_s: ArrayLike, weights: ArrayLike | None = None) -> dict[str, Any]:
    """Durations of a scenario whose draws look like `pauses_s` (each counted with its weight)."""
    pauses = np.asarray(pauses_s, dtype=float)
    counted = np.ones(pauses.size) if weights is None else np.asarray(weights, dtype=float)
    some = pauses >= LEAST_S
    none = float(counted[~some].sum() / counted.sum())
    if not some.any():
        return {"kind": "constant", "time": "0s"}
    seen = sample(pauses[some], counted[some])
    if seen.values.size == 1 and not none:
        return {"kind": "constant", "time": seconds(float(seen.values[0]))}
    fitted = one_lognormal(seen)
    below = fitted.below(seen.values)
    if distance(seen, below, below) > DISTANCE_MAX:
        fitted = two_lognormals(seen)
    none = none if none >= NONE_SHARE else 0.0
    parts = components(fitted, float(seen.values[-1]), 1.0 - none)
    if none:
        parts.insert(0, {"weight": significant(none), "kind": "constant", "time": "0s"})
    if len(parts) == 1:
        return {key: value for key, value in parts[0].items() if key != "weight"}
    return {"kind": "mixture", "of": parts}


def components(fitted: Lognormals, longest_s: float, share: float) -> list[dict[str, Any]]:
    return [
        {
            "weight": significant(share * float(weight)),
            "kind": "lognormal",
            "median": seconds(float(np.exp(mu))),
            "p95": seconds(float(np.exp(mu + P95 * sigma))),
            "max": seconds(longest_s),
        }
        for weight, mu, sigma in zip(fitted.weights, fitted.mu, fitted.sigma, strict=True)
    ]
