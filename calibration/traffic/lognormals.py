"""Weighted samples, and one or two lognormals fitted to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

SIGMA_LEAST = 0.02


@dataclass(frozen=True)
class Sample:
    """Distinct values in ascending order, and the share of the whole that each has."""

    values: Floats
    shares: Floats

    def quantiles(self, levels: ArrayLike) -> Floats:
        """The least values that at least such a share does not exceed."""
        below = np.cumsum(self.shares)
        at = np.searchsorted(below, np.asarray(levels) - 1e-12)
        return self.values[np.minimum(at, self.values.size - 1)]

    @property
    def mean(self) -> float:
        return float(self.values @ self.shares)


def sample(values: ArrayLike, weights: ArrayLike | None = None) -> Sample:
    distinct, inverse = np.unique(np.asarray(values, dtype=float), return_inverse=True)
    shares = np.bincount(inverse, None if weights is None else np.asarray(weights, dtype=float))
    return Sample(distinct, shares / shares.sum())


@dataclass(frozen=True)
class Lognormals:
    """Components of a mixture: weights, and mean and deviation of the logarithm of each."""

    weights: Floats
    mu: Floats
    sigma: Floats

    def below(self, values: Floats) -> Floats:
        """Share of draws of at most `values`."""
        with np.errstate(divide="ignore"):
            from_mean = (np.log(values)[:, None] - self.mu) / self.sigma
        return np.asarray(special.ndtr(from_mean) @ self.weights)


def one_lognormal(seen: Sample) -> Lognormals:
    """Maximum likelihood: mean and deviation of the logarithms."""
    logs = np.log(seen.values)
    mu = float(logs @ seen.shares)
    sigma = float(np.sqrt((logs - mu) ** 2 @ seen.shares))
    return Lognormals(np.ones(1), np.array([mu]), np.array([max(sigma, SIGMA_LEAST)]))


def two_lognormals(seen: Sample, rounds: int = 300) -> Lognormals:
    """Maximum likelihood by expectation and maximisation on the logarithms (Dempster, Laird and
    Rubin 1977), begun with the lower and the upper half."""
    logs = np.log(seen.values)
    upper = np.cumsum(seen.shares) > 0.5
    belongs = np.stack([~upper, upper], axis=1).astype(float)
    for _ in range(rounds):
        mass = belongs * seen.shares[:, None]
        weights = np.maximum(mass.sum(axis=0), 1e-9)
        mu = (mass * logs[:, None]).sum(axis=0) / weights
        variance = (mass * (logs[:, None] - mu) ** 2).sum(axis=0) / weights
        sigma = np.sqrt(np.maximum(variance, SIGMA_LEAST**2))
        density = weights / sigma * np.exp(-(((logs[:, None] - mu) / sigma) ** 2) / 2)
        belongs = density / np.maximum(density.sum(axis=1, keepdims=True), 1e-300)
    return Lognormals(weights / weights.sum(), mu, sigma)


def distance(seen: Sample, before: Floats, up_to: Floats) -> float:
    """Kolmogorov and Smirnov's, on both sides of each step of the recorded distribution: `before`
    and `up_to` are the fitted shares below each value and up to it."""
    above = np.cumsum(seen.shares)
    return float(max(np.abs(up_to - above).max(), np.abs(before - (above - seen.shares)).max()))
