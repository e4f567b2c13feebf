"""The fleet's story, instant by instant: order of events, failures, retries, outcomes. Worked out
by hand, and told alike by the compiled plane and by its twin."""

import numpy as np
import pytest

from simulator.control.drill import Kill
from simulator.plane import Plane
from simulator.run import COMPLETED, LOST, OUTCOMES, REJECTED, TIMED_OUT, UNFINISHED
from simulator.simulate import serve, simulate
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, workload
from tests.oracles.twin import Twin

FAILURES = {
    "replica": {
        "mtbf": "400h",
        "detection": "2s",
        "repair": {"median": "3s", "p95": "4s"},
        "cold_start": "5s",
    }
}
STEP = {"per_step": "1s"}


def outage(replica, at_s, undetected_s, down_s):
    """A replica stops; so much later the router knows, and after another while it serves again."""
    return Kill(
        f"replica-{replica}", at_s, undetected_s + down_s, noticed_s=undetected_s, start="none"
    )


@pytest.fixture(params=[Plane, Twin], ids=["plane", "twin"])
def run(request):
    """Serves explicit rows on either plane."""

    def serve_rows(scenario, arrivals, inputs=1, outputs=1, replicas=1, drill=(), **shared):
        fleet = scenario.fleet.model_copy(update={"replicas": replicas})
        demand = workload(arrivals, inputs, outputs, **shared)
        return serve(scenario, fleet, demand, 0, 0, plane_of=request.param, drill=drill)

    return serve_rows


def test_an_idle_replica_starts_at_once_and_sees_all_simultaneous_arrivals(run):
    result = run(small_scenario(latency=STEP), [1.5, 1.5, 1.7])
    assert result.first_token_s.tolist() == [2.5, 2.5, 3.5]


def test_times_are_exact_to_the_nanosecond(run):
    result = run(small_scenario(latency={"per_step": "7ms"}), [0.123456789], outputs=1000)
    assert round(result.finish_s[0] * 1e9) == 123_456_789 + 7_000_000 * 1000


def test_the_step_time_counts_what_the_step_computes(run):
    latency = {"per_step": "1ms", "per_prefill_token": "10us", "per_sequence": "100us",
               "per_kv_token": "1us", "per_attention_pair": "0.1us",
               "per_decode_token": "50us"}  # fmt: skip
    result = run(small_scenario(latency=latency), [0.0], inputs=100, outputs=2)
    first_us = 1000 + 100 * 10 + 100 + 100 * 101 / 2 * 0.1
    second_us = 1000 + 50 + 100 + 100 * 1 + 101 * 0.1
    assert result.first_token_s[0] * 1e6 == pytest.approx(first_us, abs=1e-3)
    assert result.finish_s[0] * 1e6 == pytest.approx(first_us + second_us, abs=1e-3)


def test_least_outstanding_goes_to_the_emptiest_and_ties_to_the_lowest(run):
    result = run(small_scenario(latency=STEP), [0, 0, 0, 0], outputs=5, replicas=3)
    assert result.replica.tolist() == [0, 1, 2, 0]


def test_round_robin_skips_what_is_not_routable(run):
    fleet = {"replicas": 3, "router": "round-robin"}
    scenario = small_scenario(latency=STEP, fleet=fleet)
    drill = [outage(1, 0.5, 0.0, 100.0)]
    result = run(scenario, [0, 0.1, 0.2, 1, 2, 3, 4], replicas=3, drill=drill)
    # Request 1 is re-routed at 0.5, in its turn.
    assert result.replica.tolist() == [0, 0, 2, 2, 0, 2, 0]
    assert result.retries.tolist() == [0, 1, 0, 0, 0, 0, 0]


def test_until_detection_the_router_still_sends_and_then_everyone_starts_over(run):
    """Replica 0 fails at 2.5 with one request at its third token; the router knows at 4.5."""
    drill = [outage(0, 2.5, 2.0, 100.0)]
    scenario = small_scenario(latency=STEP)
    result = run(scenario, [0, 0.2, 3.0], outputs=[5, 9, 1], replicas=2, drill=drill)
    # Request 0 (replica 0) is lost at 2.5 and starts over on replica 1, at the boundary at 5.2.
    # Request 2 arrives at 3: both hold one request, so it goes to replica 0, which is dead.
    assert result.replica.tolist() == [1, 1, 1]
    assert result.retries.tolist() == [1, 0, 1]
    assert result.first_token_s.tolist() == pytest.approx([6.2, 1.2, 6.2])
    assert result.finish_s.tolist() == pytest.approx([10.2, 9.2, 6.2])


def test_a_boundary_before_the_failure_counts_and_one_at_it_does_not(run):
    scenario = small_scenario(latency=STEP, clients={"retries": 0})
    at_it = run(scenario, [0.0], drill=[outage(0, 1.0, 1.0, 100.0)])
    assert at_it.outcome.tolist() == [LOST]
    before = run(scenario, [0.0], drill=[outage(0, 1.001, 1.0, 100.0)])
    assert before.outcome.tolist() == [COMPLETED]


def test_without_a_routable_replica_requests_wait_for_the_repair(run):
    drill = [outage(0, 2.0, 1.0, 7.0)]
    result = run(small_scenario(latency=STEP), [0, 5, 6], drill=drill)
    assert result.first_token_s.tolist() == [1.0, 11.0, 11.0]
    assert result.outcome.tolist() == [COMPLETED] * 3


def test_the_retry_budget_ends_in_lost(run):
    drill = [outage(0, 1.5 + 2.6 * turn, 0.1, 1.0) for turn in range(10)]
    scenario = small_scenario(latency=STEP, clients={"retries": 3})
    result = run(scenario, [0.0], outputs=3, drill=drill)
    assert (result.outcome[0], result.retries[0]) == (LOST, 3)
    assert np.isinf(result.ttft_s[0])


def test_a_client_hangs_up_wherever_its_request_is(run):
    """Running, waiting, stranded in a dead fleet, or on a replica that nobody knows dead."""
    scenario = small_scenario(engine={"max_num_seqs": 1}, latency=STEP, clients={"timeout": "4s"})
    result = run(scenario, [0, 0.5], outputs=100)
    assert result.outcome.tolist() == [TIMED_OUT] * 2
    assert result.finish_s.tolist() == [4.0, 4.5]
    for undetected_s, down_s in ((0.0, 1e6), (1e6, 1.0)):
        drill = [outage(0, 1.0, undetected_s, down_s)]
        result = run(scenario, [0.0, 2.0], outputs=5, drill=drill)
        assert result.outcome.tolist() == [TIMED_OUT] * 2


def test_what_can_never_fit_is_rejected_at_arrival(run):
    scenario = small_scenario(engine={"num_gpu_blocks": 10}, latency=STEP)
    result = run(scenario, [0, 1], inputs=[200, 100], outputs=1)
    assert [OUTCOMES[code] for code in result.outcome] == ["rejected", "completed"]
    assert result.outcome[0] == REJECTED
    assert result.finish_s[0] == 0.0


def test_the_run_goes_on_past_the_horizon_until_counted_requests_end_but_not_for_ever(run):
    scenario = small_scenario(latency=STEP, horizon="10s", drain="20s")
    result = run(scenario, [9.5, 12.0], outputs=[10, 1])
    assert len(result) == 1
    assert result.finish_s[0] == 19.5
    stuck = run(scenario, [9.5], outputs=100)
    assert stuck.outcome.tolist() == [UNFINISHED]


def test_the_preroll_is_served_but_not_counted(run):
    scenario = small_scenario(latency=STEP, preroll="10s")
    result = run(scenario, [-0.5, 0.0], outputs=3)
    assert result.arrival_s.tolist() == [0.0]
    # Request 1 waits for the boundary at 0.5: the pre-roll's request keeps the replica busy.
    assert result.first_token_s.tolist() == [1.5]


# --- what users get who say nothing about the engine ----------------------------------------------


def test_the_defaults_are_those_of_vllm():
    assert DEFAULT_ENGINE == {"async_scheduling": True, "prefix_caching": True}


def test_by_default_who_joins_during_a_step_misses_the_next_one(run):
    """The step that begins at 1 was composed before it began, when only request 0 was known."""
    arrivals, outputs = [0, 0.5, 1.0, 1.1], [5, 1, 1, 1]
    result = run(small_scenario(DEFAULT_ENGINE, STEP), arrivals, outputs=outputs)
    assert result.first_token_s.tolist() == [1, 3, 3, 4]
    plain = run(small_scenario(latency=STEP), arrivals, outputs=outputs)
    assert plain.first_token_s.tolist() == [1, 2, 2, 3]


def test_by_default_a_replica_with_nothing_else_to_do_starts_at_once(run):
    result = run(small_scenario(DEFAULT_ENGINE, STEP), [1.5, 2.0, 2.2, 7.3])
    # At 2.5 nobody is left but the two who joined meanwhile; at 7.3 it is idle.
    assert result.first_token_s.tolist() == [2.5, 3.5, 3.5, 8.3]


def test_by_default_tokens_that_prompts_share_are_computed_once(run):
    scenario = small_scenario(DEFAULT_ENGINE, {"per_step": "1s", "per_prefill_token": "10ms"})
    rows = {"arrivals": [0, 10, 20], "inputs": [100, 100, 64], "shared_tokens": 64}
    result = run(scenario, **rows)
    # Four blocks of 16 are shared; of request 2 only three, since one token is always computed.
    assert result.cached_tokens.tolist() == [0, 64, 48]
    assert result.ttft_s.tolist() == pytest.approx([2.0, 1.36, 1.16])
    assert result.prefill_tokens == 100 + 36 + 16
    uncached = small_scenario(DEFAULT_ENGINE | {"prefix_caching": False},
                              {"per_step": "1s", "per_prefill_token": "10ms"})  # fmt: skip
    assert run(uncached, **rows).prefill_tokens == 100 + 100 + 64


def test_a_repaired_replica_has_a_cold_cache(run):
    drill = [outage(0, 15.0, 1.0, 1.0)]
    scenario = small_scenario(DEFAULT_ENGINE, STEP)
    result = run(scenario, [0, 10, 20, 30], inputs=100, shared_tokens=64, drill=drill)
    assert result.cached_tokens.tolist() == [0, 64, 0, 64]


def test_a_failure_loses_the_cached_tokens_of_its_requests(run):
    """Request 1 found 64 tokens on replica 0, and none on replica 1 where it starts over."""
    drill = [outage(0, 12.5, 0.0, 100.0)]
    scenario = small_scenario(DEFAULT_ENGINE, STEP)
    shared = {"inputs": 100, "outputs": [1, 9], "replicas": 2, "shared_tokens": 64}
    result = run(scenario, [0, 10], drill=drill, **shared)
    assert result.replica.tolist() == [0, 1]
    assert result.cached_tokens.tolist() == [0, 0]
    assert result.finish_s.tolist() == [1.0, 12.5 + 9]


def test_a_prefix_cache_without_shared_prompts_changes_nothing(run):
    rows = {"arrivals": np.arange(0, 30, 0.37), "inputs": 90, "outputs": 20}
    one, other = (
        run(small_scenario(DEFAULT_ENGINE | {"prefix_caching": caching}), **rows)
        for caching in (True, False)
    )
    assert one.finish_s.tolist() == other.finish_s.tolist()
    assert (one.steps, one.prefill_tokens) == (other.steps, other.prefill_tokens)


# --- many fleets, many outages --------------------------------------------------------------------


def test_rival_fleets_meet_the_same_traffic_and_the_same_failures():
    failures = {"replica": {**FAILURES["replica"], "mtbf": "60s"}}
    scenario = small_scenario(failures=failures)
    three, five = (
        simulate(scenario, scenario.fleet.model_copy(update={"replicas": size}), 7, 3)
        for size in (3, 5)
    )
    assert three.arrival_s.tolist() == five.arrival_s.tolist()
    assert three.output_tokens.tolist() == five.output_tokens.tolist()
    again = simulate(scenario, scenario.fleet.model_copy(update={"replicas": 3}), 7, 3)
    assert again.finish_s.tolist() == three.finish_s.tolist()
