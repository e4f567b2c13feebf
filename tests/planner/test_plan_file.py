"""plan.json is what its schema says, key by key. (That every plan which is made fits it is asserted
where plans are made: tests/planner/test_plan_lines.py, tests/fleetcast/test_commands.py.)"""

import json
from copy import deepcopy

import pytest

from planner.metrics import Summary
from planner.plan import plan
from planner.plan_data import as_json
from planner.plan_file import PlanFile, plan_faults, plan_schema
from scenarios.loading import restore
from scenarios.part import misfits
from scenarios.reference import markdown_of
from simulator.results import finite
from simulator.simulate import simulate
from tests.oracles.small import small_scenario


@pytest.fixture(scope="module")
def made():
    """The plan of a scenario so small that it takes a second."""
    scenario = small_scenario(
        horizon="20s", preroll="1s", price={"h100-sxm-80gb": "3 USD/h"},
        sla={"probability": 0.6, "objectives": ["ttft p90 <= 5s"]},
        plan={"replicas": "1..3"},
    )  # fmt: skip

    def figures_of(own, trial):
        fleet = own.fleet.model_copy(update={"replicas": trial.replicas})
        return Summary(own.objectives)(simulate(own, fleet, own.seed, trial.replication))

    return finite(as_json(plan(scenario, figures_of, lambda line, trial, kept: None)))


@pytest.fixture
def data(made):
    return deepcopy(made)


def test_a_plan_that_is_made_fits(data):
    assert misfits(PlanFile, data) == plan_faults(data) == []
    assert json.loads(json.dumps(data)) == data
    assert restore(data["scenario"]).as_yaml_data() == data["scenario"]


def test_the_schema_names_the_keys_that_are_written_and_no_others(data):
    schema = plan_schema()
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == schema["required"] == list(data)


def test_a_key_that_is_missing_or_unknown_is_a_fault(data):
    for key in list(data):
        less = {name: value for name, value in data.items() if name != key}
        assert [fault.at for fault in misfits(PlanFile, less)] == [(key,)]
    del data["cost"]["pools"][0]["kw"]
    data["fleet"]["colour"] = "red"
    assert {(fault.at, fault.kind) for fault in plan_faults(data)} == {
        (("cost", "pools", 0, "kw"), "missing"),
        (("fleet", "colour"), "unknown"),
    }


@pytest.mark.parametrize("wrong", ["5", 5.5, True, [5]])
def test_a_value_of_another_kind_is_a_fault(data, wrong):
    data["fleet"]["replicas"] = wrong
    assert [fault.at for fault in plan_faults(data)] == [("fleet", "replicas")]


def test_a_plan_of_another_version_needs_only_what_is_used_of_it(data):
    data["versions"]["source"] = "0123456789abcdef"
    del data["load"], data["cost"]["energy"]
    data["new"] = 1
    assert plan_faults(data) == []
    del data["scenario"]
    data["line"] = "first"
    assert {fault.at for fault in plan_faults(data)} == {("scenario",), ("line",)}


def test_the_reference_page_has_every_part():
    page = markdown_of("Plan", plan_schema())
    assert all(f"## {name}\n" in page for name in ("Plan", *plan_schema()["$defs"]))
    assert "| `replicas` | integer or null |" in page
