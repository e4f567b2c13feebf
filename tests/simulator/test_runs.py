"""Runs by trial, on disk: the answer to a trial does not depend on what was asked before."""

import pytest

from planner.metrics import Summary
from planner.verdict import AllowancesFor
from scenarios.objectives import parse_objective
from simulator.allocation import new_state
from simulator.executors import Here, open_executor
from simulator.monte_carlo import Runs, Trial
from simulator.simulate import set_up
from simulator.store import Store
from simulator.traffic import draw_workload
from tests.oracles.small import small_scenario

OBJECTIVES = [parse_objective(text) for text in ("ttft p90 <= 1h", "error_rate <= 50%")]


def runs_in(folder, executor=None, objectives=OBJECTIVES):
    scenario, executor = small_scenario(horizon="5s", drain="5s"), executor or Here()
    summary, allowances_for = Summary(objectives), AllowancesFor(objectives)
    return Runs(scenario, Store(folder), executor, summary, allowances_for)


def test_a_whole_run_has_its_requests_although_one_that_might_stop_was_asked_first(tmp_path):
    runs = runs_in(tmp_path)
    first = runs(Trial(2, 0, complete=False))
    assert not first["stopped_early"]
    _, rows = runs.kept(Trial(2, 0))
    assert len(rows) == first["requests"] > 5
    assert runs(Trial(2, 0)) == first


@pytest.mark.slow
def test_both_kinds_of_a_trial_may_be_under_way_at_once(tmp_path):
    """Workers are ahead on trials that may stop when the same ones are asked for whole."""
    with open_executor("local", 2) as executor:
        runs = runs_in(tmp_path, executor)
        for replication in range(30):
            coming = range(replication, 31)
            ahead = runs(Trial(2, replication, complete=False), coming)
            assert runs(Trial(2, replication), coming) == ahead
        assert all(len(runs.kept(Trial(2, replication))[1]) > 5 for replication in range(30))


class Noting(Here):
    """Notes what it is given, of which it does two more ahead."""

    def __init__(self):
        self.ahead, self.given = 2, []

    def submit(self, work, trial, *rest):
        self.given.append(trial.replication)
        return super().submit(work, trial, *rest)


@pytest.mark.parametrize(
    "coming, given",
    [
        (None, [1, 2, 3]),
        (range(1, 2), [1]),
        (range(1, 9, 3), [1, 4, 7]),
        (range(1, 7, 3), [1, 4]),
    ],
)
def test_only_what_is_coming_is_started_ahead(tmp_path, coming, given):
    executor = Noting()
    runs_in(tmp_path, executor)(Trial(2, 1), coming)
    assert executor.given == given


def test_a_request_takes_no_more_memory_than_promised():
    """150 bytes of a plane's state, prefix cache aside."""
    engine = {"prefix_caching": False}
    scenario = small_scenario(engine=engine, horizon="2000s", drain="0s")
    demand = draw_workload(scenario, 0, 0)
    state = new_state(set_up(scenario, scenario.fleet, demand, 0, 0))
    assert sum(array.nbytes for array in state) < 150 * len(demand) + 150_000
