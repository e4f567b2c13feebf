"""Small data sets in the layout of the published ones, every number invented."""

import csv
import gzip
import json
from pathlib import Path

import pytest

TRUTH = Path(__file__).parents[3] / "shared" / "data" / "truth"

ROWS = {
    "vllm_s2r": {
        "case_id": "run-1", "split": "dev", "model": "meta-llama/Llama-3.1-8B-Instruct",
        "gpu": "H100-SXM-80GB", "tp": 1, "pp": 1, "dp": 1, "n_gpus": 1, "precision": "bf16/fp16",
        "engine": "vllm", "engine_version": "0.15.1", "max_num_seqs": 128,
        "max_num_batched_tokens": 2048, "max_model_len": 4096, "gpu_memory_utilization": 0.9,
        "kv_block_size_tokens": 16, "gpu_kv_blocks": 20000, "prefix_caching": "on (default)",
        "workload": "general", "stage_rates_rps": "2.0|4.0", "stage_durations_s": "10|10",
        "n_requests": 60, "system_prompt_tokens_nominal": 96, "question_tokens_nominal": 447,
        "output_tokens_requested": 32, "n_prompt_groups": 2, "prompts_per_group": 3,
    },
    "llmservingsim": {
        "case_id": "lss-1", "split": "dev", "model": "Qwen/Qwen3-32B", "gpu": "RTXPRO6000-96GB",
        "n_gpus": 2, "tp": 2, "dp": 1, "expert_parallel": False, "precision": "bf16",
        "kv_dtype": "bf16", "engine": "vllm", "engine_version": "0.19.0", "max_num_seqs": 128,
        "max_num_batched_tokens": 2048, "gpu_memory_utilization": 0.9, "prefix_caching": True,
        "measurement": "in process",
    },
    "trtllm": {
        "case_id": "trt-1", "model": "LLaMA v2 7B", "gpu": "H100 80GB HBM3", "tp": 1, "pp": 1,
        "n_gpus": 1, "precision": "fp8(w8a8, fp8 kv unstated)", "batch_size": 4,
        "isl_tokens": 128, "osl_tokens": 64, "first_token_latency_ms": 20.0,
        "token_to_token_latency_ms": 5.0, "batch_latency_ms": 340.0, "split": "dev",
    },
    "splitwise": {
        "case_id": "spw-1", "model": "llama2-70b", "hardware": "a100-80gb", "tensor_parallel": 4,
        "prompt_size": 128, "batch_size": 1, "token_size": 128, "prompt_time_ms": 90.0,
        "token_time_ms": 60.0, "split": "dev", "precision": "fp16 (unstated in file)",
    },
    "silicon": {
        "case_id": "sil-1", "mode": "agg", "model": "meta-llama/Llama-3.1-70B", "gpu": "h200_sxm",
        "engine": "vllm", "weight_precision": "fp8", "isl_tokens": 1000, "osl_tokens": 500,
        "length_rule": "uniform integer in [0.8*L, L] for both", "concurrency": 16.0,
        "n_requests": 160.0, "agg_tp_size": 4.0, "agg_pp_size": 1.0, "agg_attention_dp_size": 1.0,
        "agg_moe_tp_size": 4.0, "agg_moe_ep_size": 1.0, "agg_n_gpus": 4.0, "ttft_ms": 200.0,
        "tpot_ms": 15.0, "split": "dev",
    },
    "nim": {
        "case_id": "nim-1", "model": "meta-llama3-8b-instruct", "gpu": "H100_80GB_HBM3",
        "n_gpus": 1, "precision": "fp8", "engine": "NIM_TRT-LLM", "concurrency": 5,
        "isl_tokens": 200, "osl_tokens": 100, "isl_measured_mean": 199.7,
        "osl_measured_mean": 100.0, "output_tok_per_s": 850.0, "ttft_mean_ms": 19.0,
        "ttft_p95_ms": 21.0, "itl_mean_ms": 6.0, "e2e_mean_ms": 620.0, "e2e_p95_ms": 640.0,
        "littles_law_ratio": 1.0, "split": "dev",
    },
    "perf_overview": {
        "case_id": "perf-1", "split": "dev", "model": "Qwen/Qwen3-235B-A22B", "gpu": "B200",
        "parallelism": "DEP4", "n_gpus": 4, "precision": "FP4", "isl_tokens": 1000,
        "osl_tokens": 1000, "n_requests": 500, "total_output_tok_per_s": 20000.0,
        "output_tok_per_s_per_gpu": 5000.0, "engine": "trtllm(pytorch backend)",
    },
    "mlperf": {
        "case_id": "mlp-1", "split": "dev", "submitter": "Somebody", "model": "llama2-70b-99",
        "scenario": "Server", "target_qps": 84.0, "official_result": 24554.7,
    },
}  # fmt: skip
"""A row of each kind."""

NEW_MODEL = {
    "model": "maker/New-9B", "architecture": "LlamaForCausalLM", "n_layers": 40,
    "hidden_size": 4096, "n_heads": 32, "n_kv_heads": 8, "head_dim": None,
    "intermediate_size": 14336, "n_experts": None, "vocab_size": 100000,
    "tie_word_embeddings": False, "max_position_embeddings": 8192, "kv_lora_rank": None,
}  # fmt: skip
LATENT_MODEL = {
    "model": "maker/Latent-16B", "architecture": "DeepseekV2ForCausalLM", "n_layers": 27,
    "hidden_size": 2048, "n_heads": 16, "n_kv_heads": 16, "head_dim": None,
    "intermediate_size": 10944, "n_experts": 64, "experts_per_token": 6,
    "moe_intermediate_size": 1408, "n_shared_experts": 2, "first_k_dense_layers": 1,
    "vocab_size": 102400, "tie_word_embeddings": False, "max_position_embeddings": 163840,
    "kv_lora_rank": 512, "qk_rope_head_dim": None, "q_lora_rank": None,
}  # fmt: skip
NEW_GPU = {
    "id": "X900-SXM-120GB", "vendor": "NVIDIA", "hbm_gb": 120, "mem_bw_gb_s": 4000,
    "bf16_dense_tflops": 1000, "fp8_dense_tflops": 2000, "fp4_dense_tflops": None,
    "interconnect": "NVLink5", "nvlink_gb_s_per_dir": 450,
}  # fmt: skip


class Folder:
    """A data set being written."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def table(self, file, rows):
        """A CSV file with every column that any of `rows` has; gzipped by its name."""
        path = self.path / file
        path.parent.mkdir(exist_ok=True)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        opened = gzip.open if file.endswith(".gz") else open
        with opened(path, "wt", newline="") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(rows)
        return self

    def measured(self, case_id, **stages):
        """measured.csv of one case: whole={metric: value}, stage0=..., stage1=..."""
        rows = [
            {"case_id": case_id, "metric": metric, "value": value, "unit": "ms"}
            | {"stage_index": -1 if stage == "whole" else int(stage.removeprefix("stage"))}
            for stage, figures in stages.items()
            for metric, value in figures.items()
        ]
        return self.table("measured.csv", rows)

    def describe(self, models=(), gpus=()):
        """models.json and gpus.json beside the data set's folder."""
        (self.path.parent / "models.json").write_text(json.dumps(list(models)))
        (self.path.parent / "gpus.json").write_text(json.dumps(list(gpus)))
        return self


@pytest.fixture
def folder(tmp_path):
    """A data set `set` in a folder of data sets."""
    return Folder(tmp_path / "sets" / "set")


@pytest.fixture
def truth():
    """The published measurements, where they are at hand."""
    if not TRUTH.is_dir():
        pytest.skip(f"no measurements at {TRUTH}: they may not be redistributed")
    return TRUTH
