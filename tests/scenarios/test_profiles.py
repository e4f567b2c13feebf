"""`latency: {profile: FILE}`: what a scenario takes from a profile, and when it refuses one."""

import json

import pytest

from scenarios.faults import ScenarioError
from scenarios.latency import LinearLatency, Profile, profile_text, read_profile
from scenarios.loading import load, restore

SCENARIO = """\
version: 1
name: base
horizon: 5min
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {name: vllm}
latency: {profile: ours.yaml}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 90}
fleet: {replicas: 2}
"""
PROFILE = """\
measured_on: {model: meta-llama/Llama-3.1-8B-Instruct, gpu: h100-sxm-80gb, engine: vllm}
layout:
  {tensor_parallel: 1, pipeline_parallel: 1, data_parallel: 1, precision: bf16,
   kv_precision: bf16, sampling: top-p, async_scheduling: true}
step: {per_step: 6.5ms, per_prefill_token: 21us, per_kv_token: 40ns}
reply: 5ms
learned: {step: 1.07, overhead: 0.9}
uncertainty: {step_factor: 0.07}
source: 3 runs of result.json
date: 2026-11-25
"""
PROFILE = PROFILE.replace("date: 2026-11-25", "date: '2026-11-25'")


@pytest.fixture
def scenario(tmp_path):
    """Loads SCENARIO beside a profile, both changed by (old, new) pairs."""

    def made(*changes, of_profile=(), folder="."):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        text, profile = SCENARIO, PROFILE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        for old, new in of_profile:
            assert old in profile
            profile = profile.replace(old, new)
        (place / "ours.yaml").write_text(profile)
        (place / "scenario.yaml").write_text(text)
        return load(place / "scenario.yaml")

    return made


def faults(scenario, *changes, **others):
    with pytest.raises(ScenarioError) as caught:
        scenario(*changes, **others)
    return str(caught.value)


def test_the_profile_is_read_from_beside_the_scenario(scenario):
    latency = scenario().latency
    assert isinstance(latency, Profile)
    assert latency.step.per_step_s == 6.5e-3
    assert latency.reply_s == 5e-3
    assert latency.learned == {"step": 1.07, "overhead": 0.9}


def test_a_manifest_carries_the_whole_profile(scenario):
    """It stands alone: no file is needed any more, and the identity stays."""
    first = scenario()
    back = restore(json.loads(json.dumps(first.as_yaml_data())))
    assert back == first
    assert back.hash == first.hash


def test_the_identity_is_the_contents_and_not_the_place(scenario):
    here, there = scenario(), scenario(folder="elsewhere")
    assert here.hash == there.hash
    assert scenario(of_profile=[("6.5ms", "6.6ms")]).hash != here.hash
    assert scenario(("latency: {profile: ours.yaml}\n", "")).hash != here.hash


def test_a_profile_by_hand_needs_only_factors(scenario, tmp_path):
    scenario()
    text = "\n".join(
        line for line in PROFILE.splitlines() if line.startswith(("measured", "source", "date"))
    )
    (tmp_path / "ours.yaml").write_text(text + "\nstep_factor: 1.1\noverhead_factor: 1.2\n")
    latency = load(tmp_path / "scenario.yaml").latency
    assert (latency.step_factor, latency.overhead_factor, latency.step) == (1.1, 1.2, None)
    assert load(tmp_path / "scenario.yaml", ("replica.tensor_parallel=2",)).latency == latency


def test_costs_are_no_profile(scenario):
    latency = scenario(("{profile: ours.yaml}", "{per_step: 9ms}")).latency
    assert latency == LinearLatency(per_step="9ms")


@pytest.mark.parametrize(
    "name, said",
    [
        ("nowhere.yaml", "no readable profile nowhere.yaml"),
        ("nowhere.yaml", "No such file"),
        (".", "no readable profile ."),
        ("bytes.yaml", "no readable profile bytes.yaml"),
        ("broken.yaml", "no readable profile broken.yaml"),
        ("empty.yaml", "no profile: empty.yaml"),
        ("scenario.yaml", "no profile: scenario.yaml"),
    ],
)
def test_a_file_that_is_no_profile(scenario, tmp_path, name, said):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    (tmp_path / "empty.yaml").write_text("")
    told = faults(scenario, ("ours.yaml", name))
    assert "scenario.yaml:8:" in told and "latency" in told
    assert said in told
    assert "`fleetcast calibrate` wrote" in told


@pytest.mark.parametrize(
    "change, said",
    [
        (("per_step: 6.5ms", "per_step: 6.5"), "step.per_step"),
        (("step: {per_step", "stop: {per_step"), "stop"),
        (("step_factor: 0.07", "step_factor: much"), "uncertainty.step_factor"),
        (("per_kv_token: 40ns", "per_kv_token: -40ns"), "step"),
        (("learned: {step: 1.07", "learned: {step: 1007.0"), "learned.step"),
        (("source: 3 runs of result.json\n", ""), "source"),
    ],
)
def test_a_profile_with_a_fault_names_its_place(scenario, change, said):
    told = faults(scenario, of_profile=[change])
    assert "scenario.yaml:8:" in told
    assert said in told


@pytest.mark.parametrize(
    "latency", ["{profile: ours.yaml, per_step: 9ms}", "{profile: 3}", "{profile: [ours.yaml]}"]
)
def test_a_profile_stands_alone(scenario, latency):
    assert "`{profile: FILE}` alone" in faults(scenario, ("{profile: ours.yaml}", latency))


@pytest.mark.parametrize(
    "change",
    [
        ("model: meta-llama/Llama-3.1-8B-Instruct", "model: Qwen/Qwen3-8B"),
        ("gpu: h100-sxm-80gb", "gpu: h200-sxm-141gb"),
    ],
)
def test_a_profile_of_something_else_is_refused(scenario, change):
    told = faults(scenario, change)
    assert "scenario.yaml:8:" in told
    assert "a profile of meta-llama/Llama-3.1-8B-Instruct on h100-sxm-80gb with vllm" in told


def test_a_profile_of_another_engine_is_refused(scenario):
    told = faults(scenario, of_profile=[("engine: vllm", "engine: sglang")])
    assert "on h100-sxm-80gb with sglang" in told


@pytest.mark.parametrize(
    "change, said",
    [
        (("gpu: h100-sxm-80gb", "gpu: h100-sxm-80gb\n  tensor_parallel: 2"), "tensor_parallel 1"),
        (("gpu: h100-sxm-80gb", "gpu: h100-sxm-80gb\n  precision: fp8"), "precision bf16"),
        (("{name: vllm}", "{name: vllm, sampling: greedy}"), "sampling top-p"),
        (("{name: vllm}", "{name: vllm, async_scheduling: false}"), "async_scheduling True"),
    ],
)
def test_a_step_measured_on_another_layout_is_refused(scenario, change, said):
    told = faults(scenario, change)
    assert said in told and "calibrate there too" in told
    assert "latency" in told


def test_the_pools_of_a_fleet_have_profiles_of_their_own(scenario, tmp_path):
    other = (
        "fleet: {replicas: 2}",
        "fleet:\n  replicas: 2\n  others:\n    - name: more\n      replicas: 1\n"
        "      replica: {gpu: h100-sxm-80gb, tensor_parallel: 2, engine: {name: vllm}}\n"
        "      latency: {profile: ours.yaml}",
    )
    told = faults(scenario, other)
    assert "fleet.others.0.latency" in told and "tensor_parallel 1" in told


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(PROFILE)
    profile = read_profile(path)
    path.write_text(profile_text(profile))
    assert read_profile(path) == profile
    assert "per_prefill_token: 21us" in path.read_text()
