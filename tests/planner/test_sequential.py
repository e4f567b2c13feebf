"""The sequential tests: published numbers, then their error rates by simulation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from planner.sequential import (
    accept_boundary,
    confidence_sequence,
    error_shares,
    log_e_value,
    rejects,
)


@pytest.mark.parametrize(
    "p0, first",
    [
        (0.99, (368, 607, 821, 1020, 1209, 1390, 1566, 1737)),
        (0.95, (72,)),
        (0.999, (3688,)),
    ],
)
def test_the_accept_boundary_has_the_designed_numbers(p0, first):
    assert accept_boundary(p0, 0.05, 4000)[: len(first)] == first


def test_the_first_boundary_is_the_zero_failure_rule():
    """n_0 is the first n with p0^n <= alpha / 2."""
    for p0 in (0.8, 0.9, 0.95, 0.99):
        n = accept_boundary(p0, 0.05, 1000)[0]
        assert p0**n <= 0.025 < p0 ** (n - 1)


def test_error_shares_never_exceed_one():
    assert error_shares(10_000).sum() < 1


def run_many(p, boundary, trials, runs, rng):
    """Whether each of `trials` sequences of Bernoulli(p) periods is ever accepted."""
    failures = np.cumsum(rng.random((trials, runs)) >= p, axis=1)
    accepted = np.zeros(trials, dtype=bool)
    for f, n in enumerate(boundary):
        accepted |= (failures[:, n - 1 :] == f).any(axis=1)
    return accepted


@pytest.mark.slow
@pytest.mark.parametrize("p0", [0.8, 0.9, 0.95])
def test_false_accepts_stay_below_alpha(p0):
    """At p = p0, over the whole sequence of looks. 20,000 trials: a rate of 5 % shows above
    0.05 + 4 standard errors with probability 3e-5. And the budget is spent, not wasted."""
    runs = int(60 / (1 - p0))
    accepted = run_many(p0, accept_boundary(p0, 0.05, runs), 20_000, runs, np.random.default_rng(1))
    error = 4 * np.sqrt(0.05 * 0.95 / 20_000)
    assert accepted.mean() <= 0.05 + error
    assert accepted.mean() >= 0.03


def test_a_good_fleet_is_accepted():
    """At p = 0.99 against p0 = 0.95 nearly always within the budget."""
    accepted = run_many(0.99, accept_boundary(0.95, 0.05, 1200), 2_000, 1200,
                        np.random.default_rng(2))  # fmt: skip
    assert accepted.mean() > 0.999


def test_false_rejects_stay_below_alpha_at_any_time():
    """At p = p0: Ville's inequality. 3,000 trials of 1,200 looks; 0.05 + 4 standard errors is
    passed by a valid e-value with probability below 3e-5."""
    p0, trials, runs = 0.95, 3_000, 1_200
    rng = np.random.default_rng(3)
    failures = np.cumsum(rng.random((trials, runs)) >= p0, axis=1)
    looks = np.arange(1, runs + 1)
    # Rejection depends on (n, f) only and is monotone in f: find the boundary once per n.
    least = np.array([next(f for f in range(n + 2) if f > n or rejects(p0, 0.05, n, f))
                      for n in looks])  # fmt: skip
    rejected = (failures >= least).any(axis=1)
    assert rejected.mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / trials)


def test_an_e_value_has_mean_one_under_the_promise():
    """Exactly: sum over f of Binomial(n, 1 - p0)(f) e(n, f) = 1."""
    for p0 in (0.9, 0.95, 0.99):
        f = np.arange(31)
        values = np.array([np.exp(log_e_value(p0, 30, int(k))) for k in f])
        assert (stats.binom.pmf(f, 30, 1 - p0) * values).sum() == pytest.approx(1.0, rel=1e-9)


def test_two_failures_in_two_runs_reject():
    assert not rejects(0.95, 0.05, 1, 1)
    assert rejects(0.95, 0.05, 2, 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_a_confidence_sequence_holds_the_observed_share(kept, failed):
    runs = kept + failed
    low, high = confidence_sequence(runs, failed, 0.05)
    assert 0.0 <= low <= high <= 1.0
    if runs:
        assert low - 1e-3 <= kept / runs <= high + 1e-3


@pytest.mark.slow
def test_a_confidence_sequence_covers_at_every_look():
    """p = 0.9, 200 trials of 200 looks: misses somewhere in at most 5 % (+ 4 standard errors)."""
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        failures = np.cumsum(rng.random(200) >= 0.9)
        bounds = [confidence_sequence(n + 1, int(f), 0.05) for n, f in enumerate(failures)]
        missed += any(not low <= 0.9 <= high for low, high in bounds)
    assert missed / 200 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("p0", [0.9, 0.95, 0.99])
def test_more_alpha_never_accepts_later(p0):
    """What sharing alpha among the sizes not accepted yet rests on."""
    runs_max = round(60 / (1 - p0))
    boundaries = [accept_boundary(p0, 0.0375 / parts, runs_max) for parts in (4, 3, 2, 1)]
    for less, more in pairwise(boundaries):
        assert len(more) >= len(less)
        assert all(late >= early for late, early in zip(less, more, strict=False))
