"""Traffic: arrivals and lengths against their exact distributions, traces against their rows.

Statistical tests compare fixed-seed draws with exact laws; a right program fails any one of them
with a probability of at most FALSE_ALARM, were its seed drawn anew.
"""

from pathlib import Path

import numpy as np
import pandas as pd
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
    TraceArrivals,
)
from simulator.streams import stream
from simulator.traffic import NS_PER_S, TraceError, draw_workload
from simulator.traffic.arrivals import cumulative_rate, draw_arrivals
from simulator.traffic.lengths import draw_lengths
from simulator.traffic.traces import draw_trace_rows, read_trace
from tests.oracles.small import small_scenario

FALSE_ALARM = 1e-4
SHARED = Path(__file__).parents[3] / "shared" / "data"
shared_data = pytest.mark.skipif(
    not (SHARED / "traces").is_dir(), reason=f"recorded traces are not in {SHARED}"
)


def poisson(rate, table=()):
    return PoissonArrivals(kind="poisson", rate=f"{rate}/s", rate_table=rates(table))


def gamma(rate, cv, table=()):
    return GammaArrivals(kind="gamma", rate=f"{rate}/s", cv=cv, rate_table=rates(table))


def constant(rate, table=()):
    return ConstantArrivals(kind="constant", rate=f"{rate}/s", rate_table=rates(table))


def rates(table):
    return [{"at": f"{at}s", "rate": f"{rate}/s"} for at, rate in table]


def arrivals(process, start_s, end_s, replication=0):
    return draw_arrivals(process, start_s, end_s, stream(11, "arrivals", replication))


def counts(process, edges_s, replications):
    """Requests between the edges, one row per replication."""
    draws = (arrivals(process, edges_s[0], edges_s[-1], i) for i in range(replications))
    return np.array([np.histogram(times_s, edges_s)[0] for times_s in draws])


def assert_poisson(total, expected, alarm=FALSE_ALARM):
    low, high = stats.poisson.interval(1 - alarm, expected)
    assert low <= total <= high


def assert_binomial(hits, size, chance, alarm=FALSE_ALARM):
    low, high = stats.binom.interval(1 - alarm, size, chance)
    assert low <= hits <= high


def assert_mean(samples, exact):
    """The exact mean lies in the t-interval of independent samples."""
    low, high = stats.t.interval(
        1 - FALSE_ALARM, len(samples) - 1, np.mean(samples), stats.sem(samples)
    )
    assert low <= exact <= high


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
    instants_s, expected = cumulative_rate(process, -30.0, 2_000.0)
    gaps = np.diff(np.interp(arrivals(process, -30.0, 2_000.0), instants_s, expected))
    assert stats.kstest(gaps, stats.gamma(0.25, scale=4).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("table", [TABLE, TABLE[::-1]])
def test_the_expected_count_is_the_area_under_the_rate(table):
    instants_s, expected = cumulative_rate(poisson(20, table), -30.0, 90.0)
    assert instants_s.tolist() == [-30, 0, 10, 20, 60, 90]
    assert expected.tolist() == [0, 600, 650, 1050, 1090, 1450]


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


# --- traces: reading ----------------------------------------------------------------------------

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
MOONCAKE = '{"timestamp": %d, "input_length": %d, "output_length": %d}\n'


def written(tmp_path, name, content):
    """A file of this content (text, or the columns of a Parquet file); returns its path."""
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        pd.DataFrame(content).to_parquet(path)
    return str(path)


def assert_rows(trace, arrival_s, input_tokens, output_tokens, step_s=0.0):
    assert trace.arrival_s.tolist() == pytest.approx(arrival_s, abs=1e-9)
    assert trace.input_tokens.tolist() == input_tokens
    assert trace.output_tokens.tolist() == output_tokens
    assert trace.step_s == step_s


def test_our_parquet_is_read_sorted_and_from_zero(tmp_path):
    """Other columns are left alone; rows of one instant keep their order."""
    content = {
        "arrival_s": [7.0, 5.0, 5.0, 6.5], "input_tokens": [1, 2, 3, 4],
        "output_tokens": [10, 20, 30, 40], "session": ["a", "b", "c", "d"],
    }  # fmt: skip
    trace = read_trace(written(tmp_path, "rows.parquet", content))
    assert_rows(trace, [0.0, 0.0, 1.5, 2.0], [2, 3, 4, 1], [20, 30, 40, 10])


def test_azure_csv_is_read_to_the_tenth_microsecond(tmp_path):
    text = AZURE + "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319601,3180,8\n"
    trace = read_trace(written(tmp_path, "azure.csv", text))
    assert_rows(trace, [0.0, 0.0520001], [4808, 3180], [10, 8])


def test_azure_csv_of_2024_has_time_zones(tmp_path):
    text = AZURE + "2024-05-10 23:59:59.5+00:00,1,2\n2024-05-11 01:00:01+01:00,3,4\n"
    trace = read_trace(written(tmp_path, "azure.csv", text))
    assert_rows(trace, [0.0, 1.5], [1, 3], [2, 4])


def test_mooncake_jsonl_is_in_milliseconds(tmp_path):
    text = "".join(MOONCAKE % row for row in [(500, 6758, 500), (1750, 7322, 490), (2500, 10, 1)])
    trace = read_trace(written(tmp_path, "mooncake.jsonl", text))
    assert_rows(trace, [0.0, 1.25, 2.0], [6758, 7322, 10], [500, 490, 1])


def test_the_step_of_a_coarse_clock_is_found(tmp_path):
    """Mooncake's clock ticks every 3 s and lumps what comes between."""
    text = "".join(MOONCAKE % (3000 * (i // 5), 10, 10) for i in range(50))
    assert read_trace(written(tmp_path, "lumps.jsonl", text)).step_s == 3.0


def test_a_few_requests_at_one_instant_are_no_coarse_clock(tmp_path):
    text = "".join(MOONCAKE % (at, 10, 10) for at in [0, 0, 700, 1500, 1500, 2600, 4000])
    assert read_trace(written(tmp_path, "fine.jsonl", text)).step_s == 0.0


def test_the_span_is_the_last_arrival_and_a_mean_gap(tmp_path):
    content = {"arrival_s": [0.0, 1.0, 4.0, 9.0], "input_tokens": [1] * 4, "output_tokens": [1] * 4}
    assert read_trace(written(tmp_path, "rows.parquet", content)).span_s == 12.0


GOOD = "2023-11-16 18:17:03.1,10,10\n"
PARQUET = {"arrival_s": [0.0, 1.0], "input_tokens": [5, 5], "output_tokens": [5, 5]}


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("zero.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,10,0\n" + GOOD,
         "row 2: a request without prompt or output tokens (1 such rows)"),
        ("negative.csv", AZURE + "2023-11-16 18:17:04.1,-3,7\n" + GOOD, "row 1: a request without"),
        ("two.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,0,1\n" * 2, "row 2: a request without "
         "prompt or output tokens (2 such rows)"),
        ("gap.csv", AZURE + GOOD + GOOD + "2023-11-16 18:17:04.1,,7\n",
         "row 3: no input_tokens (1 such rows)"),
        ("short.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,7\n", "row 2: no output_tokens"),
        ("words.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,many,7\n", "row 2: no input_tokens"),
        ("untimed.csv", AZURE + GOOD + ",7,7\n", "row 2: no arrival_s"),
        ("yesterday.csv", AZURE + GOOD + "yesterday,7,7\n", "row 2: no arrival_s"),
        ("part.jsonl", MOONCAKE % (0, 1, 1) + '{"timestamp": 5, "input_length": 3}\n',
         "row 2: no output_tokens"),
        ("list.jsonl", MOONCAKE % (0, 1, 1) + '{"timestamp": 5, "input_length": [3], '
         '"output_length": 3}\n', "row 2: no input_tokens"),
        ("nan.parquet", PARQUET | {"arrival_s": [0.0, np.nan]}, "row 2: no arrival_s"),
        ("infinite.parquet", PARQUET | {"arrival_s": [np.inf, 0.0]}, "row 1: no arrival_s"),
        ("zero.parquet", PARQUET | {"output_tokens": [0, 5]}, "row 1: a request without"),
        ("one.csv", AZURE + GOOD, "at least two rows at different times"),
        ("instant.csv", AZURE + GOOD + GOOD, "at least two rows at different times"),
        ("header.csv", AZURE, "at least two rows"),
        ("empty.csv", "", "No columns"),
        ("other.csv", "a,b\n1,2\n", "unknown trace format; allowed: Parquet with arrival_s"),
        ("other.jsonl", '{"a": 1}\n', "unknown trace format"),
        ("rows.txt", AZURE + GOOD, "unknown trace format"),
        ("broken.jsonl", "{a\n", "broken.jsonl: "),
        ("not.parquet", AZURE, "not.parquet: "),
        ("lengths.parquet", {"input_tokens": [1, 2], "output_tokens": [1, 2]}, "arrival_s"),
    ],
)  # fmt: skip
def test_a_trace_that_cannot_be_used_is_told_with_file_and_row(tmp_path, name, content, reason):
    path = written(tmp_path, name, content)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)


def test_a_trace_that_is_gone_is_told_so(tmp_path):
    with pytest.raises(TraceError, match=r"gone\.csv: .*No such file"):
        read_trace(str(tmp_path / "gone.csv"))


@shared_data
@pytest.mark.parametrize(
    "file, size, last_s, step_s, first",
    [
        ("traces/code_azure2023_a.parquet", 7491, 2392.6, 0.0, (4808, 10)),
        ("traces/chat_azure2023_a.parquet", 14176, 2400.0, 0.0, (374, 44)),
        ("traces/chat_mooncake_conversation_a.parquet", 6758, 2097.0, 3.0, (6758, 500)),
        ("traces/longctx_mooncake_synthetic.parquet", 3993, 1022.0, 0.0, None),
        ("trace-samples/azure_llm_2023_code_head.csv", 200, None, 0.0, (4808, 10)),
        ("trace-samples/mooncake_conversation_head.jsonl", 60, None, 3.0, (6758, 500)),
    ],
)
def test_recorded_traces_are_read(file, size, last_s, step_s, first):
    """Rows and spans as their README states them."""
    trace = read_trace(str(SHARED / file))
    assert trace.arrival_s.size == size
    assert trace.step_s == step_s
    if last_s is not None:
        assert trace.arrival_s[-1] == pytest.approx(last_s, abs=0.1)
    if first is not None:
        assert (trace.input_tokens[0], trace.output_tokens[0]) == first


# --- traces: windows of them --------------------------------------------------------------------


@pytest.fixture
def bursty(tmp_path):
    """400 rows over about 200 s in bursts; row i has i+1 input and 1000+i output tokens."""
    rng = stream(13, "bursty trace")
    arrival_s = np.cumsum(rng.gamma(0.2, 2.5, 400))
    content = {
        "arrival_s": arrival_s, "input_tokens": np.arange(400) + 1,
        "output_tokens": np.arange(400) + 1000,
    }  # fmt: skip
    return written(tmp_path, "bursty.parquet", content)


def replay(path, **settings):
    return TraceArrivals(kind="trace", file=str(path), **settings)


def windows(arrivals, replication=0, start_s=-10.0, end_s=50.0):
    """Instants and rows of one drawing."""
    rng = stream(14, "windows", replication)
    return draw_trace_rows(arrivals, start_s, end_s, rng)[1:3]


def test_one_window_repeats_the_recording_to_the_last_gap(bursty):
    """A block as long as the period: consecutive rows with their own gaps, circularly."""
    trace = read_trace(bursty)
    times_s, found = windows(replay(bursty, block="1h"))
    assert found.size > 50
    assert np.all((times_s >= -10) & (times_s < 50))
    assert np.all(np.diff(found) % 400 == 1)
    recorded = np.diff(trace.arrival_s, append=trace.span_s)[found[:-1]]
    assert np.allclose(np.diff(times_s), recorded, rtol=0, atol=1e-9)


def test_each_block_is_a_window_of_its_own(bursty):
    """Six blocks of 10 s: inside each the rows are consecutive."""
    times_s, found = windows(replay(bursty, block="10s"))
    for begin_s in range(-10, 50, 10):
        inside = found[(times_s >= begin_s) & (times_s < begin_s + 10)]
        assert np.all(np.diff(inside) % 400 == 1)
    assert np.any(np.diff(found) % 400 != 1)


def test_replications_of_a_trace_differ(bursty):
    first, second = windows(replay(bursty), 0), windows(replay(bursty), 1)
    assert not np.intersect1d(first[0], second[0]).size


@pytest.mark.parametrize("block", ["7s", "60s", "1h"])
@pytest.mark.parametrize("rate_scale", [0.5, 1.0, 2.5])
def test_the_mean_rate_of_a_trace_is_kept(bursty, block, rate_scale):
    """Rows per span, times the scale: exact for circular blocks, whatever their length."""
    trace = read_trace(bursty)
    arrivals = replay(bursty, block=block, rate_scale=rate_scale)
    sizes = [windows(arrivals, i)[0].size for i in range(300)]
    assert_mean(sizes, rate_scale * 400 / trace.span_s * 60.0)


def test_every_row_of_a_trace_is_drawn_as_often_as_every_other(bursty):
    """Chi-square over tenths of the trace; single rows are drawn in bursts, so whole drawings are
    the sample: the share of each tenth, over independent drawings."""
    shares = []
    for i in range(300):
        _, found = windows(replay(bursty, block="5s"), i)
        shares.append(np.bincount(found // 40, minlength=10))
    for tenth in np.array(shares).T:
        assert_mean(tenth, 40 / read_trace(bursty).span_s * 60.0)


def test_scaling_down_thins_and_scaling_up_lays_over(bursty):
    """At 0.5 no row comes twice from one window; at 2.0 two windows are there."""
    one = dict(block="1h", rate_scale=1.0)
    _, whole = windows(replay(bursty, **one))
    _, thinned = windows(replay(bursty, **one | {"rate_scale": 0.5}))
    _, doubled = windows(replay(bursty, **one | {"rate_scale": 2.0}))
    assert set(thinned) < set(whole)
    assert set(whole) < set(doubled)


def test_requests_keep_their_pair_of_lengths(bursty):
    group = CHAT | {
        "arrivals": {"kind": "trace", "file": bursty, "block": "10s", "rate_scale": 1.5},
        "input_tokens": {"kind": "trace"},
        "output_tokens": {"kind": "trace"},
    }
    workload = drawn(group)
    assert len(workload) > 50
    assert np.all(workload.output_tokens - workload.input_tokens == 999)
    assert np.all(np.diff(workload.arrival_ns) >= 0)
    constant_output = group | {"output_tokens": {"kind": "constant", "tokens": 3}}
    other = drawn(constant_output)
    assert np.array_equal(rows(other)[:2], rows(workload)[:2])
    assert np.all(other.output_tokens == 3)


def test_lumps_of_a_coarse_clock_are_spread_anew_in_every_replication(tmp_path):
    """Uniform over the 3 s of the tick, not all at its start."""
    text = "".join(MOONCAKE % (3000 * (i // 5), 10, 10) for i in range(500))
    path = written(tmp_path, "lumps.jsonl", text)
    arrivals = replay(path, block="1h")
    times_s, _ = windows(arrivals, 0, 0.0, 200.0)
    assert np.unique(times_s).size == times_s.size
    # The window starts at a random phase of the tick: the gaps, not the phases, tell.
    gaps = np.diff(times_s)
    assert gaps.max() < 6.0
    assert np.mean(gaps < 0.05) < 0.2
    assert not np.intersect1d(times_s, windows(arrivals, 1, 0.0, 200.0)[0]).size


@shared_data
@pytest.mark.parametrize("name", ["code_azure2023_a", "chat_mooncake_conversation_a"])
def test_windows_of_recorded_traces_keep_rate_and_pairs(name):
    path = SHARED / "traces" / f"{name}.parquet"
    trace = read_trace(str(path))
    recorded = set(zip(trace.input_tokens.tolist(), trace.output_tokens.tolist(), strict=True))
    group = CHAT | {
        "arrivals": {"kind": "trace", "file": str(path), "block": "30s"},
        "input_tokens": {"kind": "trace"},
        "output_tokens": {"kind": "trace"},
    }
    periods = [drawn(group, replication=i) for i in range(60)]
    assert_mean([len(period) for period in periods], trace.arrival_s.size / trace.span_s * 75.0)
    for period in periods[:5]:
        pairs = zip(period.input_tokens.tolist(), period.output_tokens.tolist(), strict=True)
        assert set(pairs) <= recorded


def test_a_part_of_a_token_is_no_token(tmp_path):
    path = tmp_path / "half.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-01-01 00:00:00,10,5\n2024-01-01 00:00:01,10.5,5\n"
    )
    with pytest.raises(TraceError, match="row 2: input_tokens is no whole number"):
        read_trace(str(path))


def test_more_tokens_than_any_model_takes_are_no_request(tmp_path):
    """They would wrap around in 32 bits."""
    path = tmp_path / "huge.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-01-01 00:00:00,10,5\n2024-01-01 00:00:01,4294967301,5\n"
    )
    with pytest.raises(TraceError, match="row 2: more than 268,435,456 tokens"):
        read_trace(str(path))
    with pytest.raises(ValueError, match="268435456"):
        lengths(1, kind="constant", tokens=TOKENS_MAX + 1)
