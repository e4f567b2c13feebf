"""What a step time rests on, told from a made-up fit: the numbers of the real one may change."""

import json
from pathlib import Path

import pytest

from scenarios.catalogue import coefficients
from scenarios.latency import LinearLatency, Profile
from scenarios.loading import load
from simulator import provenance as module
from simulator.provenance import ALL, provenance, step_times

CHAT = Path(__file__).parents[2] / "scenarios" / "examples" / "chat.yaml"
DENSE, MOE = "meta-llama/Llama-3.1-8B-Instruct", "mistralai/Mixtral-8x7B-v0.1"
FIT = {
    "uncertainty": {
        "h100.achieved_bandwidth": 0.02,
        "h100.achieved_flops": 0.05,
        "vllm.layer_overhead_s": 0.08,
        "unknown.step_overhead_s": 0.3,
        "unknown.sampler_logit_s": 0.31,
        "unknown.nvlink_efficiency": 0.1,
    },
    "tied": {"h200.achieved_flops": "h100.achieved_flops"},
    "undecided": ["unknown.sampler_logit_s"],
    "bands": {
        "known_dense": {"tpot_median": 4.1, "tpot_p90": 12.0},
        "known_moe": {"tpot_median": 11.0, "tpot_p90": 33.0},
        "unknown_gpu_dense": {"tpot_median": 13.0, "tpot_p90": 30.0},
        "unknown_engine_dense": {"tpot_median": 15.0, "tpot_p90": 25.0},
        "unknown_engine_moe": {},
    },
}
MEASURED_ON = {"model": DENSE, "gpu": "h100-sxm-80gb", "engine": "vllm"}
ABOUT = {"measured_on": MEASURED_ON, "source": "our load test", "date": "2026-11"}
OWN_ENGINE = """\
engines:
  mine:
    kept_memory: 2GiB
    source: ours
    date: 2026-11
  vllm:
    layer_overhead: 1ms
    kept_memory: 2GiB
    source: ours
    date: 2026-11
"""


@pytest.fixture(autouse=True)
def made_up_fit(monkeypatch):
    """The coefficients as they stand, and FIT for how sure they are."""
    known = coefficients() | {"fit": FIT}
    monkeypatch.setattr(module, "coefficients", lambda: known)


def told(*overrides, latency=None, file=CHAT):
    scenario = load(file, overrides)
    return provenance(scenario.model, scenario.replica, latency)


def by_name(found):
    return {coefficient.name: coefficient for coefficient in found.coefficients}


def test_a_gpu_and_an_engine_of_the_fit_are_measured():
    found = told()
    assert (found.origin, found.never_measured) == ("measured", [])
    assert found.rests_on == "physics fitted to measurements, dense model"
    assert found.error_pct == {"tpot_median": 4.1, "tpot_p90": 12.0}
    known = by_name(found)
    bandwidth, launch = known["achieved_bandwidth"], known["layer_overhead_s"]
    assert (bandwidth.of, bandwidth.unit, bandwidth.origin) == ("h100", "share", "measured")
    assert (bandwidth.uncertainty, launch.uncertainty) == (0.02, 0.08)
    assert (launch.of, launch.unit) == ("vllm", "s")
    assert known["step_overhead_s"].of == "all engines"


def test_what_the_data_left_undecided_is_assumed():
    known = by_name(told())
    assert known["sampler_logit_s"].origin == known["decode_flops_price"].origin == "assumed"
    assert known["sampler_logit_s"].uncertainty == 0.31
    assert known["decode_flops_price"].uncertainty is None


@pytest.mark.parametrize(
    "change, names",
    [
        ("replica.engine.sampling=greedy", {"sampler_logit_s": False}),
        ("replica.engine.async_scheduling=false", {"blocking_sequence_overhead_s": True}),
        ("replica.engine.http=false", {"reply_s": False, "reply_sequence_s": False}),
        ("replica.precision=fp8", {"fp8_layer_overhead_s": True, "nvfp4_efficiency": False}),
        ("replica.tensor_parallel=2", {"nvlink_latency_s": True, "pcie_latency_s": False}),
    ],
)
def test_a_coefficient_is_listed_where_the_step_time_uses_it(change, names):
    usual, changed = by_name(told()), by_name(told(change))
    for name, now in names.items():
        assert (name in changed) is now
        assert name in usual or now or name in ("nvfp4_efficiency", "pcie_latency_s")
    assert "routing_evenness" not in changed


@pytest.mark.parametrize(
    "overrides, missing, error",
    [
        (["replica.gpu=mi300x-192gb"], ["mi300x-192gb"], (13.0, 30.0)),
        (["replica.engine.name=sglang"], ["sglang"], (15.0, 25.0)),
        # Nobody measured both at once: the worse of either.
        (
            ["replica.gpu=mi300x-192gb", "replica.engine.name=sglang"],
            ["mi300x-192gb", "sglang"],
            (15.0, 30.0),
        ),
    ],
)
def test_what_the_fit_never_saw_is_assumed_with_a_wider_band(overrides, missing, error):
    found = told("price={mi300x-192gb: 2 USD/h, h100-sxm-80gb: 2 USD/h}", *overrides)
    assert (found.origin, found.never_measured) == ("assumed", missing)
    assert found.rests_on.endswith(f"dense model, {' and '.join(missing)} never measured")
    assert (found.error_pct["tpot_median"], found.error_pct["tpot_p90"]) == error
    known = by_name(found)
    foreign = known["achieved_flops" if "mi300x-192gb" in missing else "step_overhead_s"]
    assert (foreign.of, foreign.origin, foreign.uncertainty) == (missing[0], "assumed", None)


def test_experts_have_bands_of_their_own():
    moe = [f"model={MOE}", "replica.tensor_parallel=4"]
    found = told(*moe)
    assert "mixture-of-experts" in found.rests_on and found.error_pct["tpot_p90"] == 33.0
    assert "routing_evenness" in by_name(found)
    assert told(*moe, "replica.engine.name=sglang").error_pct == {}


def test_a_tied_coefficient_is_as_sure_as_the_one_it_takes(monkeypatch):
    sure = FIT["uncertainty"] | {"h200.achieved_bandwidth": 0.04}
    known = coefficients() | {"fit": FIT | {"uncertainty": sure}}
    monkeypatch.setattr(module, "coefficients", lambda: known)
    found = told("replica.gpu=h200-sxm-141gb", "price={h200-sxm-141gb: 3 USD/h}")
    tied = by_name(found)["achieved_flops"]
    assert (tied.of, tied.uncertainty, tied.origin) == ("h200", 0.05, "measured")
    assert found.origin == "measured"


def test_facts_of_a_catalogue_file_are_given(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN_ENGINE)
    (tmp_path / "chat.yaml").write_text(CHAT.read_text() + "catalogue: [mine.yaml]\n")
    own = by_name(told(file=tmp_path / "chat.yaml"))
    assert (own["layer_overhead_s"].origin, own["layer_overhead_s"].value) == ("given", 0.001)
    assert own["step_overhead_s"].origin == "measured"
    other = told("replica.engine.name=mine", file=tmp_path / "chat.yaml")
    assert other.never_measured == ["mine"]


def test_an_explicit_step_time_is_given():
    found = told(latency=LinearLatency(per_step="20ms", per_sequence="10us"))
    assert (found.origin, found.error_pct) == ("given", {})
    assert {c.name: (c.value, c.origin) for c in found.coefficients} == {
        "per_step_s": (0.02, "given"),
        "per_sequence_s": (1e-5, "given"),
    }


def test_a_profile_is_calibrated_with_its_own_uncertainty():
    profile = Profile.model_validate(
        ABOUT | {"step_factor": 1.1, "reply": "6ms", "uncertainty": {"step_factor": 0.03}}
    )
    found = told(latency=profile)
    assert (found.origin, found.rests_on) == ("calibrated", "calibrated: our load test")
    assert found.error_pct == pytest.approx({"tpot_median": 2.01, "tpot_p90": 4.92})
    known = by_name(found)
    assert (known["step_factor"].origin, known["step_factor"].uncertainty) == ("calibrated", 0.03)
    assert known["reply_s"].of == "profile"  # instead of the engine's
    assert known["achieved_bandwidth"].origin == "measured"  # physics below the factor


def test_a_profile_of_a_given_step_has_no_physics():
    step = {"per_step": "20ms"}
    found = told(latency=Profile.model_validate(ABOUT | {"step": step, "reply": "6ms"}))
    assert found.error_pct == {}  # it does not say how sure it is
    names = {c.name for c in found.coefficients}
    assert names == {"per_step_s", "reply_s", "reply_sequence_s"}


def test_every_pool_is_told_and_survives_json():
    other = "{name: slow, replicas: 1, replica: {gpu: l4-24gb, engine: {name: vllm}}}"
    prices = "price={h100-sxm-80gb: 2 USD/h, l4-24gb: 1 USD/h}"
    pools = step_times(load(CHAT, (f"fleet.others=[{other}]", prices)))
    assert [pool["pool"] for pool in pools] == ["main", "slow"]
    assert [pool["origin"] for pool in pools] == ["measured", "assumed"]
    assert json.loads(json.dumps(pools)) == pools


def test_the_coefficients_as_they_stand_can_be_told(monkeypatch):
    """Whatever `make fit` wrote last."""
    monkeypatch.undo()
    found = told()
    assert {"achieved_bandwidth", "layer_overhead_s"} <= by_name(found).keys()
    assert ALL not in {c.of for c in found.coefficients}
