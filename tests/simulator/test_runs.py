"""Runs by trial, on disk: the answer to a trial does not depend on what was asked before."""

import pytest

from planner.metrics import Summary
from planner.verdict import AllowancesFor
from scenarios.objectives import parse_objective
from simulator.allocation import new_state
from simulator.monte_carlo import Runs, Trial, processes
from simulator.simulate import set_up
from simulator.traffic import draw_workload
from tests.oracles.small import small_scenario

OBJECTIVES = [parse_objective(text) for text in ("ttft p90 <= 1h", "error_rate <= 50%")]


def runs_in(folder, pool=None, workers=1):
    scenario = small_scenario(horizon="5s", drain="5s")
    return Runs(scenario, folder, pool, workers, Summary(OBJECTIVES), AllowancesFor(OBJECTIVES))


def test_a_whole_run_has_its_requests_although_one_that_might_stop_was_asked_first(tmp_path):
    runs = runs_in(tmp_path)
    first = runs(Trial(2, 0, complete=False))
    assert not first["stopped_early"]
    whole = runs.whole(Trial(2, 0))
    assert len(whole) == first["requests"] > 5
    assert runs(Trial(2, 0)) == first


@pytest.mark.slow
def test_both_kinds_of_a_trial_may_be_under_way_at_once(tmp_path):
    """Workers are ahead on trials that may stop when the same ones are asked for whole."""
    with processes(2) as pool:
        runs = runs_in(tmp_path, pool, 2)
        for replication in range(30):
            ahead = runs(Trial(2, replication, complete=False), 30)
            assert runs(Trial(2, replication), 30) == ahead
        assert all(len(runs.whole(Trial(2, replication))) > 5 for replication in range(30))


def test_a_request_takes_no_more_memory_than_promised():
    """150 bytes of a plane's state, prefix cache aside."""
    engine = {"prefix_caching": False}
    scenario = small_scenario(engine=engine, horizon="2000s", drain="0s")
    demand = draw_workload(scenario, 0, 0)
    state = new_state(set_up(scenario, scenario.fleet, demand, 0, 0))
    assert sum(array.nbytes for array in state) < 150 * len(demand) + 150_000
