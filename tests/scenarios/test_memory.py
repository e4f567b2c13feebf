"""Memory against published and measured figures."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.catalogue import load_catalogue
from scenarios.fleet import EngineSettings, Replica
from scenarios.memory import (
    BYTES_PER_WEIGHT,
    active_parameters,
    embedding_parameters,
    expert_parameters,
    fitting_tensor_parallel,
    head_parameters,
    kv_blocks,
    kv_bytes_per_token,
    kv_bytes_per_token_on,
    kv_bytes_per_token_per_gpu,
    kv_pool_bytes,
    missing_bytes,
    parameters,
    weight_bytes,
    weight_bytes_per_gpu,
)

CATALOGUE = load_catalogue()
MODELS = CATALOGUE.models
H100 = CATALOGUE.gpus["h100-sxm-80gb"]
L4 = CATALOGUE.gpus["l4-24gb"]
VLLM = EngineSettings(name="vllm")
LLAMA_8B = MODELS["meta-llama/Llama-3.1-8B-Instruct"]
LLAMA_70B = MODELS["meta-llama/Llama-3.1-70B-Instruct"]
DEEPSEEK = MODELS["deepseek-ai/DeepSeek-V3"]
QWEN_MOE = MODELS["Qwen/Qwen3-30B-A3B"]
MEASURED = Path(__file__).parents[3] / "shared" / "data" / "truth" / "vllm_s2r" / "cases.csv"


def on(gpu, tensor_parallel=1, precision="bf16", **more):
    return Replica(
        gpu=gpu, tensor_parallel=tensor_parallel, precision=precision, engine=VLLM, **more
    )


@pytest.mark.parametrize(
    "name, expected_bytes",
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 131_072),
        ("meta-llama/Llama-3.1-70B-Instruct", 327_680),
        ("deepseek-ai/DeepSeek-V3", 70_272),
    ],
)
def test_kv_bytes_per_token(name, expected_bytes):
    assert kv_bytes_per_token(MODELS[name]) == expected_bytes
    assert kv_bytes_per_token(MODELS[name], kv_bytes_per_value=1.0) == expected_bytes / 2


def test_kv_heads_are_split_and_then_repeated():
    per_gpu = [kv_bytes_per_token_per_gpu(LLAMA_70B, t) for t in (1, 4, 8, 16)]
    assert per_gpu == [327_680, 81_920, 40_960, 40_960]


def test_the_latent_of_mla_is_on_every_gpu():
    assert kv_bytes_per_token_per_gpu(DEEPSEEK, 8) == kv_bytes_per_token(DEEPSEEK)


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.published_parameters])
def test_parameters_are_the_published(name):
    published = MODELS[name].published_parameters
    assert parameters(MODELS[name]) == pytest.approx(published, rel=0.015)


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.published_active_parameters])
def test_active_parameters_are_the_published(name):
    """Some makers count the input embedding, some do not; two digits are stated, so up to 2.5 %."""
    model = MODELS[name]
    without_embedding = active_parameters(model)
    with_embedding = without_embedding + head_parameters(model)
    published = model.published_active_parameters
    assert published in (
        pytest.approx(without_embedding, rel=0.025),
        pytest.approx(with_embedding, rel=0.025),
    )


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_dense_model_is_all_active(model):
    idle = parameters(model) - active_parameters(model)
    lookup = 0 if model.tied_embeddings else head_parameters(model)
    assert idle == lookup if model.experts is None else idle > lookup


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_precision_changes_all_weights_but_the_embeddings(model):
    embeddings = 2 * embedding_parameters(model)
    layers = weight_bytes(model, "bf16") - embeddings
    assert weight_bytes(model, "bf16") == 2 * parameters(model)
    for precision, bytes_per_weight in BYTES_PER_WEIGHT.items():
        if precision == "nvfp4" and model.latent_attention is not None:
            continue  # its attention stays bf16
        quantised = weight_bytes(model, precision) - embeddings
        assert quantised == pytest.approx(layers * bytes_per_weight / 2)


@pytest.mark.parametrize(
    "name, tensor_parallel, measured_blocks",
    [
        ("meta-llama/Llama-2-7b-hf", 1, 7_462),
        ("codellama/CodeLlama-34b-Instruct-hf", 2, 26_602),
        ("mistralai/Mixtral-8x7B-v0.1", 2, 27_510),
        ("meta-llama/Llama-2-70b-hf", 4, 31_356),
    ],
)
def test_kv_pools_are_the_measured(name, tensor_parallel, measured_blocks):
    """vLLM 0.15 on H100, gpu_memory_utilization 0.9 (traces of inference-sim)."""
    blocks = kv_blocks(MODELS[name], on(H100, tensor_parallel))
    assert blocks == pytest.approx(measured_blocks, rel=0.02)


def test_all_pools_at_hand_are_the_measured():
    """Every pool that somebody read off an engine; estimates are not of that kind."""
    if not MEASURED.is_file():
        pytest.skip(f"no measurements at {MEASURED}: they may not be redistributed")
    with MEASURED.open() as file:
        rows = [row for row in csv.DictReader(file) if row["precision"].startswith("bf16")]
    seen = set()
    for row in rows:
        if row["gpu_kv_blocks_source"].startswith("estimated"):
            continue
        gpu = CATALOGUE.gpus[row["gpu"].lower()]
        blocks = kv_blocks(MODELS[row["model"]], on(gpu, int(row["tp"])))
        assert float(row["gpu_memory_utilization"]) == VLLM.gpu_memory_utilization
        assert blocks == pytest.approx(float(row["gpu_kv_blocks"]), rel=0.03), row["case_id"]
        seen.add((row["model"], row["tp"]))
    assert len(seen) >= 9


# --- layouts --------------------------------------------------------------------------------------


def test_pipeline_stages_hold_a_part_of_the_layers():
    """Weights and each token's cache are split, so a pool of as many bytes holds more tokens."""
    one, four = on(H100, 2), on(H100, 2, pipeline_parallel=4)
    assert weight_bytes_per_gpu(LLAMA_70B, one) == 2 * parameters(LLAMA_70B) / 2
    assert weight_bytes_per_gpu(LLAMA_70B, four) == 2 * parameters(LLAMA_70B) / 8
    # 80 layers over 4 stages, 8 KV heads over 2 GPUs, keys and values of 128 in bf16.
    assert kv_bytes_per_token_on(LLAMA_70B, four) == 20 * 4 * 2 * 128 * 2
    pool = 0.9 * 80 * 2**30 - 1.8e9 - weight_bytes_per_gpu(LLAMA_70B, four)
    assert kv_pool_bytes(LLAMA_70B, four) == pytest.approx(pool)
    assert kv_blocks(LLAMA_70B, four) == pool // (16 * 20 * 4 * 2 * 128 * 2)


def test_data_parallel_ranks_copy_a_dense_model_and_add_up_their_pools():
    one, four = on(H100), on(H100, data_parallel=4)
    assert weight_bytes_per_gpu(LLAMA_8B, four) == weight_bytes_per_gpu(LLAMA_8B, one)
    assert kv_bytes_per_token_on(LLAMA_8B, four) == kv_bytes_per_token_on(LLAMA_8B, one)
    assert kv_blocks(LLAMA_8B, four) == 4 * kv_blocks(LLAMA_8B, one)


def test_data_parallel_ranks_spread_the_experts():
    """Qwen3-30B-A3B: 48 layers of 128 experts; attention, router and embeddings on every rank."""
    one, eight = on(H100), on(H100, data_parallel=8)
    experts = 48 * 128 * expert_parameters(QWEN_MOE) * 2
    assert experts == 48 * 128 * 3 * 2048 * 768 * 2
    rest = weight_bytes_per_gpu(QWEN_MOE, one) - experts
    assert 0 < rest < 0.1 * experts
    assert weight_bytes_per_gpu(QWEN_MOE, eight) == pytest.approx(rest + experts / 8)
    assert kv_blocks(QWEN_MOE, eight) > 8 * kv_blocks(QWEN_MOE, one)
    # In fp8 the experts are half as large, and spread all the same.
    fp8 = on(H100, 1, "fp8", data_parallel=8)
    embeddings = 2 * embedding_parameters(QWEN_MOE)
    halved = embeddings + (rest - embeddings) / 2 + experts / 16
    assert weight_bytes_per_gpu(QWEN_MOE, fp8) == pytest.approx(halved)


@pytest.mark.parametrize("model", [LLAMA_8B, QWEN_MOE], ids=lambda model: model.name)
def test_an_fp8_cache_holds_twice_as_many_tokens(model):
    bf16, fp8 = on(H100), on(H100, kv_precision="fp8")
    assert kv_bytes_per_token_on(model, bf16) == 2 * kv_bytes_per_token_on(model, fp8)
    assert kv_pool_bytes(model, bf16) == kv_pool_bytes(model, fp8)
    assert kv_blocks(model, fp8) - 2 * kv_blocks(model, bf16) in (0, 1)


LAYOUTS = st.builds(
    on,
    st.sampled_from([gpu for gpu in CATALOGUE.gpus.values() if gpu.fp8_flops_per_s]),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from(["bf16", "fp8", "int4"]),
    pipeline_parallel=st.integers(1, 8),
    data_parallel=st.integers(1, 8),
    kv_precision=st.sampled_from(["bf16", "fp8"]),
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(MODELS.values())), LAYOUTS)
def test_no_weight_is_lost_over_the_gpus(model, replica):
    """Ranks hold copies of all but the experts, so together at least the model and at most one copy
    of it for each."""
    together = weight_bytes_per_gpu(model, replica) * replica.gpus
    whole = weight_bytes(model, replica.precision)
    assert (1 - 1e-9) * whole <= together <= (1 + 1e-9) * whole * replica.data_parallel
    if replica.data_parallel == 1:
        assert together == pytest.approx(whole)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(MODELS.values())), LAYOUTS)
def test_the_pool_is_within_the_memory_and_missing_agrees(model, replica):
    blocks, block_tokens = kv_blocks(model, replica), replica.engine.facts.block_tokens
    rank_blocks = blocks // replica.data_parallel
    used = rank_blocks * block_tokens * kv_bytes_per_token_on(model, replica)
    assert used <= kv_pool_bytes(model, replica) * (1 + 1e-9) or blocks < 0
    assert (missing_bytes(model, replica) == 0.0) == (rank_blocks >= 1)
    if blocks > 0:
        lacking = missing_bytes(model, replica, rank_blocks * block_tokens + 1)
        assert 0 < lacking <= block_tokens * kv_bytes_per_token_on(model, replica)


def test_what_does_not_fit_says_by_how_much():
    assert kv_blocks(LLAMA_70B, on(H100)) < 0
    missing = missing_bytes(LLAMA_70B, on(H100))
    larger = H100.model_copy(update={"memory_bytes": H100.memory_bytes + (missing + 1) / 0.9})
    assert missing_bytes(LLAMA_70B, on(larger)) == 0.0
    assert kv_blocks(LLAMA_70B, on(larger)) == 1


@pytest.mark.parametrize("context_tokens", [1, 16, 17, 100_000, 1_000_000])
@pytest.mark.parametrize("gpu", [H100, L4], ids=lambda gpu: gpu.name)
def test_missing_and_blocks_agree(gpu, context_tokens):
    blocks = kv_blocks(LLAMA_8B, on(gpu))
    missing = missing_bytes(LLAMA_8B, on(gpu), context_tokens)
    assert (missing == 0.0) == (blocks * VLLM.facts.block_tokens >= context_tokens)


def test_fitting_tensor_parallel_is_the_smallest():
    assert fitting_tensor_parallel(LLAMA_8B, on(H100)) == 1
    assert fitting_tensor_parallel(LLAMA_70B, on(H100)) == 2
    # 16 H100 would hold it, but no NVLink joins them.
    assert fitting_tensor_parallel(DEEPSEEK, on(H100, 1, "fp8")) is None
    assert fitting_tensor_parallel(DEEPSEEK, on(L4)) is None


def test_tensor_parallel_must_divide_the_heads():
    """Qwen2.5-7B has 28 heads: 8 GPUs cannot share them."""
    qwen = MODELS["Qwen/Qwen2.5-7B-Instruct"]
    tiny = L4.model_copy(update={"memory_bytes": 6e9})
    assert missing_bytes(qwen, on(tiny, 8)) == 0.0
    assert missing_bytes(qwen, on(tiny, 4)) > 0.0
    assert fitting_tensor_parallel(qwen, on(tiny)) is None
