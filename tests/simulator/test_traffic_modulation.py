"""The rate over time: knots and areas by hand, random parts against their laws, files of demand.

False alarms: tests/oracles/laws.py.
"""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from scenarios.demand import Arrivals
from simulator.traffic import DemandError, TraceError, draw_workload
from simulator.traffic.arrivals.demand_file import read_demand
from simulator.traffic.arrivals.instants import draw_arrivals
from simulator.traffic.arrivals.modulation import rate_over_time
from simulator.traffic.arrivals.population import draw_population
from simulator.traffic.arrivals.steps import cyclic
from tests.oracles.laws import assert_law, assert_mean, assert_poisson, span, streams
from tests.oracles.small import small_scenario, small_traffic
from tests.recordings import TRACES, needs_traces

ARRIVALS = TypeAdapter(Arrivals)
HOUR_S, DAY_S = 3600.0, 86400.0


def modulated(*parts, rate="10/s", **described):
    return ARRIVALS.validate_python(
        {"kind": "poisson", "rate": rate, "modulation": list(parts)} | described
    )


def rate(parts, period, replication=0, **described):
    """(times, values) of the rate over a period."""
    steps = rate_over_time(modulated(*parts, **described), period, streams("m", replication))
    assert steps.times_s.size == steps.values.size + 1
    assert (steps.times_s[0], steps.times_s[-1]) == (period.start_s, period.end_s)
    return steps


def assert_steps(steps, times_s, values):
    assert steps.times_s.tolist() == times_s
    assert steps.values.tolist() == pytest.approx(values, rel=1e-15)


def area(steps, start_s, end_s):
    """Expected requests between two instants."""
    start, end = np.interp([start_s, end_s], steps.times_s, steps.areas)
    return end - start


# --- by hand ------------------------------------------------------------------------------------


def test_a_table_goes_on_for_ever_in_both_directions():
    part = {"kind": "table", "every": "10s", "factors": [1, 2, 4]}
    steps = rate([part], span(-15.0, 35.0))
    assert_steps(steps, [-15, -10, 0, 10, 20, 30, 35], [20, 40, 10, 20, 40, 10])
    assert steps.areas.tolist() == [0, 100, 500, 600, 800, 1200, 1250]


def test_a_table_starts_where_it_is_told():
    part = {"kind": "table", "every": "10s", "factors": [1, 2, 4], "start": "25s"}
    assert_steps(rate([part], span(0.0, 20.0)), [0, 5, 15, 20], [40, 10, 20])


def test_a_spike_lasts_as_long_as_it_says():
    part = {"kind": "spike", "at": "5s", "lasts": "2s", "factor": 3}
    assert_steps(rate([part], span(-1.0, 9.0)), [-1, 5, 7, 9], [10, 30, 10])


@pytest.mark.parametrize(
    "start_s, end_s, times_s, values",
    [(6.0, 9.0, [6, 7, 9], [30, 10]), (5.5, 6.5, [5.5, 6.5], [30]), (7.0, 9.0, [7, 9], [10])],
)
def test_a_spike_may_be_under_way_or_over(start_s, end_s, times_s, values):
    part = {"kind": "spike", "at": "5s", "lasts": "2s", "factor": 3}
    constant = {"kind": "table", "every": "1d", "factors": [1]}  # drops pieces of no length
    assert_steps(rate([part, constant], span(start_s, end_s)), times_s, values)


@pytest.mark.parametrize(
    "start_s, end_s", [(-10.0, 100.0), (30.0, 50.0), (0.0, 15.0), (-10.0, 5.0), (70.0, 80.0)]
)
def test_a_ramp_rises_evenly_and_stays(start_s, end_s):
    """From 10/s at 10 s to 40/s at 60 s: the area is the trapezoid's, to the last request."""

    def exact(t):
        inside = np.clip(t - 10, 0, 50)
        return 10 * t + 0.5 * 30 / 50 * inside**2 + 30 * max(t - 60, 0)

    part = {"kind": "ramp", "at": "10s", "lasts": "50s", "factor": 4}
    steps = rate([part], span(start_s, end_s))
    assert area(steps, start_s, end_s) == pytest.approx(exact(end_s) - exact(start_s), rel=1e-12)
    middle = (start_s + end_s) / 2
    assert area(steps, start_s, middle) == pytest.approx(exact(middle) - exact(start_s), rel=1e-3)


def test_hours_and_days_follow_the_calendar():
    """Sunday 23:30 to Monday 01:30, in a period that starts at Sunday 23:45."""
    hours = {"kind": "daily", "factors": [1 + hour for hour in range(24)]}
    days = {"kind": "weekly", "factors": [1, 1, 1, 1, 1, 1, 10]}
    week_s = 6 * DAY_S + 23.75 * HOUR_S
    steps = rate([hours, days], span(-900.0, 6300.0, week_s))
    assert_steps(steps, [-900, 900, 4500, 6300], [10 * 24 * 10, 10 * 1, 10 * 2])


def test_factors_multiply_each_other_and_the_rate_table():
    table = {"kind": "table", "every": "4s", "factors": [1, 3]}
    spike = {"kind": "spike", "at": "2s", "lasts": "4s", "factor": 2}
    changes = [{"at": "6s", "rate": "100/s"}]
    for parts in ([table, spike], [spike, table]):
        steps = rate(parts, span(0.0, 8.0), rate_table=changes)
        assert_steps(steps, [0, 2, 4, 6, 8], [10, 20, 60, 300])


def test_a_rate_of_nothing_sends_nothing():
    off = {"kind": "table", "every": "1h", "factors": [0]}
    process = modulated(off)
    assert rate_over_time(process, span(0.0, 60.0), streams("m")).areas.tolist() == [0, 0]
    assert draw_arrivals(process, span(-5.0, 60.0), streams("m")).size == 0


@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_nothing_arrives_while_the_rate_is_nothing(kind):
    part = {"kind": "table", "every": "10s", "factors": [0, 1, 0, 0]}
    process = modulated(part, kind=kind)
    times_s = draw_arrivals(process, span(-100.0, 1_000.0), streams("m"))
    assert np.all((times_s >= -100) & (times_s < 1_000))
    assert set(np.floor(times_s / 10) % 4) == {1.0}
    assert_poisson(times_s.size, 28 * 100)


def test_constant_arrivals_follow_a_changing_rate_to_the_request():
    """Between any two instants as many as the area says, up to one."""
    part = {"kind": "ramp", "at": "0s", "lasts": "50s", "factor": 5}
    period = span(-10.0, 70.0)
    process = modulated(part, kind="constant")
    times_s = draw_arrivals(process, period, streams("m"))
    steps = rate_over_time(process, period, streams("m"))
    for start_s, end_s in [(-10, 70), (0, 50), (20, 21), (49.5, 60.25)]:
        inside = ((times_s >= start_s) & (times_s < end_s)).sum()
        assert inside == pytest.approx(area(steps, start_s, end_s), abs=1)


# --- at random ----------------------------------------------------------------------------------


def test_a_spike_without_a_time_begins_anywhere_in_the_period():
    part = {"kind": "spike", "lasts": "5s", "factor": 2}
    period = span(-60.0, 400.0, horizon_s=100.0)
    begins_s = [rate([part], period, i).times_s[1] for i in range(2_000)]
    assert_law(begins_s, stats.uniform(0, 100).cdf)


def test_a_random_start_is_anywhere_in_the_table():
    """The next edge of an interval is 0 to 10 s away, and each interval is met equally often."""
    part = {"kind": "table", "every": "10s", "factors": [1, 2, 4], "random_start": True}
    paths = [rate([part], span(0.0, 30.0), i) for i in range(2_000)]
    assert_law([path.times_s[1] for path in paths], stats.uniform(0, 10).cdf)
    assert_mean([path.values[0] for path in paths], 10 * 7 / 3)


def test_levels_are_lognormal_of_mean_one():
    part = {"kind": "level", "every": "10s", "sigma": 0.8}
    levels = np.concatenate([rate([part], span(-5.0, 20.0), i).values for i in range(3_000)]) / 10
    assert levels.size == 9_000
    assert_law(levels, stats.lognorm(0.8, scale=np.exp(-0.32)).cdf)


def test_levels_begin_with_the_period():
    part = {"kind": "level", "every": "10s", "sigma": 0.8}
    assert rate([part], span(-15.0, 25.0)).times_s.tolist() == [-15, -10, 0, 10, 20, 25]
    assert rate([part], span(0.0, 3.0)).times_s.tolist() == [0, 3]


def test_logarithms_of_levels_are_a_stationary_autoregression():
    part = {"kind": "level", "every": "10s", "sigma": 0.5, "correlation": 0.7}
    paths = np.array([rate([part], span(0.0, 40.0), i).values for i in range(4_000)])
    logs = (np.log(paths / 10) + 0.125) / 0.5
    for place in range(4):
        assert_law(logs[:, place], stats.norm.cdf)
        assert_mean(logs[:, 0] * logs[:, place], 0.7**place)


def test_replications_are_paths_of_their_own_and_parts_do_not_disturb_each_other():
    level = {"kind": "level", "every": "10s", "sigma": 0.5}
    period = span(0.0, 40.0)
    first, second = rate([level], period, 0), rate([level], period, 1)
    assert not np.intersect1d(first.values, second.values).size
    beside = rate([level, level], period)
    assert np.all(beside.values != first.values**2 / 10)
    doubled = rate([level, {"kind": "table", "every": "1h", "factors": [2]}], period)
    assert doubled.values.tolist() == (2 * first.values).tolist()


@pytest.mark.parametrize("kind", ["poisson", "weibull", "on-off", "population"])
def test_the_expected_count_is_the_area_under_the_rate(kind):
    """Whatever the process: mean counts of each piece, over independent drawings."""
    own = {
        "poisson": {}, "weibull": {"cv": 2.0}, "on-off": {"on": "1s", "off": "2s"},
        "population": {"clients": 20, "active_share": 0.5, "window": "7s", "cv": 1.5},
    }  # fmt: skip
    table = {"kind": "table", "every": "4s", "factors": [1, 0, 3]}
    process = modulated(table, kind=kind, rate="5/s", **own[kind])
    period = span(-4.0, 12.0)
    pieces = []
    for replication in range(1_500):
        rng_of = streams("m", replication)
        if kind == "population":
            times_s = draw_population(process, period, rng_of)[0]
        else:
            times_s = draw_arrivals(process, period, rng_of)
        pieces.append(np.histogram(times_s, [-4, 0, 4, 8, 12])[0])
    for seen, exact in zip(np.array(pieces).T, [60, 20, 0, 60], strict=True):
        if exact:
            assert_mean(seen, exact)
        else:
            assert not seen.any()


instants = st.floats(-1e4, 1e4)


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(0, 9), min_size=1, max_size=5), every_s=st.floats(1e-1, 1e5),
    position_s=st.floats(0, 1e6), start_s=instants, length_s=st.floats(1e-3, 1e3),
)  # fmt: skip
def test_cyclic_values_are_those_of_their_interval(values, every_s, position_s, start_s, length_s):
    end_s = start_s + length_s
    steps = cyclic(np.array(values), every_s, position_s, (start_s, end_s))
    assert (steps.times_s[0], steps.times_s[-1]) == (start_s, end_s)
    assert np.all(np.diff(steps.times_s) >= 0)
    middles = (steps.times_s[1:] + steps.times_s[:-1]) / 2
    for middle, value, lasts_s in zip(middles, steps.values, np.diff(steps.times_s), strict=True):
        if lasts_s > 1e-6:
            assert value == values[int(np.floor((middle + position_s) / every_s)) % len(values)]


# --- files of demand ----------------------------------------------------------------------------


def demand(tmp_path, rows, missing_s=None, header="timestamp,value"):
    """(seconds between rows, factors) of a CSV file."""
    path = tmp_path / "demand.csv"
    path.write_text(header + "\n" + "\n".join(rows) + "\n")
    found = read_demand(str(path), missing_s)
    read_demand.cache_clear()
    return found.every_s, found.factors.tolist()


def test_factors_are_values_over_their_mean(tmp_path):
    rows = ["2024-05-01 00:00:00,1", "2024-05-01 01:00:00,6", "2024-05-01 02:00:00,2"]
    assert demand(tmp_path, rows) == (3600.0, [1 / 3, 2.0, 2 / 3])


def test_parquet_is_read_as_csv(tmp_path):
    path = tmp_path / "demand.bin"
    times = pd.date_range("2024-05-01", periods=3, freq="10min", tz="Europe/Berlin")
    pd.DataFrame({"value": [2.0, 4.0, 6.0], "timestamp": times, "note": "x"}).to_parquet(path)
    found = read_demand(str(path), None)
    assert (found.every_s, found.factors.tolist()) == (600.0, [0.5, 1.0, 1.5])


def test_rows_may_be_unsorted_and_in_seconds(tmp_path):
    assert demand(tmp_path, ["60.5,3", "0.5,1", "120.5,2"]) == (60.0, [0.5, 1.5, 1.0])


def test_clocks_that_change_lose_nothing_that_has_a_zone(tmp_path):
    """Europe, 2024-10-27: two o'clock comes twice, once at +02:00 and once at +01:00."""
    rows = [f"2024-10-27T{at},{value}" for at, value in [
        ("01:00:00+02:00", 1), ("02:00:00+02:00", 2), ("02:00:00+01:00", 3),
        ("03:00:00+01:00", 2)]]  # fmt: skip
    assert demand(tmp_path, rows) == (3600.0, [0.5, 1.0, 1.5, 1.0])


def test_an_hour_that_comes_twice_or_never_without_a_zone_is_borne(tmp_path):
    """Rows of one interval are averaged; an interval without a row is left out."""
    hours = [0, 1, 2, 2, 4, 5]
    rows = [f"2024-10-27 0{hour}:00:00,{value}" for hour, value in zip(
        hours, [4, 4, 2, 6, 4, 4], strict=True)]  # fmt: skip
    assert demand(tmp_path, rows) == (3600.0, [1.0] * 5)


def test_an_empty_value_is_left_out_and_a_zero_is_not(tmp_path):
    rows = ["0,2", "60,", "120,0", "180,nan", "240,4"]
    assert demand(tmp_path, rows) == (60.0, [1.0, 0.0, 2.0])


@pytest.mark.parametrize(
    "missing_s, kept", [(None, [3, 0, 3, 0, 0, 0, 6]), (180.0, [3, 0, 3, 6]), (181.0, None),
                        (60.0, [3, 3, 6])]
)  # fmt: skip
def test_long_zeros_are_gaps_of_the_recording(tmp_path, missing_s, kept):
    rows = [f"{60 * i},{value}" for i, value in enumerate([3, 0, 3, 0, 0, 0, 6])]
    kept = np.array(kept or [3, 0, 3, 0, 0, 0, 6])
    assert demand(tmp_path, rows, missing_s) == (60.0, (kept / kept.mean()).tolist())


@pytest.mark.parametrize(
    "header, rows, reason",
    [
        ("timestamp,requests", ["0,1"], "columns `timestamp` and `value`; there are: timestamp, "
         "requests"),
        ("series,step,value", ["H1,0,3"], "there are: series, step, value"),
        ("timestamp,value", ["0,1", "60,-2"], "row 2: a value below 0"),
        ("timestamp,value", ["0,1", "60,many"], "row 2: value many is no number"),
        ("timestamp,value", ["0,1", "60,inf"], "row 2: value inf is no number"),
        ("timestamp,value", ["2024-01-01,1", "noon,2"], "row 2: timestamp noon is no time (1 such"),
        ("timestamp,value", ["2024-01-01,1", ",2"], "row 2: timestamp nan is no time"),
        ("timestamp,value", ["1700000000000,1", "1700000060000,2"], "numbers must be seconds"),
        ("timestamp,value", ["0,1"], "at least two rows at different times"),
        ("timestamp,value", ["5,1", "5,2"], "at least two rows at different times"),
        ("timestamp,value", ["0,0", "60,0"], "demand without a value above 0"),
        ("timestamp,value", ["0,", "60,"], "demand without a value above 0"),
        ("timestamp,value", [], "at least two rows"),
    ],
)  # fmt: skip
def test_demand_that_cannot_be_used_is_told_with_file_and_reason(tmp_path, header, rows, reason):
    with pytest.raises(TraceError) as caught:
        demand(tmp_path, rows, header=header)
    assert str(caught.value).startswith(f"{tmp_path / 'demand.csv'}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", ["", "PAR1 and no more", None])
def test_what_is_no_table_is_told_so(tmp_path, content):
    path = tmp_path / "demand.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TraceError, match=str(path)):
        read_demand(str(path), None)


def test_recorded_demand_shapes_the_rate(tmp_path):
    """Its mean is the rate, and the period starts where it is told, or anywhere."""
    path = tmp_path / "demand.csv"
    path.write_text("timestamp,value\n0,1\n10,2\n20,6\n")
    part = {"kind": "file", "file": {"path": str(path), "sha256": "x"}, "start": "25s"}
    assert_steps(rate([part], span(0.0, 20.0)), [0, 5, 15, 20], [20, 10 / 3, 20 / 3])
    anywhere = part | {"start": "0s", "random_start": True}
    firsts = [rate([anywhere], span(0.0, 20.0), i).values[0] for i in range(1_000)]
    assert_mean(firsts, 10.0)


@needs_traces
@pytest.mark.parametrize(
    "name, every_s, size",
    [("servegen_m-large_10min", 600, 2016), ("nab_nyc_taxi_30min", 1800, 10320),
     ("nab_tweets_amzn_5min", 300, 15831), ("burstgpt1_hourly_a", 3600, 1008)],
)  # fmt: skip
def test_recorded_demand_is_read(name, every_s, size):
    found = read_demand(str(TRACES / f"demand_{name}.parquet"), None)
    assert (found.every_s, found.factors.size) == (every_s, size)
    assert found.factors.mean() == pytest.approx(1)


@needs_traces
def test_nights_without_a_request_may_be_missing_data():
    path = str(TRACES / "demand_burstgpt1_hourly_a.parquet")
    hours = read_demand(path, None).factors
    kept = read_demand(path, 8 * HOUR_S).factors
    marks = "".join("0" if hour == 0 else "1" for hour in hours)
    assert kept.size == len(re.sub("0{8,}", "", marks)) < hours.size


@needs_traces
def test_series_without_a_clock_are_refused():
    with pytest.raises(TraceError, match="there are: series, step, value, is_test"):
        read_demand(str(TRACES / "demand_m4_hourly_a.parquet"), None)


def test_a_rate_beyond_all_memory_is_refused():
    scenario = small_scenario(traffic=[small_traffic(rate="1e12/s")])
    with pytest.raises(DemandError, match="at most 200,000,000 can be simulated: lower the rate"):
        draw_workload(scenario, 1, 0)
