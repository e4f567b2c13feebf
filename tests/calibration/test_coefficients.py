"""Which coefficients a fit may move, where they act, and the file that they are written to."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from calibration import coefficients
from calibration.cases import StaticBatch
from calibration.coefficient_file import as_yaml, quantity, rounded, unknown_engine
from calibration.coefficients import CHIP, ENGINE, OWN, SHARED, TIED, moved, priors
from calibration.datasets.replicas import measured_engines
from calibration.fitting import Fit, Problem
from scenarios import catalogue
from scenarios.units import TIME_S, parse_quantity
from simulator.latency import physics, reply
from tests.calibration.made import CATALOGUE, LLAMA_8B, MIXTRAL, case_of, replica_on

HERE = Path(catalogue.__file__).parent
BANDS = {"known_dense": {"tpot_median": 6.14, "tpot_p90": 18.0}, "known_moe": {}}


# --- which, and where they act --------------------------------------------------------------------


def test_priors_are_of_the_chips_and_engines_that_ran():
    ran = [(LLAMA_8B, replica_on("a100-sxm-80gb")), (MIXTRAL, replica_on(engine="trtllm-1.0")),
           (LLAMA_8B, replica_on("l4-24gb", "sglang"))]  # fmt: skip
    found = priors(ran)
    assert list(found) == [
        *(("a100", field) for field in CHIP),
        *(("h100", field) for field in CHIP),
        ("sglang", "layer_overhead_s"),
        ("trtllm-1.0", "layer_overhead_s"),
        ("trtllm-1.0", "moe_layer_overhead_s"),
        ("vllm", "layer_overhead_s"),
        *(("unknown", field) for field in SHARED),
    ]
    assert found["a100", "achieved_flops"] == CHIP["achieved_flops"]
    with_experts = priors([(MIXTRAL, replica_on())])
    assert with_experts.keys() - found.keys() == {
        ("vllm", "moe_layer_overhead_s"), *OWN,
    }  # fmt: skip


def test_tied_coefficients_are_those_of_their_owner():
    """Whether the owner ran, too, or not."""
    h200, h100 = replica_on("h200-sxm-141gb"), replica_on()
    shared = {("h100", "achieved_flops"), ("h100", "decode_flops_price")}
    both, alone = priors([(LLAMA_8B, h200), (LLAMA_8B, h100)]), priors([(LLAMA_8B, h200)])
    assert both.keys() - alone.keys() == {("h100", "achieved_bandwidth")}
    assert shared < alone.keys()
    assert not TIED.keys() & both.keys()
    newer = priors([(MIXTRAL, replica_on(engine="trtllm"))])
    assert ("trtllm-1.0", "moe_layer_overhead_s") in newer
    values = {("h100", "achieved_flops"): 0.5, ("h200", "achieved_bandwidth"): 0.8}
    gpu = moved(h200, values).gpu
    assert (gpu.achieved_flops, gpu.achieved_bandwidth) == (0.5, 0.8)
    assert moved(h100, values).gpu.achieved_bandwidth == h100.gpu.achieved_bandwidth


def test_an_engines_own_value_goes_before_the_shared_one():
    values = {("unknown", "layer_overhead_s"): 1.0, ("vllm", "layer_overhead_s"): 2.0,
              ("unknown", "reply_s"): 3.0}  # fmt: skip
    for engine, layer_s in (("vllm", 2.0), ("sglang", 1.0)):
        facts = moved(replica_on(engine=engine), values).engine.facts
        assert (facts.layer_overhead_s, facts.reply_s) == (layer_s, 3.0)
        assert facts.kept_memory_bytes == replica_on(engine=engine).engine.facts.kept_memory_bytes


def test_nothing_moved_is_the_replica_itself():
    replica = replica_on(tensor_parallel=4, precision="fp8")
    assert moved(replica, {}) == replica


def catalogue_values():
    """step_time.yaml as values of a fit."""
    known = catalogue.coefficients()
    chips = {
        (chip, field): value
        for chip, fields in known["silicon"].items() if chip != "unknown"
        for field, value in fields.items()
    }  # fmt: skip
    engines = {
        (name, field): getattr(measured_engines()[name], field)
        for name in known["engines"] if name in measured_engines()
        for field in (*ENGINE, *(own for _, own in OWN))
    }  # fmt: skip
    shared = {("unknown", field): getattr(measured_engines()["vllm"], field) for field in SHARED}
    return chips | engines | shared


@pytest.mark.parametrize("engine", measured_engines())
@pytest.mark.parametrize("gpu", ["a100-pcie-80gb", "h100-sxm-80gb", "h200-sxm-141gb", "l4-24gb"])
def test_the_values_of_the_catalogue_move_nothing(gpu, engine):
    """What the file says is what the simulator uses, ties and all."""
    replica = replica_on(gpu, engine)
    assert moved(replica, catalogue_values()) == replica


def test_every_coefficient_moves_a_step_or_a_first_token():
    """Of a replica that has use for it; and each field is one of a GPU or an engine."""
    fields = {field for _, field in priors([(MIXTRAL, replica_on())])}
    assert fields == {*CHIP, *ENGINE, *SHARED, *(field for _, field in OWN)}
    used = [
        replica_on(tensor_parallel=2, flags={"async_scheduling": False}),
        replica_on(precision="fp8"),
        replica_on("b200-sxm-180gb", precision="nvfp4"),
        replica_on("l40s-48gb", tensor_parallel=2),
    ]

    def told(replica):
        return physics(MIXTRAL, replica), reply(replica, None)

    for owner in ("fit", "unknown"):
        for field in fields if owner == "fit" else SHARED:
            changed = [
                told(moved(r, {(name, field): 0.123})) != told(r)
                for r in used
                for name in ((r.gpu.silicon, "vllm") if owner == "fit" else (owner,))
            ]
            assert any(changed), field


def test_priors_are_within_their_bounds_and_the_fit_within_reach():
    """Nothing fitted is further than four spreads from what was believed."""
    shelves = catalogue_values()
    for field, prior in (CHIP | ENGINE | SHARED).items():
        assert 0 < prior.value <= prior.most and 0 < prior.spread < 1
        for (owner, name), value in shelves.items():
            if name == field:
                assert 0 < value <= prior.most
                assert abs(np.log(value / prior.value)) < 4 * prior.spread, (owner, field)


# --- the file -------------------------------------------------------------------------------------


def small_fit(cases=None, x=None):
    """A fit of our choice, nothing computed: of the A100 and the H200 on vLLM and TensorRT-LLM."""
    load = StaticBatch(1, 100, 10)
    cases = cases or [
        case_of(load, replica_on("a100-sxm-80gb")),
        case_of(load, replica_on("h200-sxm-141gb", "trtllm"), MIXTRAL),
    ]
    problem = Problem(cases, priors((case.model, case.replica) for case in cases), None)
    size = len(problem.priors)
    x = np.linspace(-0.4, 0.4, size) if x is None else x
    # Half of the coefficients known to a tenth of what was believed, the others no better.
    spreads = problem.spreads * np.where(np.arange(size) % 2, 1.0, 0.1)
    correlation = 0.9 * np.eye(size) + 0.1
    covariance = correlation * np.outer(spreads, spreads)
    return Fit(problem, x, np.zeros(0), np.zeros((0, size)), covariance)


def loaded(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture
def file():
    fitted = small_fit()
    text = as_yaml(fitted, BANDS, ["What it saw:", "  made: 2"])
    return fitted, text


def test_the_file_says_what_the_fit_says(file, monkeypatch):
    """Filled from it, every GPU and engine that ran is as the fit moved it, to four digits."""
    fitted, text = file
    monkeypatch.setattr(catalogue, "coefficients", lambda: loaded(text))
    gpus = catalogue.read_catalogue_file(HERE / "gpus.yaml").gpus
    engines = catalogue.read_catalogue_file(HERE / "engines.yaml").engines
    values = fitted.values
    for case in fitted.problem.cases:
        gpu, engine = case.replica.gpu, case.replica.engine.facts
        ours = moved(case.replica, values)
        for field in CHIP:
            filled = getattr(gpus[gpu.name], field)
            assert filled == pytest.approx(getattr(ours.gpu, field), rel=5e-4), field
        for field in (*SHARED, "layer_overhead_s"):
            filled = getattr(engines[engine.name], field)
            assert filled == pytest.approx(getattr(ours.engine.facts, field), rel=5e-4), field
    assert engines["trtllm"].moe_layer_overhead_s == pytest.approx(
        values["trtllm-1.0", "moe_layer_overhead_s"], rel=5e-4
    )
    assert engines["trtllm"].kept_memory_bytes == CATALOGUE.engines["trtllm"].kept_memory_bytes


def test_what_nobody_measured_is_the_median_of_what_somebody_did(file):
    """Of the chips; of today's engines; the prior where there is none."""
    fitted, text = file
    data, values = loaded(text), fitted.values
    chips = [values["a100", "achieved_bandwidth"], values["h200", "achieved_bandwidth"]]
    unknown = data["silicon"]["unknown"]
    assert unknown["achieved_bandwidth"] == pytest.approx(np.mean(chips), rel=1e-3)
    assert data["silicon"]["h200"]["achieved_flops"] == data["silicon"]["h100"]["achieved_flops"]
    engine = data["engines"]["unknown"]
    layers = [values["vllm", "layer_overhead_s"], values["trtllm", "layer_overhead_s"]]
    assert seconds(engine["layer_overhead"]) == pytest.approx(np.mean(layers), rel=1e-3)
    assert seconds(engine["quantised_moe_layer_overhead"]) == 0.0
    assert seconds(engine["reply"]) == pytest.approx(values["unknown", "reply_s"], rel=1e-3)
    nobody = unknown_engine({}, {})
    assert nobody["layer_overhead_s"] == ENGINE["layer_overhead_s"].value
    assert nobody["attention_efficiency"] == SHARED["attention_efficiency"].value
    assert nobody.keys() == {*ENGINE, *SHARED, *(field for _, field in OWN)}


def test_how_sure_it_is_stands_beside_it(file):
    fitted, text = file
    fit = loaded(text)["fit"]
    names = [".".join(key) for key in fitted.problem.priors]
    spread = np.sqrt(np.diag(fitted.covariance))
    assert list(fit["uncertainty"]) == names
    assert list(fit["uncertainty"].values()) == pytest.approx(spread, abs=5e-4)
    assert fit["undecided"] == names[1::2], "those that the data left as wide as they were"
    assert fit["correlation"] == [[10] * i + [100] for i in range(len(names))]
    assert fit["bands"] == {"known_dense": {"tpot_median": 6.1, "tpot_p90": 18.0}, "known_moe": {}}
    assert fit["tied"] == {
        "h200.achieved_flops": "h100.achieved_flops",
        "h200.decode_flops_price": "h100.decode_flops_price",
        "trtllm.moe_layer_overhead_s": "trtllm-1.0.moe_layer_overhead_s",
    }


def test_ties_of_what_nobody_measured_are_not_written():
    dense = small_fit([case_of(StaticBatch(1, 100, 10), replica_on("a100-sxm-80gb"))])
    data = loaded(as_yaml(dense, {}, []))
    assert data["fit"]["tied"] == {}
    assert set(data["silicon"]) == {"a100", "unknown"}
    assert set(data["engines"]) == {"vllm", "unknown"}


def test_one_gpu_nobody_knows_leaves_the_priors():
    """An L4 has no silicon of its own: shares of `unknown` as believed."""
    data = loaded(
        as_yaml(small_fit([case_of(StaticBatch(1, 9, 9), replica_on("l4-24gb"))]), {}, [])
    )
    assert data["silicon"] == {"unknown": {field: prior.value for field, prior in CHIP.items()}}


def test_the_file_begins_with_what_it_saw(file):
    assert file[1].startswith("# What it saw:\n#   made: 2\nsilicon:\n")
    assert file[1].endswith("}\n")


def test_at_the_bound_the_file_still_loads(monkeypatch):
    """A share of exactly 1 is written as `1`."""
    fitted = small_fit(x=np.full(len(small_fit().problem.priors), 2.0))
    text = as_yaml(fitted, {}, [])
    assert loaded(text)["silicon"]["a100"]["achieved_flops"] == 1
    monkeypatch.setattr(catalogue, "coefficients", lambda: loaded(text))
    a100 = catalogue.read_catalogue_file(HERE / "gpus.yaml").gpus["a100-sxm-80gb"]
    assert (a100.achieved_flops, a100.achieved_bandwidth) == (1.0, 1.2)


# --- quantities -----------------------------------------------------------------------------------


def seconds(text):
    return parse_quantity(text, TIME_S, "a time")


@pytest.mark.parametrize(
    "field, value, text",
    [
        ("step_overhead_s", 376.7e-6, "376.7us"),
        ("reply_s", 6.4354e-3, "6.435ms"),
        ("reply_s", 2.5, "2500ms"),
        ("sampler_logit_s", 0.32734e-9, "0.3273ns"),
        ("quantised_moe_layer_overhead_s", 0.0, "0ns"),
        ("nvlink_latency_s", 1e-6, "1us"),
        ("achieved_flops", 0.517, "0.517"),
        ("achieved_flops", 1.0, "1"),
    ],
)
def test_a_quantity_is_written_as_people_do(field, value, text):
    assert quantity(field, value) == text


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-13, 100.0))
def test_a_time_is_read_back(value):
    assert seconds(quantity("reply_s", rounded(value))) == pytest.approx(value, rel=1e-3)


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 1.5))
def test_a_share_is_read_back(value):
    text = f"share: {quantity('achieved_flops', rounded(value))}"
    assert float(loaded(text)["share"]) == pytest.approx(value, rel=1e-3)


def test_what_is_fitted_is_what_the_facts_have():
    """A field that the catalogue dropped would be moved nowhere."""
    gpu, engine = CATALOGUE.gpus["h100-sxm-80gb"], CATALOGUE.engines["vllm"]
    assert set(coefficients.CHIP) <= set(type(gpu).model_fields)
    fields = {*coefficients.ENGINE, *coefficients.SHARED, *(field for _, field in OWN)}
    assert fields <= set(type(engine).model_fields)
