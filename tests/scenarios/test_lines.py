"""Choices of a plan: which fleets they stand for, which there cannot be, and what is a mistake."""

import pytest

from scenarios.faults import ScenarioError
from scenarios.lines import lines, named, variant
from scenarios.loading import load, restore
from tests.scenarios.conftest import HEAD

H100_AND_A100 = "price: {h100-sxm-80gb: 3 USD/h, a100-sxm-80gb: 2 USD/h}\n"


SPOT = "{name: spot, replicas: 1, replica: {gpu: a100-sxm-80gb, engine: {name: vllm}}}"


@pytest.fixture
def loaded(tmp_path):
    """Loads the head, more text, and overrides."""

    def load_text(*text, overrides=()):
        path = tmp_path / "lines.yaml"
        fleet = "" if any(each.startswith("fleet:") for each in text) else "fleet: {replicas: 2}\n"
        path.write_text(HEAD + fleet + "".join(text))
        return load(path, overrides)

    return load_text


def plan(choices, rest=""):
    return f"plan: {{replicas: 1..8, choices: {choices}{rest}}}\n{H100_AND_A100}"


def chosen(line):
    return {key: named(value) for key, value in line.values.items()}


def test_without_choices_there_is_one_line_and_it_is_the_scenario(loaded):
    scenario = loaded("plan: {replicas: 1..8}\n")
    (line,) = lines(scenario)
    assert (line.values, line.why_not) == ({}, "")
    assert line.scenario == scenario


def test_every_combination_is_a_line_and_what_cannot_be_says_why(loaded):
    scenario = loaded(
        plan("{replica.gpu: [a100-sxm-80gb, h100-sxm-80gb], replica.precision: [bf16, fp8]}")
    )
    found = lines(scenario)
    assert [tuple(chosen(line).values()) for line in found] == [
        ("a100-sxm-80gb", "bf16"), ("a100-sxm-80gb", "fp8"),
        ("h100-sxm-80gb", "bf16"), ("h100-sxm-80gb", "fp8"),
    ]  # fmt: skip
    assert [line.scenario is None for line in found] == [False, True, False, False]
    assert found[1].why_not.startswith("replica: precision the GPU does not compute in")
    for line in found:
        if line.scenario is not None:
            assert line.scenario.replica.gpu.name == chosen(line)["replica.gpu"]
            assert line.scenario.replica.precision == chosen(line)["replica.precision"]
            assert line.scenario.traffic == scenario.traffic


def test_a_model_that_does_not_fit_is_no_mistake(loaded):
    parts = ("model=meta-llama/Llama-3.1-70B-Instruct", "replica.tensor_parallel=4")
    scenario = loaded(plan("{replica.tensor_parallel: [1, 2, 4]}"), overrides=parts)
    small, *_, large = lines(scenario)
    assert small.scenario is None and "is short of" in small.why_not
    assert large.scenario is not None


def test_pools_come_and_go_with_their_number(loaded):
    spot = "{name: spot, replicas: 2, replica: {gpu: a100-sxm-80gb, engine: {name: vllm}}}"
    scenario = loaded(
        f"fleet: {{replicas: 2, others: [{spot}]}}\n", plan("{fleet.others.0.replicas: 0..2}")
    )
    counts = [sum(p.replicas for p in line.scenario.fleet.others) for line in lines(scenario)]
    assert counts == [0, 1, 2]


def test_a_manifest_carries_the_facts_and_not_the_names(loaded):
    scenario = loaded(plan("{replica.gpu: [a100-sxm-80gb, h100-sxm-80gb]}"))
    again = restore(scenario.as_yaml_data())
    assert again == scenario and again.hash == scenario.hash
    assert isinstance(scenario.plan.choices["replica.gpu"][0], dict)
    assert [line.scenario for line in lines(again)] == [line.scenario for line in lines(scenario)]


def test_a_choice_names_members_of_lists_and_the_manifest_their_positions(loaded):
    fleet = f"fleet: {{replicas: 2, others: [{SPOT}]}}\n"
    scenario = loaded(fleet, plan("{fleet.others.spot.replicas: [1, 2]}"))
    assert scenario.plan.choices == {"fleet.others.0.replicas": (1, 2)}
    sizes = [line.scenario.fleet.others[0].replicas for line in lines(scenario)]
    assert sizes == [1, 2]


def test_a_variant_differs_in_what_was_changed_alone(loaded):
    scenario = loaded("")
    faster = variant(scenario, {"traffic.0.arrivals.rate": "99/s"})
    assert faster.traffic[0].arrivals.rate_per_s == 99.0
    assert faster.replica == scenario.replica and faster.hash != scenario.hash
    with pytest.raises(ScenarioError, match=r"traffic.0.arrivals.rate: got '99'"):
        variant(scenario, {"traffic.0.arrivals.rate": "99"})


@pytest.mark.parametrize(
    "choices, rest, told",
    [
        ("{replica.gpu: [h100x]}", "", "plan.choices.replica.gpu.0: got 'h100x'"),
        ("{fleet.others.sopt.replicas: 1..2}", "", "plan.choices.fleet.others.sopt.replicas: no"),
        ("{replica.gpus: [1, 2]}", "", "plan.choices.replica.gpus: unknown key"),
        ("{fleet.others.3.replicas: 1..2}", "", "plan.choices.fleet.others.3.replicas: no such"),
        ("{traffic.0.arrivals.rate: [1/s]}", "", "plan.choices.traffic.0.arrivals.rate: not ours "
         "to choose\n    allowed: a key of replica, fleet, failures, latency"),
        ("{fleet.replicas: [1, 2]}", "", "plan.choices.fleet.replicas: searched anyway\n    "
         "allowed: its range in plan.replicas"),
        ("{replica.tensor_parallel: [1, 1]}", "", "the same value twice"),
        ("{replica.tensor_parallel: []}", "", "plan.choices.replica.tensor_parallel: got []"),
        ("{replica.tensor_parallel: [3]}", "", "tensor_parallel.0: got 3\n    allowed: 1, 2"),
        ("{replica.precision: [nvfp4]}", "", "no combination can be: replica: precision the GPU"),
        ("{replica.gpu: [l40s-48gb]}", "", "price: no price for l40s-48gb"),
        ("{replica.tensor_parallel: [1, 2]}", ", gpus_available: {a100-sxm-80gb: 8}",
         "plan.gpus_available.a100-sxm-80gb: a GPU that nothing here uses"),
        ("{replica.engine.max_num_seqs: 1..600}", "", "plan.choices: 600 combinations\n    "
         "allowed: up to 500"),
        ("{replica.tensor_parallel: [1, 2]}", ", minimise: money", "did you mean"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_choices_is_told(faults, choices, rest, told):
    (fault,) = faults(plan(choices, rest))
    assert told in fault
