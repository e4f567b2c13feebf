"""What an arrival process would show: its index of dispersion, its empty seconds, its gaps.

Closed forms, so that a fit need not draw. Everything is of the stationary process.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from simulator.traffic.arrivals.weibull import weibull_shape

Floats = NDArray[np.float64]
GRID = 1501
"""Points of a renewal function: its dispersion is right to 6 % for cv up to 8."""


class Process(Protocol):
    """Arrivals at `rate_per_s`, which may be another one in each window of a rate table."""

    @property
    def rate_per_s(self) -> float: ...

    def dispersion(self, bin_s: float) -> float:
        """Variance over mean of the arrivals within `bin_s`."""

    def empty_share(self, bin_s: float, factors: Floats) -> Floats:
        """Of bins, how many see no arrival while the rate is `factors` times its mean."""

    def squared_gap_s2(self, factors: Floats) -> Floats:
        """Mean of the squared gap between neighbours while the rate is `factors` times its mean."""


@dataclass(frozen=True)
class RenewalProcess:
    """Independent gaps, gamma or Weibull, of coefficient of variation `cv` (1: Poisson).

    The rate changes how fast it runs, so its dispersion is a function of the arrivals expected.
    """

    rate_per_s: float
    family: str = "gamma"
    cv: float = 1.0

    def dispersion(self, bin_s: float) -> float:
        """Var N(t) = m + 2 int_0^m (M(u) - u) du, m arrivals expected and M(u) those expected
        within u mean gaps after one (Cox 1962, 'Renewal Theory', section 4.5).

        >>> RenewalProcess(2.0).dispersion(30.0)
        1.0
        """
        if self.cv == 1.0:
            return 1.0
        expected = self.rate_per_s * bin_s
        # Beyond a few dispersed gaps M(u) - u is its limit, (cv^2 - 1) / 2.
        end = min(expected, 60.0 * max(1.0, self.cv**2))
        grid = np.linspace(0.0, end, GRID)
        limit = (self.cv**2 - 1.0) / 2.0
        excess = self.renewals(grid) - grid
        excess = np.minimum(excess, limit) if limit > 0 else excess
        covered = float(np.trapezoid(excess, grid)) + (expected - end) * limit
        return 1.0 + 2.0 * covered / expected

    def renewals(self, grid: Floats) -> Floats:
        """M(u) on an even grid that begins at 0: M = F + M * f, with F at midpoints (Xie 1989, 'On
        the solution of renewal-type integral equations')."""
        gaps = self.below(grid)
        middles = np.concatenate([[0.0], self.below((grid[1:] + grid[:-1]) / 2.0)])
        found = np.zeros(grid.size)
        steps = np.zeros(grid.size)
        scale = 1.0 - middles[1]
        for i in range(1, grid.size):
            # M(u_i) = F(u_i) + sum_j F(u_i - middle_j) (M(u_j) - M(u_{j-1}))
            past = float(np.dot(middles[i:1:-1], steps[1:i])) if i > 1 else 0.0
            found[i] = (gaps[i] + past - middles[1] * found[i - 1]) / scale
            steps[i] = found[i] - found[i - 1]
        return found

    def below(self, gap: Floats | float) -> Floats:
        """Share of gaps of at most `gap` mean gaps."""
        shape, scale = shape_and_scale(self.family, self.cv)
        if self.family == "gamma":
            return np.asarray(special.gammainc(shape, np.asarray(gap) / scale))
        return np.asarray(-np.expm1(-((np.asarray(gap) / scale) ** shape)))

    def empty_share(self, bin_s: float, factors: Floats) -> Floats:
        """The integrated tail of a gap: what is left of it at any instant (Cox 1962)."""
        expected = self.rate_per_s * factors * bin_s
        if self.cv == 1.0:
            return np.exp(-expected)
        shape, scale = shape_and_scale(self.family, self.cv)
        if self.family == "weibull":
            return np.asarray(special.gammaincc(1.0 / shape, (expected / scale) ** shape))
        tail = special.gammaincc(shape + 1.0, expected / scale)
        return np.asarray(tail - expected * special.gammaincc(shape, expected / scale))

    def squared_gap_s2(self, factors: Floats) -> Floats:
        return np.asarray((1.0 + self.cv**2) / (self.rate_per_s * factors) ** 2)


def shape_and_scale(family: str, cv: float) -> tuple[float, float]:
    """Of gaps with mean one.

    >>> shape_and_scale("gamma", 2.0)
    (0.25, 4.0)
    """
    if family == "gamma":
        return 1.0 / cv**2, cv**2
    shape = weibull_shape(cv)
    return shape, 1.0 / float(special.gamma(1.0 + 1.0 / shape))


@dataclass(frozen=True)
class MarkovProcess:
    """Poisson arrivals whose rate a hidden state sets: ON/OFF, or Markov-modulated Poisson.

    rates_per_s[i] in state i, which lasts lasts_s[i] on average; then any other one, all equally
    likely. Source of the formulas: Fischer and Meier-Hellstern 1993, 'The Markov-modulated Poisson
    process (MMPP) cookbook', https://doi.org/10.1016/0166-5316(93)90035-S.
    """

    rates_per_s: tuple[float, ...]
    lasts_s: tuple[float, ...]

    @property
    def stationary(self) -> Floats:
        """Share of time in each state: with equally likely successors each is entered equally
        often, so time goes by the length of a stay."""
        lasts = np.array(self.lasts_s)
        return np.asarray(lasts / lasts.sum())

    @property
    def symmetric(self) -> Floats:
        """The generator Q (transitions per second) as root(pi) Q root(1 / pi): such a chain is
        reversible, so that this is a symmetric matrix with the same eigenvalues."""
        leaving = 1.0 / np.array(self.lasts_s)
        root = np.sqrt(leaving)
        matrix = np.outer(root, root) / (leaving.size - 1)
        np.fill_diagonal(matrix, -leaving)
        return np.asarray(matrix)

    @property
    def rate_per_s(self) -> float:
        return float(self.stationary @ np.array(self.rates_per_s))

    def dispersion(self, bin_s: float) -> float:
        """1 + 2/(rate t) sum_k a_k (e^{q_k t} - 1 - q_k t) / q_k^2, over the eigenvalues q_k of Q
        other than 0; a_k are the parts of the covariance of the rate.

        Two states: 1 + 2 (r1 - r2)^2 p1 p2 / (rate q) (1 - (1 - e^{-q t}) / (q t)).

        >>> round(MarkovProcess((10.0, 0.0), (2.0, 8.0)).dispersion(5.0), 6)
        18.767931
        """
        values, vectors = np.linalg.eigh(self.symmetric)
        parts = ((np.sqrt(self.stationary) * np.array(self.rates_per_s)) @ vectors) ** 2
        q, a = values[:-1], parts[:-1]  # the largest eigenvalue is 0
        total = float(np.sum(a * (np.expm1(q * bin_s) - q * bin_s) / q**2))
        return 1.0 + 2.0 * total / (self.rate_per_s * bin_s)

    def empty_share(self, bin_s: float, factors: Floats) -> Floats:
        """pi e^{(Q - rates) t} 1: the state runs on and nothing arrives."""
        silent = self.symmetric - factors[:, None, None] * np.diag(self.rates_per_s)
        values, vectors = np.linalg.eigh(silent)
        weights = (np.sqrt(self.stationary) @ vectors) ** 2
        return np.asarray((weights * np.exp(values * bin_s)).sum(axis=1))

    def squared_gap_s2(self, factors: Floats) -> Floats:
        """2 phi (rates - Q)^-2 1, phi the state in which an arrival finds the process."""
        rates = np.array(self.rates_per_s)
        root = np.sqrt(self.stationary)
        wait = np.linalg.inv(factors[:, None, None] * np.diag(rates) - self.symmetric)
        return np.asarray(2.0 * (root * rates / self.rate_per_s) @ (wait @ wait) @ root)
