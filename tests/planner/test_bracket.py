"""The analytic bracket: never above what the simulator can serve, and moving as physics says."""

import pytest

from planner.bracket import Unanswerable, bracket, question_makes_sense, spares
from planner.verdict import judge
from scenarios.objectives import parse_objective
from simulator.simulate import simulate
from tests.oracles.small import small_scenario

SLA = {"probability": 0.95, "objectives": ["ttft p95 <= 1s", "tpot p95 <= 50ms"]}


def scenario_at(rate, **parts):
    traffic = {
        "name": "all",
        "arrivals": {"kind": "poisson", "rate": f"{rate}/s"},
        "input_tokens": {"kind": "constant", "tokens": 1000},
        "output_tokens": {"kind": "constant", "tokens": 100},
    }
    latency = {"per_step": "5ms", "per_prefill_token": "50us", "per_sequence": "100us"}
    return small_scenario(latency=latency, traffic=[traffic], sla=SLA, **parts)


@pytest.mark.parametrize("rate", [5, 15, 40])
def test_nothing_below_the_bound_keeps_up(rate):
    scenario = scenario_at(rate)
    low = bracket(scenario, 1, 0, 0.95).low
    if low == 1:
        return
    fleet = scenario.fleet.model_copy(update={"replicas": low - 1})
    objectives = [parse_objective(text) for text in SLA["objectives"]]
    assert not judge(simulate(scenario, fleet, 1, 0), objectives).kept


def test_the_load_is_the_scenario_s():
    load = bracket(scenario_at(20), 1, 0, 0.95).load
    assert load.rate_per_s == pytest.approx(20, rel=0.1)
    assert (load.input_tokens, load.output_tokens) == (1000, 100)
    # 1000 prompt tokens and 100 passes through a step.
    assert load.work_s == pytest.approx(1000 * 50e-6 + 100 * 100e-6)


def test_more_traffic_needs_more():
    guesses = [bracket(scenario_at(rate), 1, 0, 0.95).start for rate in (5, 20, 80)]
    assert guesses == sorted(guesses)
    assert guesses[-1] > guesses[0]


def test_spares_follow_availability():
    """A replica that is down 1.29 % of the time: 20 up with 97.0 % takes 21, with 99.7 % 22."""
    repair = {"median": "3600s", "p95": "3600.001s"}
    hours = 0.9871 / 0.0129
    failures = {"replica": {"mtbf": f"{hours}h", "detection": "0s", "repair": repair,
                            "cold_start": "0s"}}  # fmt: skip
    scenario = small_scenario(failures=failures)
    assert [spares(scenario, 20, p) for p in (0.969, 0.996, 0.999)] == [1, 2, 3]


def refusal(scenario):
    load = bracket(scenario, 1, 0, 0.95).load
    with pytest.raises(Unanswerable) as said:
        question_makes_sense(scenario, load)
    return str(said.value)


def test_a_period_with_too_few_requests_is_refused():
    assert "choose a longer horizon" in refusal(scenario_at(0.2))
    question_makes_sense(scenario_at(5), bracket(scenario_at(5), 1, 0, 0.95).load)


def test_requests_that_no_fleet_can_serve_are_told_before_any_run():
    scenario = scenario_at(5, engine={"max_model_len": 100})
    assert refusal(scenario).startswith("100.0% of requests are longer")


def test_failures_beyond_hope_still_give_a_guess():
    repair = {"median": "1h", "p95": "2h"}
    failures = {"replica": {"mtbf": "1s", "detection": "0s", "repair": repair}}
    assert bracket(scenario_at(5, failures=failures), 1, 0, 0.95).start > 0


def test_prompts_seen_before_cost_nothing_in_the_bound():
    """Ten documents of 10,000 tokens: without the cache they are most of the work."""
    shared = {"prefixes": [{"tokens": 10_000, "variants": 10}]}
    guesses = {}
    for caching in (True, False):
        scenario = scenario_at(20, engine={"prefix_caching": caching})
        traffic = scenario.as_yaml_data()["traffic"][0] | shared
        engine = {"prefix_caching": caching}
        load = bracket(
            small_scenario(
                engine=engine, latency={"per_prefill_token": "50us"}, traffic=[traffic], sla=SLA
            ),
            1, 0, 0.95,
        ).load  # fmt: skip
        assert load.input_tokens == 11_000
        guesses[caching] = load
    assert guesses[False].computed_tokens == 11_000
    # Per period (60 s, 1,200 requests) each document is computed once.
    assert 1_000 < guesses[True].computed_tokens < 1_200
    assert guesses[True].work_s < guesses[False].work_s / 5
