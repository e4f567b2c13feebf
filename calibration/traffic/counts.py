"""How many (turns of a session, requests of a sub-agent) as a scenario says it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration.traffic.lognormals import distance, one_lognormal, sample
from calibration.traffic.rounding import significant
from scenarios.demand import P95

DISTANCE_MAX = 0.03
LISTED_MAX = 40
"""So few different counts are simply listed; more are told by as many of their quantiles."""
FEW = 100
"""So few counts of many values tell a median and a spread, and no more."""
FEW_VALUES = 6


def fit_counts(counts: ArrayLike) -> dict[str, Any]:
    """Counts of a scenario whose draws look like `counts`, each at least 1.

    >>> fit_counts([3, 3, 3])
    {'kind': 'constant', 'count': 3}
    """
    seen = sample(counts)
    if seen.values.size == 1:
        return {"kind": "constant", "count": int(seen.values[0])}
    fitted = one_lognormal(seen)
    halves = fitted.below(seen.values - 0.5), fitted.below(seen.values + 0.5)
    halves[0][0] = 0.0  # rounded up to the least
    little_known = np.size(counts) < FEW and seen.values.size > FEW_VALUES
    if little_known or distance(seen, *halves) <= DISTANCE_MAX:
        mu, sigma = float(fitted.mu[0]), float(fitted.sigma[0])
        return {
            "kind": "lognormal",
            "median": significant(float(np.exp(mu))),
            "p95": significant(float(np.exp(mu + P95 * sigma))),
            "least": int(seen.values[0]),
            "most": int(seen.values[-1]),
        }
    if seen.values.size <= LISTED_MAX:
        listed = [int(x) for x in seen.values]
        return {"kind": "table", "counts": listed, "weights": significant(seen.shares)}
    middles = (np.arange(LISTED_MAX) + 0.5) / LISTED_MAX
    return {"kind": "table", "counts": [int(x) for x in seen.quantiles(middles)]}
