"""The analytic bracket: never above what the simulator can serve, and moving as physics says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.bracket import (
    Unanswerable,
    bracket,
    draw_periods,
    question_makes_sense,
    spares,
    tokens_seen_before,
)
from planner.verdict import judge
from scenarios.objectives import parse_objective
from simulator.simulate import replica_limits, simulate
from simulator.traffic import Chains
from tests.oracles.small import small_scenario, workload


def bracket_of(scenario):
    return bracket(scenario, draw_periods(scenario, 1, 0), 0.95)


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
    low = bracket_of(scenario).low
    if low == 1:
        return
    fleet = scenario.fleet.model_copy(update={"replicas": low - 1})
    objectives = [parse_objective(text) for text in SLA["objectives"]]
    assert not judge(simulate(scenario, fleet, 1, 0), objectives).kept


def test_the_load_is_the_scenario_s():
    load = bracket_of(scenario_at(20)).load
    assert load.rate_per_s == pytest.approx(20, rel=0.1)
    assert (load.input_tokens, load.output_tokens) == (1000, 100)
    # 1000 prompt tokens and 100 passes through a step.
    assert load.work_s == pytest.approx(1000 * 50e-6 + 100 * 100e-6)


def test_more_traffic_needs_more():
    guesses = [bracket_of(scenario_at(rate)).start for rate in (5, 20, 80)]
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
    load = bracket_of(scenario).load
    with pytest.raises(Unanswerable) as said:
        question_makes_sense(scenario, load)
    return str(said.value)


def test_a_period_with_too_few_requests_is_refused():
    assert "choose a longer horizon" in refusal(scenario_at(0.2))
    question_makes_sense(scenario_at(5), bracket_of(scenario_at(5)).load)


def test_requests_that_no_fleet_can_serve_are_told_before_any_run():
    scenario = scenario_at(5, engine={"max_model_len": 100})
    assert refusal(scenario).startswith("100.0% of requests are longer")


def test_failures_beyond_hope_still_give_a_guess():
    repair = {"median": "1h", "p95": "2h"}
    failures = {"replica": {"mtbf": "1s", "detection": "0s", "repair": repair}}
    assert bracket_of(scenario_at(5, failures=failures)).start > 0


def test_prompts_seen_before_cost_nothing_in_the_bound():
    """Ten documents of 10,000 tokens: without the cache they are most of the work."""
    shared = {"prefixes": [{"tokens": 10_000, "variants": 10}]}
    guesses = {}
    for caching in (True, False):
        scenario = scenario_at(20, engine={"prefix_caching": caching})
        traffic = scenario.as_yaml_data()["traffic"][0] | shared
        engine = {"prefix_caching": caching}
        load = bracket_of(
            small_scenario(
                engine=engine, latency={"per_prefill_token": "50us"}, traffic=[traffic], sla=SLA
            ),
        ).load
        assert load.input_tokens == 11_000
        guesses[caching] = load
    assert guesses[False].computed_tokens == 11_000
    # Per period (60 s, 1,200 requests) each document is computed once.
    assert 1_000 < guesses[True].computed_tokens < 1_200
    assert guesses[True].work_s < guesses[False].work_s / 5


# --- requests that follow others ----------------------------------------------------------------

CONSTANT_ROWS = {"input_tokens": {"kind": "constant", "tokens": 1000},
                 "output_tokens": {"kind": "constant", "tokens": 50}}  # fmt: skip
SESSIONS = {
    "kind": "drawn", "turns": {"kind": "constant", "count": 4},
    "follow_up_tokens": {"kind": "constant", "tokens": 50},
    "think": {"kind": "constant", "time": "8s"},
}  # fmt: skip


def load_of(*groups, **parts):
    latency = {"per_step": "5ms", "per_prefill_token": "50us", "per_sequence": "100us"}
    scenario = small_scenario(latency=latency, traffic=list(groups), sla=SLA, **parts)
    return bracket_of(scenario)


def test_turns_of_sessions_are_load_when_they_nominally_arrive():
    """5 sessions a second of 4 turns: 20 requests a second, those of earlier sessions included."""
    group = {"name": "chat", "arrivals": {"kind": "poisson", "rate": "5/s"}} | CONSTANT_ROWS
    load = load_of(group | {"sessions": SESSIONS}).load
    assert load.rate_per_s == pytest.approx(20, rel=0.1)
    assert load.peak_rate_per_s < 30
    # Each turn repeats 100 tokens more than the one before it.
    assert load.input_tokens == pytest.approx(1150, rel=0.02)


def test_turns_cost_what_is_new_in_them():
    """With a cache without limits: 50 tokens and the last token of the answer before, except in
    the first prompt that the period sees of a session."""
    group = {"name": "chat", "arrivals": {"kind": "poisson", "rate": "5/s"}} | CONSTANT_ROWS
    cached = load_of(group | {"sessions": SESSIONS}, engine={"prefix_caching": True}).load
    assert 50 < cached.computed_tokens < 50 + 1300 * (4 + 1) / (4 * 60 / 30)
    assert cached.work_s < load_of(group | {"sessions": SESSIONS}).load.work_s / 2


def test_as_much_of_a_growing_segment_is_seen_as_the_longest_before_had():
    """Key 3 grows to 150, 100, 260, 200 tokens; it stands behind key 1 in all but one."""
    rows = [[(1, 50), (3, 150)], [(1, 50), (3, 100)], [(1, 50)], [(1, 50), (3, 260)],
            [(1, 50), (3, 200)], [(4, 70)]]  # fmt: skip
    segments = np.array([pair for row in rows for pair in row])
    chains = Chains(np.cumsum([0, *map(len, rows)]), segments[:, 0].copy(), segments[:, 1].copy())
    period = replace(workload(range(6), 300, 10), chains=chains)
    limits = replica_limits_of(prefix_caching=True)
    assert tokens_seen_before(period, limits).tolist() == [0, 100, 50, 150, 200, 0]
    assert tokens_seen_before(period, replica_limits_of(prefix_caching=False)).tolist() == [0] * 6
    short = replace(period, input_tokens=np.full(6, 120))
    assert tokens_seen_before(short, limits).tolist() == [0, 100, 50, 119, 119, 0]


@given(data=st.data())
def test_tokens_seen_before_are_those_of_a_walk_over_the_rows(data):
    """Against the definition, row by row; segment j of a row begins at 10 j, whatever its key."""
    keys = st.lists(st.integers(0, 3), max_size=3)
    rows = []
    for lead in data.draw(st.lists(keys, min_size=1, max_size=8)):
        grown = data.draw(st.integers(1, 40))
        rows.append([(100 * i + key, 10 * (i + 1)) for i, key in enumerate(lead)])
        rows[-1].append((1000 * (len(lead) + 1) + sum(lead), 10 * len(lead) + grown))
    longest, expected = {}, []
    for row in rows:
        seen = [min(end, longest[key]) for key, end in row if key in longest]
        expected.append(max(seen, default=0))
        for key, end in row:
            longest[key] = max(end, longest.get(key, 0))
    segments = np.array([pair for row in rows for pair in row])
    chains = Chains(np.cumsum([0, *map(len, rows)]), segments[:, 0].copy(), segments[:, 1].copy())
    period = replace(workload(range(len(rows)), 300, 10), chains=chains)
    assert tokens_seen_before(period, replica_limits_of(prefix_caching=True)).tolist() == expected


def replica_limits_of(**engine):
    scenario = small_scenario(engine=engine)
    return replica_limits(scenario.model, scenario.replica)


@pytest.mark.slow
def test_no_fleet_is_too_small_for_a_closed_loop():
    """Its clients ask less of a slow one; they count in the first guess all the same."""
    arrivals = {"kind": "closed", "clients": 200}
    loop = {"name": "loop", "arrivals": arrivals} | CONSTANT_ROWS
    found = load_of(loop)
    assert found.low == 1
    assert found.start > 1
    assert found.load.rate_per_s == pytest.approx(200 / 2.0, rel=0.05)
    open_group = {"name": "open", "arrivals": {"kind": "poisson", "rate": "60/s"}} | CONSTANT_ROWS
    both = load_of(loop, open_group)
    assert both.low == load_of(open_group).low > 1
    assert both.load.rate_per_s == pytest.approx(160, rel=0.05)
