"""Plans over lines, simulated: the search against certifying everything, and what is told."""

import json

import numpy as np
import pytest

from planner.metrics import Summary
from planner.plan import Unanswerable, plan
from planner.plan_data import as_json
from planner.plan_file import PlanFile
from planner.verdict import AllowancesFor
from reports.facts import fact_lines
from reports.lines import line_facts, line_rows
from scenarios.lines import variant
from scenarios.part import misfits
from simulator.results import finite
from simulator.simulate import simulate
from tests.oracles.small import small_scenario

SLA = {"probability": 0.9, "objectives": ["ttft p90 <= 400ms", "error_rate <= 1%"]}
PRICE = {"h100-sxm-80gb": "3 USD/h", "l40s-48gb": "1 USD/h"}


def scenario_with(choices, **parts):
    bounds = {"replicas": "1..12", "choices": choices} | parts.pop("plan", {})
    return small_scenario(
        horizon="20s", preroll="5s", sla=SLA, plan=bounds, price=PRICE, latency=None,
        traffic=[{"name": "chat", "arrivals": {"kind": "poisson", "rate": "12/s"},
                  "input_tokens": {"kind": "constant", "tokens": 1500},
                  "output_tokens": {"kind": "constant", "tokens": 60}}],
        replica={"gpu": "h100-sxm-80gb", "engine": {"name": "vllm", "max_num_seqs": 16}},
        **parts,
    )  # fmt: skip


class Runs:
    """The figures of trials, each simulated once."""

    def __init__(self):
        self.count = 0
        self.known = {}

    def simulated(self, scenario, trial):
        self.count += 1
        fleet = scenario.fleet.model_copy(update={"replicas": trial.replicas})
        allowances = None if trial.complete else AllowancesFor(scenario.objectives)
        run = simulate(scenario, fleet, scenario.seed, trial.replication, allowances)
        return Summary(scenario.objectives)(run)

    def __call__(self, scenario, trial):
        key = (scenario.hash, trial)
        if key not in self.known:
            self.known[key] = self.simulated(scenario, trial)
        return self.known[key]


def answer_of(scenario):
    runs = Runs()
    return plan(scenario, runs, lambda line, trial, kept: None), runs.count


def worth(found):
    return found.lines[found.line].worth


@pytest.mark.slow
def test_the_search_finds_what_certifying_every_line_finds_with_a_third_of_the_runs():
    """Two GPUs, two engine limits and two sizes of token budget: eight lines."""
    choices = {
        "replica.gpu": ["h100-sxm-80gb", "l40s-48gb"],
        "replica.engine.max_num_seqs": [8, 16],
        "replica.engine.max_num_batched_tokens": [1024, 4096],
    }
    scenario = scenario_with(choices)
    found, runs = answer_of(scenario)
    alone, all_runs = [], 0
    for line in found.lines:
        one, count = answer_of(variant(scenario, line.values))
        all_runs += count
        if one.certificate.replicas is not None:
            alone.append((worth(one), one.certificate.replicas, line.values))
    assert found.certificate.status == "certified"
    assert worth(found) == min(alone, key=lambda each: each[0])[0]
    assert runs < all_runs / 3


@pytest.mark.slow
def test_a_mixed_fleet_is_found_with_a_third_of_the_runs():
    """A base of large GPUs and a burst of small ones, up to six, that spot reclaims take."""
    burst = {"name": "burst", "replicas": 1, "replica": {
        "gpu": "l40s-48gb", "engine": {"name": "vllm", "max_num_seqs": 16}}}  # fmt: skip
    reclaimed = {"name": "reclaimed", "scope": "node", "effect": "crash", "mtbf": "3min",
                 "repair": [{"time": "20s", "start": "none"}], "paid": False,
                 "pools": ["burst"]}  # fmt: skip
    scenario = scenario_with(
        {"fleet.others.0.replicas": list(range(7))},
        fleet={"replicas": 2, "others": [burst], "topology": {"gpus_per_node": 1},
               "cold_start": "0s"},
        failures={"faults": [reclaimed]}, clients={"retries": 3},
    )  # fmt: skip
    found, runs = answer_of(scenario)
    alone, all_runs = [], 0
    for line in found.lines:
        one, count = answer_of(variant(scenario, line.values))
        all_runs += count
        if one.certificate.replicas is not None:
            alone.append(worth(one))
    assert found.certificate.status == "certified"
    assert worth(found) == pytest.approx(min(alone), rel=0.02), "means over other runs of spot"
    assert runs < all_runs / 3


def test_what_cannot_be_bought_is_not_the_answer():
    """Without limits the small GPUs win; with eight of them to be had, they do not."""
    choices = {"replica.gpu": ["h100-sxm-80gb", "l40s-48gb"]}
    free, _ = answer_of(scenario_with(choices))
    few = scenario_with(choices, plan={"gpus_available": {"l40s-48gb": 1}})
    limited, _ = answer_of(few)
    assert free.scenario.replica.gpu.name == "l40s-48gb"
    assert limited.scenario.replica.gpu.name == "h100-sxm-80gb"
    assert limited.lines[1].sizes == (1, 1) and limited.lines[1].found.fate == "unable"
    assert limited.question is few and limited.scenario.plan.choices == {}


def test_fewest_gpus_and_least_cost_are_different_answers():
    choices = {"replica.gpu": ["h100-sxm-80gb", "l40s-48gb"]}
    by_cost, _ = answer_of(scenario_with(choices))
    by_count, _ = answer_of(scenario_with(choices, plan={"minimise": "gpus"}))
    by_power, _ = answer_of(scenario_with(choices, plan={"minimise": "energy"}))
    assert by_cost.scenario.replica.gpu.name == "l40s-48gb"
    assert by_count.scenario.replica.gpu.name == "h100-sxm-80gb"
    assert by_power.lines[by_power.line].worth == min(
        line.worth for line in by_power.lines if line.found.fate == "certified"
    )


def test_all_lines_are_told():
    choices = {
        "replica.gpu": ["h100-sxm-80gb", "l40s-48gb"],
        "replica.precision": ["bf16", "nvfp4"],
    }
    found, _ = answer_of(scenario_with(choices))
    data = finite(as_json(found))
    assert json.loads(json.dumps(data)) == data
    assert misfits(PlanFile, data) == []
    assert [line["fate"] for line in data["lines"]].count("impossible") == 2
    assert data["choice"] == {"replica.gpu": "l40s-48gb", "replica.precision": "bf16"}
    assert "with replica.gpu l40s-48gb, replica.precision bf16" in data["statement"]
    text = "\n".join(fact_lines(line_facts(data)))
    assert "chosen of 4 lines: gpu l40s-48gb, precision bf16" in text
    assert "2 combinations cannot be" in text
    rows = line_rows(data)
    assert len(rows) == 4 and [row.chosen for row in rows] == [True, False, False, False]


def test_no_line_that_can_serve_says_why():
    scenario = scenario_with(
        {"replica.gpu": ["l40s-48gb"]},
        plan={"replicas": "5..9", "gpus_available": {"l40s-48gb": 2}},
    )
    with pytest.raises(Unanswerable, match="less than 5 replicas take"):
        answer_of(scenario)


def test_fewest_most_and_target_of_an_autoscaler_are_searched_together():
    """A peak in the middle of the period: a low target reacts early enough from few replicas."""
    arrivals = {"kind": "poisson", "rate": "4/s",
                "rate_table": [{"at": "20s", "rate": "16/s"}]}  # fmt: skip
    scenario = scenario_with(
        {"fleet.autoscaling.targets.0.running": [4.0, 12.0],
         "fleet.autoscaling.replicas": ["1..3", "1..6"]},
        fleet={"replicas": 1, "cold_start": "2s", "autoscaling": {
            "replicas": "1..6", "targets": [{"running": 4.0}], "interval": "1s"}},
    )  # fmt: skip
    group = scenario.traffic[0].as_yaml_data() | {"arrivals": arrivals}
    scenario = variant(scenario, {"traffic.0": group, "horizon": "60s"}).model_copy(
        update={"plan": scenario.plan}
    )
    found, _ = answer_of(scenario)
    data = as_json(found)
    assert found.certificate.status == "certified"
    assert data["fleet"]["most"] == found.scenario.fleet.autoscaling.replicas[1]
    assert " by autoscaling with fleet.autoscaling" in data["statement"]
    assert not found.promise.coupled
    paid = found.shown_rows["gpus_paid_0"].mean()
    assert found.certificate.replicas < paid < data["fleet"]["most"]
    assert worth(found) == pytest.approx(3.0 * paid)


def test_static_spares_are_a_choice():
    """A node that is repaired by hand is out for the whole period unless a spare takes its place:
    one spare node is cheaper than what replicas would have to stand by."""
    lost = {"name": "lost", "scope": "node", "effect": "crash", "mtbf": "4min",
            "repair": [{"time": "1h", "start": "none", "hands_on": True}]}  # fmt: skip
    scenario = scenario_with(
        {"failures.spares.nodes": [0, 1, 2, 3]},
        fleet={"replicas": 2, "topology": {"gpus_per_node": 1}, "cold_start": "0s"},
        failures={"faults": [lost], "spares": {"nodes": 1, "swap": "1s"}, "repair_crews": 4},
        clients={"retries": 3},
    )
    found, _ = answer_of(scenario)
    spares = [line.scenario.failures.spare_nodes for line in found.lines]
    assert spares == [0, 1, 2, 3]
    for line in found.lines:
        if line.size is not None:
            assert line.worth == pytest.approx(
                3.0 * (line.size + line.scenario.failures.spare_nodes)
            )


def test_infeasible_is_said_only_where_every_line_was_rejected():
    """One GPU is hopeless, the other one is at the promise and cannot be certified."""

    def figures_of(scenario, trial):
        rng = np.random.default_rng((7, trial.replication))
        share = 0.9 if scenario.replica.gpu.name == "h100-sxm-80gb" else 0.1
        figures = runs(scenario, trial._replace(replication=0))
        return figures | {"kept": bool(rng.random() < share)}

    runs = Runs()
    scenario = scenario_with(
        {"replica.gpu": ["l40s-48gb", "h100-sxm-80gb"]}, plan={"replicas": "1..2"}
    )
    found = plan(scenario, figures_of, lambda line, trial, kept: None)
    assert found.certificate.replicas is None
    assert found.certificate.status == "not certified"
    assert found.scenario.replica.gpu.name == "h100-sxm-80gb"
    assert [line.found.fate for line in found.lines] == ["infeasible", "not certified"]
