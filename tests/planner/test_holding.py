"""Does a plan still hold? The exact tests, on periods that no plan has seen."""

import numpy as np
import pytest

from planner.holding import FRESH, as_data, still_holds
from planner.plan import promise_of
from planner.search import SCREENING, Promise
from planner.sequential import accept_boundary
from tests.oracles.small import small_scenario


def scenario_with(probability):
    sla = {"probability": probability, "objectives": ["ttft p90 <= 5s"]}
    return small_scenario(sla=sla, price={"h100-sxm-80gb": "3 USD/h"}, plan={"replicas": "1..3"})


def held(scenario, verdicts):
    """The tally, and the trials that it took."""
    asked = []

    def kept(own, trial):
        asked.append(trial)
        return bool(verdicts[trial.replication - FRESH])

    return still_holds(scenario, 2, kept), asked


def test_a_fleet_that_never_breaks_holds_as_soon_as_the_test_allows():
    scenario = scenario_with(0.95)
    promise = promise_of(scenario)
    tally, asked = held(scenario, [True] * 1000)
    assert tally.status == "certified"
    assert tally.runs == len(asked) == accept_boundary(0.95, promise.alpha, promise.runs_max)[0]
    assert as_data(scenario, tally)["verdict"] == "holds"


def test_a_fleet_that_always_breaks_is_rejected_at_once():
    scenario = scenario_with(0.95)
    tally, _ = held(scenario, [False] * 1000)
    assert (tally.status, tally.runs) == ("rejected", tally.failed)
    assert tally.runs < 5
    assert as_data(scenario, tally)["verdict"] == "no longer holds"


def test_just_at_the_promise_the_budget_ends_undecided():
    scenario = scenario_with(0.9)
    tally, asked = held(scenario, [index % 10 != 9 for index in range(10_000)])
    assert (tally.status, tally.runs) == ("undecided", promise_of(scenario).runs_max)
    assert as_data(scenario, tally)["verdict"] == "undecided"
    assert [trial.replication for trial in asked] == list(range(FRESH, FRESH + len(asked)))


@pytest.mark.parametrize("probability", [0.5, 0.9999])
def test_periods_are_fresh(probability):
    """No search gets as far as FRESH, neither screening nor certifying."""
    promise = Promise(probability, 0.95)
    assert promise.runs_max < SCREENING
    assert SCREENING + promise.runs_screen < FRESH


def test_it_errs_as_seldom_as_it_says():
    """2,000 checks of a fleet whose P(SLA) is the promise. By chance more than 5 % + 2.6 % of them
    certify, or reject, with probability below 1e-6 (5.3 standard deviations)."""
    scenario, rng = scenario_with(0.8), np.random.default_rng(5)
    ends = [held(scenario, rng.random(300) < 0.8)[0].status for _ in range(2000)]
    assert ends.count("certified") / 2000 <= 0.076
    assert ends.count("rejected") / 2000 <= 0.076
