"""What differs between two plans, on plans made by hand."""

import json
from copy import deepcopy

import pytest

from planner.plan_file import PlanFile
from reports.differences import Change, as_data, change_line, difference_lines, differences
from scenarios.lines import variant
from scenarios.loading import restore
from scenarios.part import misfits


def told(group):
    return [change_line(change).strip() for change in group]


@pytest.fixture
def other(plan_data):
    return deepcopy(plan_data)


def change(plan, **values):
    """Another scenario for a plan: `traffic__0__arrivals__rate="72/s"`."""
    dotted = {key.replace("__", "."): value for key, value in values.items()}
    plan["scenario"] = variant(restore(plan["scenario"]), dotted).as_yaml_data()


def test_the_hand_made_plan_is_one(plan_data):
    assert misfits(PlanFile, plan_data) == []


def test_a_plan_does_not_differ_from_itself(plan_data, other):
    found = differences(plan_data, other)
    assert not found.any
    assert difference_lines(found) == ["no difference"]
    assert as_data(found) == {
        "differ": False, "question": [], "answer": [], "figures": [], "summary": "no difference",
    }  # fmt: skip


def test_versions_intervals_and_names_are_not_in_the_question(plan_data, other):
    other |= {"versions": {"source": "another"}, "scenario_hash": "cd" * 32, "statement": "other"}
    other["scenario"] |= {"name": "chat-2", "description": "the same in words"}
    other["scenario"]["fleet"]["replicas"] = 9
    other["certificate"]["interval"] = [0.7, 1.0]
    assert not differences(plan_data, other).any


def test_a_changed_question_and_its_answer(plan_data, other):
    change(other, traffic__0__arrivals__rate="72/s", horizon="10min")
    other["fleet"] |= {"replicas": 4, "gpus": 8}
    other["cost"] |= {"usd_per_month": 16992.0}
    other["one_fewer"]["status"] = "rejected"
    other["objectives"][0] |= {"value": 0.3, "low": 0.29, "high": 0.31}
    found = differences(plan_data, other)
    assert difference_lines(found) == [
        "question",
        "  ~ horizon: 300s -> 600s",
        "  ~ traffic.chat.arrivals.rate: 60/s -> 72/s",
        "answer",
        "  ~ fleet.replicas: 3 -> 4",
        "  ~ fleet.gpus: 6 -> 8",
        "  ~ cost.usd_per_month: 12744 -> 16992",
        "  ~ one_fewer.status: undecided -> rejected",
        "figures",
        "  ~ objectives.ttft p95: 200 ms [190 ms, 210 ms] -> 300 ms [290 ms, 310 ms]",
        "2 facts of the question changed; the answer: 1 replica more, +4,248 USD/month",
    ]
    data = as_data(found)
    assert json.loads(json.dumps(data)) == data
    assert data["question"][1] == {
        "change": "changed", "key": "traffic.chat.arrivals.rate", "a": "60.0/s", "b": "72.0/s",
    }  # fmt: skip


def test_what_comes_is_what_goes_the_other_way(plan_data, other):
    batch = deepcopy(other["scenario"]["traffic"][0]) | {"name": "batch"}
    batch["arrivals"] = {"kind": "poisson", "rate": "1.0/s"}
    other["scenario"]["traffic"].insert(0, batch)
    other["scenario"]["fleet"]["queue_limit"] = 40
    added, removed = differences(plan_data, other), differences(other, plan_data)
    keys = ["traffic.batch", "fleet.queue_limit"]
    assert [(each.kind, each.key) for each in added.question] == [("added", key) for key in keys]
    assert {(each.kind, each.key) for each in removed.question} == {
        ("removed", key) for key in keys
    }
    assert told(added.question)[1] == "+ fleet.queue_limit: 40"
    assert told(added.question)[0].startswith("+ traffic.batch: {arrivals: {kind: poisson, rate:")
    assert all(len(line) < 110 for line in told(added.question))


def test_an_objective_is_told_by_what_it_is_about(plan_data, other):
    promised = ["ttft p95 <= 300ms", "error_rate <= 0.1%", "goodput >= 99%"]
    change(other, sla__objectives=promised)
    assert set(told(differences(plan_data, other).question)) == {
        "~ sla.objectives.ttft p95: <= 500ms -> <= 300ms",
        "- sla.objectives.tpot p95: <= 50ms",
        "+ sla.objectives.goodput: >= 99%",
    }


def test_another_gpu_is_one_fact_and_another_fact_of_a_gpu_is_that_fact(plan_data, other):
    change(other, replica__gpu="h200-sxm-141gb", price={"h200-sxm-141gb": "3.5 USD/h"})
    found = told(differences(plan_data, other).question)
    assert "~ replica.gpu: h100-sxm-80gb -> h200-sxm-141gb" in found
    assert not [line for line in found if "bandwidth" in line]
    faster = deepcopy(plan_data)
    faster["scenario"]["replica"]["gpu"]["power"] = "650.0W"
    assert told(differences(plan_data, faster).question) == ["~ replica.gpu.power: 700W -> 650W"]


def choosing(plan, gpus, chosen):
    """The same plan with a choice of GPUs."""
    plan["choice"] = {"replica.gpu": chosen}
    line = plan["lines"][0]
    plan["lines"] = [line | {"choice": {"replica.gpu": gpu}} for gpu in gpus]
    plan["scenario"]["replica"]["gpu"] = {"name": chosen}
    return plan


def test_what_was_chosen_is_an_answer_and_from_what_a_question(plan_data, other):
    gpus = ["h100-sxm-80gb", "l4-24gb"]
    fixed = deepcopy(plan_data)
    one, two = choosing(plan_data, gpus, gpus[0]), choosing(other, gpus, gpus[1])
    found = differences(one, two)
    assert found.question == []
    assert told(found.answer) == ["~ choice.replica.gpu: h100-sxm-80gb -> l4-24gb"]
    assert found.summary == "nothing of the question changed; the answer: gpu l4-24gb"
    assert told(differences(fixed, one).question) == [
        "~ replica.gpu: h100-sxm-80gb -> one of h100-sxm-80gb, l4-24gb"
    ]


def test_certified_no_more_and_again(plan_data, other):
    other["fleet"] |= {"replicas": None, "gpus": None}
    other["certificate"] |= {"status": "infeasible", "failed": 8}
    other["one_fewer"] = None
    found = differences(plan_data, other)
    assert "~ certificate.status: certified -> infeasible" in told(found.answer)
    assert "- one_fewer: {status: undecided}" in told(found.answer)
    assert found.summary.endswith("the answer: none certified any more (infeasible)")
    assert differences(other, plan_data).summary.endswith("the answer: 3 replicas, certified now")
    assert not differences(other, deepcopy(other)).any


def test_where_a_file_lies_is_no_fact_and_what_is_in_it_is(plan_data, other):
    for plan, path, digest in ((plan_data, "/a/t.csv", "aa"), (other, "/b/t.csv", "aa")):
        plan["scenario"]["traffic"][0]["arrivals"] = {
            "kind": "trace", "file": {"path": path, "sha256": digest},
        }  # fmt: skip
    assert not differences(plan_data, other).any
    other["scenario"]["traffic"][0]["arrivals"]["file"]["sha256"] = "bb"
    assert told(differences(plan_data, other).question) == [
        "~ traffic.chat.arrivals.file.sha256: aa -> bb"
    ]


def test_what_is_long_is_cut_and_counted():
    shown = change_line(Change("rates", list(range(99)), [1]))
    assert shown.startswith("  ~ rates: [0, 1, 2, ")
    assert shown.endswith(" ... (99 in all) -> [1]")


def test_a_component_of_a_mixture_is_told_alone(plan_data, other):
    parts = other["scenario"]["traffic"][0]["output_tokens"]["of"]
    parts[1]["median"] = 400.0
    assert told(differences(plan_data, other).question) == [
        "~ traffic.chat.output_tokens.of.1.median: 380 -> 400"
    ]
