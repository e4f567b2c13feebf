"""What an objective means, on periods small enough to count by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from planner.verdict import AllowancesFor, available_error_rate, judge
from scenarios.objectives import parse_objective
from simulator.histogram import histogram
from simulator.run import COMPLETED, LOST, REJECTED, Run, incident_frame
from tests.made_sets import NO_ACCOUNTS
from tests.oracles.small import small_scenario, small_traffic


def period(ttft_s, outcome=None, output_tokens=11, tpot_s=0.02, arrival_s=None, gaps_ns=None):
    ttft_s = np.asarray(ttft_s, dtype=float)
    n = ttft_s.size
    arrival_s = np.arange(n, dtype=float) if arrival_s is None else np.asarray(arrival_s, float)
    first = arrival_s + ttft_s
    tokens = np.full(n, output_tokens)
    return Run(
        arrival_s=arrival_s,
        input_tokens=np.full(n, 100),
        output_tokens=tokens,
        group=np.zeros(n, dtype=int),
        first_token_s=first,
        finish_s=first + tpot_s * (tokens - 1),
        replica=np.zeros(n, dtype=int),
        preemptions=np.zeros(n, dtype=int),
        retries=np.zeros(n, dtype=int),
        outcome=np.full(n, COMPLETED) if outcome is None else np.asarray(outcome),
        cached_tokens=np.zeros(n, dtype=int),
        fault=np.full(n, -1),
        faults=(),
        horizon_s=180.0,
        itl_histogram=histogram(gaps_ns or {20_000_000: 1}),
        timeline=pd.DataFrame(),
        incidents=incident_frame(),
        accounts=NO_ACCOUNTS,
        steps=1,
        prefill_tokens=100 * n,
        busy_share=0.5,
        stopped_early=False,
    )


def check(run, text, *others):
    objectives = [parse_objective(t) for t in (text, *others)]
    return judge(run, objectives).checks[0]


@pytest.mark.parametrize("violations, kept", [(0, True), (1, True), (2, False)])
def test_p95_of_twenty_allows_one_violation(violations, kept):
    run = period([0.1] * (20 - violations) + [0.9] * violations)
    assert check(run, "ttft p95 <= 500ms").kept is kept


def test_below_twenty_requests_p95_allows_none():
    assert not check(period([0.1] * 18 + [0.9]), "ttft p95 <= 500ms").kept


def test_the_figure_is_within_the_limit_exactly_when_the_promise_is_kept():
    run = period([0.1] * 19 + [0.9])
    assert check(run, "ttft p95 <= 500ms").value == pytest.approx(0.1)
    assert check(run, "ttft p96 <= 500ms").value == pytest.approx(0.9)


def test_a_request_that_does_not_complete_is_an_infinite_latency():
    run = period([0.1] * 20, outcome=[COMPLETED] * 18 + [REJECTED, LOST])
    assert np.isinf(check(run, "ttft p95 <= 500ms").value)
    assert np.isinf(check(run, "e2e mean <= 10s").value)
    assert check(run, "ttft p90 <= 500ms").kept
    assert check(run, "error_rate <= 10%").kept
    assert not check(run, "error_rate <= 9.9%").kept


def test_tpot_leaves_the_first_token_out():
    run = period([5.0], output_tokens=11, tpot_s=0.02)
    assert check(run, "tpot p50 <= 20.001ms").kept
    assert not check(run, "tpot p50 <= 19.999ms").kept
    assert check(period([5.0], output_tokens=1), "tpot p50 <= 1ms").value == 0.0


def test_goodput_counts_requests_that_meet_every_latency_limit():
    run = period([0.1] * 8 + [0.9] * 2, outcome=[LOST] + [COMPLETED] * 9)
    assert check(run, "goodput >= 70%", "ttft p50 <= 500ms", "tpot p50 <= 1s").value == 0.7
    assert check(run, "goodput >= 0%", "tpot p50 <= 1ms").value == 0.0


def test_availability_is_by_the_minute_and_by_the_error_rate_promised():
    arrivals = [1.0, 2.0, 61.0, 62.0, 121.0]
    run = period([0.1] * 5, outcome=[LOST, LOST, LOST, COMPLETED, COMPLETED], arrival_s=arrivals)
    assert check(run, "availability >= 30%").value == pytest.approx(1 / 3)
    quiet = period([0.1], outcome=[LOST])
    assert check(quiet, "availability >= 30%").value == pytest.approx(2 / 3)
    assert check(run, "availability >= 30%", "error_rate <= 50%").value == pytest.approx(2 / 3)


def test_without_an_error_rate_promised_a_minute_may_have_one_error_in_a_hundred():
    """The second minute has two of a hundred; the period is 180 s, the last minute is empty."""
    arrivals = [*np.linspace(0, 59.9, 100), *np.linspace(60, 119.9, 100)]
    outcome = np.full(200, COMPLETED)
    outcome[[3, 150, 160]] = LOST
    run = period([0.1] * 200, outcome=outcome, arrival_s=arrivals)
    assert check(run, "availability >= 30%").value == pytest.approx(2 / 3)
    assert check(run, "availability >= 30%", "error_rate <= 2%").value == 1.0
    assert check(run, "availability >= 30%", "error_rate <= 0%").value == pytest.approx(1 / 3)
    of_class = parse_objective("error_rate <= 0% for x")._replace(groups=frozenset({0}))
    assert available_error_rate([of_class]) == 0.01


@pytest.mark.parametrize("horizon_s, good", [(8.0, 0.0), (60.0, 0.0), (60.1, 0.5), (300.0, 0.8)])
def test_a_period_below_a_minute_is_one_window(horizon_s, good):
    run = replace(period([0.1] * 2, outcome=[LOST, COMPLETED]), horizon_s=horizon_s)
    assert check(run, "availability >= 30%").value == good


def test_itl_pools_gaps():
    run = period([0.1], gaps_ns={10_000_000: 90, 100_000_000: 10})
    assert check(run, "itl p90 <= 11ms").kept
    assert not check(run, "itl p91 <= 11ms").kept
    assert check(run, "itl mean <= 20ms").value == pytest.approx(0.019, rel=0.004)


def test_a_period_keeps_its_sla_only_if_it_keeps_every_objective():
    objectives = [parse_objective(t) for t in ("ttft p95 <= 1s", "error_rate <= 0%")]
    assert judge(period([0.1] * 20), objectives).kept
    assert not judge(period([0.1] * 20, [LOST] + [COMPLETED] * 19), objectives).kept


def test_a_period_without_requests_keeps_every_objective():
    texts = ("ttft p95 <= 1s", "e2e mean <= 1s", "error_rate <= 0%", "goodput >= 100%",
             "availability >= 100%")  # fmt: skip
    assert judge(period([]), [parse_objective(t) for t in texts]).kept


def test_an_objective_of_one_class_speaks_of_its_requests_alone():
    scenario = small_scenario(
        traffic=[
            small_traffic(name="chat", sla_class="interactive"),
            small_traffic(name="night", sla_class="batch"),
            small_traffic(name="agent", sla_class="interactive"),
        ],
        sla={
            "probability": 0.9,
            "objectives": [
                "ttft p90 <= 500ms for interactive", "ttft p90 <= 500ms", "goodput >= 50%",
                "error_rate <= 0% for batch",
            ],
        },
    )  # fmt: skip
    run = replace(period([0.1] * 10 + [0.9] * 10), group=np.repeat([0, 2, 1], [5, 5, 10]))
    of_class, of_all, good, errors = judge(run, scenario.objectives).checks
    assert (of_class.value, of_class.kept) == (pytest.approx(0.1), True)
    assert (of_all.value, of_all.kept) == (pytest.approx(0.9), False)
    assert (good.value, errors.value, errors.kept) == (0.5, 0.0, True)
    # A class has fewer requests than the period: only the promise about all may stop it.
    assert [a.violations for a in AllowancesFor(scenario.objectives)(20)] == [2]


def test_goodput_asks_of_a_class_what_was_promised_to_it():
    scenario = small_scenario(
        traffic=[small_traffic(name="a", sla_class="fast"), small_traffic(name="b")],
        sla={"probability": 0.9, "objectives": ["ttft p90 <= 500ms for fast", "goodput >= 50%"]},
    )
    run = replace(period([0.9] * 4), group=np.array([0, 1, 1, 1]))
    assert judge(run, scenario.objectives).checks[1].value == 0.75
