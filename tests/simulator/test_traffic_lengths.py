"""Lengths, counts and durations of every kind against their laws; lengths that go together.

False alarms: tests/oracles/laws.py.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from scenarios.demand import TOKENS_MAX, Counts, Durations, Lengths, Traffic
from simulator.streams import stream
from simulator.traffic.arrivals.weibull import weibull_shape
from simulator.traffic.lengths.choices import place_in, shares_below
from simulator.traffic.lengths.counts import draw_counts, draw_durations, mean_count
from simulator.traffic.lengths.rank_correlation import reordered
from simulator.traffic.lengths.tokens import draw_lengths, draw_pairs
from tests.oracles.laws import FALSE_ALARM, assert_binomial, assert_law, assert_mean, streams
from tests.recordings import TRACES, needs_traces


def lengths(size=20_000, **described):
    part = TypeAdapter(Lengths).validate_python(described)
    return draw_lengths(part, size, stream(12, "lengths"))


def counts(size=20_000, **described):
    part = TypeAdapter(Counts).validate_python(described)
    return draw_counts(part, size, stream(12, "counts")), mean_count(part)


def durations(size=20_000, **described):
    part = TypeAdapter(Durations).validate_python(described)
    return draw_durations(part, size, stream(12, "durations"))


def assert_rounded(drawn, law, least=1, most=TOKENS_MAX):
    """How many are at most k, for k around the quantiles of a law that is rounded and clipped."""
    for k in np.unique(np.rint(law.ppf([0.02, 0.2, 0.5, 0.8, 0.95, 0.999]))):
        if least <= k < most:
            assert_binomial((drawn <= k).sum(), drawn.size, law.cdf(k + 0.5))
    assert (least <= drawn.min()) and (drawn.max() <= most)


# --- lengths ------------------------------------------------------------------------------------


def test_uniform_lengths_are_every_whole_number_equally_often():
    drawn = lengths(kind="uniform", min=3, max=12)
    assert set(drawn) == set(range(3, 13))
    for tokens in range(3, 13):
        assert_binomial((drawn == tokens).sum(), drawn.size, 0.1)


@pytest.mark.parametrize("cv", [0.2, 1.0, 3.0])
def test_gamma_lengths_have_this_mean_and_cv(cv):
    law = stats.gamma(1 / cv**2, scale=400 * cv**2)
    assert (law.mean(), law.std() / law.mean()) == (pytest.approx(400), pytest.approx(cv))
    assert_rounded(lengths(kind="gamma", mean=400, cv=cv), law)


@pytest.mark.parametrize("cv", [0.2, 1.0, 3.0])
def test_weibull_lengths_have_this_mean_and_cv(cv):
    shape = weibull_shape(cv)
    law = stats.weibull_min(shape, scale=400 / stats.weibull_min(shape).mean())
    assert (law.mean(), law.std() / law.mean()) == (pytest.approx(400), pytest.approx(cv))
    assert_rounded(lengths(kind="weibull", mean=400, cv=cv), law)


@pytest.mark.parametrize("kind", ["gamma", "weibull"])
def test_lengths_are_clipped_to_their_bounds(kind):
    bounded = {"kind": kind, "mean": 400, "cv": 2.0, "min": 50, "max": 900}
    drawn, free = lengths(**bounded), lengths(kind=kind, mean=400, cv=2.0)
    assert np.array_equal(drawn, np.clip(free, 50, 900))
    assert (drawn.min(), drawn.max()) == (50, 900)


def test_lengths_beyond_what_any_model_takes_are_refused():
    """They would wrap around in 32 bits."""
    with pytest.raises(ValueError, match="268435456"):
        lengths(1, kind="constant", tokens=TOKENS_MAX + 1)


@pytest.mark.parametrize("kind", ["gamma", "weibull"])
def test_a_wild_law_stays_within_what_a_request_may_have(kind):
    drawn = lengths(kind=kind, mean=1e12, cv=50.0)
    assert (drawn.min(), drawn.max()) == (1, TOKENS_MAX)


QUANTILES = [10, 10, 40, 100, 1000]


def test_quantiles_are_joined_by_straight_lines():
    """A quarter are 10; the others are spread evenly over their piece, ends rounded in halves."""
    drawn = lengths(100_000, kind="quantiles", tokens=QUANTILES)
    for low, high, begin in [(10, 40, 0.25), (40, 100, 0.5), (100, 1000, 0.75)]:
        for k in (low, (low + high) // 2, high - 1):
            chance = begin + 0.25 * (k + 0.5 - low) / (high - low)
            assert_binomial((drawn <= k).sum(), drawn.size, chance)
    assert (drawn.min(), drawn.max()) == (10, 1000)


def test_rounding_quantiles_keeps_their_mean():
    exact = np.mean((np.array(QUANTILES[1:]) + QUANTILES[:-1]) / 2)
    assert_mean(lengths(100_000, kind="quantiles", tokens=QUANTILES), exact)
    assert_mean(lengths(100_000, kind="quantiles", tokens=[1, 2]), 1.5)


def test_a_mixture_may_hold_every_kind():
    parts = [
        {"kind": "constant", "tokens": 7}, {"kind": "uniform", "min": 100, "max": 199},
        {"kind": "gamma", "mean": 1e4, "cv": 0.1, "min": 1000},
        {"kind": "weibull", "mean": 1e6, "cv": 0.1, "min": 100_000, "max": 10**7},
        {"kind": "lognormal", "median": 5e7, "p95": 6e7, "min": 2 * 10**7},
        {"kind": "quantiles", "tokens": [300, 400]}, {"kind": "table", "tokens": [9]},
    ]  # fmt: skip
    drawn = lengths(kind="mixture", of=[part | {"weight": i + 1} for i, part in enumerate(parts)])
    edges = [(7, 7), (100, 199), (1000, 30_000), (10**5, 10**7), (2 * 10**7, 2**28), (300, 400),
             (9, 9)]  # fmt: skip
    for i, (low, high) in enumerate(edges):
        inside = (drawn >= low) & (drawn <= high)
        assert_binomial(inside.sum(), drawn.size, (i + 1) / 28)


any_lengths = st.one_of(
    st.builds(lambda m: {"kind": "constant", "tokens": m}, st.integers(1, TOKENS_MAX)),
    st.builds(lambda a, b: {"kind": "uniform", "min": min(a, b), "max": max(a, b)},
              st.integers(1, 10**6), st.integers(1, 10**6)),
    st.builds(lambda k, m, cv: {"kind": k, "mean": m, "cv": cv},
              st.sampled_from(["gamma", "weibull"]), st.floats(0.01, 1e9), st.floats(0.01, 50)),
    st.builds(lambda t: {"kind": "quantiles", "tokens": sorted(t)},
              st.lists(st.integers(1, TOKENS_MAX), min_size=2, max_size=9)),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(part=any_lengths, size=st.integers(0, 50), in_mixture=st.booleans())
def test_lengths_are_whole_tokens_and_at_least_one(part, size, in_mixture):
    if in_mixture:
        part = {"kind": "mixture", "of": [part | {"weight": 1}]}
    drawn = lengths(size, **part)
    assert drawn.dtype == np.int64
    assert drawn.shape == (size,)
    assert np.all((drawn >= 1) & (drawn <= TOKENS_MAX))


@settings(max_examples=60, deadline=None)
@given(weights=st.lists(st.integers(0, 5), min_size=1, max_size=20).filter(any))
def test_choices_are_those_of_numpy(weights):
    """Bit by bit, or every golden run would change."""
    p = np.array(weights) / sum(weights)
    one, other = stream(3, "choice"), stream(3, "choice")
    chosen = place_in(shares_below(weights), other.random(50))
    assert one.choice(len(weights), 50, p=p).tolist() == chosen.tolist()


# --- lengths of a file --------------------------------------------------------------------------


def group(**parts):
    """A traffic group; keyword arguments replace its parts."""
    base = {
        "name": "a", "arrivals": {"kind": "poisson", "rate": "1/s"},
        "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
        "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200},
    }  # fmt: skip
    return Traffic.model_validate(base | parts)


def from_file(path, sha256="x"):
    return {"kind": "file", "file": {"path": str(path), "sha256": sha256}}


@pytest.fixture
def hundred(tmp_path):
    """100 rows, whose answers are 1000 tokens longer than their prompts."""
    path = tmp_path / "lengths.parquet"
    rows = np.arange(100) + 1
    pd.DataFrame({"input_tokens": rows, "output_tokens": rows + 1000}).to_parquet(path)
    return path


def test_prompt_and_answer_of_one_file_come_from_one_row(hundred):
    both = group(input_tokens=from_file(hundred), output_tokens=from_file(hundred))
    inputs, outputs = draw_pairs(both, 20_000, streams("pairs"))
    assert np.all(outputs - inputs == 1000)
    assert stats.chisquare(np.bincount(inputs)[1:]).pvalue > FALSE_ALARM


def test_prompt_and_answer_of_two_files_are_independent(hundred):
    two = group(input_tokens=from_file(hundred), output_tokens=from_file(hundred, "y"))
    inputs, outputs = draw_pairs(two, 20_000, streams("pairs"))
    assert abs(stats.spearmanr(inputs, outputs).statistic) < 4.5 / np.sqrt(20_000)
    assert set(outputs) == set(range(1001, 1101))


def test_one_length_of_a_file_leaves_the_other_as_it_was(hundred):
    mixed = draw_pairs(group(input_tokens=from_file(hundred)), 500, streams("pairs"))
    assert np.array_equal(mixed[1], draw_pairs(group(), 500, streams("pairs"))[1])
    assert set(mixed[0]) <= set(range(1, 101))


@needs_traces
@pytest.mark.parametrize("name", ["lengths_arxiv_summarization", "chat_azure2023_a"])
def test_lengths_of_recorded_files_keep_their_pairs(name):
    """Of a file of lengths, or of a trace."""
    path = TRACES / f"{name}.parquet"
    frame = pd.read_parquet(path)
    both = group(input_tokens=from_file(path), output_tokens=from_file(path))
    inputs, outputs = draw_pairs(both, 3_000, streams("pairs"))
    recorded = set(zip(frame["input_tokens"], frame["output_tokens"], strict=True))
    assert set(zip(inputs.tolist(), outputs.tolist(), strict=True)) <= recorded


# --- rank correlation ---------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", [-0.95, -0.3, 0.5, 0.9])
def test_prompt_and_answer_have_this_rank_correlation(correlation):
    """Spearman's of 2,000 rows each, over independent drawings; rounding ties few such lengths.
    Its mean over drawings is within 3 / rows of the law's."""
    wide = {"kind": "lognormal", "median": 50_000, "p95": 500_000}
    described = group(input_tokens=wide, output_tokens=wide, rank_correlation=correlation)
    seen = [
        stats.spearmanr(*draw_pairs(described, 2_000, streams("corr", i))).statistic
        for i in range(200)
    ]
    assert_mean(np.array(seen) / (1 - 1.5 / 2_000), correlation, 1e-5)


def test_correlation_moves_answers_and_changes_none():
    free = draw_pairs(group(), 5_000, streams("corr"))
    tied = draw_pairs(group(rank_correlation=0.6), 5_000, streams("corr"))
    assert np.array_equal(free[0], tied[0])
    assert np.array_equal(np.sort(free[1]), np.sort(tied[1]))
    assert not np.array_equal(free[1], tied[1])


@settings(max_examples=60, deadline=None)
@given(
    beside=st.lists(st.integers(1, 20), max_size=30), correlation=st.floats(-0.999, 0.999),
    data=st.data(),
)  # fmt: skip
def test_reordering_is_a_permutation_of_any_rows(beside, correlation, data):
    values = data.draw(st.lists(st.integers(1, 9), min_size=len(beside), max_size=len(beside)))
    columns = np.array(values, dtype=np.int64), np.array(beside, dtype=np.int64)
    found = reordered(*columns, correlation, stream(3, "order"))
    assert sorted(found.tolist()) == sorted(values)


def test_nearly_perfect_correlation_sorts():
    beside = stream(3, "beside").permutation(1000)
    found = reordered(np.arange(1000), beside, 0.9999999, stream(3, "order"))
    assert stats.spearmanr(found, beside).statistic > 0.9999


# --- counts and durations -----------------------------------------------------------------------


def test_constant_counts_are_constant():
    drawn, mean = counts(5, kind="constant", count=0)
    assert (drawn.tolist(), mean) == ([0] * 5, 0.0)


@pytest.mark.parametrize("least, mean", [(1, 3.0), (0, 0.5), (4, 4.5)])
def test_geometric_counts_go_on_with_one_probability(least, mean):
    drawn, told = counts(kind="geometric", mean=mean, least=least)
    assert told == mean
    assert_mean(drawn, mean)
    stop = 1 / (1 + mean - least)
    for more in range(4):
        assert_binomial((drawn == least + more).sum(), drawn.size, stop * (1 - stop) ** more)


def test_a_geometric_count_of_its_least_is_constant():
    assert set(counts(kind="geometric", mean=3.0, least=3)[0]) == {3}


@pytest.mark.parametrize("median, p95, least, most", [(3, 20, 1, 100_000), (0.6, 9, 0, 5),
                                                      (40, 41, 1, 50), (7, 7, 1, 9)])  # fmt: skip
def test_lognormal_counts_are_rounded_and_their_mean_is_known(median, p95, least, most):
    drawn, told = counts(kind="lognormal", median=median, p95=p95, least=least, most=most)
    assert (least <= drawn.min()) and (drawn.max() <= most)
    if median == p95:
        assert set(drawn) == {median} and told == median
        return
    assert_mean(drawn, told)
    law = stats.lognorm(np.log(p95 / median) / stats.norm.ppf(0.95), scale=median)
    assert_rounded(drawn, law, least, most)


def test_table_counts_come_with_their_shares():
    drawn, told = counts(kind="table", counts=[0, 4, 9], weights=[1, 2, 1])
    assert told == 17 / 4
    for count, share in [(0, 0.25), (4, 0.5), (9, 0.25)]:
        assert_binomial((drawn == count).sum(), drawn.size, share)
    drawn, told = counts(kind="table", counts=[2, 3])
    assert told == 2.5
    assert_binomial((drawn == 2).sum(), drawn.size, 0.5)


def test_durations_of_each_kind():
    assert durations(3, kind="constant", time="250ms").tolist() == [0.25] * 3
    assert_law(durations(kind="exponential", mean="3s"), stats.expon(scale=3).cdf)
    sigma = np.log(30 / 4) / stats.norm.ppf(0.95)
    law = stats.lognorm(sigma, scale=4)
    drawn = durations(kind="lognormal", median="4s", p95="30s")
    assert_law(drawn, law.cdf)
    capped = durations(kind="lognormal", median="4s", p95="30s", max="20s")
    assert np.array_equal(capped, np.minimum(drawn, 20.0))


def test_a_mixture_of_durations_draws_each_with_its_share():
    drawn = durations(
        kind="mixture",
        of=[
            {"weight": 3, "kind": "constant", "time": "1s"},
            {"weight": 1, "kind": "lognormal", "median": "1min", "p95": "2min"},
        ],
    )
    assert_binomial((drawn == 1).sum(), drawn.size, 0.75)
    law = stats.lognorm(np.log(2) / stats.norm.ppf(0.95), scale=60)
    assert_law(drawn[drawn != 1], law.cdf)


def test_a_new_component_of_durations_does_not_shift_the_draws_of_another():
    old = [{"weight": 1, "kind": "exponential", "mean": "1h"}]
    new = [*old, {"weight": 1, "kind": "constant", "time": "0s"}]
    before, after = durations(kind="mixture", of=old), durations(kind="mixture", of=new)
    assert np.array_equal(before[after > 0], after[after > 0])
    assert 0.4 < np.mean(after > 0) < 0.6
