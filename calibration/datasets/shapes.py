"""Entries of models.json and gpus.json as facts of the catalogue."""

from collections.abc import Mapping
from typing import Any

from calibration.datasets.tables import Unusable
from scenarios.catalogue import CatalogueFile
from scenarios.catalogue.facts import Gpu, Model
from scenarios.catalogue.hugging_face import model_from_config

Entry = Mapping[str, Any]

FAMILY = {
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "FalconForCausalLM": "falcon",
    "GPTJForCausalLM": "gptj",
    "Glm4MoeForCausalLM": "glm4_moe",
    "GptOssForCausalLM": "gpt_oss",
    "KimiK25ForConditionalGeneration": "kimi_k2",
    "Llama4ForConditionalGeneration": "llama4_text",
    "LlamaForCausalLM": "llama",
    "MiMoForCausalLM": "qwen2",
    "MiniMaxM2ForCausalLM": "minimax_m2",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "Phi3ForCausalLM": "phi3",
    "PhiMoEForCausalLM": "mixtral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Qwen3VLForConditionalGeneration": "qwen3",
    "Qwen3VLMoeForConditionalGeneration": "qwen3_moe",
}
"""Architectures with the layers of a family that scenarios/catalogue/hugging_face.py knows."""

BEYOND_US = {
    "Deci": "layers of different shapes",
    "DeepseekV32": "a sparse attention index (DSA)",
    "DeepseekV4": "compressed attention",
    "GlmMoeDsa": "a sparse attention index (DSA)",
    "Gemma": "layers of different head sizes",
    "KimiK3": "linear attention",
    "MiMoV2": "windows with other heads than the full layers",
    "MiniMaxM3": "sparse attention",
    "NemotronH": "Mamba layers",
    "Qwen3Next": "linear attention",
    "Qwen3_5": "linear attention",
    "Step3p7": "windows with other heads than the full layers",
}
"""What the facts cannot express, by how the architecture's name begins."""

CONFIG_KEYS = {
    "n_layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "intermediate_size": "intermediate_size",
    "intermediate_size_dense_mlp": "intermediate_size_mlp",
    "vocab_size": "vocab_size",
    "tie_word_embeddings": "tie_word_embeddings",
    "max_position_embeddings": "max_position_embeddings",
    "n_experts": "n_routed_experts",
    "experts_per_token": "num_experts_per_tok",
    "moe_intermediate_size": "moe_intermediate_size",
    "n_shared_experts": "n_shared_experts",
    "first_k_dense_layers": "first_k_dense_replace",
    "interleave_moe_layer_step": "interleave_moe_layer_step",
    "kv_lora_rank": "kv_lora_rank",
    "q_lora_rank": "q_lora_rank",
    "qk_rope_head_dim": "qk_rope_head_dim",
    "qk_nope_head_dim": "qk_nope_head_dim",
    "v_head_dim": "v_head_dim",
    "sliding_window": "sliding_window",
}
DEEPSEEK_RANKS = {"qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
CONTEXT_TOKENS = 131_072
"""Taken where the entry has no limit: never in the way of a measured request."""
LLAMA4_CHUNK = 8192


def model_from_entry(entry: Entry) -> Model:
    """The facts in one entry of models.json. Raises ValueError for what they cannot express."""
    architecture = entry.get("architecture") or ""
    for beginning, feature in BEYOND_US.items():
        if architecture.startswith(beginning):
            raise Unusable(f"the model has {feature} ({architecture}): cannot be expressed")
    family = FAMILY.get(architecture) if architecture else family_unsaid(entry)
    if family is None:
        raise Unusable(f"the layers of {architecture} are not known")
    known = {key: entry[ours] for ours, key in CONFIG_KEYS.items() if entry.get(ours) is not None}
    config = {"max_position_embeddings": CONTEXT_TOKENS, "model_type": family} | known
    if "kv_lora_rank" in config:
        config = DEEPSEEK_RANKS | config
    return model_from_config(config | windows(config), name=str(entry["model"]))


def family_unsaid(entry: Entry) -> str | None:
    """Of an entry without architecture: plain MLPs beside the attention, or a Llama."""
    if entry.get("mlp_matrices") != 2:
        return "llama"
    if "gpt" in str(entry["model"]).lower():
        return "gptj"
    return "falcon" if "falcon" in str(entry["model"]).lower() else None


def windows(config: Entry) -> dict[str, Any]:
    """What models.json leaves unsaid about windows: which layers have one."""
    family, window = config["model_type"], config.get("sliding_window")
    if family == "llama4_text":
        return {"attention_chunk_size": LLAMA4_CHUNK}
    if family == "gpt_oss" and window:
        pair = ("sliding_attention", "full_attention")
        layers = config.get("num_hidden_layers") or 0
        return {"layer_types": [pair[i % 2] for i in range(layers)]}
    # The Qwen configs name a window and switch it off.
    idle = family.startswith("qwen") or (window or 0) >= config["max_position_embeddings"]
    return {"sliding_window": None} if idle else {}


def gpu_from_entry(entry: Entry) -> Gpu:
    """The facts in one entry of gpus.json, with the shares of unknown silicon.

    Raises ValueError when memory, bandwidth or bf16 peak is missing.
    """
    name = str(entry["id"])
    for key in ("mem_bw_gb_s", "bf16_dense_tflops"):
        if not entry.get(key):
            raise Unusable(f"gpus.json gives no {key} of {name}")
    if not (entry.get("usable_bytes") or entry.get("hbm_gb")):
        raise Unusable(f"gpus.json gives no memory of {name}")
    memory = f"{entry['usable_bytes']}B" if entry.get("usable_bytes") else f"{entry['hbm_gb']}GB"
    joined = str(entry.get("interconnect") or "PCIe")
    facts = {
        "memory": memory,
        "bandwidth": f"{entry['mem_bw_gb_s']}GB/s",
        "bf16": f"{entry['bf16_dense_tflops']}TFLOP/s",
        "link": "pcie" if "pcie" in joined.lower() else "nvlink",
        "link_bandwidth": f"{entry.get('nvlink_gb_s_per_dir') or 32}GB/s",
        "gpus_per_node": 72 if "72" in joined else 8,
        "source": str(entry.get("source") or "gpus.json"),
        "date": "undated",
    }
    # AMD's 4-bit format is MXFP4, not NVFP4.
    fp4 = None if entry.get("vendor") == "AMD" else entry.get("fp4_dense_tflops")
    for precision, peak in (("fp8", entry.get("fp8_dense_tflops")), ("nvfp4", fp4)):
        if peak:
            facts[precision] = f"{peak}TFLOP/s"
    return CatalogueFile.model_validate({"gpus": {name: facts}}).gpus[name]
