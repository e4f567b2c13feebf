"""Histograms of latencies: every request in its bin, at most 0.4 % from the truth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.histogram import BINS, bins_of, histogram, middle_ns
from simulator.latencies import LATENCY_METRICS, bins_of_seconds, gaps_of, latencies, middle_s
from simulator.simulate import simulate
from tests.oracles.small import small_scenario
from tests.planner.test_verdict import period


def of(found, metric):
    """(group, middle of the bin, count) of each entry of a metric."""
    rows = zip(*found, strict=True)
    wanted = LATENCY_METRICS.index(metric)
    return [(group, middle_s(index), count) for own, group, index, count in rows if own == wanted]


def test_each_request_is_in_one_bin_of_its_group():
    run = period([0.1, 0.1, 0.4, 0.1], outcome=[0, 0, 0, 3])
    object.__setattr__(run, "group", np.array([0, 1, 1, 1]))
    found = latencies(run)
    rows = of(found, "ttft")
    assert [(group, count) for group, _, count in rows] == [(0, 1), (1, 1), (1, 1), (1, 1)]
    times_s = [time_s for _, time_s, _ in rows]
    np.testing.assert_allclose(times_s, [0.1, 0.1, 0.4, np.inf], rtol=0.004)
    assert [count for _, _, count in of(found, "tpot")] == [1, 2, 1]
    assert of(found, "itl")[0][::2] == (-1, 1)


def test_of_one_token_the_time_per_token_is_zero():
    assert of(latencies(period([0.1], output_tokens=1)), "tpot") == [(0, 0.0, 1)]


def test_a_simulated_run_is_all_there():
    scenario = small_scenario(horizon="20s", drain="5s")
    run = simulate(scenario, scenario.fleet, 1, 0)
    found = latencies(run)
    for metric in ("ttft", "tpot", "e2e"):
        assert sum(count for *_, count in of(found, metric)) == len(run) > 20
    assert gaps_of(found).tolist() == run.itl_histogram.tolist()
    assert run.timeline["arrivals"].sum() == len(run)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), max_size=20))
def test_bins_are_close_and_in_order(durations_ns):
    bins = bins_of(np.array(durations_ns, dtype=np.int64))
    middles = np.array([middle_ns(int(index)) for index in bins])
    assert (np.abs(middles - durations_ns) <= 0.004 * np.array(durations_ns, dtype=float)).all()
    assert bins.max(initial=0) < BINS
    assert bins[np.argsort(durations_ns)].tolist() == sorted(bins.tolist())
    assert histogram(dict.fromkeys(durations_ns, 2)).sum() == 2 * len(set(durations_ns))


def test_what_never_completes_has_a_place_of_its_own():
    assert bins_of_seconds(np.array([np.inf, 200e-9])).tolist() == [BINS, 200]
