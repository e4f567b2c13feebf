"""Client populations, drawn or recorded (ServeGen): shares, hours, burstiness, lengths.

False alarms: tests/oracles/laws.py.
"""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand import Traffic
from simulator.traffic import TraceError
from simulator.traffic.arrivals.many_renewals import draw_many
from simulator.traffic.arrivals.population import (
    draw_activity,
    draw_cvs,
    draw_population,
    shares_of,
)
from simulator.traffic.lengths.client_lengths import bounds
from simulator.traffic.open_loop import draw_open, draw_starts
from simulator.traffic.recordings.servegen_requests import draw_asked
from tests.oracles.laws import assert_binomial, assert_law, assert_mean, span, streams
from tests.recordings import TRACES, needs_traces


def group(arrivals, **parts):
    base = {
        "name": "a", "arrivals": arrivals,
        "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
        "output_tokens": {"kind": "constant", "tokens": 100},
    }  # fmt: skip
    return Traffic.model_validate(base | parts)


def population(**parts):
    return group({"kind": "population", "rate": "20/s", "clients": 10} | parts).arrivals


def drawn(arrivals, end_s=30.0, replication=0, start_s=0.0):
    return draw_population(arrivals, span(start_s, end_s), streams("clients", replication))


# --- many processes at once ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, law",
    [("gamma", stats.gamma(0.5, scale=2)), ("weibull", stats.weibull_min(0.5, scale=0.5))],
)
def test_each_of_many_processes_has_the_gaps_of_its_family(family, law):
    totals = np.array([8_000.0, 0.0, 3.0, 9_000.0])
    which, at = draw_many(family, np.full(4, 0.5), totals, streams("many")())
    assert law.mean() == pytest.approx(1)
    for process in (0, 3):
        instants = at[which == process]
        assert np.all(np.diff(instants) >= 0)
        assert_law(np.diff(instants), law.cdf)
    assert not np.any(which == 1)
    assert np.all(at < totals[which])


@pytest.mark.parametrize("family", ["gamma", "weibull"])
def test_each_of_many_processes_is_stationary(family):
    """Its mean count is its total, however short it is seen and however bursty it is."""
    totals = np.tile([0.05, 1.0, 20.0], 4_000)
    shapes = np.tile([0.3, 1.0, 4.0], 4_000)
    which, _ = draw_many(family, shapes, totals, streams("many")())
    counts = np.bincount(which, minlength=totals.size).reshape(-1, 3)
    for seen, total in zip(counts.T, totals[:3], strict=True):
        assert_mean(seen, total)


@settings(max_examples=60, deadline=None)
@given(
    totals=st.lists(st.floats(0, 30), min_size=1, max_size=8), shape=st.floats(0.001, 100),
    family=st.sampled_from(["gamma", "weibull"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_many_processes_stay_within_their_totals(totals, shape, family, seed):
    shapes = np.full(len(totals), max(shape, 0.05 if family == "weibull" else 0.0))
    which, at = draw_many(family, shapes, np.array(totals), streams("many", seed)())
    assert np.all((at >= 0) & (at < np.array(totals)[which]))
    for process in range(len(totals)):
        assert np.all(np.diff(at[which == process]) >= -1e-12)  # sums are rounded


# --- populations --------------------------------------------------------------------------------


def test_shares_follow_zipf():
    assert shares_of(population(clients=3, zipf=1.0)) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert shares_of(population(clients=4, zipf=0.0)) == pytest.approx([0.25] * 4)


def test_clients_send_their_shares():
    """Poisson clients: counts of each are independent and Poisson."""
    arrivals = population(zipf=1.2)
    _, client = drawn(arrivals, 3_000.0)
    for number, share in enumerate(shares_of(arrivals)):
        low, high = stats.poisson.interval(1 - 1e-5, share * 60_000)
        assert low <= (client == number).sum() <= high


@pytest.mark.parametrize("family", ["gamma", "weibull"])
def test_clients_are_as_bursty_as_they_are_said_to_be(family):
    arrivals = population(family=family, cv=2.0, clients=2, zipf=0.0)
    times_s, client = drawn(arrivals, 1_000.0)
    if family == "gamma":
        law = stats.gamma(0.25, scale=0.4)
    else:
        shape = 0.5426925612864534
        law = stats.weibull_min(shape, scale=0.1 / stats.weibull_min(shape).mean())
    assert (law.mean(), law.std()) == (pytest.approx(0.1), pytest.approx(0.2))
    for number in range(2):
        assert_law(np.diff(times_s[client == number]), law.cdf)


def test_cvs_have_their_median_and_p95():
    arrivals = population(clients=20_000, cv=1.5, cv_p95=6.0)
    cvs = draw_cvs(arrivals, streams("cv")())
    assert_binomial((cvs <= 1.5).sum(), cvs.size, 0.5)
    assert_binomial((cvs <= 6.0).sum(), cvs.size, 0.95)
    assert set(draw_cvs(population(cv=1.5), streams("cv")())) == {1.5}


def test_clients_are_active_in_their_share_of_windows():
    """Windows of 10 s, at a phase of each client's own, cut off where the period ends."""
    arrivals = population(clients=2_000, active_share=0.3, window="10s")
    activity = draw_activity(arrivals, span(-5.0, 20.0), streams("activity")())
    assert activity.edges_s.shape == (2_000, 5)
    assert_binomial(activity.active.sum(), activity.active.size, 0.3)
    widths_s = np.diff(activity.edges_s, axis=1)
    assert np.all(widths_s.sum(axis=1) == 25.0)
    assert np.all((widths_s >= 0) & (widths_s <= 10.0 + 1e-9))
    assert_law(widths_s[:, 0], stats.uniform(0, 10).cdf)


def test_nobody_sends_while_not_active():
    """The activity of the same stream; its clients' arrivals all lie within."""
    arrivals = population(active_share=0.4, window="2s")
    period, rng_of = span(-3.0, 60.0), streams("clients")
    activity = draw_activity(arrivals, period, rng_of("activity"))
    times_s, client = draw_population(arrivals, period, rng_of)
    for number in range(10):
        mine = times_s[client == number]
        window = np.searchsorted(activity.edges_s[number], mine, side="right") - 1
        assert np.all(activity.active[number][window])
    assert client.size > 500


@pytest.mark.parametrize("active_share", [0.1, 0.5, 1.0])
def test_the_rate_of_all_clients_is_the_rate(active_share):
    """In every second, over independent drawings."""
    arrivals = population(active_share=active_share, window="3s", cv=3.0, clients=50)
    seen = [np.histogram(drawn(arrivals, 4.0, i)[0], [0, 1, 4])[0] for i in range(1_500)]
    for counts, exact in zip(np.array(seen).T, [20, 60], strict=True):
        assert_mean(counts, exact)


def test_modulation_holds_for_all_clients():
    """With constant shares the counts of each client follow the factor."""
    spike = {"kind": "spike", "at": "100s", "lasts": "100s", "factor": 4}
    arrivals = population(modulation=[spike], clients=3, zipf=0.0)
    times_s, client = drawn(arrivals, 300.0)
    for number in range(3):
        before, during, after = np.histogram(times_s[client == number], [0, 100, 200, 300])[0]
        share = during / (before + during + after)
        assert_binomial(during, before + during + after, 4 / 6)
        assert 0.5 < share < 0.8


def test_coming_and_going_makes_load_steps():
    """Of clients without hours counts are Poisson; with hours the heavy ones' windows show."""
    steady = population(clients=100, zipf=1.2)
    coming = population(clients=100, zipf=1.2, active_share=0.2, window="10min")
    counts = {
        name: [drawn(arrivals, 10.0, i)[0].size for i in range(300)]
        for name, arrivals in [("steady", steady), ("coming", coming)]
    }
    assert np.var(counts["steady"]) / 200 < 1.6
    assert np.var(counts["coming"]) / 200 > 10


@settings(max_examples=40, deadline=None)
@given(
    clients=st.integers(1, 30), zipf=st.floats(0, 20), cv=st.floats(0.05, 50),
    active_share=st.floats(0.01, 1), window_s=st.floats(0.5, 100), start_s=st.floats(-20, 0),
    family=st.sampled_from(["gamma", "weibull"]),
)  # fmt: skip
def test_arrivals_of_clients_are_in_order_and_in_the_period(
    clients, zipf, cv, active_share, window_s, start_s, family
):
    arrivals = population(
        clients=clients, zipf=zipf, cv=cv, active_share=active_share, window=f"{window_s}s",
        family=family,
    )  # fmt: skip
    times_s, client = drawn(arrivals, 20.0, start_s=start_s)
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= start_s) & (times_s < 20.0))
    assert np.all((client >= 0) & (client < clients))


def test_each_client_has_its_own_factors_of_lengths():
    """Constant lengths: what differs is the client's, the same in all its requests."""
    described = {"kind": "population", "rate": "50/s", "clients": 200, "zipf": 0.0,
                 "length_sigma": 0.5}  # fmt: skip
    traffic = group(
        described, input_tokens={"kind": "constant", "tokens": 1_000_000},
        output_tokens={"kind": "constant", "tokens": 2_000_000},
        reasoning_tokens={"kind": "constant", "tokens": 1_000_000},
    )  # fmt: skip
    period, rng_of = span(0.0, 60.0), streams("clients")
    requests = draw_open(traffic, period, rng_of)
    _, client = draw_population(traffic.arrivals, period, rng_of)
    factors = {}
    for row, number in enumerate(client.tolist()):
        pair = requests.input_tokens[row] / 1e6, requests.output_tokens[row] / 3e6
        assert factors.setdefault(number, pair) == pair
    logs = np.log(np.array(list(factors.values())))
    assert len(factors) == 200
    for column in logs.T:
        assert_law(column, stats.norm(0, 0.5).cdf)
    assert abs(stats.pearsonr(*logs.T).statistic) < 4.5 / np.sqrt(200)


def test_factors_leave_lengths_within_their_bounds():
    described = {"kind": "population", "rate": "50/s", "clients": 20, "length_sigma": 2.0}
    bounded = {"kind": "lognormal", "median": 200, "p95": 900, "min": 100, "max": 1000}
    requests = draw_open(group(described, input_tokens=bounded), span(0.0, 60.0), streams("c"))
    assert (requests.input_tokens.min(), requests.input_tokens.max()) == (100, 1000)
    assert requests.output_tokens.min() >= 1


def test_the_bounds_of_a_mixture_are_the_widest_of_its_components():
    parts = [
        {"kind": "lognormal", "median": 9, "p95": 20, "min": 5, "max": 80, "weight": 1},
        {"kind": "gamma", "mean": 9, "cv": 1, "min": 3, "max": 50, "weight": 1},
    ]
    mixed = group({"kind": "poisson", "rate": "1/s"}, input_tokens={"kind": "mixture", "of": parts})
    assert bounds(mixed.input_tokens) == (3, 80)
    assert bounds(mixed.output_tokens) == (1, 1 << 28)


def test_sessions_of_a_population_start_as_its_requests_would():
    arrivals = {"kind": "population", "rate": "20/s", "clients": 10, "cv": 2}
    period, rng_of = span(-5.0, 60.0), streams("clients")
    starts = draw_starts(group(arrivals), period, rng_of)
    assert np.array_equal(starts, draw_open(group(arrivals), period, rng_of).arrival_s)


# --- ServeGen -----------------------------------------------------------------------------------

WINDOWS = """\
0,2,1,Gamma,1,0.5
600,0,0,,0,0
1200,5,2,Weibull,0.5426925612864534,0.1
1800,1,1,Exponential,0,0
"""
LENGTHS = {
    "0": {"input_tokens": "{10: 0.5, 20: 0.5}", "output_tokens": "{7: 1.0}"},
    "1200": {"input_tokens": "{30: 1.0}", "output_tokens": "{}"},
}


@pytest.fixture
def folder(tmp_path):
    """Two clients in four windows of ten minutes; the second has no lengths, and one window."""
    (tmp_path / "chunk-0-trace.csv").write_text(WINDOWS)
    (tmp_path / "chunk-0-dataset.json").write_text(json.dumps(LENGTHS))
    (tmp_path / "chunk-5-trace.csv").write_text("0,0,0,,0,0\n600,3,1,Gamma,1,0.3\n1200,0,0,,0,0\n")
    return tmp_path


RECORDED = {"input_tokens": {"kind": "trace"}, "output_tokens": {"kind": "trace"}}


def servegen(path, **described):
    return group(
        {"kind": "servegen", "file": {"path": str(path), "sha256": "x"}} | described, **RECORDED
    )


def asked(traffic, end_s=600.0, replication=0, start_s=0.0):
    return draw_open(traffic, span(start_s, end_s), streams("servegen", replication))


RATES = [2, 3, 5, 1]
"""Of both clients together, in their four windows."""


def test_each_window_has_its_recorded_rate(folder):
    """From the second window on; before it lies the first, and behind the last the first again."""
    traffic = servegen(folder, random_start=False, **{"from": "0s"})
    edges = [0, 600, 1200, 1800, 2400, 3000]
    seen = [np.histogram(asked(traffic, 3000.0, i).arrival_s, edges)[0] for i in range(300)]
    for counts, rate in zip(np.array(seen).T, [*RATES, RATES[0]], strict=True):
        assert_mean(counts, 600 * rate)


def test_a_part_of_a_recording_begins_again_where_it_ends(folder):
    """Windows two and three, over and over: what is before the period too."""
    traffic = servegen(folder, random_start=False, **{"from": "10min", "until": "30min"})
    edges = [-600, 0, 600, 1200, 1800]
    seen = [np.histogram(asked(traffic, 1800.0, i, -600.0).arrival_s, edges)[0] for i in range(200)]
    for counts, rate in zip(np.array(seen).T, [5, 3, 5, 3], strict=True):
        assert_mean(counts, 600 * rate)


def test_a_period_starts_at_any_window(folder):
    counts = np.array([asked(servegen(folder), 600.0, i).arrival_s.size for i in range(400)])
    nearest = np.abs(counts[:, None] / 600 - RATES).argmin(axis=1)
    for window in range(4):
        assert_binomial((nearest == window).sum(), 400, 0.25)


def test_gaps_have_the_recorded_family_and_shape(folder):
    """In the third window: Weibull of cv 2, at the recorded rate (not the fitted scale's)."""
    traffic = servegen(folder, random_start=False, **{"from": "20min", "until": "30min"})
    gaps = np.concatenate([np.diff(asked(traffic, 600.0, i).arrival_s) for i in range(5)])
    shape = 0.5426925612864534
    law = stats.weibull_min(shape, scale=0.2 / stats.weibull_min(shape).mean())
    assert law.std() == pytest.approx(0.4)
    assert_law(gaps, law.cdf)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_scaling_thins_or_lays_over(folder, scale):
    traffic = servegen(folder, rate_scale=scale)
    seen = [asked(traffic, 600.0, i).arrival_s.size for i in range(600)]
    assert_mean(seen, scale * 600 * np.mean(RATES))


def test_lengths_are_those_of_client_and_window(folder):
    """The second table of prompts holds from its own time on; answers have the first one alone."""
    traffic = servegen(folder, random_start=False, **{"from": "0s"})
    requests = asked(traffic, 2400.0)
    early = requests.arrival_s < 600
    assert set(requests.input_tokens[early]) == {10, 20}
    assert_binomial((requests.input_tokens[early] == 10).sum(), early.sum(), 0.5)
    assert set(requests.input_tokens[requests.arrival_s >= 1200]) == {30}
    assert set(requests.output_tokens) == {7}


def test_a_client_without_lengths_asks_like_another(folder):
    """Window two is the second client's alone."""
    traffic = servegen(folder, random_start=False, **{"from": "10min", "until": "20min"})
    assert set(asked(traffic).input_tokens) == {10, 20}


def test_lengths_may_stand_in_a_file_of_their_own(folder):
    (folder / "chunk-0-dataset.json").unlink()
    path = folder / "lengths.parquet"
    rows = [(client, field, 9.0, low, high) for client, field, low, high in [
        (0, "input_tokens", 5, 5), (0, "output_tokens", 6, 6), (5, "input_tokens", 40, 60),
        (5, "output_tokens", 8, 8)]]  # fmt: skip
    names = ["client_id", "field", "mean", "q0.5", "q1"]
    pd.DataFrame(rows, columns=names).to_parquet(path)
    window = {"from": "10min", "until": "20min", "random_start": False}
    lengths_file = {"path": str(path), "sha256": "y"}
    requests = asked(servegen(folder, lengths_file=lengths_file, **window))
    assert (requests.input_tokens.min(), requests.input_tokens.max()) == (40, 60)
    assert set(requests.output_tokens) == {8}


def test_text_and_images_add_up(folder):
    tables = {"text_tokens": "{10: 1}", "image_tokens": "{1000: 1}", "output_tokens": "{7: 1}"}
    (folder / "chunk-0-dataset.json").write_text(json.dumps({"0": tables}))
    assert set(asked(servegen(folder)).input_tokens) == {1010}


def test_no_lengths_at_all_are_told(folder):
    (folder / "chunk-0-dataset.json").unlink()
    with pytest.raises(TraceError, match="no client has input_tokens: name a `lengths_file`"):
        asked(servegen(folder))


@pytest.mark.parametrize(
    "window", [{"from": "1h"}, {"until": "41min"}, {"from": "30min", "until": "2h"}]
)
def test_a_part_that_was_not_recorded_is_told(folder, window):
    with pytest.raises(TraceError, match="the recording ends at 2400 s"):
        asked(servegen(folder, **window))


def test_files_that_hold_no_clients_are_told(folder, tmp_path):
    with pytest.raises(TraceError, match="gone"):
        asked(servegen(tmp_path / "gone"))
    other = tmp_path / "other.parquet"
    pd.DataFrame({"input_tokens": [1]}).to_parquet(other)
    with pytest.raises(TraceError, match="no length quantiles of clients"):
        asked(servegen(folder, lengths_file={"path": str(other), "sha256": "y"}))
    (folder / "chunk-0-trace.csv").write_text(WINDOWS.replace("Gamma,1,", "Gamma,0,"))
    with pytest.raises(TraceError, match="shape that is not above 0"):
        asked(servegen(folder, until="10min"))


@needs_traces
@pytest.mark.parametrize("name", ["m-large", "mm-image"])
def test_published_clients_send_what_they_sent(name):
    """All of them, from their second day (mm-image: third hour) on: requests of six windows."""
    from_s, files = ({"m-large": 86400.0, "mm-image": 10800.0}[name], TRACES)
    demand = pd.read_parquet(files / f"demand_servegen_{name}_10min.parquet")["value"].to_numpy()
    first = int(from_s / 600)
    traffic = servegen(files / f"clients_servegen_{name}.parquet", random_start=False,
                       **{"from": f"{from_s}s"})  # fmt: skip
    edges = np.arange(7) * 600.0
    seen = [
        np.histogram(
            draw_asked(traffic.arrivals, span(0.0, 3600.0), streams("s", i)).arrival_s, edges
        )[0]
        for i in range(12)
    ]
    for counts, exact in zip(np.array(seen).T, demand[first : first + 6], strict=True):
        assert_mean(counts, exact)
