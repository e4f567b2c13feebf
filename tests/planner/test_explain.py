"""Explanations of fleets whose scarce resource, levers and headroom are known beforehand."""

import pytest

import planner.explain
from planner.explain import Headroom, Kept, Relief, explain, helping
from planner.plan import plan
from planner.plan_data import as_json
from planner.plan_file import PlanFile
from reports.explanation import explanation_facts, frontier_rows, lever_rows, nine_text, relief_rows
from reports.facts import fact_lines
from scenarios.part import misfits
from simulator.results import finite
from tests.oracles.small import small_scenario
from tests.planner.test_plan_lines import Runs


def explained(scenario):
    runs = Runs()
    found = plan(scenario, runs, lambda line, trial, kept: None)
    told = explain(found, runs, lambda what, done, total: None)
    return found, told


def scenario_with(rate="11/s", objectives=("ttft p90 <= 1s",), **parts):
    group = {
        "name": "chat", "arrivals": {"kind": "constant", "rate": rate},
        "input_tokens": {"kind": "constant", "tokens": 160},
        "output_tokens": {"kind": "constant", "tokens": 20},
    } | parts.pop("traffic", {})  # fmt: skip
    defaults = {
        "horizon": "30s", "preroll": "5s", "traffic": [group],
        "sla": {"probability": 0.9, "objectives": list(objectives)},
        "plan": {"replicas": "1..8"}, "price": {"h100-sxm-80gb": "3 USD/h"},
        "latency": {"per_step": "10ms", "per_prefill_token": "0.1us"},
    }  # fmt: skip
    return small_scenario(**(defaults | parts))


@pytest.fixture
def no_headroom(monkeypatch):
    """It takes most periods of an explanation, and has a test of its own."""
    monkeypatch.setattr(planner.explain, "headroom", lambda *_: Headroom(1.0, None, 1.05))


@pytest.fixture(scope="module")
def of_one_seat():
    """A request takes 20 steps of 10 ms; one seat serves five per second, and 11/s come."""
    return explained(scenario_with(engine={"max_num_seqs": 1}))


def test_seats_bind_where_all_are_taken(of_one_seat):
    found, told = of_one_seat
    assert found.certificate.replicas == 3 and told.below == 2
    assert set(told.binding) == {"seats", "step time"}
    assert told.base.kept == 0


def test_kv_capacity_binds_where_blocks_run_out(no_headroom):
    """A request holds 12 blocks of 16 tokens for 0.2 s; a pool of 12 holds one at a time."""
    engine = {"max_num_seqs": 64, "num_gpu_blocks": 12, "prefix_caching": False}
    found, told = explained(scenario_with(engine=engine))
    assert found.certificate.replicas == 3
    assert set(told.binding) == {"KV capacity", "step time"}


def test_failures_bind_where_one_replica_is_enough_without(no_headroom):
    failures = {"faults": [{"name": "broken", "scope": "replica", "effect": "crash", "mtbf": "40s",
                            "repair": [{"time": "10s", "start": "none"}]}]}  # fmt: skip
    scenario = scenario_with(
        rate="2/s", objectives=("error_rate <= 2%", "ttft p90 <= 1s"), failures=failures,
        clients={"retries": 8}, engine={"max_num_seqs": 64}, fleet={"replicas": 1,
        "topology": {"gpus_per_node": 1}},
    )  # fmt: skip
    found, told = explained(scenario)
    assert found.certificate.replicas is not None and found.certificate.replicas > 1
    assert told.binding == ("failures",)
    assert told.levers[0].input in ("failure rates", "repair times")


def test_bursts_bind_where_the_mean_rate_would_not(no_headroom):
    bursty = {"arrivals": {"kind": "on-off", "rate": "8/s", "on": "1s", "off": "3s"}}
    scenario = scenario_with(traffic=bursty, engine={"max_num_seqs": 2})
    _, told = explained(scenario)
    assert "queueing at peaks" in told.binding


def test_headroom_ends_where_the_seats_do(of_one_seat):
    """Three replicas of one seat serve 15/s; of 11/s that is 1.36 times. Above, all wait longer and
    longer, and a promise on p90 breaks once the queue has grown enough within half a minute."""
    _, told = of_one_seat
    assert told.headroom.factor in (1.35, 1.4, 1.45)
    assert told.headroom.refused == pytest.approx(told.headroom.factor + 0.05)
    assert told.headroom.tally.runs >= 38


def test_the_frontier_is_of_the_certificates_periods(of_one_seat):
    found, told = of_one_seat
    runs = found.certificate.tally(3).runs
    assert [point.replicas for point in told.frontier] == [1, 2, 3, 4, 5]
    assert [point.runs for point in told.frontier] == [runs] * 5
    kept = [point.kept for point in told.frontier]
    assert kept == sorted(kept) and kept[2] == runs - found.certificate.tally(3).failed
    costs = [point.usd_per_month for point in told.frontier]
    assert costs == [3.0 * 720 * size for size in range(1, 6)]


def test_all_of_it_is_told(of_one_seat):
    found, told = of_one_seat
    data = finite(as_json(found, told))
    assert misfits(PlanFile, data) == []
    text = "\n".join(fact_lines(explanation_facts(data)))
    assert "  why 2 replicas lack step time and seats: with " in text
    assert "  room 1." in text and "  hangs on " in text and "luck" not in text
    assert [row.binds for row in relief_rows(data)].count(True) == 2
    assert len(lever_rows(data)) == len(told.levers)
    assert [row.extra for row in frontier_rows(data)][1:4] == ["-2,160 USD", "–", "+2,160 USD"]
    assert nine_text(data).startswith("One nine more (99%)")


def test_luck_is_told_apart_from_ignorance(no_headroom):
    uncertain = {"traffic.0.arrivals.rate": {"within": "40%"}}
    scenario = scenario_with(engine={"max_num_seqs": 1}, uncertain=uncertain)
    found, told = explained(scenario)
    assert told.luck is not None and told.luck.kept == told.luck.runs, "at 11/s three do, for sure"
    text = "\n".join(fact_lines(explanation_facts(finite(as_json(found, told)))))
    assert "  luck with inputs exactly as given 0 of 20 periods fail" in text


def test_what_helps_is_what_saves_most():
    base = Kept(2, 20)
    reliefs = tuple(
        Relief(name, "", Kept(kept, 20))
        for name, kept in (("a", 20), ("b", 18), ("c", 12), ("d", 3))
    )
    assert list(helping(base, reliefs)) == ["a", "b"]
    assert list(helping(base, reliefs[3:])) == []
    assert list(helping(Kept(20, 20), reliefs)) == []


def test_intervals_are_clopper_and_pearsons():
    assert Kept(0, 20).interval == pytest.approx((0.0, 0.1684), abs=1e-4)
    assert Kept(10, 20).interval == pytest.approx((0.2720, 0.7280), abs=1e-4)
    assert Kept(20, 20).interval == pytest.approx((0.8316, 1.0), abs=1e-4)
