"""Step times from aiconfigurator: exact on a package of our own, and sane on the real one."""

import os
import sys
from types import SimpleNamespace

import pytest

from calibration import aic_database
from calibration.aic import step_time_from_aic
from calibration.aic_database import AicMissing, AicUnknown
from simulator.kernel.step_time import StepTime

TRUE = StepTime(
    fixed_s=6e-3,
    prefill_token_s=2e-5,
    decode_token_s=9e-6,
    sequence_s=4e-6,
    kv_token_s=3e-8,
    attention_pair_s=5e-10,
    mixed_s=1e-3,
)
EVENNESS = 0.5
ROUTED = TRUE._replace(experts_s=2e-2, expert_miss=(1 - 8 / 128) ** EVENNESS)


class Engine:
    """Its compiled engine, with the latency of a StepTime in milliseconds."""

    def __init__(self, truth, finds_attention=True, lacks=()):
        self.truth, self.finds_attention, self.lacks = truth, finds_attention, lacks
        self.compiled = []

    def compile(self, model, system, engine, **settings):
        self.compiled.append({"model": model, "system": system, "engine": engine, **settings})
        return self

    def ms(self, prefill, decode, sequences, read, pairs):
        if self.compiled[-1].get("fmha_quant_mode") in self.lacks:
            raise RuntimeError("context attention data missing")
        t = self.truth
        experts = t.experts_s * (1 - t.expert_miss ** (prefill + decode))
        mixed = (t.mixed_s + t.prefill_token_s * prefill) if prefill else 0.0
        each = t.decode_token_s * decode + t.sequence_s * sequences
        reading = t.kv_token_s * read + t.attention_pair_s * pairs
        return 1e3 * (t.fixed_s + mixed + each + reading + experts)

    def decode_step_latency(self, batch, input_tokens, output_tokens):
        context = input_tokens + output_tokens // 2
        return self.ms(0, batch, batch, batch * context, batch * (context + 1))

    def predict_prefill_latency(self, batch, tokens, prefix):
        new = tokens - prefix
        pairs = batch * (new * prefix + new * (new + 1) // 2)
        return self.ms(batch * new, 0, batch, batch * prefix, pairs)

    def mixed_step_breakdown(self, chunk, batch, input_tokens, output_tokens):
        context = input_tokens + output_tokens // 2
        pairs = chunk * (chunk + 1) // 2 + batch * (context + 1)
        total = self.ms(chunk, batch, batch + 1, batch * context, pairs)
        return total, total, 0.0, 0.1 * total * self.finds_attention


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Put a package of one engine in place of aiconfigurator-core."""

    def install(engine):
        shapes = {
            "meta-llama/Meta-Llama-3.1-70B": {"num_experts": 0, "topk": 0, "raw_config": {}},
            "Qwen/Qwen3-235B-A22B-FP8": {
                "num_experts": 128,
                "topk": 8,
                "raw_config": {"quant_algo": "fp8_block"},
            },
        }
        row = {"HuggingFaceID": "Qwen/Qwen3-235B-A22B-FP8", "Version": "0.9", "Status": "PASS"}
        modules = {
            "": {"EngineHandle": engine},
            ".common": {
                "get_default_models": lambda: set(shapes),
                "get_support_matrix": lambda: [{**row, "System": "h200_sxm", "Backend": "vllm"}],
            },
            ".perf_database": {
                "get_supported_databases": lambda: {"h200_sxm": {"vllm": ["0.8", "0.9"]}},
                "get_version_slots": lambda system, engine: {"current": "0.8", "next": "0.9"},
            },
            ".utils": {"get_model_config_from_model_path": shapes.__getitem__},
        }
        monkeypatch.setitem(sys.modules, "aiconfigurator_core", SimpleNamespace())
        for name, content in modules.items():
            module = SimpleNamespace(**content)
            monkeypatch.setitem(sys.modules, f"aiconfigurator_core.sdk{name}", module)
        monkeypatch.setattr(aic_database.metadata, "version", lambda name: "9.9")
        monkeypatch.setenv("HOME", str(tmp_path))
        return engine

    return install


def dense(**changes):
    asked = {"precision": "bf16", "kv_precision": "bf16", "tensor_parallel": 4, **changes}
    return step_time_from_aic(
        "meta-llama/Llama-3.1-70B-Instruct", "h200-sxm-141gb", "vllm", **asked
    )


def routed(**changes):
    asked = {"precision": "fp8", "kv_precision": "bf16", "tensor_parallel": 4, **changes}
    return step_time_from_aic("Qwen/Qwen3-235B-A22B", "h200-sxm-141gb", "vllm", **asked)


@pytest.mark.parametrize("ask, truth", [(dense, TRUE), (routed, ROUTED)])
def test_a_time_of_our_form_is_recovered(package, ask, truth):
    package(Engine(truth))
    time, fit = ask()
    assert time == pytest.approx(truth, rel=1e-6, abs=1e-15)
    assert fit.residual_worst < 1e-6
    assert fit.routing_evenness == (EVENNESS if truth.experts_s else None)


def test_what_was_asked_is_told(package):
    engine = package(Engine(ROUTED))
    _, fit = routed(expert_parallel=2)
    asked = engine.compiled[0]
    assert asked["model"] == "Qwen/Qwen3-235B-A22B-FP8"
    assert (asked["tp_size"], asked["moe_tp_size"], asked["moe_ep_size"]) == (4, 2, 2)
    assert "gemm_quant_mode" not in asked, "the checkpoint's own modes are fp8"
    assert fit.provenance == (
        "aiconfigurator-core 9.9: Qwen/Qwen3-235B-A22B-FP8 on h200_sxm, vllm 0.8, fp8 weights, "
        "bf16 KV, tensor 4 pipeline 1 data 1 expert 2, its own modes"
    )


@pytest.mark.parametrize("ask", [dict(pipeline_parallel=2), dict(data_parallel=2)])
def test_load_is_counted_over_all_ranks_and_micro_batches(package, ask):
    """A half of it each: the same step takes as long with half the cost of each token."""
    package(Engine(ROUTED._replace(experts_s=0.0)))
    time, _ = routed(**ask)
    assert time.prefill_token_s == pytest.approx(ROUTED.prefill_token_s / 2)
    assert time.kv_token_s == pytest.approx(ROUTED.kv_token_s / 2)
    assert time.fixed_s == pytest.approx(ROUTED.fixed_s)


def test_mixed_steps_without_their_attention_are_no_answer(package):
    package(Engine(TRUE))
    _, whole = dense()
    package(Engine(TRUE, finds_attention=False))
    time, latent = dense(tensor_parallel=8)
    assert latent.points < whole.points
    assert time == pytest.approx(TRUE, rel=1e-6, abs=1e-15)


def test_the_second_call_reads_the_disk(package, tmp_path):
    engine = package(Engine(ROUTED))
    first = routed()
    assert routed() == first
    assert len(engine.compiled) == 1
    routed(tensor_parallel=8)
    assert len(engine.compiled) == 2
    files = sorted(path.name for path in (tmp_path / ".cache" / "fleetcast").iterdir())
    assert len(files) == 2
    assert all(name.startswith("aic-") and name.endswith(".json") for name in files)


def test_a_broken_file_is_asked_for_again(package, tmp_path):
    engine = package(Engine(ROUTED))
    first = routed(cache=tmp_path)
    [stored] = tmp_path.glob("aic-*.json")
    stored.write_text(stored.read_text()[:100])
    assert routed(cache=tmp_path) == first
    assert len(engine.compiled) == 2
    assert routed(cache=tmp_path) == first
    assert len(engine.compiled) == 2


def test_a_crash_while_writing_leaves_nothing(package, tmp_path, monkeypatch):
    package(Engine(ROUTED))

    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    time, _ = routed(cache=tmp_path)
    assert time == pytest.approx(ROUTED, rel=1e-6, abs=1e-15)
    assert list(tmp_path.iterdir()) == []


def test_bf16_attention_of_prompts_where_only_that_was_measured(package):
    package(Engine(ROUTED, lacks=(None,)))
    _, fit = routed()
    assert fit.modes == "fmha_quant_mode=bfloat16"


def test_another_precision_than_the_checkpoint_has(package):
    engine = package(Engine(TRUE))
    _, fit = dense(precision="fp8")
    assert engine.compiled[0]["gemm_quant_mode"] == "fp8"
    assert fit.modes == "gemm_quant_mode=fp8"


def test_without_the_package_the_line_to_type(monkeypatch):
    def absent(name):
        raise aic_database.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(aic_database.metadata, "version", absent)
    with pytest.raises(AicMissing, match=r"pip install 'fleetcast\[aic\]'"):
        dense()


def test_a_package_that_cannot_be_imported(package, monkeypatch):
    package(Engine(TRUE))
    monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk.common", None)
    with pytest.raises(AicMissing, match=r"pip install 'fleetcast\[aic\]'"):
        dense()


@pytest.mark.parametrize(
    "model, gpu, engine, version, has",
    [
        ("nobody/nothing", "h200_sxm", "vllm", None, "models are Qwen/Qwen3-235B-A22B-FP8, meta"),
        ("Qwen/Qwen3-235B-A22B", "tpu", "vllm", None, "GPUs are h200-sxm-141gb, h200_sxm"),
        ("Qwen/Qwen3-235B-A22B", "h200_sxm", "trtllm", None, "on h200_sxm it has vllm"),
        ("Qwen/Qwen3-235B-A22B", "h200_sxm", "vllm", "0.1", "on h200_sxm it has 0.8, 0.9"),
    ],
)
def test_what_it_lacks_is_answered_by_what_it_has(package, model, gpu, engine, version, has):
    package(Engine(ROUTED))
    with pytest.raises(AicUnknown, match=has):
        step_time_from_aic(
            model, gpu, engine, engine_version=version, precision="fp8", kv_precision="bf16"
        )


def test_operators_without_figures(package):
    package(Engine(ROUTED, lacks=(None, "bfloat16")))
    with pytest.raises(AicUnknown) as unknown:
        routed()
    assert str(unknown.value).splitlines() == [
        "context attention data missing",
        "it has Qwen/Qwen3-235B-A22B-FP8 on: h200_sxm vllm 0.9",
    ]


def test_layouts_that_mean_nothing(package):
    package(Engine(TRUE))
    with pytest.raises(AicUnknown, match="no experts"):
        dense(data_parallel=2)
    with pytest.raises(AicUnknown, match="does not divide 4 GPUs"):
        routed(expert_parallel=3)


@pytest.mark.parametrize(
    "model, gpu, engine, precision, gpus",
    [
        ("meta-llama/Llama-3.1-70B-Instruct", "h100-sxm-80gb", "vllm", "bf16", 4),
        ("deepseek-ai/DeepSeek-R1", "h200-sxm-141gb", "sglang", "fp8", 8),
        ("openai/gpt-oss-120b", "h100-sxm-80gb", "vllm", "checkpoint", 2),
    ],
)
def test_the_real_tables_follow_our_form(tmp_path, model, gpu, engine, precision, gpus):
    pytest.importorskip(
        "aiconfigurator_core",
        reason="needs pip install 'fleetcast[aic]' (82 MB), which is optional",
    )
    time, fit = step_time_from_aic(
        model,
        gpu,
        engine,
        precision=precision,
        kv_precision="bf16",
        tensor_parallel=gpus,
        cache=tmp_path,
    )
    assert fit.residual_median < 0.08
    assert fit.residual_worst < 0.35
    assert 1e-3 < time.fixed_s < 50e-3
    assert 1e-6 < time.prefill_token_s < 200e-6
    assert time.kv_token_s > 0
    assert bool(time.experts_s) == (fit.routing_evenness is not None)
