"""Fleets of several pools: each pool's memory and price are checked, paid for and told."""

import json
import math

import pandas as pd
import pytest

from planner.cost import HOURS_PER_MONTH, fleet_cost
from reports.inputs import parts
from scenarios.faults import ScenarioError
from scenarios.loading import load
from scenarios.schema import json_schema

SCENARIO = """\
version: 1
name: pools
horizon: 5min
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 90}
    priority: 1
    prefixes: [{tokens: 800}, {tokens: 3000, variants: 40, zipf: 1.1}, {tokens: 5, variants: 2}]
fleet:
  replicas: 2
  router: rules.py:choose
  queue_limit: 50
  others:
    - name: old
      replicas: 3
      replica: {gpu: a100-sxm-80gb, tensor_parallel: 2, engine: {name: vllm}}
      latency: {per_step: 20ms}
    - name: spare
      replicas: 1
      replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
  autoscaling: {replicas: 2..8, target_outstanding: 40, startup: 3min}
price: {h100-sxm-80gb: 3 USD/h, a100-sxm-80gb: 2 USD/h}
"""


@pytest.fixture
def loaded(tmp_path):
    """Loads the scenario with overrides."""
    (tmp_path / "rules.py").write_text("def choose(request, replicas): ...\n")
    (tmp_path / "pools.yaml").write_text(SCENARIO)
    return lambda *overrides, needs=(): load(tmp_path / "pools.yaml", overrides, needs)


def faults(loaded, *overrides, needs=()):
    with pytest.raises(ScenarioError) as caught:
        loaded(*overrides, needs=needs)
    return [str(fault) for fault in caught.value.faults]


def test_a_model_must_fit_into_every_pool(loaded):
    big, twice = "model=meta-llama/Llama-3.1-70B-Instruct", "replica.tensor_parallel=2"
    (fault,) = faults(loaded, big, twice)
    assert "pools.yaml:24:7: fleet.others.1.replica: meta-llama/Llama-3.1-70B" in fault
    assert "on 1 x h100-sxm-80gb is short of" in fault
    assert fault.endswith("allowed: tensor_parallel: 2 would fit")
    loaded(big, twice, "fleet.others.1.replica.tensor_parallel=2")


def test_the_heads_of_a_model_are_shared_out_in_every_pool(loaded):
    """Llama 3.2 3B has 24 heads."""
    said = faults(
        loaded,
        "model=meta-llama/Llama-3.2-3B-Instruct",
        "fleet.others.0.replica.tensor_parallel=16",
    )
    assert len(said) == 1
    assert "fleet.others.0.replica.tensor_parallel: got 16\n" in said[0]
    assert "a divisor of the 24 attention heads" in said[0]


@pytest.mark.parametrize("others", ["3", "x", "{}", "[3]", "[[]]", "[{replica: 3}]", "[{}]"])
def test_pools_that_are_none_are_faults_and_nothing_worse(loaded, others):
    assert all("fleet.others" in fault for fault in faults(loaded, f"fleet.others={others}"))


def test_a_pool_with_a_fault_hides_no_fault_of_another(loaded):
    said = faults(
        loaded,
        "model=meta-llama/Llama-3.1-70B-Instruct",
        "replica.tensor_parallel=2",
        "fleet.others.0.replicas=-1",
        "fleet.router=rules.py:x",
    )
    assert len(said) == 3
    assert any("fleet.others.1.replica: " in fault for fault in said)


def test_every_pool_has_its_price(loaded):
    (fault,) = faults(loaded, "fleet.others.0.replica.gpu=h200-sxm-141gb")
    assert "price: no price for h200-sxm-141gb\n" in fault


def test_pools_have_names_of_their_own(loaded):
    (fault,) = faults(loaded, "fleet.others.0.name=spare")
    assert fault.endswith("fleet: two pools of one name\n    allowed: names that differ")


def periods_of(**figures):
    """Two of them, in which each pool computed on one GPU."""
    useful = dict.fromkeys(("gpus_useful_0", "gpus_useful_1", "gpus_useful_2"), 1.0)
    return pd.DataFrame([figures | useful] * 2)


def test_every_pool_is_paid_for(loaded):
    """4 main GPUs and a spare one at 3 USD/h, 3 x 2 others at 2 USD/h."""
    periods = periods_of(input_tokens_per_s=900.0, output_tokens_per_s=100.0)
    cost = fleet_cost(loaded("fleet.autoscaling="), 4, periods)
    assert cost.usd_per_replica_hour == 3.0
    assert cost.usd_per_hour == (4 + 1) * 3.0 + 3 * 2 * 2.0
    assert cost.usd_per_gpu_hour == cost.usd_per_hour / (4 + 1 + 3 * 2)
    assert cost.usd_per_month == cost.usd_per_hour * HOURS_PER_MONTH
    assert cost.usd_per_million_tokens == pytest.approx(cost.usd_per_hour / 3600 / 1000 * 1e6)
    assert cost.usd_per_million_output_tokens == pytest.approx(10 * cost.usd_per_million_tokens)


def test_tokens_of_a_fleet_that_served_none_have_no_price(loaded):
    nothing = periods_of(input_tokens_per_s=0.0, output_tokens_per_s=0.0)
    assert math.isinf(fleet_cost(loaded("fleet.autoscaling="), 4, nothing).usd_per_million_tokens)


def test_a_report_tells_of_pools_rules_and_prefixes(loaded):
    told = dict(parts(json.loads(json.dumps(loaded().as_yaml_data()))))
    assert ("router", "own function choose of rules.py") in told["Router"]
    assert ("most waiting per replica", "50") in told["Router"]
    assert {"GPU: h100-sxm-80gb", "GPU: a100-sxm-80gb", "Pool: spare"} <= set(told)
    old = dict(told["Pool: old"])
    assert (old["replicas"], old["GPU"], old["tensor parallel"]) == ("3", "a100-sxm-80gb", "2")
    assert old["step time, as given: per step"] == "20 ms"
    assert dict(told["Autoscaling"])["startup"] == "3 min"
    traffic = dict(told["Traffic: chat"])
    assert traffic["priority"] == "1"
    assert traffic["prefixes"] == (
        "800 tokens, the same in all; 3,000 tokens, one of 40 (Zipf 1.1); "
        "5 tokens, one of 2 (equally likely)"
    )


def test_a_fleet_of_one_pool_is_told_as_before(loaded):
    scenario = loaded("fleet={replicas: 2}", "traffic.0.prefixes=[]")
    told = dict(parts(scenario.as_yaml_data()))
    assert told["Router"] == [("router", "least-outstanding")]
    assert "Autoscaling" not in told
    assert not [title for title in told if title.startswith("Pool")]
    assert "prefixes" not in dict(told["Traffic: chat"])


def test_editors_are_offered_the_routers_and_told_of_a_function():
    fleet = json_schema()["$defs"]["Fleet"]["properties"]
    names, function = fleet["router"]["anyOf"]
    assert "prefix-aware" in names["enum"]
    assert fleet["admission"]["anyOf"][0] == function
    assert function["type"] == "string"
