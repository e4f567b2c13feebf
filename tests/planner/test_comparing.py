"""Tests of differences: against exact answers, then their error rates by counting or simulation."""

from itertools import combinations, product
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from planner.comparing import (
    ALPHA,
    can_tell,
    difference,
    holm,
    interval,
    is_exact,
    p_value,
    paired,
    rank_reach,
    rank_tail,
    rank_tails,
    shares_p_value,
    unpaired,
)
from planner.sequential import accept_boundary
from simulator.estimates import share_estimate

LEVELS = (0.2, 0.05, 0.01, 0.002)
values = st.one_of(st.floats(-5, 5), st.sampled_from([0.0, 1.0, inf]))
samples = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[st.lists(values, min_size=n, max_size=n)] * 2)
)


def chance(rate: float, trials: int) -> float:
    """A rate seen in so many trials is above this with a probability below 1e-4."""
    return rate + 3.8 * np.sqrt(rate * (1 - rate) / trials)


# --- exact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [1, 5, 6, 9])
def test_the_sign_test_errs_as_often_as_it_says(pairs):
    """Over all 2^n ways in which pairs without a difference may fall."""
    p_values = np.array([p_value(paired(np.zeros(pairs), signs))
                         for signs in product((-1, 1), repeat=pairs)])  # fmt: skip
    for p in set(p_values):
        assert p == 1 or (p_values <= p).mean() == pytest.approx(p)


@pytest.mark.parametrize("n, m", [(1, 4), (4, 4), (5, 3)])
def test_mann_whitney_errs_as_often_as_it_says(n, m):
    """Over all orders of two sets of one distribution."""
    every = set(range(n + m))
    p_values = np.array([p_value(unpaired(sorted(a), sorted(every - set(a))))
                         for a in combinations(every, n)])  # fmt: skip
    for p in set(p_values):
        assert p == 1 or (p_values <= p + 1e-12).mean() == pytest.approx(p)


def test_mcnemar_is_the_sign_test_of_kept_and_broken():
    """8 lost, 1 gained, others as before: 2 P(Binomial(9, 1/2) <= 1)."""
    a, b = [1] * 8 + [0] + [1] * 10, [0] * 8 + [1] + [1] * 10
    assert p_value(paired(a, b)) == pytest.approx(2 * 10 / 2**9)


def test_fisher_has_the_tea_of_his_lady():
    assert shares_p_value((3, 4), (1, 4)) == pytest.approx(34 / 70)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_fisher_errs_at_most_as_often_as_it_says(p):
    """Over all outcomes of 7 and 12 periods that keep with the same chance."""
    chances = {(a, b): stats.binom.pmf(a, 7, p) * stats.binom.pmf(b, 12, p)
               for a in range(8) for b in range(13)}  # fmt: skip
    for level in LEVELS:
        wrong = sum(c for (a, b), c in chances.items() if shares_p_value((a, 7), (b, 12)) <= level)
        assert wrong <= level


@pytest.mark.parametrize("hits", [0, 3, 20])
def test_clopper_and_pearson_end_where_a_test_would(hits):
    _, low, high, _ = share_estimate(hits, 20)
    assert hits == 0 or stats.binom.sf(hits - 1, 20, low) == pytest.approx(0.025)
    assert hits == 20 or stats.binom.cdf(hits, 20, high) == pytest.approx(0.025)


def test_the_exact_count_is_that_of_scipy():
    a, b = np.random.default_rng(3).normal(size=(2, 30))
    expected = stats.mannwhitneyu(a, b[:17], method="exact").pvalue
    assert p_value(unpaired(a, b[:17])) == pytest.approx(expected)
    assert rank_tails(30, 17).size == 30 * 17 // 2 + 1


def test_beyond_the_exact_count_small_chances_are_not_told_smaller(monkeypatch):
    """At a size where both can be had: 60 and 70 periods. Larger chances are off by half a percent
    at most."""
    exact = {count: rank_tail(60, 70, count) for count in range(1200, 2100, 50)}
    reach = rank_reach(60, 70, 0.001)
    monkeypatch.setattr("planner.comparing.EXACT_WORK_MAX", 0)
    assert not is_exact(60, 70)
    for count, tail in exact.items():
        assert (1.0 if tail < 0.025 else 0.995) * tail <= rank_tail(60, 70, count) < 1.5 * tail
    assert reach - 15 < rank_reach(60, 70, 0.001) <= reach


def test_holm_as_in_his_paper():
    """.01 and .005 pass at .05/4 and .05/3; .03 does not at .05/2, and nothing does after it."""
    judged = holm([0.01, 0.04, 0.03, 0.005])
    assert [one.differs for one in judged] == [True, False, False, True]
    assert [one.alpha for one in judged] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert holm([]) == []


def test_never_is_a_value():
    """From 1 s to never in all pairs but one, where both never end."""
    contrast = paired([1.0] * 9 + [inf], [inf] * 10)
    assert contrast.sides() == (0, 9)
    assert difference(contrast) == inf and interval(contrast, 0.05) == (inf, inf)
    assert p_value(contrast) == 2 / 2**9
    assert difference(unpaired([inf, inf], [inf, inf])) == 0.0
    assert difference(paired([1.0, inf], [inf, 1.0])) == 0.0
    assert unpaired([inf, inf], [inf, inf]).sides() == (0, 0)


def test_sums_in_another_order_are_no_difference():
    total, other = sum([0.1] * 10), 1.0
    assert total != other and paired([total], [other]).sides() == (0, 0)
    assert paired([1e-9, 0.0], [2e-9, 1e-20]).sides() == (0, 2)


def test_too_few_periods_cannot_tell():
    assert can_tell(paired(range(6), range(6)), 0.05) and not can_tell(
        paired([1] * 5, [2] * 5), 0.05
    )
    assert can_tell(unpaired(range(4), range(4)), 0.05)
    assert not can_tell(unpaired(range(3), range(3)), 0.05)
    assert interval(paired([1] * 5, [2] * 5), 0.05) == (-inf, inf)


# --- any sets ------------------------------------------------------------------------------------


@given(samples, st.sampled_from(LEVELS), st.sampled_from([paired, unpaired]))
def test_a_test_and_its_interval_agree(sample, alpha, contrast_of):
    contrast = contrast_of(*sample)
    low, high = interval(contrast, alpha)
    assert low <= difference(contrast) <= high
    if low > 0 or high < 0:
        assert p_value(contrast) <= alpha
    if p_value(contrast) <= alpha and not contrast.in_pairs:
        assert low > 0 or high < 0


@given(samples, st.sampled_from([paired, unpaired]))
def test_the_other_way_round_is_the_same_with_the_other_sign(sample, contrast_of):
    one, other = contrast_of(*sample), contrast_of(*reversed(sample))
    assert p_value(one) == p_value(other)
    assert difference(one) == -difference(other)
    low, high = interval(one, 0.1)
    assert interval(other, 0.1) == (-high, -low)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_finds_what_bonferroni_finds_and_never_more_than_each_alone(p_values):
    for p, judged in zip(p_values, holm(p_values), strict=True):
        assert judged.differs or p > ALPHA / len(p_values)
        assert not judged.differs or p <= judged.alpha <= ALPHA
        assert judged.differs or p > judged.alpha


# --- error rates by simulation -------------------------------------------------------------------


def test_intervals_cover_as_often_as_they_say():
    """A shift of 1 in heavy tails, and 90 %: 600 trials each, at most 1e-4 by chance."""
    rng, missed = np.random.default_rng(5), np.zeros(2)
    for _ in range(600):
        luck, a, b = rng.standard_t(2, size=(3, 15))
        for which, contrast in enumerate((paired(luck, luck + a + 1), unpaired(a, b + 1))):
            low, high = interval(contrast, 0.1)
            missed[which] += not low <= 1.0 <= high
    assert (missed / 600 <= chance(0.1, 600)).all()


def test_many_figures_that_hang_together_err_once_in_twenty():
    """18 figures without a difference, half of their luck shared; 1,500 trials."""
    rng, wrong = np.random.default_rng(6), 0
    for _ in range(1500):
        shared, own = rng.normal(size=20), rng.normal(size=(18, 20))
        higher = ((shared + own) > 0).sum(axis=1)
        p_values = np.minimum(2 * stats.binom.cdf(np.minimum(higher, 20 - higher), 20, 0.5), 1)
        wrong += any(judged.differs for judged in holm(p_values.tolist()))
    assert wrong / 1500 <= chance(0.05, 1500)


@pytest.mark.parametrize("kept", [0.96, 0.99])
def test_plans_that_stop_when_they_know_do_not_spoil_it(kept):
    """Two plans of equal fleets go on until each is certified (at .95, or 300 periods), and the
    periods that both have are compared. 1,000 trials: kept and broken, and the figure behind it."""
    boundary = np.array(accept_boundary(0.95, 0.05, 300))
    rng, wrong = np.random.default_rng(7), np.zeros(3)
    for _ in range(1000):
        figures = rng.random((2, 300))
        broken = np.cumsum(figures > kept, axis=1)
        ends = [end(failures, boundary) for failures in broken]
        a, b = figures[:, : min(ends)]
        one, other = ((figures[i, : ends[i]] <= kept) for i in (0, 1))
        fisher = shares_p_value((one.sum(), one.size), (other.sum(), other.size))
        wrong += (
            np.array([p_value(paired(a <= kept, b <= kept)), p_value(paired(a, b)), fisher]) <= 0.05
        )
    assert (wrong / 1000 <= chance(0.05, 1000)).all()


def end(failures, boundary):
    """The period at which a plan knows."""
    known = [n for f, n in enumerate(boundary) if failures[n - 1] == f]
    return min(known, default=failures.size)


def test_the_least_p_is_the_one_that_can_tell():
    assert p_value(unpaired(range(4), range(10, 15))) == pytest.approx(2 / comb(9, 4))
