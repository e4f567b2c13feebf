"""Figures of traffic: against their definitions word by word, chunk by chunk, and known traces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibration.traffic.figures import prefixes as describe_prefixes
from calibration.traffic.figures import sessions as describe_sessions
from calibration.traffic.figures.arrivals import SCALES_S, Bins, RateCurve, Spread
from calibration.traffic.figures.clients import client_figures, clients_json
from calibration.traffic.figures.file import describe_file, description_json
from calibration.traffic.figures.lengths import Tally
from calibration.traffic.figures.seconds import Spans
from calibration.traffic.figures.traffic import as_json, figures, figures_of_rows, figures_of_trace
from simulator.results import finite
from simulator.streams import stream
from simulator.traffic.formats import batches, spool
from simulator.traffic.formats.rows import Rows, take
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.clients import Client, Clients
from simulator.traffic.recordings.length_tables import quantiles
from simulator.traffic.recordings.recorded_sessions import Sessions
from simulator.traffic.recordings.servegen import read_clients
from simulator.traffic.recordings.traces import read_trace
from tests.recordings import TRACES, needs_traces


def poisson(rate, span_s, name="poisson"):
    rng = stream(21, name)
    arrival_s = np.sort(rng.random(rng.poisson(rate * span_s))) * span_s
    return arrival_s, rng.integers(1, 900, arrival_s.size), rng.integers(1, 90, arrival_s.size)


# --- arrivals -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 40), min_size=2, max_size=60), st.integers(1, 7))
def test_dispersion_is_variance_over_mean_of_whole_bins(instants, chunk):
    """From the first arrival on; the bin of the last one is not over and does not count."""
    arrival_s = np.sort(np.array(instants))
    arrival_s -= arrival_s[0]
    for width_s in SCALES_S:
        bins = Bins(width_s)
        for begin in range(0, arrival_s.size, chunk):
            bins.add(arrival_s[begin : begin + chunk])
        places = np.floor(arrival_s / width_s).astype(int)
        counts = np.bincount(places)[: places[-1]]
        assert bins.whole == counts.size
        if counts.size >= 2 and counts.sum():
            assert bins.dispersion == pytest.approx(counts.var(ddof=1) / counts.mean())
            assert (bins.most, bins.filled) == (counts.max(), (counts > 0).sum())


def test_poisson_arrivals_have_dispersion_one_and_cv_one():
    found = figures(*poisson(20.0, 20_000.0)).arrivals
    assert found.rate_per_s == pytest.approx(20.0, rel=0.01)
    assert found.gap_cv == pytest.approx(1.0, abs=0.01)
    assert found.empty_seconds_share == pytest.approx(np.exp(-20), abs=1e-3)
    for scale_s, index in found.dispersion:
        bins = 20_000 / scale_s
        assert index == pytest.approx(1.0, abs=5 * np.sqrt(2 / bins)), scale_s
    assert found.gap_s_p50 == pytest.approx(np.log(2) / 20, rel=0.01)


def test_a_known_burst_has_its_known_figures():
    """Ten requests in each tenth second, all within its first half: by hand."""
    arrival_s = np.concatenate([10.0 * k + np.arange(10) * 0.05 for k in range(60)])
    ones = np.ones(600, dtype=int)
    found = figures(arrival_s, ones, ones).arrivals
    assert found.peak_second == 10
    assert found.peak_minute_per_s == 1.0
    whole = 590
    assert found.empty_seconds_share == pytest.approx(1 - 59 / whole)
    counts = np.zeros(whole)
    counts[::10] = 10
    assert found.dispersion_at(1.0) == pytest.approx(counts.var(ddof=1) / counts.mean())
    assert found.dispersion_at(10.0) == pytest.approx(0.0)
    assert np.isnan(found.dispersion_at(300.0)), "one whole bin says nothing"


def test_ticks_are_spread_before_anything_is_counted():
    """A clock of 3 s over Poisson arrivals: figures of Poisson, not of lumps."""
    arrival_s, inputs, outputs = poisson(5.0, 6_000.0)
    lumps = np.floor(arrival_s / 3.0) * 3.0
    found = figures(lumps, inputs, outputs, step_s=3.0).arrivals
    assert found.gap_cv == pytest.approx(1.0, abs=0.03)
    assert found.dispersion_at(1.0) == pytest.approx(1.0, abs=0.1)
    raw = figures(lumps, inputs, outputs).arrivals
    assert raw.gap_cv > 3.0 and raw.dispersion_at(1.0) > 3.0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 9))
def test_spreading_does_not_see_chunks(ticks, chunk):
    instants_s = np.sort(np.array(ticks)) * 2.999
    whole = Spread(3.0)
    expected = np.concatenate([whole.moved(instants_s), whole.waiting])
    parts = Spread(3.0)
    found = [parts.moved(instants_s[i : i + chunk]) for i in range(0, instants_s.size, chunk)]
    assert np.array_equal(np.concatenate([*found, parts.waiting]), expected)
    assert np.all(np.diff(expected) >= 0)


def test_the_rate_curve_counts_everything_once():
    arrival_s, _, _ = poisson(3.0, 5_000.0)
    curve = RateCurve()
    for part in np.array_split(arrival_s, 50):
        curve.add(part)
    starts_s, rates = curve.curve(float(arrival_s[-1]))
    assert curve.counts.sum() == arrival_s.size
    assert starts_s.size > 100
    assert rates.mean() == pytest.approx(3.0, rel=0.05)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=200))
def test_spans_know_mean_cv_and_quantiles(values):
    spans = Spans()
    spans.add(np.array(values[:1]))
    spans.add(np.array(values[1:]))
    assert spans.cv == pytest.approx(np.std(values, ddof=1) / np.mean(values), rel=1e-6, abs=1e-6)
    for share, found in zip((0.1, 0.5, 0.99), spans.quantiles([0.1, 0.5, 0.99]), strict=True):
        exact = np.quantile(values, share, method="inverted_cdf")
        assert found == pytest.approx(exact, rel=0.005)
    seconds, beyond = spans.survival()
    assert np.all(np.diff(seconds) > 0) and np.all(np.diff(beyond) <= 0)


# --- lengths ------------------------------------------------------------------------------------

tokens = st.lists(st.integers(1, 40), min_size=1, max_size=80)


@given(tokens, st.integers(1, 9))
def test_length_figures_are_those_of_a_sorted_list(values, chunk):
    tally = Tally()
    for begin in range(0, len(values), chunk):
        tally.add(np.array(values[begin : begin + chunk]))
    found = tally.figures()
    assert found.mean == pytest.approx(np.mean(values))
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        assert getattr(found, name) == np.quantile(values, share, method="inverted_cdf")
    often = {v: values.count(v) for v in values if values.count(v) >= 10}
    assert dict(found.atoms) == {
        v: n / len(values) for v, n in sorted(often.items(), key=lambda p: (-p[1], p[0]))[:5]
    }
    places, shares = tally.curve()
    assert shares[-1] == pytest.approx(1.0) and places[-1] == max(values)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=3, max_size=60))
def test_rank_correlation_is_spearmans(pairs):
    inputs, outputs = (np.array(side) for side in zip(*pairs, strict=True))
    found = figures(np.arange(len(pairs)), inputs, outputs).rank_correlation
    if np.ptp(inputs) and np.ptp(outputs):
        assert found == pytest.approx(stats.spearmanr(inputs, outputs).statistic)
    else:
        assert np.isnan(found)


# --- prefixes -----------------------------------------------------------------------------------

prompts = st.lists(
    st.tuples(st.lists(st.integers(0, 2), max_size=5), st.integers(1, 20)), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None)
@given(prompts, st.integers(1, 4))
def test_an_infinite_cache_finds_what_a_set_of_prefixes_finds(drawn, chunk):
    """Blocks of 10 tokens, by prompts as tuples; tokens behind the last block are new."""
    lists = [ids for ids, _ in drawn]
    inputs = np.array([10 * len(ids) + more for ids, more in drawn])
    counts = np.array([len(ids) for ids in lists])
    first = np.concatenate([[0], np.cumsum(counts)])
    keys = np.array([i for ids in lists for i in ids], dtype=np.int64)
    ends = np.array([10 * (k + 1) for ids in lists for k in range(len(ids))], dtype=np.int64)
    rows = Rows(np.arange(len(drawn)) * 1.0, inputs, inputs, Chains(first, keys, ends))
    parts = [np.arange(i, min(i + chunk, len(drawn))) for i in range(0, len(drawn), chunk)]
    found = figures_of_rows(lambda: [take(rows, p) for p in parts], True, 0.0, 10).prefixes
    known, hits = set(), []
    for ids in lists:
        prefixes = [tuple(ids[: k + 1]) for k in range(len(ids))]
        hits.append(10 * sum(prefix in known for prefix in prefixes))
        known |= set(prefixes)
    if not sum(hits):
        assert found is None
        return
    new = inputs - hits
    assert found.requests == len(drawn)
    assert found.hit_token_share == pytest.approx(sum(hits) / inputs.sum())
    assert found.hit_block_share == pytest.approx(sum(hits) / 10 / np.ceil(inputs / 10).sum())
    assert found.new_tokens_p50 == np.quantile(new, 0.5, method="inverted_cdf")
    assert found.new_tokens_mean == pytest.approx(new.mean())


def test_answers_that_are_shared_count_for_later_prompts_only():
    """Segments may reach into the output: found in the next prompt, never beyond a prompt."""
    chains = Chains(np.array([0, 2, 4]), np.array([0, 1, 0, 1]), np.array([100, 150, 100, 150]))
    found = figures(np.arange(2.0), np.array([100, 400]), np.array([60, 9]), chains).prefixes
    assert found.hit_token_share == 150 / 500
    same = Chains(np.array([0, 1, 2]), np.array([0, 0]), np.array([150, 150]))
    found = figures(np.arange(2.0), np.array([100, 100]), np.array([60, 60]), same).prefixes
    assert found.hit_token_share == 100 / 200


def test_more_blocks_than_fit_stop_the_figures_and_say_so(monkeypatch):
    monkeypatch.setattr(describe_prefixes, "SEEN_MAX", 10)
    rows = [Rows(np.array([float(i)]), np.array([100]), np.array([1]),
                 Chains(np.array([0, 5]), np.arange(5) + i, np.arange(1, 6) * 16))
            for i in (0, 0, 100, 200, 300, 400)]  # fmt: skip
    found = figures_of_rows(lambda: rows, True, 0.0, 16).prefixes
    assert found.requests == 4


# --- sessions -----------------------------------------------------------------------------------


def test_sessions_are_counted_with_their_pauses():
    sessions = Sessions(
        np.array([0, 1, 0, 0, 2]), np.array([-1, -1, 0, 2, -1]),
        np.array([np.nan, np.nan, 4.0, 6.0, np.nan]), np.full(5, np.nan), relative=False,
    )  # fmt: skip
    ones = np.ones(5, dtype=int)
    found = figures(np.arange(5.0), ones, ones, sessions=sessions).sessions
    assert (found.sessions, found.requests_p50, found.requests_max) == (3, 1, 3)
    assert (found.follow_ups, found.pauses) == (2, 2)
    assert found.pause_s_p50 == pytest.approx(4.0, rel=0.003)
    assert found.pause_s_p99 == pytest.approx(6.0, rel=0.003)


def test_sessions_with_a_clock_each_have_no_arrivals():
    sessions = Sessions(
        np.array([0, 0, 1]), np.array([-1, 0, -1]), np.full(3, 2.0), np.full(3, 1.0), relative=True
    )
    ones = np.ones(3, dtype=int)
    found = figures(np.array([0.0, 9.0, 0.0]), ones, ones, sessions=sessions)
    assert found.arrivals is None and np.isnan(found.span_s)
    assert found.sessions.sessions == 2


def test_pauses_of_a_file_are_those_of_the_trace(tmp_path, monkeypatch):
    """Measured chunk by chunk, with few sessions remembered or many."""
    path = tmp_path / "b.csv"
    lines = ["Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Log Type"]
    rng = stream(22, "sessions")
    lines += [f"{i}.0,{'' if k > 30 else k},{e},m,5,6,c"
              for i, (k, e) in enumerate(zip(rng.integers(0, 40, 500), rng.integers(1, 9, 500),
                                             strict=True))]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    trace = figures_of_trace(read_trace(str(path))).sessions
    monkeypatch.setattr(spool, "CHUNK_ROWS", 16)
    monkeypatch.setattr(batches, "BATCH_ROWS", 16)
    assert describe_file(path).figures.sessions == trace
    monkeypatch.setattr(describe_sessions, "REMEMBERED", 4)
    few = describe_file(path).figures.sessions
    assert few.sessions > trace.sessions


# --- files --------------------------------------------------------------------------------------


def test_a_description_has_everything_as_plain_data(tmp_path):
    path = tmp_path / "m.jsonl"
    line = '{"timestamp": %d, "input_length": %d, "output_length": %d, "hash_ids": [1]}\n'
    path.write_text("".join(line % (900 * (i ^ 1), 600 + i, i % 5) for i in range(50)))
    described = describe_file(path)
    data = finite(description_json(described))
    assert data["format"] == "Mooncake JSONL"
    assert data["requests"] == 40
    assert data["out_of_order"] > 0
    assert data["left_out"] == [
        {"reason": "a request without output tokens: it failed", "rows": 10, "unit": "line",
         "first": [1, 6, 11, 16, 21]}
    ]  # fmt: skip
    assert data["arrivals"]["dispersion"]["1"] == pytest.approx(
        described.figures.arrivals.dispersion_at(1.0)
    )
    assert "curves" not in data
    assert data["prefixes"]["requests"] == 40


def test_lengths_alone_are_described_as_far_as_they_can_be(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("input_tokens,output_tokens\n" + "5,7\n6,8\n" * 20)
    described = describe_file(path)
    assert described.clock == "none"
    assert described.figures.arrivals is None
    assert described.figures.input_tokens.atoms == ((5, 0.5), (6, 0.5))
    assert described.figures.rank_correlation == pytest.approx(1.0)


def made_clients():
    table = quantiles(np.array([0.5, 1.0]), np.array([10.0, 20.0]))
    busy = Client(
        1,
        np.array([0.0, 600.0]),
        np.array([3.0, 1.0]),
        np.array([2.0, 8.0]),
        ("Gamma", "Weibull"),
        np.ones(2),
        np.ones(2),
        {"input_tokens": ((0.0, table),)},
    )
    quiet = Client(2, np.array([600.0]), np.array([1.0]), np.array([1.0]), ("Gamma",), np.ones(1),
                   np.ones(1), {})  # fmt: skip
    idle = Client(3, *(np.empty(0),) * 3, (), np.empty(0), np.empty(0), {})
    return Clients((busy, quiet, idle), 600.0, 1800.0, ("a note",))


def test_clients_are_described_by_their_requests():
    found = client_figures(made_clients())
    assert found.clients == 2
    assert (found.rate_per_s, found.peak_rate_per_s) == (pytest.approx(5 / 3), 3.0)
    assert found.top10_share == 1.0
    assert found.active_share_p50 == pytest.approx(0.5)
    assert found.cv == (2.0, 8.0, 8.0, 8.0)
    assert found.families == {"Gamma": pytest.approx(0.8), "Weibull": pytest.approx(0.2)}
    assert found.lengths["input_tokens"][0] == pytest.approx(10.0, abs=0.1)
    assert clients_json(found)["cv"] == {"p50": 2.0, "p90": 8.0, "p95": 8.0, "p99": 8.0}


@needs_traces
def test_recorded_traces_have_the_figures_that_are_known_of_them():
    """shared/design/traffic.md, of the whole files; ours are their first 40 minutes."""
    code = describe_file(TRACES / "code_azure2023_a.parquet").figures
    assert code.arrivals.empty_seconds_share == pytest.approx(0.68, abs=0.01)
    assert code.arrivals.peak_second == 67
    assert {tokens for tokens, _ in code.input_tokens.atoms} == {7435, 7436}
    chat = describe_file(TRACES / "chat_azure2023_a.parquet").figures
    assert chat.arrivals.gap_cv == pytest.approx(1.09, abs=0.02)
    assert 10 < chat.arrivals.dispersion_at(60.0) < 25
    moon = describe_file(TRACES / "chat_mooncake_conversation_a.parquet").figures
    assert moon.step_s == 3.0
    assert moon.prefixes.hit_block_share == pytest.approx(0.37, abs=0.04)
    assert moon.arrivals.gap_cv == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
@needs_traces
def test_agents_have_the_figures_that_are_known_of_them():
    found = describe_file(TRACES / "agent_claudecode_sessions_a.parquet").figures
    assert found.arrivals is None
    assert found.prefixes.hit_block_share == pytest.approx(0.96, abs=0.005)
    assert found.prefixes.new_tokens_p50 == pytest.approx(737, rel=0.1)
    assert found.prefixes.new_tokens_p90 == pytest.approx(5100, rel=0.1)
    assert found.sessions.requests_p50 == 44
    assert found.input_tokens.p99 == pytest.approx(506_000, rel=0.05)


@needs_traces
@pytest.mark.parametrize("name, top10", [("m-large", 0.63), ("m-mid", None), ("mm-image", 0.83)])
def test_populations_have_the_figures_that_are_known_of_them(name, top10):
    found = client_figures(read_clients(TRACES / f"clients_servegen_{name}.parquet"))
    assert 0.6 < found.top10_share < 0.95
    assert top10 is None or found.top10_share == pytest.approx(top10, abs=0.01)
    assert 0.05 < found.active_share_p50 < 0.45
    assert found.lengths["output_tokens"][0] > 10


@needs_traces
@pytest.mark.parametrize("name", ["chat_azure2023_a", "chat_mooncake_conversation_a"])
def test_a_file_in_chunks_has_the_figures_of_the_trace_in_memory(name, monkeypatch):
    path = TRACES / f"{name}.parquet"
    whole = figures_of_trace(read_trace(str(path)))
    monkeypatch.setattr(spool, "CHUNK_ROWS", 500)
    monkeypatch.setattr(batches, "BATCH_ROWS", 300)
    parts = describe_file(path).figures
    one, other = finite(as_json(whole)), finite(as_json(parts))
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            for name_, inner in value.items():
                expected = inner if isinstance(inner, list | dict) else pytest.approx(inner)
                if not isinstance(inner, dict):
                    assert other[key][name_] == expected, (key, name_)
        else:
            assert other[key] == (pytest.approx(value) if isinstance(value, float) else value)
