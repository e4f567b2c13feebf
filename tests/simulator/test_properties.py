"""What must hold on any scenario: nothing is lost, blocks add up, time goes forward."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.verdict import AllowancesFor, judge
from scenarios.fleet import RouterName
from scenarios.objectives import parse_objective
from simulator.data_plane import Allowance
from simulator.histogram import histogram, quantile_s
from simulator.run import COMPLETED
from simulator.simulate import serve, simulate
from tests.oracles.small import small_scenario, small_traffic, workload

ENGINES = st.fixed_dictionaries(
    {
        "max_num_seqs": st.integers(1, 12),
        "max_num_batched_tokens": st.integers(13, 300),
        "num_gpu_blocks": st.integers(4, 60),
        "chunked_prefill": st.booleans(),
        "async_scheduling": st.booleans(),
        "prefix_caching": st.booleans(),
        "scheduling_policy": st.sampled_from(["fcfs", "priority"]),
    }
)
FAILURES = st.none() | st.fixed_dictionaries(
    {
        "replica": st.fixed_dictionaries(
            {
                "mtbf": st.sampled_from(["5s", "20s", "1000s"]),
                "detection": st.sampled_from(["0s", "1s", "5s"]),
                "repair": st.just({"median": "2s", "p95": "6s"}),
                "cold_start": st.sampled_from(["0s", "1s"]),
            }
        )
    }
)
ROWS = st.lists(
    st.tuples(st.floats(-5, 30), st.integers(1, 400), st.integers(1, 60)), min_size=1, max_size=60
)


@st.composite
def cases(draw):
    parts = {
        "horizon": "20s",
        "preroll": "5s",
        "drain": "200s",
        "fleet": {
            "replicas": draw(st.integers(1, 4)),
            "router": draw(st.sampled_from(get_args(RouterName))),
            "queue_limit": draw(st.none() | st.integers(1, 10)),
        },
        "traffic": [small_traffic(name="late", priority=3), small_traffic(name="soon")],
        "clients": {
            "timeout": draw(st.sampled_from(["3s", "30s", "300s"])),
            "retries": draw(st.integers(0, 3)),
        },
    }
    failures = draw(FAILURES)
    if failures is not None:
        parts["failures"] = failures
    scenario = small_scenario(engine=draw(ENGINES), **parts)
    arrivals, inputs, outputs = map(list, zip(*sorted(draw(ROWS)), strict=True))
    groups = draw(st.lists(st.integers(0, 1), min_size=len(arrivals), max_size=len(arrivals)))
    shared = draw(st.integers(0, min(inputs)))
    return scenario, workload(arrivals, inputs, outputs, groups, shared)


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 1000))
def test_every_request_ends_once_and_in_order(case, replication):
    scenario, demand = case
    run = serve(scenario, scenario.fleet, demand, 5, replication)
    counted = (demand.arrival_ns >= 0) & (demand.arrival_ns < 20_000_000_000)
    assert len(run) == counted.sum()
    assert np.bincount(run.outcome, minlength=5).sum() == len(run)
    done = run.outcome == COMPLETED
    assert (run.first_token_s[done] > run.arrival_s[done]).all()
    assert (run.finish_s[done] >= run.first_token_s[done]).all()
    single = done & (run.output_tokens == 1)
    assert (run.finish_s[single] == run.first_token_s[single]).all()
    assert np.isfinite(run.ttft_s[done]).all()
    assert np.isinf(run.ttft_s[~done]).all()
    assert (run.retries <= scenario.clients.retries).all()
    assert (run.cached_tokens < run.input_tokens + run.output_tokens).all()
    assert 0.0 <= run.busy_share <= 1.0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.sampled_from(["20ms", "100ms", "400ms", "2s"]),
    st.sampled_from(["10ms", "15ms", "40ms"]),
)
def test_a_stopped_period_is_one_that_the_full_run_breaks(replication, replicas, ttft, tpot):
    """Allowances are exact: the run stops only if the whole period would be broken."""
    scenario = small_scenario(horizon="20s", clients={"timeout": "6s"})
    texts = (f"ttft p90 <= {ttft}", f"tpot p80 <= {tpot}", "error_rate <= 2%")
    objectives = [parse_objective(text) for text in texts]
    fleet = scenario.fleet.model_copy(update={"replicas": replicas})
    whole = simulate(scenario, fleet, 11, replication)
    watched = simulate(scenario, fleet, 11, replication, AllowancesFor(objectives))
    assert watched.stopped_early <= (not judge(whole, objectives).kept)
    assert judge(watched, objectives).kept == judge(whole, objectives).kept
    if not watched.stopped_early:
        assert watched.finish_s.tolist() == whole.finish_s.tolist()


def test_a_period_is_allowed_exactly_the_promised_violations():
    texts = ("ttft p90 <= 1s", "e2e mean <= 9s", "itl p99 <= 1s", "error_rate <= 4%")
    allowances = AllowancesFor([parse_objective(text) for text in texts])
    assert allowances(25) == [Allowance("ttft", 1.0, 2), Allowance("error", 0.0, 1)]


@pytest.mark.parametrize("violations, stops", [(2, False), (3, True)])
def test_one_violation_more_than_allowed_stops_the_run(violations, stops):
    """Of 25 requests one per second, steps of 0.4 s; the slow ones compute for three steps."""
    inputs = [1] * 25
    inputs[5 : 5 + violations] = [200] * violations
    scenario = small_scenario({"max_num_batched_tokens": 80, "max_num_seqs": 8},
                              {"per_step": "400ms"}, horizon="30s")  # fmt: skip
    demand = workload(np.arange(25), inputs, 1)
    allowances = AllowancesFor([parse_objective("ttft p90 <= 1s")])
    run = serve(scenario, scenario.fleet, demand, 0, 0, allowances)
    assert run.stopped_early is stops


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 10**12), min_size=1, max_size=200), st.sampled_from([50, 90, 95, 99])
)
def test_the_histogram_is_within_half_a_percent(durations_ns, percent):
    share = parse_objective(f"itl p{percent} <= 1s").share
    counts = histogram({d: durations_ns.count(d) for d in set(durations_ns)})
    allowed = (len(durations_ns) * (100 - percent)) // 100
    exact_s = sorted(durations_ns)[len(durations_ns) - allowed - 1] / 1e9
    assert abs(quantile_s(counts, share) / exact_s - 1) < 0.004
