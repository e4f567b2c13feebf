"""Recorded traffic replayed: windows of a trace, or the trace as it is, against its rows.

False alarms: tests/oracles/laws.py.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand import TraceArrivals
from simulator.streams import stream
from simulator.traffic import TraceError, draw_workload
from simulator.traffic.recordings.replay import draw_trace_rows
from simulator.traffic.recordings.traces import read_trace
from tests.oracles.laws import FALSE_ALARM, assert_binomial, assert_mean, span
from tests.oracles.small import small_scenario
from tests.recordings import TRACES, needs_traces

CHAT = {
    "name": "chat",
    "arrivals": {"kind": "poisson", "rate": "5/s"},
    "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
    "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200},
}


def drawn(*groups, replication=0):
    scenario = small_scenario(traffic=list(groups), preroll="5s", drain="10s")
    return draw_workload(scenario, 7, replication)


def rows(workload):
    """(arrival_ns, input, output) of all requests."""
    columns = (workload.arrival_ns, workload.input_tokens, workload.output_tokens)
    return np.stack(columns)


MOONCAKE = '{"timestamp": %d, "input_length": %d, "output_length": %d}\n'


def written(tmp_path, name, content):
    """A file of this content (text, or the columns of a Parquet file); returns its path."""
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        pd.DataFrame(content).to_parquet(path)
    return str(path)


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
    return draw_trace_rows(arrivals, span(start_s, end_s), rng)[1:3]


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


@needs_traces
@pytest.mark.parametrize("name", ["code_azure2023_a", "chat_mooncake_conversation_a"])
def test_windows_of_recorded_traces_keep_rate_and_pairs(name):
    path = TRACES / f"{name}.parquet"
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


# --- a part of a recording ----------------------------------------------------------------------


def test_only_the_part_is_drawn_and_its_rate_is_that_of_the_part(bursty):
    """Rows of [50 s, 120 s) and no others, as often as they come there."""
    trace = read_trace(bursty)
    arrivals = replay(bursty, block="5s", **{"from": "50s", "until": "120s"})
    first, last = np.searchsorted(trace.arrival_s, [50, 120])
    sizes = []
    for replication in range(300):
        _, found = windows(arrivals, replication)
        sizes.append(found.size)
        assert np.all((found >= first) & (found < last))
    assert_mean(sizes, (last - first) / 70 * 60)


def test_a_part_goes_on_at_its_own_beginning(bursty):
    """One window longer than what is left of the part, circularly."""
    trace = read_trace(bursty)
    arrivals = replay(bursty, block="1h", **{"from": "50s", "until": "120s"})
    first, last = np.searchsorted(trace.arrival_s, [50, 120])
    times_s, found = windows(arrivals)
    steps = np.diff(found)
    assert set(steps) <= {1, first - last + 1}
    since_s = (trace.arrival_s[found] - trace.arrival_s[found[0]]) % 70
    assert np.allclose(times_s - times_s[0], since_s, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "part, reason",
    [
        ({"from": "1h"}, "no request from 3600 s to"),
        ({"until": "1h"}, "until 3600 s; the recording ends at"),
        ({"from": "0.5ms", "until": "0.6ms"}, "no request from 0.0005 s to 0.0006 s"),
    ],
)
def test_a_part_without_requests_is_told(bursty, part, reason):
    with pytest.raises(TraceError) as caught:
        windows(replay(bursty, **part))
    assert str(caught.value).startswith(f"{bursty}: {reason}")


# --- as recorded --------------------------------------------------------------------------------


def recorded(path, **described):
    return replay(path, order="recorded", **described)


def test_a_recording_is_replayed_from_the_start_of_the_period(bursty):
    """Row by row, nothing before the period, the same in every replication."""
    trace = read_trace(bursty)
    times_s, found = windows(recorded(bursty))
    size = np.searchsorted(trace.arrival_s, 50)
    assert found.tolist() == list(range(size))
    assert np.array_equal(times_s, trace.arrival_s[:size])
    again = windows(recorded(bursty), replication=5)
    assert np.array_equal(again[0], times_s)


def test_a_part_is_replayed_from_its_beginning(bursty):
    trace = read_trace(bursty)
    times_s, found = windows(recorded(bursty, **{"from": "20s"}))
    assert found[0] == np.searchsorted(trace.arrival_s, 20)
    assert np.allclose(times_s, trace.arrival_s[found] - 20, rtol=0, atol=1e-9)


def test_a_loop_begins_again_and_has_gone_on_before(bursty):
    """A part of 7 s: every lap is a window of its own."""
    arrivals = recorded(bursty, loop=True, **{"from": "20s", "until": "27s"})
    rng = stream(14, "windows")
    trace, times_s, found, window = draw_trace_rows(arrivals, span(-10.0, 50.0), rng)
    lap = np.floor(times_s / 7)
    assert np.allclose(times_s - 7 * lap, trace.arrival_s[found] - 20, rtol=0, atol=1e-9)
    assert set(range(-1, 7)) <= set(lap) <= set(range(-2, 8))
    assert np.array_equal(window, lap + 2)
    whole = (lap >= 0) & (lap < 7)
    assert set(np.bincount(found[whole])[found[whole]]) == {7}


def test_a_recording_that_ends_before_the_period_is_told(bursty):
    arrivals = recorded(bursty, **{"from": "20s", "until": "60s"})
    with pytest.raises(
        TraceError, match="40 s of recording for a period of 50 s; say `loop: true`"
    ):
        windows(arrivals)
    times_s, _ = windows(arrivals, end_s=40.0)
    assert times_s.max() < 40
    rng = stream(14, "windows")
    drained = draw_trace_rows(arrivals, span(-1.0, 90.0, horizon_s=40.0), rng)[1]
    assert np.array_equal(drained, times_s)


def test_scaling_down_a_recording_thins_it_anew_in_every_replication(bursty):
    _, whole = windows(recorded(bursty))
    _, one = windows(recorded(bursty, rate_scale=0.5))
    _, other = windows(recorded(bursty, rate_scale=0.5), 1)
    assert set(one) < set(whole)
    assert set(one) != set(other)
    sizes = [windows(recorded(bursty, rate_scale=0.5), i)[1].size for i in range(100)]
    assert_binomial(sum(sizes), 100 * whole.size, 0.5)


def test_scaling_up_a_recording_lays_it_over_itself_at_other_times(bursty):
    """Twice: the second copy half the recording later, going on at its beginning."""
    trace = read_trace(bursty)
    arrivals = recorded(bursty, rate_scale=2.0)
    times_s, found = windows(arrivals, start_s=0.0, end_s=trace.span_s)
    assert np.bincount(found).tolist() == [2] * 400
    late_s = np.sort((times_s - trace.arrival_s[found]) % trace.span_s)
    near = np.minimum(late_s, trace.span_s - late_s) < 1e-9
    assert near.sum() == 400
    assert np.allclose(late_s[~near], trace.span_s / 2, rtol=0, atol=1e-9)


def test_lumps_of_a_replayed_recording_are_spread_anew(tmp_path):
    text = "".join(MOONCAKE % (3000 * (i // 5), 10, 10) for i in range(500))
    arrivals = recorded(written(tmp_path, "lumps.jsonl", text))
    times_s, found = windows(arrivals, 0, 0.0, 200.0)
    tick = 3.0 * (found // 5)
    assert np.all((times_s >= tick) & (times_s < tick + 3))
    assert stats.kstest((times_s - tick) / 3, "uniform").pvalue > FALSE_ALARM
    assert not np.intersect1d(times_s, windows(arrivals, 1, 0.0, 200.0)[0]).size


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(["blocks", "recorded"]), scale=st.floats(0.1, 4),
    from_s=st.floats(0, 150), block_s=st.floats(0.5, 500), length_s=st.floats(1, 40),
    start_s=st.floats(-30, 0),
)  # fmt: skip
def test_replays_are_in_order_and_in_the_period(
    tmp_path_factory, order, scale, from_s, block_s, length_s, start_s
):
    path = tmp_path_factory.getbasetemp() / "even.csv"
    if not path.exists():
        lines = "".join(f"{i / 2},{i + 1},1\n" for i in range(400))
        path.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + lines)
    arrivals = replay(
        path, order=order, rate_scale=scale, block=f"{block_s}s", loop=order == "recorded",
        **{"from": f"{from_s}s", "until": f"{from_s + length_s}s"},
    )  # fmt: skip
    times_s, found = windows(arrivals, start_s=start_s)
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= start_s) & (times_s < 50))
    assert np.all((found >= 2 * from_s) & (found < 2 * (from_s + length_s)))
