"""Arrival processes beyond the renewals of test_traffic.py: Weibull gaps, batches, hidden states.

False alarms: tests/oracles/laws.py.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from scenarios.demand import Arrivals
from simulator.traffic.arrivals.hidden_states import chain_of, draw_path
from simulator.traffic.arrivals.instants import draw_arrivals
from simulator.traffic.arrivals.weibull import weibull_shape
from tests.oracles.laws import (
    FALSE_ALARM,
    assert_binomial,
    assert_law,
    assert_mean,
    mmpp_dispersion,
    on_off_dispersion,
    residual_weibull,
    span,
    stationary,
    streams,
)

ARRIVALS = TypeAdapter(Arrivals)


def process(**described):
    return ARRIVALS.validate_python(described)


def arrivals(described, start_s, end_s, replication=0):
    return draw_arrivals(process(**described), span(start_s, end_s), streams("a", replication))


def counts(described, end_s, replications):
    drawn = process(**described)
    return np.array(
        [draw_arrivals(drawn, span(0.0, end_s), streams("a", i)).size for i in range(replications)]
    )


# --- Weibull ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cv", [1e-3, 0.1, 0.5, 1.0, 1.5, 5.0, 20.0, 50.0])
def test_the_shape_has_the_cv_it_was_asked_for(cv):
    assert stats.weibull_min(weibull_shape(cv)).std() / stats.weibull_min(
        weibull_shape(cv)
    ).mean() == pytest.approx(cv, rel=1e-7)


def test_shapes_of_many_are_those_of_each():
    cvs = np.array([1e-6, 0.3, 1.0, 50.0])
    assert weibull_shape(cvs).tolist() == [weibull_shape(float(cv)) for cv in cvs]


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0])
def test_gaps_are_weibull_of_this_cv(cv):
    gaps = np.diff(arrivals({"kind": "weibull", "rate": "5/s", "cv": cv}, 0.0, 4_000.0))
    shape = weibull_shape(cv)
    law = stats.weibull_min(shape)
    assert_law(gaps, stats.weibull_min(shape, scale=0.2 / law.mean()).cdf)


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0, 6.0])
def test_the_first_weibull_gap_is_what_is_left_of_one_under_way(cv):
    """Periods long enough that nearly all see an arrival; the others are cut off by the law too."""
    end_s = 2_000.0
    described = {"kind": "weibull", "rate": "1/s", "cv": cv}
    drawn = [arrivals(described, 0.0, end_s, i)[:1] for i in range(3_000)]
    cdf = residual_weibull(weibull_shape(cv), 1.0)
    seen = np.concatenate(drawn)
    assert_binomial(seen.size, len(drawn), float(cdf(end_s)), FALSE_ALARM)
    assert_law(seen, lambda wait: cdf(wait) / cdf(end_s))


@pytest.mark.parametrize("cv", [0.3, 3.0, 10.0])
def test_the_mean_rate_of_weibull_arrivals_is_the_rate_from_the_first_second_on(cv):
    assert_mean(counts({"kind": "weibull", "rate": "1/s", "cv": cv}, 20.0, 4_000), 20)


# --- batches ------------------------------------------------------------------------------------


def test_a_batch_comes_at_one_instant_and_the_rate_counts_its_requests():
    """Six requests a second, three at once: every half second."""
    described = {"kind": "constant", "rate": "6/s", "batch": {"kind": "constant", "count": 3}}
    times_s = arrivals(described, 0.0, 10.0)
    assert times_s.size == 60
    by_three = times_s.reshape(20, 3)
    assert np.all(by_three == by_three[:, :1])
    assert np.allclose(np.diff(by_three[:, 0]), 0.5, rtol=0, atol=1e-12)


def test_batches_of_random_size_keep_the_rate():
    """And vary as a compound Poisson process: by E(B^2) / E(B) of the batch, here 2 m - 1."""
    described = {"kind": "poisson", "rate": "8/s", "batch": {"kind": "geometric", "mean": 4.0}}
    seen = counts(described, 50.0, 3_000)
    assert_mean(seen, 400)
    assert_mean((seen - 400) ** 2, 400 * 7)


# --- hidden states ------------------------------------------------------------------------------

ON_OFF = {"kind": "on-off", "rate": "6/s", "on": "2s", "off": "6s"}
THREE = {
    "kind": "mmpp", "rate": "4/s",
    "states": [
        {"level": 1.0, "lasts": "5s", "next": [0, 3, 1]},
        {"level": 6.0, "lasts": "1s"},
        {"level": 0.0, "lasts": "3s", "next": [1, 0, 0]},
    ],
}  # fmt: skip
FOLLOW = [[0, 0.75, 0.25], [0.5, 0, 0.5], [1, 0, 0]]


def test_levels_are_scaled_to_the_mean_rate():
    """Three in a ring: time goes by the length of stays, 1 : 2 : 7; the mean level is 2.1."""
    ring = process(
        kind="mmpp", rate="1/s",
        states=[
            {"level": 0, "lasts": "1s", "next": [0, 1, 0]},
            {"level": 7, "lasts": "2s", "next": [0, 0, 1]},
            {"level": 1, "lasts": "7s", "next": [1, 0, 0]},
        ],
    )  # fmt: skip
    chain = chain_of(ring)
    assert chain.stationary == pytest.approx([0.1, 0.2, 0.7])
    assert chain.levels == pytest.approx(np.array([0, 7, 1]) / 2.1)


def test_on_and_off_are_two_states():
    chain = chain_of(process(**ON_OFF))
    assert chain.stationary == pytest.approx([0.25, 0.75])
    assert chain.levels == pytest.approx([4, 0])


def test_a_path_spends_its_time_as_the_chain_does():
    """Time shares of independent paths, which start anywhere: exact whatever their length."""
    chain = chain_of(process(**THREE))
    assert chain.stationary == pytest.approx(
        stationary((np.array(FOLLOW) - np.eye(3)) / np.array([[5.0], [1.0], [3.0]])), abs=1e-12
    )
    shares = []
    for replication in range(1_500):
        path = draw_path(chain, span(-3.0, 7.0), streams("path", replication)("states"))
        assert (path.times_s[0], path.times_s[-1]) == (-3.0, 7.0)
        lasts_s = np.diff(path.times_s)
        assert np.all(lasts_s >= 0)
        shares.append([lasts_s[path.values == level].sum() / 10 for level in chain.levels])
    for share, exact in zip(np.array(shares).T, chain.stationary, strict=True):
        assert_mean(share, exact)


def test_stays_are_exponential_and_followed_by_the_weights():
    chain = chain_of(process(**THREE))
    path = draw_path(chain, span(0.0, 40_000.0), streams("path")("states"))
    states = np.searchsorted(np.sort(chain.levels), path.values)
    order = np.argsort(chain.levels)
    states = order[states]
    stays_s = np.diff(path.times_s)
    for state, mean_s in enumerate([5.0, 1.0, 3.0]):
        whole = stays_s[1:-1][states[1:-1] == state]
        assert_law(whole, stats.expon(scale=mean_s).cdf)
        after = states[1:][states[:-1] == state]
        for other in range(3):
            chance = FOLLOW[state][other]
            assert_binomial((after == other).sum(), after.size, chance)


@pytest.mark.slow
@pytest.mark.parametrize("t_s", [0.5, 4.0, 40.0])
def test_on_off_counts_vary_as_the_closed_form_says(t_s):
    seen = counts(ON_OFF, t_s, 4_000)
    mean = 6 * t_s
    assert_mean(seen, mean)
    assert_mean((seen - mean) ** 2, mean * on_off_dispersion(2.0, 6.0, 6.0, t_s))


@pytest.mark.slow
@pytest.mark.parametrize("t_s", [0.5, 4.0, 40.0])
def test_mmpp_counts_vary_as_the_closed_form_says(t_s):
    seen = counts(THREE, t_s, 4_000)
    mean = 4 * t_s
    exact = mmpp_dispersion([1, 6, 0], [5, 1, 3], FOLLOW, 4.0, t_s)
    assert_mean(seen, mean)
    assert_mean((seen - mean) ** 2, mean * exact)


def test_the_closed_form_of_many_states_holds_for_two():
    exact = on_off_dispersion(2.0, 6.0, 6.0, 4.0)
    assert mmpp_dispersion([1, 0], [2, 6], [[0, 1], [1, 0]], 6.0, 4.0) == pytest.approx(exact)


def test_gaps_of_on_off_arrivals_have_the_cv_of_interrupted_poisson():
    """Closed form of the squared cv: 1 + 2 r off / (on (1/on + 1/off))^2 ... with r while on:
    1 + 2 w1 r / (w1 + w2)^2, w1 = 1/on, w2 = 1/off (Fischer and Meier-Hellstern 1993)."""
    leaving_on, leaving_off, while_on = 1 / 2, 1 / 6, 24.0
    exact = 1 + 2 * leaving_on * while_on / (leaving_on + leaving_off) ** 2
    squares, gaps_each = [], 20_000
    for replication in range(40):
        times_s = arrivals(ON_OFF, 0.0, 1.1 * gaps_each / 6, replication)
        squares.append(np.mean((np.diff(times_s) * 6) ** 2) - 1)
    assert_mean(squares, exact)


@pytest.mark.parametrize("cv", [0.2, 1.5])
def test_nothing_arrives_while_off_and_gaps_while_on_have_their_cv(cv):
    """The state's path is the same stream's: in its operational time the gaps are gamma's."""
    described = ON_OFF | {"cv": cv}
    period, rng_of = span(0.0, 3_000.0), streams("a")
    path = draw_path(chain_of(process(**described)), period, rng_of("states"))
    times_s = draw_arrivals(process(**described), period, rng_of)
    assert np.all(path.at(times_s) == 4.0)
    operational = np.interp(times_s, path.times_s, path.areas) * 6
    shape = 1 / cv**2
    assert_law(np.diff(operational), stats.gamma(shape, scale=1 / shape).cdf)


def test_a_faster_rate_makes_denser_bursts_and_not_shorter_ones():
    """Times on and off are seconds of the clock: the path does not know the rate."""
    faster = ON_OFF | {"modulation": [{"kind": "spike", "at": "0s", "lasts": "1h", "factor": 10.0}]}
    path = draw_path(chain_of(process(**ON_OFF)), span(0.0, 500.0), streams("a")("states"))
    slow, fast = arrivals(ON_OFF, 0.0, 500.0), arrivals(faster, 0.0, 500.0)
    assert np.all(path.at(slow) > 0)
    assert np.all(path.at(fast) > 0)
    assert fast.size == pytest.approx(10 * slow.size, rel=0.1)


# --- any process --------------------------------------------------------------------------------

rates = st.floats(0.01, 50).map(lambda rate: f"{rate}/s")
lasting = st.floats(0.05, 60).map(lambda lasts_s: f"{lasts_s}s")
cvs = st.floats(0.05, 50)
batches = st.none() | st.builds(
    lambda mean: {"kind": "geometric", "mean": mean}, st.floats(1, 20)
) | st.builds(lambda counts: {"kind": "table", "counts": counts},
              st.lists(st.integers(1, 9), min_size=1, max_size=4))  # fmt: skip
processes = st.one_of(
    st.fixed_dictionaries({"kind": st.just("weibull"), "rate": rates, "cv": cvs, "batch": batches}),
    st.fixed_dictionaries({"kind": st.just("gamma"), "rate": rates, "cv": cvs, "batch": batches}),
    st.fixed_dictionaries({"kind": st.just("on-off"), "rate": rates, "on": lasting, "off": lasting,
                           "cv": cvs, "batch": batches}),
    st.fixed_dictionaries({
        "kind": st.just("mmpp"), "rate": rates, "batch": batches,
        "states": st.lists(
            st.fixed_dictionaries({"level": st.floats(0.1, 9), "lasts": lasting}),
            min_size=2, max_size=5),
    }),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(described=processes, start_s=st.floats(-30, 0), length_s=st.floats(0.1, 60))
def test_arrivals_are_in_order_and_in_the_period(described, start_s, length_s):
    times_s = arrivals(described, start_s, start_s + length_s)
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= start_s) & (times_s < start_s + length_s))
