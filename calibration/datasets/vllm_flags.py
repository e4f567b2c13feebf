"""The flags of a vLLM run, as vllm_s2r and llmservingsim_bench state them -> Replica."""

from typing import Any

from calibration.datasets.dataset import Dataset
from calibration.datasets.replicas import (
    KvPrecision,
    check_fits,
    composes_ahead,
    engine_facts,
    engine_of,
    kv_precision_of,
    longer_context,
    replica_of,
    sampling_of,
)
from calibration.datasets.tables import Row, Unusable
from scenarios.catalogue.facts import Model
from scenarios.fleet import Replica


def replica_in(
    dataset: Dataset, row: Row, model: Model, longest: int, **more: Any
) -> tuple[Replica, tuple[str, ...]]:
    """The replica with the flags a row states (and `more` of ours), and what was assumed of it.

    longest: tokens of the longest request, which must fit. Raises Unusable.
    """
    engine, precision = engine_of(row), row.cells.get("precision", "bf16")
    settings: dict[str, Any] = {
        "max_num_seqs": row.count("max_num_seqs", default=256),
        "max_num_batched_tokens": row.count("max_num_batched_tokens", default=2048),
        "gpu_memory_utilization": row.value("gpu_memory_utilization") or 0.9,
        "prefix_caching": row.yes("prefix_caching", default=True),
        "async_scheduling": composes_ahead(engine, row),
        "sampling": sampling_of(row.text("model")),
    }
    assumed = [
        f"{name} {settings[name]} (not stated)"
        for name in ("max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")
        if row.value(name) is None
    ]
    if "precision" not in row.cells:
        assumed.append("bf16 weights (not stated)")
    if row.value("gpu_kv_blocks") is not None:
        tokens = row.count("gpu_kv_blocks") * row.count("kv_block_size_tokens", default=16)
        settings["num_gpu_blocks"] = tokens // engine_facts(engine).block_tokens
    if row.value("max_model_len") is None:
        settings |= longer_context(model, longest)
    else:
        settings["max_model_len"] = max(row.count("max_model_len"), longest)
        if longest > row.count("max_model_len"):
            assumed.append(f"max_model_len {longest}: requests are longer than the one stated")
    replica = replica_of(
        dataset.known.gpu(row.text("gpu")),
        engine,
        precision,
        row.count("tp", default=1),
        row.count("pp", default=1),
        row.count("dp", default=1),
        kv_precision_in(row, precision, engine),
        **(settings | more),
    )
    gpus = row.count("n_gpus", default=replica.gpus)
    if gpus != replica.gpus:
        raise Unusable(f"{gpus} GPUs stated, {replica.gpus} by tp, pp and dp")
    check_fits(model, replica, longest)
    return replica, tuple(assumed)


def kv_precision_in(row: Row, precision: str, engine: str) -> KvPrecision:
    """Of the KV cache, from its own column or from the text of the weights' one."""
    stated = row.cells.get("kv_dtype")
    return kv_precision_of(f"{precision}, kv {stated}" if stated else precision, engine)
