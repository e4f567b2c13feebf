"""The coefficients of a step against arithmetic by hand, and what must hold on any hardware."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.catalogue import load_catalogue
from scenarios.catalogue.facts import Precision
from scenarios.fleet import Replica
from scenarios.latency import LinearLatency, Measured, Profile
from scenarios.memory import BYTES_PER_WEIGHT, expert_parameters, layer_parameters
from simulator.data_plane import Reply
from simulator.kernel.step_time import StepTime, in_python
from simulator.latency import calibrated, linear, physics, reply, step_time

CATALOGUE = load_catalogue()
MODELS, GPUS, ENGINES = CATALOGUE.models, CATALOGUE.gpus, CATALOGUE.engines
LLAMA_8B = MODELS["meta-llama/Llama-3.1-8B-Instruct"]
MIXTRAL = MODELS["mistralai/Mixtral-8x7B-v0.1"]
QWEN_MOE = MODELS["Qwen/Qwen3-30B-A3B"]
DEEPSEEK = MODELS["deepseek-ai/DeepSeek-V3"]
GPT_J = MODELS["EleutherAI/gpt-j-6b"]
COSTS = [field for field in StepTime._fields if field != "expert_miss"]


def on(gpu="h100-sxm-80gb", engine="vllm", settings=None, **parts):
    """A replica; `gpu` and `engine` by name or as facts, `settings` the engine's flags."""
    return Replica.model_validate(
        {
            "gpu": GPUS.get(gpu, gpu) if isinstance(gpu, str) else gpu,
            "engine": {
                "name": ENGINES[engine] if isinstance(engine, str) else engine,
                **(settings or {}),
            },
            **parts,
        }
    )


def with_gpu(replica, **facts):
    return replica.model_copy(update={"gpu": replica.gpu.model_copy(update=facts)})


def with_engine(replica, **facts):
    engine = replica.engine
    return replica.model_copy(
        update={
            "engine": engine.model_copy(update={"facts": engine.facts.model_copy(update=facts)})
        }
    )


def unlinked(replica):
    """The replica as if messages between its GPUs took no time."""
    free = {"nvlink_latency_s": 0.0, "pcie_latency_s": 0.0}
    return with_engine(with_gpu(replica, link_bandwidth_bytes_per_s=1e30), **free)


def pure(replica):
    """The replica on an engine that adds nothing of its own."""
    overheads = [f for f in type(replica.engine.facts).model_fields if f.endswith("overhead_s")]
    return with_engine(unlinked(replica), **dict.fromkeys([*overheads, "sampler_logit_s"], 0.0))


def close(value):
    return pytest.approx(value, rel=1e-9, abs=1e-18)


# --- by hand ------------------------------------------------------------------------------------


def test_every_coefficient_of_a_dense_model():
    """Llama-3.1-8B on an H100: 32 layers of 4096, 32 heads and 8 KV heads of 128, MLP 14336."""
    replica = on()
    gpu, vllm = replica.gpu, replica.engine.facts
    layers = 32 * (4096 * 128 * 80 + 3 * 4096 * 14336)
    head = 128256 * 4096
    bytes_per_s = gpu.achieved_bandwidth * 3350e9
    flops_per_s = gpu.achieved_flops * 989e12
    assert physics(LLAMA_8B, replica)._asdict() == close(
        {
            "fixed_s": (
                2 * (layers + head) / bytes_per_s
                + vllm.step_overhead_s
                + 32 * vllm.layer_overhead_s
            ),
            "prefill_token_s": 2 * layers / flops_per_s,
            "decode_token_s": gpu.decode_flops_price * 2 * layers / flops_per_s,
            "sequence_s": (
                vllm.sequence_overhead_s
                + 128256 * vllm.sampler_logit_s
                + gpu.decode_flops_price * 2 * head / flops_per_s
            ),
            "kv_token_s": 2 * 32 * 8 * 128 * 2 / bytes_per_s,
            "attention_pair_s": 4 * 32 * 4096 / (vllm.attention_efficiency * flops_per_s),
            "mixed_s": 32 * vllm.mixed_layer_overhead_s,
            "experts_s": 0.0,
            "expert_miss": 0.0,
        }
    )


def test_every_coefficient_of_a_mixture_of_experts():
    """Mixtral 8x7B on an H100: 32 MoE layers of 8 experts of width 14336, 2 per token."""
    replica = on()
    gpu, vllm = replica.gpu, replica.engine.facts
    attention = 32 * 4096 * 128 * 80
    expert = 32 * 3 * 4096 * 14336
    bytes_per_s = gpu.achieved_bandwidth * 3350e9
    flops_per_s = gpu.achieved_flops * 989e12
    time = physics(MIXTRAL, replica)
    assert time.experts_s == close(8 * expert * 2 / bytes_per_s)
    assert time.expert_miss == close((1 - 2 / 8) ** vllm.routing_evenness)
    assert time.prefill_token_s == close(
        (2 * attention + 2 * 2 * expert / vllm.expert_efficiency) / flops_per_s
    )
    assert time.decode_token_s == close(
        gpu.decode_flops_price * (2 * attention + 2 * 2 * expert) / flops_per_s
    )
    assert time.fixed_s == close(
        2 * (attention + 32000 * 4096) / bytes_per_s
        + vllm.step_overhead_s
        + 32 * (vllm.layer_overhead_s + vllm.moe_layer_overhead_s)
    )


def test_4_bit_checkpoints_with_latent_attention_leave_it_in_bf16():
    """DeepSeek-V3 on eight B200: 61 layers, the first 3 of them dense, one shared expert."""
    replica = on("b200-sxm-180gb", precision="nvfp4", tensor_parallel=8, kv_precision="fp8")
    gpu, vllm = replica.gpu, replica.engine.facts
    attention = 61 * (
        7168 * 1536 + 1536 * 128 * 192  # queries by way of their latent
        + 7168 * (512 + 64) + 512 * 128 * (128 + 128) + 128 * 128 * 7168
    )  # fmt: skip
    mlps = 3 * 3 * 7168 * 18432 + 58 * 3 * 7168 * 2048
    bytes_per_s = 8 * gpu.achieved_bandwidth * 7700e9
    nvfp4 = (4 + 8 / 16) / 8 / vllm.nvfp4_efficiency
    link_s = 2 * 61 * vllm.nvlink_latency_s
    overheads_s = (
        vllm.step_overhead_s
        + 61 * vllm.layer_overhead_s
        + 58 * (vllm.moe_layer_overhead_s + vllm.quantised_moe_layer_overhead_s)
    )
    time = physics(DEEPSEEK, replica)
    assert time.fixed_s == close(
        (2 * attention + nvfp4 * mlps + 2 * 129280 * 7168) / bytes_per_s + overheads_s + link_s
    )
    assert time.experts_s == close(58 * 256 * 3 * 7168 * 2048 * nvfp4 / bytes_per_s)
    # The latent of 512 + 64 bytes is on every GPU.
    assert time.kv_token_s == close(8 * 61 * (512 + 64) / bytes_per_s)
    assert time.attention_pair_s == close(
        2 * 61 * 128 * (128 + 64 + 128)
        / (8 * 2250e12 * gpu.achieved_flops * vllm.attention_efficiency)
    )  # fmt: skip


def pass_s(model, replica, prefill, decode, sequences, kv_tokens, pairs):
    """A step from bytes, FLOPs and messages of one GPU, with the counts of `memory.py`.

    Each of p micro-batches and each of d ranks has its part of the load; a pass goes through all
    stages.
    """
    gpu, engine = replica.gpu, replica.engine.facts
    t, p, d = replica.tensor_parallel, replica.pipeline_parallel, replica.data_parallel
    mine = 1 / (p * d)
    moe = model.experts.layers if model.experts else 0
    per_token = model.experts.per_token if model.experts else 0
    count = model.experts.experts if model.experts else 0
    routers = moe * model.hidden * count
    always = layer_parameters(model, 0) - routers
    expert = moe * expert_parameters(model)
    head = model.vocabulary * model.hidden
    weight = BYTES_PER_WEIGHT[replica.precision]
    value = {"bf16": 2, "fp8": 1}[replica.kv_precision]
    met = (
        1 - (1 - per_token / count) ** (engine.routing_evenness * (prefill + decode) / p)
        if moe
        else 0
    )
    read = always * weight / t + head * 2 / t + count * expert * weight * met / (t * d)
    heads = max(1, model.kv_heads / t)
    read += mine * kv_tokens * model.layers * 2 * heads * model.head_dim * value
    peak = gpu.achieved_flops * gpu.flops_per_s(replica.precision)
    peak16 = gpu.achieved_flops * gpu.bf16_flops_per_s
    price = gpu.decode_flops_price
    compute_s = (prefill + price * decode) * 2 * always / peak
    compute_s += (
        (prefill / engine.expert_efficiency + price * decode) * 2 * per_token * expert / peak
    )
    compute_s += price * sequences * 2 * head / peak16
    width = model.heads * model.head_dim
    compute_s += pairs * 4 * model.layers * width / peak16 / engine.attention_efficiency
    overheads_s = engine.step_overhead_s + model.layers * engine.layer_overhead_s
    overheads_s += moe * engine.moe_layer_overhead_s
    if replica.precision != "bf16":
        overheads_s += moe * engine.quantised_moe_layer_overhead_s
    if replica.precision in ("fp8", "int8"):
        overheads_s += model.layers * engine.fp8_layer_overhead_s
    if prefill:
        overheads_s += model.layers * engine.mixed_layer_overhead_s
    overheads_s += (
        mine * sequences * (engine.sequence_overhead_s + model.vocabulary * engine.sampler_logit_s)
    )
    share, latency_s = {
        "nvlink": (engine.nvlink_efficiency, engine.nvlink_latency_s),
        "pcie": (engine.pcie_efficiency, engine.pcie_latency_s),
    }[gpu.link]
    messages = [2 * (t - 1) / t] * (0 if t == 1 else 2 * model.layers)
    messages += [(d - 1) / d] * (0 if d == 1 else 2 * moe)
    messages += [1] * (p - 1)
    activations = mine * (prefill + decode) * model.hidden * 2
    link_s = sum(
        m * activations / (share * gpu.link_bandwidth_bytes_per_s) + latency_s for m in messages
    )
    return (
        read / (gpu.achieved_bandwidth * gpu.bandwidth_bytes_per_s)
        + compute_s * mine / t
        + overheads_s
        + link_s
    )


LAYOUTS = [(1, 1, 1), (2, 1, 1), (8, 1, 1), (16, 1, 1), (1, 2, 1), (4, 3, 1), (1, 1, 8), (2, 2, 4)]


@pytest.mark.parametrize("model", [LLAMA_8B, MIXTRAL, QWEN_MOE], ids=lambda model: model.name)
@pytest.mark.parametrize(
    "gpu, precision",
    [
        *(("h100-sxm-80gb", precision) for precision in ("bf16", "fp8", "int8", "int4")),
        ("a100-pcie-80gb", "int8"),
        ("l40s-48gb", "fp8"),
    ],
)
def test_a_step_is_the_sum_of_its_parts_on_any_layout(model, gpu, precision):
    for t, p, d in LAYOUTS:
        replica = on(
            gpu, precision=precision, kv_precision="fp8", tensor_parallel=t, pipeline_parallel=p,
            data_parallel=d,
        )  # fmt: skip
        for load in ((2000, 100, 103, 90_000, 1_500_000), (0, 64, 64, 64_000, 64_064)):
            assert in_python(physics(model, replica), *load) == pytest.approx(
                pass_s(model, replica, *load), rel=1e-9
            ), (t, p, d, load)


# --- one knob at a time ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", [LLAMA_8B, QWEN_MOE], ids=lambda model: model.name)
def test_tensor_parallel_halves_bytes_and_flops(model):
    """And nothing of what each sequence costs but its share of the LM head."""
    one, two = (physics(model, pure(on(tensor_parallel=t))) for t in (1, 2))
    for field in COSTS:
        assert 2 * getattr(two, field) == close(getattr(one, field)), field
    assert two.expert_miss == one.expert_miss
    kept = physics(model, on(tensor_parallel=2)).sequence_s - two.sequence_s
    assert kept == close(physics(model, on()).sequence_s - one.sequence_s)


def test_pipeline_stages_share_the_load_but_read_all_weights():
    """Three micro-batches in flight: each has a third of the tokens, and meets fewer experts."""
    one, three = (physics(QWEN_MOE, unlinked(on(pipeline_parallel=p))) for p in (1, 3))
    for field in ("fixed_s", "mixed_s", "experts_s"):
        assert getattr(three, field) == close(getattr(one, field)), field
    for field in ("prefill_token_s", "decode_token_s", "sequence_s", "kv_token_s"):
        assert 3 * getattr(three, field) == close(getattr(one, field)), field
    assert 3 * three.attention_pair_s == close(one.attention_pair_s)
    assert three.expert_miss**3 == close(one.expert_miss)


def test_data_parallel_ranks_share_the_load_and_the_experts():
    one, four = (physics(QWEN_MOE, unlinked(on(data_parallel=d))) for d in (1, 4))
    for field in ("fixed_s", "mixed_s", "expert_miss"):
        assert getattr(four, field) == close(getattr(one, field)), field
    for field in COSTS:
        if field not in ("fixed_s", "mixed_s"):
            assert 4 * getattr(four, field) == close(getattr(one, field)), field
    both = physics(QWEN_MOE, unlinked(on(data_parallel=4, tensor_parallel=2)))
    assert 8 * both.experts_s == close(one.experts_s), "spread over all eight"


@pytest.mark.parametrize("model", [LLAMA_8B, DEEPSEEK], ids=lambda model: model.name)
def test_one_gpu_talks_to_nobody(model):
    assert physics(model, on()) == physics(model, unlinked(on()))
    for layout in ({"tensor_parallel": 2}, {"pipeline_parallel": 2}):
        alone, linked = (physics(model, r) for r in (unlinked(on(**layout)), on(**layout)))
        assert linked.fixed_s > alone.fixed_s
        assert linked.prefill_token_s > alone.prefill_token_s
        # Per token of either kind the same is moved.
        moved_s = linked.prefill_token_s - alone.prefill_token_s
        assert linked.decode_token_s - alone.decode_token_s == pytest.approx(moved_s)


def test_attention_beside_the_mlp_reduces_once():
    """GPT-J: 28 layers, one all-reduce each."""
    behind = GPT_J.model_copy(update={"parallel_attention": False})
    for model, reduces in ((GPT_J, 28), (behind, 56)):
        linked, alone = (
            physics(model, r) for r in (on(tensor_parallel=2), unlinked(on(tensor_parallel=2)))
        )
        vllm = ENGINES["vllm"]
        assert linked.fixed_s - alone.fixed_s == pytest.approx(reduces * vllm.nvlink_latency_s)
        token_s = reduces * 4096 * 2 / (vllm.nvlink_efficiency * 450e9)
        assert linked.prefill_token_s - alone.prefill_token_s == pytest.approx(token_s)


@pytest.mark.parametrize(
    "precision, bytes_per_weight, faster",
    [("fp8", 1.0, 2.0), ("int8", 1.0, 2.0), ("int4", 0.5 + 4 / 128, 1.0)],
)
def test_precision_changes_bytes_and_peak(precision, bytes_per_weight, faster):
    """int4 is unpacked and computed in bf16; the LM head stays bf16."""
    bf16, quantised = (physics(LLAMA_8B, pure(on(precision=p))) for p in ("bf16", precision))
    head_s = 2 * 128256 * 4096 / (GPUS["h100-sxm-80gb"].achieved_bandwidth * 3350e9)
    assert quantised.fixed_s - head_s == close((bf16.fixed_s - head_s) * bytes_per_weight / 2)
    assert faster * quantised.prefill_token_s == close(bf16.prefill_token_s)
    assert faster * quantised.decode_token_s == close(bf16.decode_token_s)
    for field in ("sequence_s", "kv_token_s", "attention_pair_s"):
        assert getattr(quantised, field) == getattr(bf16, field), field


def test_nvfp4_is_a_quarter_of_the_bytes_and_its_scales_at_its_own_bandwidth():
    """A dense model without latent attention: all its layers are quantised."""
    bf16, nvfp4 = (
        physics(LLAMA_8B, pure(on("b200-sxm-180gb", precision=p))) for p in ("bf16", "nvfp4")
    )
    gpu, share = GPUS["b200-sxm-180gb"], ENGINES["vllm"].nvfp4_efficiency
    head_s = 2 * 128256 * 4096 / (gpu.achieved_bandwidth * 7700e9)
    assert nvfp4.fixed_s - head_s == close((bf16.fixed_s - head_s) * 0.5625 / 2 / share)
    assert 4 * nvfp4.prefill_token_s == close(bf16.prefill_token_s)


def test_an_fp8_cache_is_read_in_half_the_time():
    bf16, fp8 = (physics(LLAMA_8B, on(kv_precision=p)) for p in ("bf16", "fp8"))
    assert 2 * fp8.kv_token_s == close(bf16.kv_token_s)
    assert fp8._replace(kv_token_s=bf16.kv_token_s) == bf16


@pytest.mark.parametrize(
    "settings, added_s",
    [
        ({"sampling": "greedy"}, lambda vllm: -128256 * vllm.sampler_logit_s),
        ({"async_scheduling": False}, lambda vllm: vllm.blocking_sequence_overhead_s),
    ],
)
def test_what_a_setting_adds_to_each_sequence(settings, added_s):
    default, changed = physics(LLAMA_8B, on()), physics(LLAMA_8B, on(settings=settings))
    assert changed.sequence_s - default.sequence_s == pytest.approx(added_s(ENGINES["vllm"]))
    assert changed._replace(sequence_s=default.sequence_s) == default


@pytest.mark.parametrize(
    "model, precision, layers",
    [
        (LLAMA_8B, "bf16", 0), (LLAMA_8B, "fp8", 0), (QWEN_MOE, "bf16", 0), (QWEN_MOE, "fp8", 48),
        (QWEN_MOE, "int4", 48),
    ],
)  # fmt: skip
def test_quantised_experts_cost_more_per_layer(model, precision, layers):
    """And no others."""
    replica = on(precision=precision)
    slower = with_engine(
        replica, quantised_moe_layer_overhead_s=1.0 + ENGINES["vllm"].quantised_moe_layer_overhead_s
    )
    assert physics(model, slower).fixed_s - physics(model, replica).fixed_s == pytest.approx(layers)


@pytest.mark.parametrize("precision, layers", [("bf16", 0), ("fp8", 32), ("int8", 32), ("int4", 0)])
def test_quantising_activations_costs_per_layer(precision, layers):
    replica = on(precision=precision)
    slower = with_engine(replica, fp8_layer_overhead_s=1.0 + ENGINES["vllm"].fp8_layer_overhead_s)
    added_s = physics(LLAMA_8B, slower).fixed_s - physics(LLAMA_8B, replica).fixed_s
    assert added_s == pytest.approx(layers)


def test_the_decode_price_is_of_products_that_wait_for_memory():
    """Those of decodes and the LM head; prefills pay in full."""
    free, half, full = (
        physics(MIXTRAL, with_gpu(pure(on()), decode_flops_price=price))
        for price in (0.0, 0.5, 1.0)
    )
    assert free.decode_token_s == free.sequence_s == 0.0
    for field in ("decode_token_s", "sequence_s"):
        assert 2 * getattr(half, field) == close(getattr(full, field)), field
    assert half._replace(decode_token_s=full.decode_token_s, sequence_s=full.sequence_s) == full


# --- a latency of one's own -----------------------------------------------------------------------

EXPLICIT = LinearLatency.model_construct(
    per_step_s=1.0, per_mixed_step_s=2.0, per_prefill_token_s=3.0, per_decode_token_s=4.0,
    per_sequence_s=5.0, per_kv_token_s=6.0, per_attention_pair_s=7.0, all_experts_s=8.0,
    expert_miss=0.9,
)  # fmt: skip


def profile(**parts):
    measured_on = Measured(model=LLAMA_8B.name, gpu="h100-sxm-80gb", engine="vllm")
    return Profile.model_construct(measured_on=measured_on, source="a test", date="today", **parts)


def test_an_explicit_step_is_taken_as_it_is():
    given_s = linear(EXPLICIT)
    assert given_s == StepTime(1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 2.0, 8.0, 0.9)
    assert step_time(LLAMA_8B, on(), EXPLICIT) == given_s
    assert step_time(LLAMA_8B, on(), None) == physics(LLAMA_8B, on())


@pytest.mark.parametrize("step", [None, EXPLICIT], ids=["physics", "explicit"])
def test_a_step_factor_scales_every_cost_and_no_chance(step):
    base = physics(MIXTRAL, on()) if step is None else linear(step)
    scaled = step_time(MIXTRAL, on(), profile(step_factor=1.5, step=step))
    for field in COSTS:
        assert getattr(scaled, field) == 1.5 * getattr(base, field), field
    assert scaled.expert_miss == base.expert_miss > 0


def test_an_overhead_factor_scales_the_overheads_per_step_and_layer_alone():
    vllm, base = ENGINES["vllm"], physics(MIXTRAL, on())
    overheads_s = vllm.step_overhead_s + 32 * (vllm.layer_overhead_s + vllm.moe_layer_overhead_s)
    slower = calibrated(MIXTRAL, on(), profile(overhead_factor=3.0))
    assert slower.fixed_s - base.fixed_s == pytest.approx(2.0 * overheads_s)
    assert slower._replace(fixed_s=base.fixed_s) == base
    both = calibrated(MIXTRAL, on(), profile(overhead_factor=3.0, step_factor=2.0))
    assert both.fixed_s == close(2.0 * slower.fixed_s)


def test_a_profile_of_ones_changes_nothing():
    assert calibrated(DEEPSEEK, on(), profile()) == physics(DEEPSEEK, on())


def test_the_reply_comes_from_the_front_end():
    """Of the catalogue or a profile; in process and beside an explicit step there is none."""
    replica, vllm = on(), ENGINES["vllm"]
    sequence_ns = round(vllm.reply_sequence_s * 1e9)
    assert sequence_ns > 0
    assert reply(replica, None) == Reply(round(vllm.reply_s * 1e9), sequence_ns)
    assert reply(replica, profile()) == reply(replica, None)
    assert reply(replica, profile(reply_s=0.002)) == Reply(2_000_000, sequence_ns)
    assert reply(replica, profile(reply_s=0.0)) == Reply(0, sequence_ns)
    assert reply(replica, EXPLICIT) == Reply()
    in_process = on(settings={"http": False})
    assert reply(in_process, None) == reply(in_process, profile(reply_s=0.002)) == Reply()


# --- on any hardware ------------------------------------------------------------------------------


@st.composite
def replicas(draw):
    gpu = draw(st.sampled_from(list(GPUS.values())))
    able = [precision for precision in get_args(Precision) if gpu.flops_per_s(precision)]
    return on(
        gpu,
        draw(st.sampled_from(list(ENGINES))),
        {
            "sampling": draw(st.sampled_from(["greedy", "top-p"])),
            "async_scheduling": draw(st.booleans()),
        },
        tensor_parallel=draw(st.sampled_from([1, 2, 4, 8])),
        pipeline_parallel=draw(st.integers(1, 4)),
        data_parallel=draw(st.integers(1, 8)),
        precision=draw(st.sampled_from(able)),
        kv_precision=draw(st.sampled_from(["bf16", "fp8"])),
    )


ANY_MODEL = st.sampled_from(list(MODELS.values()))
COUNTS = st.integers(0, 5_000)
LOADS = st.tuples(COUNTS, COUNTS, COUNTS, st.integers(0, 10**7), st.integers(0, 10**8))


def step_s(model, replica, load):
    return in_python(physics(model, replica), *load)


def a_bit_above(seconds):
    """Allows for rounding."""
    return seconds * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(ANY_MODEL, replicas())
def test_no_coefficient_is_below_zero_and_a_chance_is_below_one(model, replica):
    time = physics(model, replica)
    assert min(time) >= 0 and min(time.fixed_s, time.prefill_token_s, time.kv_token_s) > 0
    assert time.expert_miss < 1
    assert (time.expert_miss > 0) == (time.experts_s > 0) == (model.experts is not None)


@settings(max_examples=100, deadline=None)
@given(ANY_MODEL, replicas(), LOADS, st.sampled_from(["bandwidth", "flops", "link"]))
def test_faster_hardware_never_makes_a_step_longer(model, replica, load, what):
    fields = [f for f in type(replica.gpu).model_fields if f.endswith("_per_s")]
    chosen = {
        "bandwidth": ["bandwidth_bytes_per_s"],
        "flops": [f for f in fields if f.endswith("flops_per_s") and getattr(replica.gpu, f)],
        "link": ["link_bandwidth_bytes_per_s"],
    }[what]
    faster = with_gpu(replica, **{f: 1.5 * getattr(replica.gpu, f) for f in chosen})
    before, after = step_s(model, replica, load), step_s(model, faster, load)
    assert after <= a_bit_above(before)
    if what == "bandwidth":
        assert after < before, "weights are always read"


@settings(max_examples=100, deadline=None)
@given(ANY_MODEL, replicas(), LOADS, LOADS)
def test_more_work_never_makes_a_step_shorter(model, replica, load, more):
    together = [a + b for a, b in zip(load, more, strict=True)]
    assert step_s(model, replica, load) <= a_bit_above(step_s(model, replica, together))


@settings(max_examples=100, deadline=None)
@given(ANY_MODEL, replicas(), LOADS)
def test_more_gpus_never_make_a_step_longer_but_for_their_links(model, replica, load):
    alone = unlinked(replica)
    for field in ("tensor_parallel", "pipeline_parallel", "data_parallel"):
        doubled = alone.model_copy(update={field: 2 * getattr(alone, field)})
        assert step_s(model, doubled, load) <= a_bit_above(step_s(model, alone, load)), field


@settings(max_examples=100, deadline=None)
@given(ANY_MODEL, replicas())
def test_more_tensor_parallel_never_reads_more_per_gpu(model, replica):
    doubled = replica.model_copy(update={"tensor_parallel": 2 * replica.tensor_parallel})
    one, two = (physics(model, pure(each)) for each in (replica, doubled))
    assert 2 * two.fixed_s == close(one.fixed_s)
    assert 2 * two.experts_s == close(one.experts_s)
    assert one.kv_token_s / 2 <= a_bit_above(two.kv_token_s)
    assert two.kv_token_s <= one.kv_token_s, "KV heads are split until each GPU has one"


@settings(max_examples=100, deadline=None)
@given(replicas(), LOADS, st.floats(0.1, 10.0))
def test_a_calibrated_step_is_the_factor_times_physics(replica, load, factor):
    scaled = calibrated(MIXTRAL, replica, profile(step_factor=factor))
    assert in_python(scaled, *load) == pytest.approx(factor * step_s(MIXTRAL, replica, load))
