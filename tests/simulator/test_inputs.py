"""Uncertain inputs as replications meet them: exact draws, common to fleets, in the figures."""

import math

import numpy as np
import pytest
from scipy import stats

from planner.bracket import bracket, draw_periods
from planner.metrics import Summary, figures
from planner.statement import what_is_given
from scenarios.inputs import InputError, without_uncertainty
from scenarios.loading import restore
from simulator.executors import Here
from simulator.inputs import (
    draw_inputs,
    drawn,
    inputs_told,
    latency_times,
    slower,
    with_inputs,
)
from simulator.latency import step_time
from simulator.monte_carlo import Runs, Trial
from simulator.provenance import provenance, step_time_sd
from simulator.simulate import pools, simulate
from simulator.store import Store
from simulator.streams import stream
from tests.oracles.small import STEP, small_scenario, small_traffic

RATE = "traffic.0.arrivals.rate"
MEDIAN = "traffic.0.input_tokens.median"
FAILURES = {"replica": {"mtbf": "1h", "detection": "3s", "repair": {"median": "10s", "p95": "20s"}}}


def uncertain(spreads, **parts):
    return small_scenario(uncertain=spreads, **parts)


# --- draws ---------------------------------------------------------------------------------------


def test_a_draw_is_its_stream_s_first_number():
    scenario = uncertain({RATE: {"within": 0.2}})
    for replication in range(5):
        luck = stream(3, "run", replication, "inputs", RATE).random()
        expected = 5.0 * (1 + 0.2 * (2 * luck - 1))
        assert draw_inputs(scenario, 3, replication) == {RATE: expected}
        assert drawn(scenario, 3, replication).traffic[0].arrivals.rate_per_s == expected


def test_what_is_drawn_is_a_certain_scenario_with_one_number_changed():
    scenario = uncertain({RATE: {"sd": 0.3}})
    found = drawn(scenario, 1, 0)
    rate = f"{found.traffic[0].arrivals.rate_per_s!r}/s"
    assert found == small_scenario(traffic=[small_traffic(rate)])
    assert found != without_uncertainty(scenario) == small_scenario()
    assert drawn(found, 1, 0) == found


def test_an_input_s_luck_does_not_depend_on_the_others():
    alone = uncertain({MEDIAN: {"within": 0.3}})
    among = uncertain(
        {
            "step_time": {"sd": 0.1}, RATE: {"within": 0.2}, MEDIAN: {"within": 0.3},
            "failures.replica.mtbf": {"sd": 0.5},
        },
        failures=FAILURES,
    )  # fmt: skip
    for replication in range(20):
        found = [draw_inputs(scenario, 7, replication)[MEDIAN] for scenario in (alone, among)]
        assert found[0] == found[1]


def test_rival_fleets_meet_the_same_inputs():
    scenario = uncertain({RATE: {"within": 0.5}}, fleet={"replicas": 4})
    one = scenario.fleet.model_copy(update={"replicas": 1})
    few, many = simulate(scenario, one, 1, 2), simulate(scenario, scenario.fleet, 1, 2)
    assert few.inputs == many.inputs == draw_inputs(scenario, 1, 2)
    assert np.array_equal(few.arrival_s, many.arrival_s)
    assert set(few.replica) == {0} and len(set(many.replica)) > 1


def test_a_run_is_that_of_the_drawn_scenario():
    scenario = uncertain({RATE: {"within": 0.5}, "step_time": {"sd": 0.2}}, failures=FAILURES)
    run, certain = simulate(scenario, scenario.fleet, 5, 1), drawn(scenario, 5, 1)
    same = simulate(certain, certain.fleet, 5, 1)
    assert same.inputs == {}
    assert np.array_equal(run.finish_s, same.finish_s)
    assert len(run) != len(simulate(without_uncertainty(scenario), scenario.fleet, 5, 1))


def test_whole_numbers_are_rounded_and_told_as_drawn():
    path = "clients.retries"
    scenario = uncertain({path: {"within": 0.9}}, clients={"retries": 3})
    for replication in range(30):
        number = draw_inputs(scenario, 1, replication)[path]
        assert number == drawn(scenario, 1, replication).clients.retries >= 1


def test_users_take_their_rate_along():
    users = {"concurrent": 1500, "requests_per_user": "12/h"}
    traffic = small_traffic(arrivals={"kind": "poisson", "users": users})
    path = "traffic.0.arrivals.users.concurrent"
    scenario = uncertain({path: {"within": 0.2}}, traffic=[traffic])
    arrivals = drawn(scenario, 1, 0).traffic[0].arrivals
    assert arrivals.users.concurrent == draw_inputs(scenario, 1, 0)[path] != 1500
    assert arrivals.rate_per_s == arrivals.users.rate_per_s


def test_the_mean_of_a_drawn_rate_is_the_one_given():
    """2,000 draws: the mean of a uniform is off by more than 4.5 standard errors 7 times in a
    million; the median of a lognormal, by the order statistics that a binomial leaves out as
    rarely."""
    even = uncertain({RATE: {"within": 0.4}})
    rates = [draw_inputs(even, 11, r)[RATE] for r in range(2000)]
    assert abs(np.mean(rates) - 5.0) < 4.5 * 5.0 * 0.4 / math.sqrt(3 * 2000)
    assert min(rates) >= 3.0 and max(rates) <= 7.0
    normal = uncertain({RATE: {"sd": 0.3}})
    logs = np.log([draw_inputs(normal, 12, r)[RATE] / 5.0 for r in range(2000)])
    sigma = math.sqrt(math.log1p(0.09))
    assert stats.kstest(logs / sigma, "norm").pvalue > 1e-4
    below = int(np.sum(logs < 0))
    assert stats.binom.ppf(3.5e-6, 2000, 0.5) <= below <= stats.binom.isf(3.5e-6, 2000, 0.5)


def test_requests_come_at_the_rate_that_was_drawn():
    """Poisson counts of 40 periods against their own drawn means: the sum of squared deviations is
    chi-squared. False alarm 1e-5."""
    scenario = uncertain({RATE: {"within": 0.5}})
    runs = [simulate(scenario, scenario.fleet, 4, replication) for replication in range(40)]
    means = np.array([60.0 * run.inputs[RATE] for run in runs])
    deviations = (np.array([len(run) for run in runs]) - means) / np.sqrt(means)
    assert np.sum(deviations**2) < stats.chi2.isf(1e-5, 40)
    assert np.std(means) > 30  # without draws it would be 0, and the counts would not follow


# --- the step time -------------------------------------------------------------------------------


OTHERS = {
    "replicas": 1,
    "others": [
        {"name": "old", "replicas": 1,
         "replica": {"gpu": "a100-sxm-80gb", "engine": {"name": "vllm"}}},
        {"name": "ours", "replicas": 1, "latency": {"per_step": "7ms", "expert_miss": 0.5,
                                                    "all_experts": "1ms"},
         "replica": {"gpu": "h100-sxm-80gb", "engine": {"name": "vllm"}}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("latency", [STEP, None])
def test_the_factor_scales_the_step_time_of_every_pool_exactly(latency):
    scenario = uncertain({"step_time": {"within": 0.3}}, latency=latency, fleet=OTHERS)
    factor = draw_inputs(scenario, 2, 0)["step_time"]
    given, slower = (pools(s, s.fleet) for s in (scenario, drawn(scenario, 2, 0)))
    for before, after in zip(given, slower, strict=True):
        costs = before.time._asdict()
        scaled = {k: v * (1 if k == "expert_miss" else factor) for k, v in costs.items()}
        assert after.time._asdict() == scaled
        assert (after.limits, after.reply) == (before.limits, before.reply)


def test_the_factor_scales_a_profile():
    scenario = small_scenario(latency=None)
    profile = latency_times(scenario, scenario.replica, None, 1.1)
    twice = latency_times(scenario, scenario.replica, profile, 2.0)
    times = [step_time(scenario.model, scenario.replica, p) for p in (None, twice)]
    assert times[1].fixed_s == pytest.approx(2.2 * times[0].fixed_s, rel=1e-12)


def test_a_lone_request_takes_as_much_longer_as_the_step():
    """All time of a lone request is step time: with an explicit one E2E is the factor's."""
    traffic = small_traffic("0.05/s", input_tokens={"kind": "constant", "tokens": 100},
                            output_tokens={"kind": "constant", "tokens": 10})  # fmt: skip
    scenario = uncertain({"step_time": {"within": 0.4}}, traffic=[traffic], horizon="20min")
    run = simulate(scenario, scenario.fleet, 1, 0)
    plain = simulate(without_uncertainty(scenario), scenario.fleet, 1, 0)
    factor = run.inputs["step_time"]
    # Nanoseconds are whole: each of ten steps is off by half of one at most.
    assert np.min(run.e2e_s) == pytest.approx(factor * np.min(plain.e2e_s), abs=1e-8)


def test_calibrated_is_the_error_to_expect_of_the_least_known_pool():
    fleet = {"replicas": 1, "others": OTHERS["others"][:1]}
    scenario = uncertain({"step_time": {"calibrated": True}}, latency=None, fleet=fleet)
    bands = [
        provenance(scenario.model, pool.replica, None).error_pct["tpot_median"]
        for pool in (scenario, *scenario.fleet.others)
    ]
    sd = max(bands) / 67.0
    assert step_time_sd(scenario) == pytest.approx(sd)
    stated = uncertain({"step_time": {"sd": sd}}, latency=None, fleet=fleet)
    assert draw_inputs(scenario, 1, 0) == pytest.approx(draw_inputs(stated, 1, 0))
    assert inputs_told(scenario) == [f"step_time calibrated, sd {100 * sd:.2g} %"]


def test_a_slower_engine_is_known_as_badly():
    scenario = uncertain({"step_time": {"calibrated": True}}, latency=None)
    assert draw_inputs(slower(scenario, 2.0), 1, 0) == draw_inputs(scenario, 1, 0)


def test_an_unknown_error_is_told():
    """The loader refuses such a file; a what-if might still ask."""
    known = uncertain({"step_time": {"calibrated": True}}, latency=None)
    unknown = known.model_copy(update={"latency": small_scenario().latency})
    with pytest.raises(InputError, match="the error of this step time is not known"):
        draw_inputs(unknown, 1, 0)


def test_inputs_that_do_not_go_together_are_told():
    scenario = small_scenario()
    with pytest.raises(InputError, match=r"do not go together .*median: 1000.*p95 of at least"):
        with_inputs(scenario, {MEDIAN: 1000.0})


def test_a_what_if_without_a_part_draws_nothing_of_it():
    scenario = uncertain({"failures.replica.mtbf": {"sd": 0.5}}, failures=FAILURES)
    assert draw_inputs(scenario, 1, 0)
    without = scenario.model_copy(update={"failures": None})
    assert draw_inputs(without, 1, 0) == {}
    assert drawn(without, 1, 0) == small_scenario()


# --- what is told --------------------------------------------------------------------------------


def test_figures_and_files_tell_what_was_drawn(tmp_path):
    scenario = uncertain({RATE: {"within": 0.2}, "step_time": {"sd": 0.1}})
    trial = Trial(2, 3)
    runs = Runs(scenario, Store(tmp_path), Here(), Summary(()))
    row = runs(trial)
    inputs = draw_inputs(scenario, scenario.seed, 3)
    assert {key: row[key] for key in row if key.startswith("input: ")} == {
        f"input: {path}": number for path, number in inputs.items()
    }
    assert runs.kept(trial)[0].figures["inputs"] == inputs


def test_without_uncertainty_nothing_is_told():
    run = simulate(small_scenario(), small_scenario().fleet, 1, 0)
    assert run.inputs == {}
    assert not any(key.startswith("input: ") for key in figures(run, ()))


def test_a_manifest_plays_the_same():
    scenario = uncertain({RATE: {"within": 0.2}, "step_time": {"sd": 0.1}}, failures=FAILURES)
    restored = restore(scenario.as_yaml_data())
    assert drawn(restored, 9, 4) == drawn(scenario, 9, 4)


# --- the planner ---------------------------------------------------------------------------------


SLA = {"probability": 0.95, "objectives": ["ttft p95 <= 1s", "tpot p95 <= 50ms"]}


def test_the_first_guess_serves_what_is_drawn_and_load_and_bound_are_of_what_is_given():
    def bracketed(scenario):
        return bracket(scenario, draw_periods(scenario, 1, 0), 0.95)

    latency = {"per_step": "5ms", "per_prefill_token": "500us", "per_sequence": "100us"}
    traffic = [small_traffic("40/s")]
    certain = small_scenario(latency=latency, traffic=traffic, sla=SLA)
    vague = uncertain({RATE: {"within": 0.5}}, latency=latency, traffic=traffic, sla=SLA)
    slow = uncertain({"step_time": {"sd": 0.4}}, latency=latency, traffic=traffic, sla=SLA)
    given = bracketed(certain)
    for scenario in (vague, slow):
        found = bracketed(scenario)
        assert (found.low, found.load) == (given.low, given.load)
        assert found.start > given.start


def test_the_statement_says_what_the_certificate_covers():
    assert what_is_given(small_scenario()).endswith("failure rates are taken as given.")
    told = what_is_given(uncertain({RATE: {"within": 0.2}, "step_time": {"sd": 0.1}}))
    assert "(traffic.0.arrivals.rate 5/s within 20 %; step_time sd 10 %)" in told
    assert "the promise is about periods so drawn" in told and "all other rates" in told
