"""The shape of a model from its Hugging Face config.json.

Keys differ by family for the same thing; the tables below say which. A family that is not listed
is refused: an unknown attention would give a wrong KV cache without a sign of it.
"""

from typing import Any

from scenarios.catalogue.facts import Model

Config = dict[str, Any]

# `model_type` of the families whose layers we know: gated MLPs and full or windowed attention.
GATED = (
    *("deepseek_v2", "deepseek_v3", "glm4_moe", "gpt_oss", "kimi_k2", "llama", "llama4_text"),
    *("minimax_m2", "mistral", "mixtral", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"),
)
# Two plain MLP matrices, beside the attention.
PARALLEL = ("falcon", "gptj")

# What our facts cannot express, by the key that gives it away.
INEXPRESSIBLE = {
    "linear_attn_config": "linear attention",
    "linear_num_value_heads": "linear attention",
    "ssm_state_size": "Mamba layers",
    "mamba_d_state": "Mamba layers",
    "index_topk": "a sparse attention index (DSA)",
    "compress_ratios": "compressed attention",
    "block_configs": "layers of different shapes",
    "global_head_dim": "layers of different head sizes",
}

# What a family's config.json leaves unsaid.
DEFAULTS = {"falcon": {"max_position_embeddings": 2048, "tie_word_embeddings": True}}


def model_from_config(config: Config, name: str, date: str = "undated") -> Model:
    """The facts in a config.json, under `name`; `date` is when it was read.

    Raises ValueError naming the key that is missing, or what the facts cannot express.
    """
    # Multimodal models keep the language model's shape one level down.
    text = config.get("text_config", config)
    family = text.get("model_type")
    for key, feature in INEXPRESSIBLE.items():
        if text.get(key) is not None:
            raise ValueError(f"the model has {feature} (key {key!r}), which cannot be expressed")
    if family not in GATED + PARALLEL:
        raise ValueError(f"model_type {family!r} is not known; known are {GATED + PARALLEL}")
    text = DEFAULTS.get(family, {}) | text
    heads = first(text, "num_attention_heads", "n_head")
    hidden = first(text, "hidden_size", "n_embd")
    layers = first(text, "num_hidden_layers", "n_layer")
    experts, latent = experts_of(text, layers), latent_attention_of(text)
    all_moe = experts is not None and experts["layers"] == layers
    facts = {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads_of(text, heads),
        "head_dim": latent["nope_dim"] if latent else text.get("head_dim") or hidden // heads,
        "intermediate": 0 if all_moe else dense_width_of(text, hidden),
        "mlp_matrices": 2 if family in PARALLEL else 3,
        "parallel_attention": family in PARALLEL,
        "vocabulary": first(text, "vocab_size"),
        "tied_embeddings": bool(text.get("tie_word_embeddings", False)),
        "context_tokens": first(text, "max_position_embeddings", "n_positions"),
        "experts": experts,
        "latent_attention": latent,
        "sliding_window": sliding_window_of(text, layers),
    }
    origin = {"name": name, "source": f"config.json of {name}", "date": date}
    return Model.model_validate(facts | origin)


def first(text: Config, *keys: str) -> Any:
    """The value under the first of `keys` that is there; ValueError names them when none is."""
    for key in keys:
        if text.get(key) is not None:
            return text[key]
    raise ValueError(f"config.json has no {' or '.join(map(repr, keys))}")


def kv_heads_of(text: Config, heads: int) -> int:
    """KV heads; a family from before GQA has as many as query heads, or one (multi-query)."""
    if text["model_type"] == "falcon" and not text.get("new_decoder_architecture"):
        return 1 if text.get("multi_query") else heads
    return int(text.get("num_key_value_heads") or text.get("num_kv_heads") or heads)


def dense_width_of(text: Config, hidden: int) -> int:
    """Width of a dense layer's MLP. Llama 4 keeps `intermediate_size` for its experts."""
    if text["model_type"] in PARALLEL:
        return int(text.get("n_inner") or text.get("ffn_hidden_size") or 4 * hidden)
    return int(first(text, "intermediate_size_mlp", "intermediate_size"))


def experts_of(text: Config, layers: int) -> Config | None:
    """The MoE layers, or None for a dense model."""
    keys = ("n_routed_experts", "num_local_experts", "num_experts")
    if not any(text.get(key) for key in keys):
        return None
    width = first(text, "moe_intermediate_size", "intermediate_size")
    # Every Llama 4 MoE layer has one shared expert, unsaid.
    shared_experts = text.get("n_shared_experts") or (text["model_type"] == "llama4_text")
    shared = text.get("shared_expert_intermediate_size") or width * shared_experts
    return {
        "layers": moe_layers(text, layers),
        "experts": first(text, *keys),
        "per_token": first(text, "num_experts_per_tok", "experts_per_token"),
        "intermediate": width,
        "shared_intermediate": shared,
    }


def moe_layers(text: Config, layers: int) -> int:
    """How many layers are MoE: every so many after the dense ones at the start, some excepted."""
    start = text.get("first_k_dense_replace") or 0
    excepted = text.get("mlp_only_layers") or []
    every = text.get("decoder_sparse_step") or text.get("interleave_moe_layer_step") or 1
    return sum((i + 1) % every == 0 and i not in excepted for i in range(start, layers))


def latent_attention_of(text: Config) -> Config | None:
    """The MLA ranks, or None for ordinary attention."""
    if text.get("kv_lora_rank") is None:
        return None
    return {
        "kv_rank": text["kv_lora_rank"],
        "rope_dim": first(text, "qk_rope_head_dim"),
        "nope_dim": first(text, "qk_nope_head_dim"),
        "value_dim": first(text, "v_head_dim"),
        "query_rank": text.get("q_lora_rank"),
    }


def sliding_window_of(text: Config, layers: int) -> Config | None:
    """The layers with limited reach, or None. Llama 4's chunks count as windows of their size."""
    if text["model_type"] == "llama4_text":
        every_full = text.get("no_rope_layer_interval", 4)
        chunked = text.get("no_rope_layers") or [(i + 1) % every_full != 0 for i in range(layers)]
        return {"layers": sum(chunked), "tokens": first(text, "attention_chunk_size")}
    kinds = text.get("layer_types") or []
    if unknown := set(kinds) - {"full_attention", "sliding_attention"}:
        raise ValueError(f"layer_types {sorted(unknown)} cannot be expressed")
    window = text.get("sliding_window")
    if window is None or not text.get("use_sliding_window", True):
        return None
    after_full_ones = layers - (text.get("max_window_layers") or 0)
    windowed = kinds.count("sliding_attention") if kinds else after_full_ones
    return {"layers": windowed, "tokens": window} if windowed else None
