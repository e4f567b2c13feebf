"""Memory against published and measured figures."""

import pytest

from scenarios.catalogue import load_catalogue
from scenarios.fleet import EngineSettings, Replica
from scenarios.memory import (
    BYTES_PER_WEIGHT,
    active_parameters,
    embedding_parameters,
    fitting_tensor_parallel,
    head_parameters,
    kv_blocks,
    kv_bytes_per_token,
    kv_bytes_per_token_per_gpu,
    missing_bytes,
    parameters,
    weight_bytes,
)

CATALOGUE = load_catalogue()
MODELS = CATALOGUE.models
H100 = CATALOGUE.gpus["h100-sxm-80gb"]
L4 = CATALOGUE.gpus["l4-24gb"]
VLLM = EngineSettings(name="vllm")
LLAMA_8B = MODELS["meta-llama/Llama-3.1-8B-Instruct"]
LLAMA_70B = MODELS["meta-llama/Llama-3.1-70B-Instruct"]
DEEPSEEK = MODELS["deepseek-ai/DeepSeek-V3"]


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
