"""Traffic: arrivals and lengths against their exact distributions, and the workload of a scenario.

False alarms: tests/oracles/laws.py.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from scenarios.demand import (
    TOKENS_MAX,
    ConstantArrivals,
    GammaArrivals,
    Lengths,
    Lognormal,
    PoissonArrivals,
)
from simulator.streams import stream
from simulator.traffic import NS_PER_S, draw_workload
from simulator.traffic.arrivals.instants import draw_arrivals
from simulator.traffic.arrivals.modulation import rate_over_time
from simulator.traffic.lengths.tokens import draw_lengths
from tests.oracles.laws import (
    FALSE_ALARM,
    assert_binomial,
    assert_mean,
    assert_poisson,
    span,
    streams,
)
from tests.oracles.small import small_scenario


def poisson(rate, table=()):
    return PoissonArrivals(kind="poisson", rate=f"{rate}/s", rate_table=rates(table))


def gamma(rate, cv, table=()):
    return GammaArrivals(kind="gamma", rate=f"{rate}/s", cv=cv, rate_table=rates(table))


def constant(rate, table=()):
    return ConstantArrivals(kind="constant", rate=f"{rate}/s", rate_table=rates(table))


def rates(table):
    return [{"at": f"{at}s", "rate": f"{rate}/s"} for at, rate in table]


def arrivals(process, start_s, end_s, replication=0):
    return draw_arrivals(process, span(start_s, end_s), streams("arrivals", replication))


def expected(process, start_s, end_s):
    """Knots of the expected count: instants, and requests expected since the first one."""
    rate = rate_over_time(process, span(start_s, end_s), streams("arrivals"))
    return rate.times_s, rate.areas


def counts(process, edges_s, replications):
    """Requests between the edges, one row per replication."""
    draws = (arrivals(process, edges_s[0], edges_s[-1], i) for i in range(replications))
    return np.array([np.histogram(times_s, edges_s)[0] for times_s in draws])


# --- arrivals -----------------------------------------------------------------------------------


def test_constant_arrivals_are_evenly_spaced():
    times_s = arrivals(constant(8), -2.0, 10.0)
    assert times_s.size == 12 * 8
    assert np.allclose(np.diff(times_s), 1 / 8, rtol=0, atol=1e-12)
    assert -2.0 <= times_s[0] < -2.0 + 1 / 8


def test_constant_arrivals_change_their_spacing_with_the_rate():
    """10/s, from second 5 on 20/s, from second 8 on 4/s: 50 + 60 + 8 requests, evenly spaced."""
    times_s = arrivals(constant(10, [(5, 20), (8, 4)]), 0.0, 10.0)
    for start_s, end_s, rate in [(0, 5, 10), (5, 8, 20), (8, 10, 4)]:
        inside = times_s[(times_s >= start_s) & (times_s < end_s)]
        assert inside.size == (end_s - start_s) * rate
        assert np.allclose(np.diff(inside), 1 / rate, rtol=0, atol=1e-12)


def test_the_phase_of_constant_arrivals_is_uniform():
    """Two groups of one rate must not arrive together in every replication."""
    first = [arrivals(constant(1), 0.0, 5.0, i)[0] for i in range(400)]
    assert stats.kstest(first, "uniform").pvalue > FALSE_ALARM


def test_poisson_counts_are_poisson():
    """Mean and variance of the counts of disjoint seconds, after a second of warming up."""
    seconds = counts(poisson(20), np.arange(-1.0, 51.0), 100)[:, 1:].ravel()
    assert_poisson(seconds.sum(), 20 * seconds.size, FALSE_ALARM / 2)
    dispersion = ((seconds - seconds.mean()) ** 2).sum() / seconds.mean()
    low, high = stats.chi2.interval(1 - FALSE_ALARM / 2, seconds.size - 1)
    assert low <= dispersion <= high


@pytest.mark.parametrize(
    "process, cv", [(poisson(5), 1), (gamma(5, 0.3), 0.3), (gamma(5, 1), 1), (gamma(5, 2), 2)]
)
def test_gaps_are_gamma_of_this_cv(process, cv):
    """Kolmogorov-Smirnov over 20,000 gaps in units of the mean; shape and scale follow from cv.

    Beyond cv 2 many gaps are below the resolution of instants as floats (1e-13 s), and become 0.
    """
    gaps = np.diff(arrivals(process, 0.0, 4_000.0)) * 5
    shape = 1 / cv**2
    assert stats.kstest(gaps, stats.gamma(shape, scale=1 / shape).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("process", [gamma(4, 0.3), gamma(4, 1.5), gamma(4, 3)])
def test_the_mean_rate_is_the_rate(process):
    """In a period of 20 s, a minute after the start: the default pre-roll."""
    periods = counts(process, [-60.0, 0.0, 20.0], 1_000)[:, 1]
    assert_mean(periods, 4 * 20)


@pytest.mark.parametrize("process", [poisson(1), gamma(1, 3), gamma(1, 10), gamma(1, 40)])
def test_the_mean_rate_is_the_rate_from_the_first_second_on(process):
    """A stationary renewal process has its rate everywhere, pre-roll or not."""
    periods = counts(process, [0.0, 20.0], 4_000)[:, 0]
    assert_mean(periods, 20)


TABLE = [(0, 5), (10, 40), (20, 1), (60, 12)]
SEGMENTS = [(-30, 0, 20), (0, 10, 5), (10, 20, 40), (20, 60, 1), (60, 90, 12)]


def test_each_segment_of_a_rate_table_has_its_own_rate():
    """Before 0, in the pre-roll, the plain rate holds; the first instants are left to others."""
    edges = [-40.0, *(start for start, _, _ in SEGMENTS), 90.0]
    totals = counts(poisson(20, TABLE), edges, 200)[:, 1:].sum(axis=0)
    for total, (start_s, end_s, rate) in zip(totals, SEGMENTS, strict=True):
        assert_poisson(total, rate * (end_s - start_s) * 200, FALSE_ALARM / len(SEGMENTS))


def test_a_rate_table_changes_the_pace_and_not_the_character():
    """Mapped back to operational time, the gaps are gamma of the same cv."""
    process = gamma(20, 2.0, TABLE)
    knots = expected(process, -30.0, 2_000.0)
    gaps = np.diff(np.interp(arrivals(process, -30.0, 2_000.0), *knots))
    assert stats.kstest(gaps, stats.gamma(0.25, scale=4).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("table", [TABLE, TABLE[::-1]])
def test_the_expected_count_is_the_area_under_the_rate(table):
    instants_s, counts = expected(poisson(20, table), -30.0, 90.0)
    assert instants_s.tolist() == [-30, 0, 10, 20, 60, 90]
    assert counts.tolist() == [0, 600, 650, 1050, 1090, 1450]


processes = st.one_of(
    st.builds(constant, st.floats(0.01, 50), st.just([])),
    st.builds(poisson, st.floats(0.01, 50), st.lists(st.tuples(
        st.floats(0, 30), st.floats(0.01, 50)), max_size=3)),
    st.builds(gamma, st.floats(0.01, 50), st.floats(0.05, 20)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(process=processes, start_s=st.floats(-30, 0), length_s=st.floats(0.1, 60))
def test_arrivals_are_in_order_and_in_the_period(process, start_s, length_s):
    times_s = arrivals(process, start_s, start_s + length_s)
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= start_s) & (times_s < start_s + length_s))


# --- lengths ------------------------------------------------------------------------------------


def lengths(size=20_000, replication=0, **described):
    part = TypeAdapter(Lengths).validate_python(described)
    return draw_lengths(part, size, stream(12, "lengths", replication))


def test_constant_lengths_are_constant():
    assert lengths(5, kind="constant", tokens=7).tolist() == [7] * 5


def test_a_lognormal_is_given_by_median_and_p95():
    part = Lognormal(kind="lognormal", median=1020, p95=3400)
    law = stats.lognorm(part.sigma, scale=np.exp(part.mu))
    assert law.median() == pytest.approx(1020, rel=1e-12)
    assert law.ppf(0.95) == pytest.approx(3400, rel=1e-12)


def test_lognormal_lengths_are_rounded_lognormal():
    """How many are at most k, for the whole numbers around median, p95 and both tails."""
    drawn = lengths(kind="lognormal", median=200, p95=900)
    sigma = np.log(900 / 200) / stats.norm.ppf(0.95)
    for k in (20, 100, 200, 400, 900, 3000):
        chance = stats.norm.cdf(np.log((k + 0.5) / 200) / sigma)
        assert_binomial((drawn <= k).sum(), drawn.size, chance, FALSE_ALARM / 6)


def test_lognormal_lengths_are_clipped_to_their_bounds():
    """What is beyond a bound is laid on it."""
    drawn = lengths(kind="lognormal", median=200, p95=900, min=50, max=800)
    sigma = np.log(900 / 200) / stats.norm.ppf(0.95)
    below = stats.norm.cdf(np.log(50.5 / 200) / sigma)
    above = stats.norm.sf(np.log(799.5 / 200) / sigma)
    assert (drawn.min(), drawn.max()) == (50, 800)
    assert_binomial((drawn == 50).sum(), drawn.size, below, FALSE_ALARM / 2)
    assert_binomial((drawn == 800).sum(), drawn.size, above, FALSE_ALARM / 2)


def test_a_wild_tail_does_not_overflow():
    drawn = lengths(1000, kind="lognormal", median=1, p95=1e15)
    assert 1 == drawn.min() < drawn.max() == TOKENS_MAX


@pytest.mark.parametrize("weights, shares", [(None, [1 / 3, 1 / 3, 1 / 3]), ([1, 0, 3], [1, 0, 3])])
def test_table_lengths_come_with_their_shares(weights, shares):
    drawn = lengths(kind="table", tokens=[10, 20, 5000], weights=weights)
    for tokens, share in zip([10, 20, 5000], np.array(shares) / sum(shares), strict=True):
        assert_binomial((drawn == tokens).sum(), drawn.size, share, FALSE_ALARM / 3)


def test_a_mixture_draws_each_component_with_its_share():
    drawn = lengths(
        kind="mixture",
        of=[
            {"weight": 3, "kind": "constant", "tokens": 1},
            {"weight": 1.5, "kind": "table", "tokens": [10, 20]},
            {"weight": 0.5, "kind": "lognormal", "median": 5000, "p95": 6000, "min": 100},
        ],
    )
    for hits, share in [(drawn == 1, 0.6), (drawn == 10, 0.15), (drawn == 20, 0.15),
                        (drawn >= 100, 0.1)]:  # fmt: skip
        assert_binomial(hits.sum(), drawn.size, share, FALSE_ALARM / 4)
    tail = drawn[drawn >= 100]
    assert_binomial((tail <= 5000).sum(), tail.size, 0.5, FALSE_ALARM)


def test_a_new_component_does_not_shift_the_draws_of_another():
    old = [{"weight": 1, "kind": "lognormal", "median": 5000, "p95": 9000, "min": 1000}]
    new = [*old, {"weight": 1, "kind": "lognormal", "median": 10, "p95": 20, "max": 999}]
    before, after = lengths(kind="mixture", of=old), lengths(kind="mixture", of=new)
    kept = after >= 1000
    assert 0.4 < kept.mean() < 0.6
    assert np.array_equal(before[kept], after[kept])


components = st.one_of(
    st.builds(lambda t: {"kind": "constant", "tokens": t}, st.integers(1, 10**6)),
    st.builds(
        lambda m, f: {"kind": "lognormal", "median": m, "p95": m * f},
        st.floats(0.01, 1e6), st.floats(1, 100),
    ),
    st.builds(lambda t: {"kind": "table", "tokens": t}, st.lists(st.integers(1, 9), min_size=1)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(components, min_size=1, max_size=3), size=st.integers(0, 50))
def test_lengths_are_whole_tokens_and_at_least_one(parts, size):
    described = {"kind": "mixture", "of": [part | {"weight": 1} for part in parts]}
    drawn = lengths(size, **described)
    assert drawn.dtype == np.int64
    assert drawn.shape == (size,)
    assert np.all(drawn >= 1)


# --- the workload of a scenario -----------------------------------------------------------------

CHAT = {
    "name": "chat",
    "arrivals": {"kind": "poisson", "rate": "5/s"},
    "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
    "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200},
}
BATCH = {
    "name": "batch",
    "arrivals": {"kind": "gamma", "rate": "2/s", "cv": 3},
    "input_tokens": {"kind": "table", "tokens": [100, 2000]},
    "output_tokens": {"kind": "constant", "tokens": 9},
}


def drawn(*groups, seed=7, replication=0, **parts):
    scenario = small_scenario(traffic=list(groups), preroll="5s", drain="10s", **parts)
    return draw_workload(scenario, seed, replication)


def rows(workload, group=None):
    """(arrival_ns, input, output) of one group's requests."""
    chosen = slice(None) if group is None else workload.group == group
    columns = (workload.arrival_ns, workload.input_tokens, workload.output_tokens)
    return np.stack([column[chosen] for column in columns])


def same(one, other):
    return np.array_equal(rows(one), rows(other)) and np.array_equal(one.group, other.group)


def test_a_stream_is_the_same_on_every_machine():
    """Golden: another number here is another answer to every question ever asked."""
    drawn = stream(7, "run", 3, "gaps").integers(2**63, size=3).tolist()
    assert drawn == [4692229648814254080, 125755955537741285, 3725351186526864674]


def test_a_workload_spans_preroll_period_and_drain_in_order():
    workload = drawn(CHAT, BATCH)
    assert np.all(np.diff(workload.arrival_ns) >= 0)
    assert -5 * NS_PER_S <= workload.arrival_ns[0] < 0
    assert 60 * NS_PER_S < workload.arrival_ns[-1] < 70 * NS_PER_S
    assert set(workload.group) == {0, 1}
    assert len(workload) == workload.input_tokens.size == workload.output_tokens.size


def test_same_seed_and_replication_same_workload():
    assert same(drawn(CHAT, BATCH), drawn(CHAT, BATCH))


@pytest.mark.parametrize("other", [{"seed": 8}, {"replication": 1}])
def test_another_seed_or_replication_is_another_workload(other):
    assert not np.intersect1d(rows(drawn(CHAT))[0], rows(drawn(CHAT, **other))[0]).size


def test_a_new_group_leaves_the_others_as_they_were():
    alone = rows(drawn(CHAT))
    assert np.array_equal(rows(drawn(CHAT, BATCH), group=0), alone)
    assert np.array_equal(rows(drawn(BATCH, CHAT), group=1), alone)


def test_another_length_leaves_the_rest_of_its_group_as_it_was():
    longer = CHAT | {"input_tokens": {"kind": "constant", "tokens": 3}}
    before, after = rows(drawn(CHAT)), rows(drawn(longer))
    assert np.array_equal(before[[0, 2]], after[[0, 2]])
    assert np.all(after[1] == 3)


def test_groups_that_differ_in_name_only_are_independent():
    twins = drawn(CHAT, CHAT | {"name": "twin"})
    assert not np.intersect1d(rows(twins, 0)[0], rows(twins, 1)[0]).size


@pytest.mark.parametrize(
    "part",
    [
        {"fleet": {"replicas": 7, "router": "round-robin"}},
        {"replica": {"gpu": "a100-sxm-80gb", "engine": {"name": "vllm", "max_num_seqs": 4}}},
        {"latency": {"per_step": "1s"}},
        {"model": "openai/gpt-oss-20b"},
        {"clients": {"timeout": "1s", "retries": 0}},
        {"failures": {"replica": {"mtbf": "1h", "detection": "1s",
                                  "repair": {"median": "1min", "p95": "2min"}}}},
        {"sla": {"probability": 0.9, "objectives": ["ttft p95 <= 1s"]}},
        {"name": "another", "description": "another"},
    ],
    ids=lambda part: next(iter(part)),
)  # fmt: skip
def test_the_fleet_never_enters_the_traffic(part):
    """Rival fleets meet the same requests at the same instants."""
    assert same(drawn(CHAT, BATCH), drawn(CHAT, BATCH, **part))


# --- groups whose requests do not wait ----------------------------------------------------------

SILENT = [{"kind": "table", "every": "1h", "factors": [0]}]
KINDS = [
    {"kind": "constant", "rate": "5/s"},
    {"kind": "weibull", "rate": "5/s", "cv": 3},
    {"kind": "on-off", "rate": "5/s", "on": "1s", "off": "3s"},
    {
        "kind": "mmpp", "rate": "5/s",
        "states": [{"level": 1, "lasts": "3s"}, {"level": 4, "lasts": "1s"}],
    },
    {
        "kind": "population", "rate": "5/s", "clients": 9, "active_share": 0.5,
        "length_sigma": 0.5,
    },
]  # fmt: skip


@pytest.mark.parametrize("arrivals", KINDS, ids=lambda described: described["kind"])
def test_a_group_that_sends_nothing_is_a_workload_of_nothing(arrivals):
    """With all that a group may have; beside another group the other one is as it was."""
    silent = CHAT | {
        "name": "silent",
        "arrivals": arrivals | {"modulation": SILENT},
        "prefixes": [{"tokens": 100}, {"tokens": 7, "variants": 5}],
        "reasoning_tokens": {"kind": "gamma", "mean": 90, "cv": 2},
        "rank_correlation": 0.5,
    }
    assert len(drawn(silent)) == 0
    assert np.array_equal(rows(drawn(CHAT, silent)), rows(drawn(CHAT)))


def test_reasoning_comes_before_the_answer_and_disturbs_nothing():
    before = drawn(CHAT)
    after = drawn(CHAT | {"reasoning_tokens": {"kind": "constant", "tokens": 300}})
    assert np.array_equal(rows(before)[:2], rows(after)[:2])
    assert np.array_equal(before.output_tokens + 300, after.output_tokens)


@pytest.mark.parametrize("arrivals", KINDS, ids=lambda described: described["kind"])
def test_every_kind_draws_anew_in_every_replication_and_again_with_the_seed(arrivals):
    group = CHAT | {"arrivals": arrivals}
    assert same(drawn(group), drawn(group))
    other = rows(drawn(group, replication=1))[0]
    assert not np.intersect1d(rows(drawn(group))[0], other).size
    assert len(drawn(group)) > 20


def test_profiles_follow_the_time_of_the_week():
    """Ten o'clock is busy; the period starts at a quarter to."""
    hours = [0.0] * 24
    hours[10] = 1.0
    group = CHAT | {"arrivals": {"kind": "poisson", "rate": "5/s",
                                 "modulation": [{"kind": "daily", "factors": hours}]}}  # fmt: skip
    assert len(drawn(group, starts_at="Tue 09:15")) == 0
    times_s = drawn(group, starts_at="Tue 09:45", horizon="20min").arrival_ns / NS_PER_S
    assert times_s.min() == pytest.approx(900, abs=5)
    anywhere = [len(drawn(group, starts_at="random", replication=i)) for i in range(400)]
    assert_binomial(sum(size > 0 for size in anywhere), 400, (3600 + 75) / 86400)
