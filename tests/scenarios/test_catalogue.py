"""The catalogue is complete, sourced, and open to a user's own entries."""

import numpy as np
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAMLError

from scenarios.catalogue import CatalogueFile, coefficients, load_catalogue
from scenarios.catalogue.facts import Engine, Gpu
from scenarios.catalogue.hugging_face import model_from_config
from scenarios.memory import parameters

CATALOGUE = load_catalogue()
SHELVES = (CATALOGUE.gpus, CATALOGUE.models, CATALOGUE.engines)
ENTRIES = [entry for shelf in SHELVES for entry in shelf.values()]

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}
QWEN2_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 32768,
    "max_window_layers": 28,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "sliding_window": 131072,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
QWEN3_30B = {
    "model_type": "qwen3_moe",
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "max_position_embeddings": 40960,
    "mlp_only_layers": [],
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 48,
    "num_key_value_heads": 4,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}
MIXTRAL_8X7B = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "sliding_window": None,
    "vocab_size": 32000,
}
GPT_OSS_20B = {
    "model_type": "gpt_oss",
    "experts_per_token": 4,
    "head_dim": 64,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "num_attention_heads": 64,
    "num_hidden_layers": 24,
    "num_key_value_heads": 8,
    "num_local_experts": 32,
    "sliding_window": 128,
    "vocab_size": 201088,
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
MAVERICK = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "attention_chunk_size": 8192,
        "head_dim": 128,
        "hidden_size": 5120,
        "interleave_moe_layer_step": 2,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "max_position_embeddings": 1048576,
        "num_attention_heads": 40,
        "num_experts_per_tok": 1,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "vocab_size": 202048,
    },
    "vision_config": {"hidden_size": 1408},
}
GPT_J = {
    "model_type": "gptj",
    "n_embd": 4096,
    "n_head": 16,
    "n_inner": None,
    "n_layer": 28,
    "n_positions": 2048,
    "tie_word_embeddings": False,
    "vocab_size": 50400,
}
FALCON_180B = {
    "model_type": "falcon",
    "hidden_size": 14848,
    "new_decoder_architecture": True,
    "num_attention_heads": 232,
    "num_hidden_layers": 80,
    "num_kv_heads": 8,
    "vocab_size": 65024,
}
MY_GPU = """
gpus:
  my-gpu:
    memory: 100GiB
    bandwidth: 4TB/s
    bf16: 1PFLOP/s
    link: pcie
    link_bandwidth: 64GB/s
    source: our datasheet
    date: 2026-11
"""
MY_ENGINE = """
engines:
  my-engine:
    kept_memory: 2GB
    source: our logs
    date: 2026-11
"""
SHARES = ("achieved_bandwidth", "achieved_flops", "decode_flops_price")
FIT = coefficients()["fit"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_names_its_source_and_date(entry):
    assert entry.source.strip()
    assert entry.date.startswith("20")


@pytest.mark.parametrize("shelf", SHELVES, ids=("gpus", "models", "engines"))
def test_every_entry_knows_its_name(shelf):
    assert all(entry.name == name for name, entry in shelf.items())


def test_every_price_is_a_range_with_a_source():
    prices = [gpu.price for gpu in CATALOGUE.gpus.values() if gpu.price]
    assert len(prices) >= 7
    assert all(0 < price.low_usd_per_hour <= price.high_usd_per_hour for price in prices)
    assert all(price.source for price in prices)


def test_the_power_of_every_gpu_is_known():
    powers = {name: gpu.power_w for name, gpu in CATALOGUE.gpus.items()}
    assert all(power and 70 <= power <= 1400 for power in powers.values()), powers
    assert (powers["h100-sxm-80gb"], powers["h100-pcie-80gb"], powers["l4-24gb"]) == (700, 350, 72)


def test_what_gpus_draw_is_a_share_with_a_source_that_says_it_is_assumed():
    assert set(CATALOGUE.draws) == {"idle", "busy"}
    assert 0 < CATALOGUE.draws["idle"].share < CATALOGUE.draws["busy"].share < 1
    assert all("assumed" in draw.source for draw in CATALOGUE.draws.values())


def test_the_common_gpus_are_known():
    assert set(CATALOGUE.gpus) >= {
        "a100-sxm-40gb",
        "a100-sxm-80gb",
        "h100-sxm-80gb",
        "h100-pcie-80gb",
        "h200-sxm-141gb",
        "b200-sxm-180gb",
        "l4-24gb",
        "l40s-48gb",
        "a10g-24gb",
        "mi300x-192gb",
    }


def test_models_range_from_1b_to_671b_in_every_kind():
    models = CATALOGUE.models.values()
    assert len(models) >= 25
    assert min(map(parameters, models)) < 1.3e9
    assert max(map(parameters, models)) > 670e9
    assert sum(model.experts is None for model in models) >= 10
    assert sum(model.experts is not None for model in models) >= 5
    assert sum(model.latent_attention is not None for model in models) >= 3


def test_no_model_has_more_special_layers_than_layers():
    for model in CATALOGUE.models.values():
        assert model.heads % model.kv_heads == 0, model.name
        for part in (model.experts, model.sliding_window):
            assert part is None or part.layers <= model.layers, model.name


def test_an_extra_file_adds_an_entry(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_GPU)
    with_mine = load_catalogue((mine,))
    assert with_mine.gpus["my-gpu"].memory_bytes == 100 * 2**30
    assert with_mine.models == CATALOGUE.models
    assert "my-gpu" not in load_catalogue().gpus


def test_an_extra_file_replaces_an_entry_and_the_last_file_wins(tmp_path):
    files = (tmp_path / "first.yaml", tmp_path / "second.yaml")
    for file, memory in zip(files, ("70GB", "75GB"), strict=True):
        file.write_text(MY_GPU.replace("my-gpu", "h100-sxm-80gb").replace("100GiB", memory))
    h100 = load_catalogue(files).gpus["h100-sxm-80gb"]
    assert h100.memory_bytes == 75e9
    assert h100.price is None, "the entry is replaced as a whole"


def test_an_edited_extra_file_is_read_again(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_GPU)
    load_catalogue((mine,))
    mine.write_text(MY_GPU.replace("100GiB", "200GiB"))
    assert load_catalogue((mine,)).gpus["my-gpu"].memory_bytes == 200 * 2**30


# --- what was fitted ------------------------------------------------------------------------------


def shares(gpu):
    return {field: getattr(gpu, field) for field in SHARES}


@pytest.mark.parametrize("gpu", CATALOGUE.gpus.values(), ids=CATALOGUE.gpus)
def test_every_gpu_has_the_shares_of_its_silicon(gpu):
    assert shares(gpu) == coefficients()["silicon"][gpu.silicon]


@pytest.mark.parametrize("engine", CATALOGUE.engines.values(), ids=CATALOGUE.engines)
def test_every_engine_was_measured_and_shares_the_rest_with_all(engine):
    shelf = coefficients()["engines"]
    assert engine.name in shelf
    fitted = {**shelf["unknown"], **shelf[engine.name]}
    rest = {"kept_memory": "2GB", "source": "a test", "date": "2026-11"}
    read = Engine.model_validate({"name": engine.name, **fitted, **rest}).as_yaml_data()
    ours = engine.as_yaml_data()
    assert {key: ours[key] for key in fitted} == {key: read[key] for key in fitted}


@pytest.mark.parametrize("name", coefficients()["silicon"])
def test_shares_of_a_chip_are_within_their_bounds(name):
    """Whichever chip, whether a card of it is in the catalogue or not."""
    facts = {
        "silicon": name, "memory": "1GB", "bandwidth": "1GB/s", "bf16": "1TFLOP/s",
        "link": "pcie", "link_bandwidth": "1GB/s", "source": "a test", "date": "2026-11",
    }  # fmt: skip
    gpu = CatalogueFile.model_validate({"gpus": {"mine": facts}}).gpus["mine"]
    assert isinstance(gpu, Gpu)
    assert 0.5 < gpu.achieved_bandwidth <= 1.1
    assert 0.2 < gpu.achieved_flops <= 1.0


def test_a_gpu_nobody_measured_has_the_shares_of_the_unknown(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_GPU)
    gpu = load_catalogue((mine,)).gpus["my-gpu"]
    assert gpu.silicon == "unknown"
    assert shares(gpu) == coefficients()["silicon"]["unknown"]


def test_a_gpu_of_a_measured_chip_has_its_shares_but_for_its_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_GPU + "    silicon: a100\n    achieved_flops: 0.25\n")
    gpu = load_catalogue((mine,)).gpus["my-gpu"]
    assert shares(gpu) == coefficients()["silicon"]["a100"] | {"achieved_flops": 0.25}


def test_an_engine_nobody_measured_has_the_overheads_of_the_unknown_but_for_its_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_ENGINE + "    step_overhead: 5ms\n")
    engine = load_catalogue((mine,)).engines["my-engine"]
    unknown = CatalogueFile.model_validate(
        {"engines": {"unknown": {"kept_memory": "2GB", "source": "our logs",
                                 "date": "2026-11"}}}
    ).engines["unknown"]  # fmt: skip
    expected = unknown.model_copy(update={"name": "my-engine", "step_overhead_s": 0.005})
    assert engine == expected
    assert engine.layer_overhead_s == pytest.approx(unknown.layer_overhead_s)


def test_an_engine_of_a_known_name_keeps_what_was_fitted(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MY_ENGINE.replace("my-engine", "sglang"))
    engine = load_catalogue((mine,)).engines["sglang"]
    assert engine.layer_overhead_s == CATALOGUE.engines["sglang"].layer_overhead_s
    assert engine.kept_memory_bytes == 2e9


def test_the_fit_says_how_sure_it_is_of_what_it_gives():
    """One row of correlations for each coefficient; all of them together a covariance."""
    sure = FIT["uncertainty"]
    assert all(0 < error < 1 for error in sure.values())
    assert set(FIT["undecided"]) <= set(sure)
    rows = FIT["correlation"]
    assert [len(row) for row in rows] == list(range(1, len(sure) + 1))
    matrix = np.zeros((len(sure), len(sure)))
    for i, row in enumerate(rows):
        matrix[i, : i + 1] = matrix[: i + 1, i] = np.array(row) / 100
    assert (np.diag(matrix) == 1).all()
    assert (np.abs(matrix) <= 1).all()
    # Rounded to hundredths, evenly: eigenvalues move by about the square root of the size.
    assert np.linalg.eigvalsh(matrix).min() > -0.005 * len(sure) ** 0.5


def test_every_fitted_coefficient_is_one_of_the_file():
    """And a tied one stands for one of them."""
    engines = coefficients()["engines"]
    shelves = coefficients()["silicon"] | engines

    def value_of(key):
        owner, field = key.rsplit(".", 1)
        return shelves.get(owner, {}).get(field.removesuffix("_s"))

    assert all(value_of(key) is not None for key in FIT["uncertainty"])
    fields = {key.rsplit(".", 1)[1].removesuffix("_s") for key in FIT["uncertainty"]}
    assert fields == {*SHARES, *engines["unknown"]}
    assert FIT["tied"]
    for tied, owner in FIT["tied"].items():
        assert tied not in FIT["uncertainty"]
        assert owner in FIT["uncertainty"]
        assert value_of(tied) == value_of(owner)


def test_bands_are_of_what_may_be_new_about_a_replica():
    """Medians and 90th percentiles, %, of six classes."""
    assert set(FIT["bands"]) == {
        f"{what}_{kind}" for what in ("known", "unknown_gpu", "unknown_engine")
        for kind in ("dense", "moe")
    }  # fmt: skip
    for errors in FIT["bands"].values():
        for latency in ("tpot", "ttft", "e2e"):
            assert 0 < errors[f"{latency}_median"] < errors[f"{latency}_p90"]


@pytest.mark.parametrize(
    "text, place",
    [
        (MY_GPU.replace("100GiB", "100"), ("gpus", "my-gpu", "memory")),
        (MY_GPU.replace("bf16", "bf61"), ("gpus", "my-gpu", "bf61")),
        (MY_GPU.replace("gpus:", "gpu:"), ("gpu",)),
        ("gpus: [h100]", ("gpus",)),
        ("models: {mine: 8B}", ("models", "mine")),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, text, place):
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(ValidationError) as caught:
        load_catalogue((mine,))
    assert place in [fault["loc"] for fault in caught.value.errors()]


def test_what_is_not_yaml_is_refused(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("gpus: {")
    with pytest.raises(YAMLError):
        load_catalogue((mine,))


@pytest.mark.parametrize(
    "name, config",
    [
        ("meta-llama/Llama-3.1-8B-Instruct", LLAMA_8B),
        ("Qwen/Qwen2.5-7B-Instruct", QWEN2_7B),
        ("Qwen/Qwen3-30B-A3B", QWEN3_30B),
        ("mistralai/Mixtral-8x7B-v0.1", MIXTRAL_8X7B),
        ("openai/gpt-oss-20b", GPT_OSS_20B),
        ("deepseek-ai/DeepSeek-V3", DEEPSEEK_V3),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", MAVERICK),
        ("EleutherAI/gpt-j-6b", GPT_J),
        ("tiiuae/falcon-180B", FALCON_180B),
    ],
)
def test_config_json_gives_the_facts_of_the_catalogue(name, config):
    provenance = {"source", "date", "published_parameters", "published_active_parameters"}
    read = model_from_config(config, name)
    assert read.model_dump(exclude=provenance) == CATALOGUE.models[name].model_dump(
        exclude=provenance
    )


def test_a_window_over_the_later_layers_only():
    windowed = QWEN2_7B | {"use_sliding_window": True, "max_window_layers": 21}
    window = model_from_config(windowed, "mine").sliding_window
    assert (window.layers, window.tokens) == (7, 131072)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "vocab_size", "model_type"])
def test_a_missing_key_is_named(key):
    config = {k: value for k, value in LLAMA_8B.items() if k != key}
    with pytest.raises(ValueError, match=key):
        model_from_config(config, "mine")


@pytest.mark.parametrize(
    "config, words",
    [
        (LLAMA_8B | {"linear_num_value_heads": 32}, "linear attention"),
        (LLAMA_8B | {"ssm_state_size": 128}, "Mamba"),
        (DEEPSEEK_V3 | {"index_topk": 2048}, "DSA"),
        (LLAMA_8B | {"model_type": "bloom"}, "'bloom' is not known"),
        (GPT_OSS_20B | {"layer_types": ["linear_attention"] * 24}, "linear_attention"),
    ],
)
def test_what_the_facts_cannot_express_is_refused(config, words):
    with pytest.raises(ValueError, match=words):
        model_from_config(config, "mine")
