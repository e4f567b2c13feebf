"""The step of a robust, regularised Gauss-Newton: what `fit` and `calibrate` both take."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCALE = 0.06
"""Relative error beyond which a row counts less and less (Cauchy's loss)."""
REWEIGHTINGS = 20
LARGEST = 0.4
"""Step in one coordinate beyond which the linearisation is not trusted."""


def best_step(
    x: Floats, errors: Floats, jacobian: Floats, weights: Floats, spreads: Floats
) -> tuple[Floats, Floats]:
    """From x to the best point of the linearised problem, and the covariance there.

    x float[k]: how far each coordinate is from its prior, which is normal with `spreads` float[k].
    errors float[n]: log(predicted / measured) at x;  jacobian float[n, k];  weights float[n]: 0
    leaves a row out, 1 is a row known to SCALE.  A row weighs 1 / (1 + (error / SCALE)^2) of that
    (iteratively reweighted least squares; Holland and Welsch 1977).
    """
    precision = 1.0 / spreads**2
    step = np.zeros_like(x)
    for _ in range(REWEIGHTINGS):
        after = errors + jacobian @ step
        each = weights / (SCALE**2 + after**2)
        normal = jacobian.T @ (each[:, None] * jacobian) + np.diag(precision)
        gradient = jacobian.T @ (each * errors) + precision * x
        step = np.asarray(np.linalg.solve(normal, -gradient), dtype=np.float64)
    return step, np.asarray(np.linalg.inv(normal), dtype=np.float64)


def loss(x: Floats, errors: Floats, weights: Floats, spreads: Floats) -> float:
    """What the steps make small: Cauchy's loss of the errors, and the distance from the priors."""
    rows = np.sum(weights * np.log1p((errors / SCALE) ** 2))
    return float(rows + np.sum((x / spreads) ** 2)) / 2


def damped(step: Floats) -> Floats:
    """No coordinate further than the linearisation is trusted."""
    return np.clip(step, -LARGEST, LARGEST)
