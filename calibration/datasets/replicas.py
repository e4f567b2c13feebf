"""What ran: precision, sampling and layout as data state them -> Replica."""

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

from calibration.datasets.names import engine_named
from calibration.datasets.tables import Row, Unusable
from scenarios.catalogue import load_catalogue, read_catalogue_file
from scenarios.catalogue.facts import Engine, Gpu, Model, Precision
from scenarios.fleet import Replica
from scenarios.memory import missing_bytes

KvPrecision = Literal["bf16", "fp8"]
TENSOR_PARALLEL = (1, 2, 4, 8, 16)
TRT_FAMILY = ("trtllm", "trtllm-1.0", "trtllm-0.9", "nim")

SEATS = 256
"""max_num_seqs where it is not stated, or the concurrency if that is more: seats for everybody."""
BUDGET_TOKENS = 8192
"""max_num_batched_tokens where it is not stated: default of TensorRT-LLM, and what sweeps set."""

VLLM_0_14 = "2026-01"
"""When it was released, by which data without a version but with a date are told apart."""

PRECISIONS: tuple[tuple[str, Precision], ...] = (
    (r"nvfp4|mxfp4|fp4", "nvfp4"),
    (r"w4a16|int4|awq|gptq", "int4"),
    (r"int8|smoothquant", "int8"),
    (r"fp8", "fp8"),
    (r"w8a8", "int8"),
    (r"bf16|bfloat16|fp16|float16|half", "bf16"),
)
"""The first pattern found in what stands before a comma."""


def precision_of(text: str) -> Precision:
    """Of the weights. fp16 is bf16 to us: equal bytes, equal peak. Raises Unusable.

    >>> precision_of("fp8(w8a8 dynamic), kv bf16"), precision_of("fp16 mixed"), precision_of("FP4")
    ('fp8', 'bf16', 'nvfp4')
    """
    weights = text.lower().split(",")[0]
    for pattern, precision in PRECISIONS:
        if re.search(pattern, weights):
            return precision
    raise Unusable(f"precision {text!r} is not known")


def precision_on(gpu: Gpu, text: str) -> Precision:
    """The same on a card. NVIDIA's without FP4 units unpack 4-bit weights and compute in bf16, as
    int4 here; AMD's of the MI350 series have such units, in a format the catalogue leaves out."""
    precision = precision_of(text)
    unpacked = gpu.nvfp4_flops_per_s is None and not gpu.name.lower().startswith("mi35")
    return "int4" if precision == "nvfp4" and unpacked else precision


def kv_precision_of(text: str, engine: str) -> KvPrecision:
    """Of the KV cache: as stated, else what goes with the weights.

    TensorRT-LLM keeps it in fp8 beside fp8 or fp4 weights (fp8 static batches read 0.45 to 0.47 of
    the bf16 bytes), every engine beside fp4 weights.

    >>> kv_precision_of("fp8(w8a8 dynamic), kv bf16", "vllm"), kv_precision_of("fp8", "trtllm")
    ('bf16', 'fp8')
    """
    low = text.lower()
    if re.search(r"kv[ _:=-]*(bf16|bfloat16|fp16|float16)|(bf16|fp16) kv", low):
        return "bf16"
    if re.search(r"kv[ _:=-]*fp8|fp8 kv", low):
        return "fp8"
    precision = precision_of(text)
    if precision == "nvfp4" or (precision == "fp8" and engine in TRT_FAMILY):
        return "fp8"
    return "bf16"


def sampling_of(model_name: str) -> Literal["greedy", "top-p"]:
    """What `vllm serve` applies by default: a model's generation_config.json.

    Those of the instruct models of Llama 3 and Qwen2.5 and of all but the base models of Qwen3 ask
    for top-p (or top-k). Base models, CodeLlama and Mistral-Nemo have none; Llama 4 has one, but
    its measured steps show no cost of it.

    >>> sampling_of("meta-llama/Llama-3.1-8B-Instruct"), sampling_of("meta-llama/Llama-2-7b-hf")
    ('top-p', 'greedy')
    """
    low = model_name.lower()
    tuned = "instruct" in low or "chat" in low
    if re.search(r"llama-?3[.-]|qwen-?2", low) and tuned:
        return "top-p"
    return "top-p" if re.search(r"qwen-?3", low) and "base" not in low else "greedy"


def composes_ahead(engine: str, row: Row) -> bool:
    """Whether a step is composed while the one before it computes: vLLM from 0.14 on, SGLang and
    TensorRT-LLM from 1.1 on, NIM of 2024 not. Static batches have no scheduler to wait for."""
    if engine == "vllm":
        stated = release(row.cells.get("engine_version", ""))
        if stated is None:
            return row.cells.get("measured_date", "9999") >= VLLM_0_14
        return stated >= (0, 14)
    return engine not in ("nim", "trtllm-1.0")


def replica_of(
    gpu: Gpu,
    engine: str,
    precision: str,
    tensor_parallel: int,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
    kv_precision: KvPrecision | None = None,
    **settings: Any,
) -> Replica:
    """The replica that data describe; `engine` by its name in the catalogue, `settings` its flags.

    precision: the data's text.  Raises Unusable, or ValidationError for what no Replica may be.
    """
    if tensor_parallel not in TENSOR_PARALLEL:
        raise Unusable(f"tensor parallel {tensor_parallel}: simulated are {TENSOR_PARALLEL}")
    if tensor_parallel > gpu.gpus_per_node:
        raise Unusable(
            f"tensor parallel {tensor_parallel} over nodes of {gpu.gpus_per_node} {gpu.name}"
        )
    weights = precision_on(gpu, precision)
    beside = "bf16" if weights == "int4" else kv_precision_of(precision, engine)
    return Replica.model_validate(
        {
            "gpu": gpu,
            "tensor_parallel": tensor_parallel,
            "pipeline_parallel": pipeline_parallel,
            "data_parallel": data_parallel,
            "precision": weights,
            "kv_precision": kv_precision or beside,
            "engine": {"name": engine_facts(engine), **settings},
        }
    )


@cache
def measured_engines() -> dict[str, Engine]:
    """The catalogue's engines, and those of the past that only data know."""
    past = read_catalogue_file(Path(__file__).parent.parent / "past_engines.yaml")
    return load_catalogue().engines | past.engines


def engine_facts(name: str) -> Engine:
    return measured_engines()[name]


def unstated_limits(concurrency: int) -> tuple[dict[str, Any], str]:
    """Scheduler limits where the data give none, and the words for `assumed`."""
    seats = max(SEATS, concurrency)
    budget = max(BUDGET_TOKENS, 2 * seats)
    words = f"max_num_seqs {seats}, max_num_batched_tokens {budget} (not stated)"
    return {"max_num_seqs": seats, "max_num_batched_tokens": budget}, words


def longer_context(model: Model, tokens: int) -> dict[str, Any]:
    """max_model_len where the measured requests are longer than the model's own context."""
    return {"max_model_len": tokens} if tokens > model.context_tokens else {}


def check_fits(model: Model, replica: Replica, context_tokens: int) -> None:
    """Raises Unusable unless one request of `context_tokens` fits beside the weights."""
    if replica.engine.num_gpu_blocks is not None:
        room = replica.engine.num_gpu_blocks * replica.engine.facts.block_tokens
        if context_tokens > room:
            raise Unusable(f"a request of {context_tokens} tokens in a KV pool of {room}")
        return
    lacking = missing_bytes(model, replica, context_tokens)
    if lacking > 0:
        raise Unusable(
            f"{replica.precision} weights and one request of {context_tokens} tokens need "
            f"{lacking / 1e9:.1f} GB more than a {replica.gpu.name} has"
        )


def engine_of(row: Row) -> str:
    """The name of the engine that a row states, its release where that makes another engine of it.
    Raises Unusable."""
    name, stated = engine_named(row.text("engine")), release(row.cells.get("engine_version", ""))
    return "trtllm-1.0" if name == "trtllm" and stated and stated < (1, 1) else name


def release(version: str) -> tuple[int, int] | None:
    """Major and minor number, where the text has any.

    >>> release("vllm-0.15.1"), release("1.0.0rc3"), release("nightly")
    ((0, 15), (1, 0), None)
    """
    parts = re.search(r"(\d+)\.(\d+)", version)
    return (int(parts[1]), int(parts[2])) if parts else None
