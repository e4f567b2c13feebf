"""Exact sequential tests on a yes/no verdict per period: accept, reject, and an interval.

Looking at a fixed-n interval (Clopper-Pearson, Wilson) again and again breaks it: it errs several
times as often as it says. The tests here may be looked at after every run. `p0` is the promised
probability that a period keeps the SLA.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

FAILURES_MAX = 60


def error_shares(count: int = FAILURES_MAX) -> NDArray[np.float64]:
    """How the error budget is spent over acceptance with 0, 1, 2 ... failures: 1/((f+1)(f+2)).

    They sum to below one whatever the count.
    """
    failures = np.arange(count)
    return 1.0 / ((failures + 1.0) * (failures + 2.0))


@lru_cache(maxsize=32)
def accept_boundary(p0: float, alpha: float, runs_max: int) -> tuple[int, ...]:
    """n_f for f = 0, 1, 2 ...: accept at run n with f failures when n >= n_f.

    If the true probability is p0 (or below), the chance ever to accept is at most `alpha`. Exact:
    a dynamic programme over P(f failures and not yet accepted | p = p0), run by run, that sets each
    n_f at the first run where accepting costs no more than its share of alpha.
    Boundaries above `runs_max` are left out.

    >>> accept_boundary(0.99, 0.05, 1000)
    (368, 607, 821)
    """
    share = alpha * error_shares()
    alive = np.zeros(FAILURES_MAX + 1)
    alive[0] = 1.0
    boundary: list[int] = []
    for n in range(1, runs_max + 1):
        shifted = np.concatenate([[0.0], alive[:-1]])
        alive = alive * p0 + shifted * (1.0 - p0)
        f = len(boundary)
        if f == FAILURES_MAX:
            break
        if alive[f] <= share[f] and (f == 0 or n > f / (1.0 - p0)):
            boundary.append(n)
            alive[f] = 0.0
    return tuple(boundary)


def accepts(p0: float, alpha: float, runs: int, failures: int, runs_max: int) -> bool:
    """Whether `runs` with `failures` among them certify that p >= p0."""
    boundary = accept_boundary(p0, alpha, runs_max)
    return failures < len(boundary) and runs >= boundary[failures]


def failure_rates(p0: float) -> NDArray[np.float64]:
    """The alternatives the e-value bets on: failure probabilities above the allowed 1 - p0."""
    near = [q * (1.0 - p0) for q in (1.5, 2, 3, 5, 10, 20, 50)]
    return np.array([q for q in near if q < 0.6] + [q for q in (0.6, 0.9) if q > 1.0 - p0])


def log_e_value(p0: float, runs: int, failures: int) -> float:
    """log of the mean likelihood ratio against p = p0; under p >= p0 its exponential is an e-value.

    Source: Ville's inequality; Grünwald, de Heide, Koolen 2024, 'Safe testing'.
    """
    rates = failure_rates(p0)
    logs = (runs - failures) * np.log((1.0 - rates) / p0) + failures * np.log(rates / (1.0 - p0))
    top = float(logs.max())
    return top + float(np.log(np.mean(np.exp(logs - top))))


@lru_cache(maxsize=100_000)
def rejects(p0: float, alpha: float, runs: int, failures: int) -> bool:
    """Whether the runs so far show p < p0; wrong with probability at most `alpha`, at any time."""
    return log_e_value(p0, runs, failures) >= -log(alpha)


@lru_cache(maxsize=1024)
def confidence_sequence(runs: int, failures: int, alpha: float) -> tuple[float, float]:
    """An interval for p that holds at every run at once with probability at least 1 - alpha.

    The p whose Beta(1/2, 1/2)-mixture likelihood ratio stays below 1/alpha (Robbins 1970). Exact up
    to a grid of 1/2000.
    """
    if runs == 0:
        return 0.0, 1.0
    grid = np.linspace(0.0005, 0.9995, 1999)
    kept = runs - failures
    inside = grid[log_mixture(kept, failures) - log_likelihood(grid, kept, failures)
                  < -np.log(alpha)]  # fmt: skip
    low = 0.0 if kept == 0 else float(inside[0])
    high = 1.0 if failures == 0 else float(inside[-1])
    return low, high


def log_likelihood(p: NDArray[np.float64], kept: int, failures: int) -> NDArray[np.float64]:
    return np.asarray(kept * np.log(p) + failures * np.log1p(-p))


def log_mixture(kept: int, failures: int) -> float:
    """log of the Beta(1/2, 1/2) mixture of the likelihood: a product of predictive chances."""
    return float(sum(predictive_logs(kept)) + sum(predictive_logs(failures))
                 - sum(np.log(i + 1.0) for i in range(kept + failures)))  # fmt: skip


def predictive_logs(count: int) -> Iterator[float]:
    return (float(np.log(i + 0.5)) for i in range(count))
