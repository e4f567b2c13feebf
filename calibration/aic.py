"""A step time from measured operator tables: NVIDIA's aiconfigurator (extra `aic`).

Its database times every operator of a model on a GPU, under an engine of one version. Added up for
a grid of steps and fitted by the form of simulator/kernel/step_time.py, that serves models whose
kernels the equation of simulator/latency.py knows little about: DeepSeek, Qwen3 MoE, gpt-oss.
docs/guides/aiconfigurator.md has its accuracy.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from scenarios.catalogue.facts import Precision
from simulator.kernel.step_time import StepTime

PACKAGE = "aiconfigurator-core"
CORE = "aiconfigurator_core.sdk"
GRID = 1
"""Raise it with any change of the steps asked for: older tables on disk are then left alone."""

SYSTEMS = {
    "a100-sxm-80gb": "a100_sxm",
    "h100-sxm-80gb": "h100_sxm",
    "h200-sxm-141gb": "h200_sxm",
    "b200-sxm-180gb": "b200_sxm",
    "b300-sxm-288gb": "b300_sxm",
    "gb200-186gb": "gb200",
    "gb300-288gb": "gb300",
    "l40s-48gb": "l40s",
    "rtx-pro-6000-96gb": "rtx_pro_6000_server",
}
"""Our names of GPUs -> its own; its own names are taken as they are."""

SAME_SHAPE = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.3-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.1-405B-Instruct": "meta-llama/Meta-Llama-3.1-405B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
}
"""Models of our catalogue under the name it knows them by."""
PUBLISHED = {
    ("deepseek-ai/DeepSeek-R1", "nvfp4"): "nvidia/DeepSeek-V3.1-NVFP4",
    ("deepseek-ai/DeepSeek-V3", "nvfp4"): "nvidia/DeepSeek-V3.1-NVFP4",
}
"""Checkpoints in a precision whose names do not say whose they are."""

WEIGHT_MODES: dict[Precision, tuple[str, ...]] = {
    "bf16": ("bfloat16",),
    "fp8": ("fp8_block", "fp8"),
    "int8": ("sq",),
    "int4": ("int4_wo",),
    "nvfp4": ("nvfp4",),
}
"""Its quantisation modes of one precision, in the order tried."""
KV_MODES = {"bf16": "bfloat16", "fp8": "fp8"}

BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
CONTEXTS = (128, 512, 1024, 2048, 4096, 8192, 16384, 32768)
KV_TOKENS_MAX = 500_000
"""Steps whose decodes read more fit into few GPUs' memory: left out."""
EVEN_CHUNKS = (64, 256, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
ODD_CHUNKS = (32, 100, 160, 400, 700, 1300, 2500, 5000)
CHUNKS = (*EVEN_CHUNKS, *ODD_CHUNKS)
"""Prompt tokens of one step. Kernels like multiples of 256, chunks need not be any: both kinds."""
PREFIXES = (0, 2048, 8192, 24576)
"""Tokens of the same prompt computed before."""
SEVERAL_PROMPTS = ((4, 256), (4, 512), (8, 256), (2, 1024), (4, 1024))
MIXED_BATCHES = (8, 32, 128)
MIXED_CONTEXTS = (1024, 4096)
EVENNESS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""alpha: T tokens meet as many experts as alpha T evenly routed ones would."""


class AicMissing(ImportError):
    """aiconfigurator-core is not installed."""


class AicUnknown(ValueError):
    """Its database has no figures for this model, GPU, engine, precision or layout."""


class Step(NamedTuple):
    """One step asked for: the load as `step_s` counts it, over all ranks, and its seconds."""

    prefill_tokens: int
    decode_tokens: int
    sequences: int
    kv_tokens: int
    attention_pairs: int
    seconds: float


@dataclass(frozen=True)
class Setting:
    """What is asked of the database, in its own names. Everything its answers depend on."""

    model: str
    system: str
    engine: str
    engine_version: str
    precision: Precision | Literal["checkpoint"]
    kv_precision: Literal["bf16", "fp8"]
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: int
    package_version: str
    grid: int = GRID


@dataclass(frozen=True)
class Table:
    """Its answers."""

    steps: tuple[Step, ...]
    expert_miss: float
    """1 - experts per token / experts; 0 for a dense model."""
    modes: str
    """Quantisation modes set against the checkpoint's own, in its words."""


@dataclass(frozen=True)
class AicFit:
    """How well our form repeats its tables, and where these come from."""

    setting: Setting
    modes: str
    points: int
    residual_median: float
    """Median of |fitted / table - 1|."""
    residual_worst: float
    routing_evenness: float | None
    """The alpha chosen; None for a dense model."""

    @property
    def provenance(self) -> str:
        """In one line, for reports."""
        asked = self.setting
        return (
            f"{PACKAGE} {asked.package_version}: {asked.model} on {asked.system}, {asked.engine} "
            f"{asked.engine_version}, {asked.precision} weights, {asked.kv_precision} KV, "
            f"tensor {asked.tensor_parallel} pipeline {asked.pipeline_parallel} "
            f"data {asked.data_parallel} expert {asked.expert_parallel}, {self.modes}"
        )


def step_time_from_aic(
    model_name: str,
    gpu: str,
    engine: Literal["vllm", "sglang", "trtllm"],
    *,
    engine_version: str | None = None,
    precision: Precision | Literal["checkpoint"],
    kv_precision: Literal["bf16", "fp8"],
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
    expert_parallel: int = 1,
    cache: Path | None = None,
) -> tuple[StepTime, AicFit]:
    """The step time of one engine of tensor x pipeline x data parallel GPUs, and its accuracy.

    engine_version: None for the database's current one.  precision: "checkpoint" for the weights
    as published (gpt-oss: MXFP4 experts).  pipeline_parallel: stages; a step is one pass through
    all, with a micro-batch in each and none idle.  data_parallel: ranks of attention. The load is
    counted over all micro-batches and ranks, taken as even.  expert_parallel: how the tensor x
    data GPUs share experts; 1 splits each one.  cache: of the answers, ~/.cache/fleetcast if None.
    Raises AicMissing without the package, AicUnknown when the database has no figures.
    Source: NVIDIA aiconfigurator, Apache-2.0, https://github.com/ai-dynamo/aiconfigurator.
    """
    version = package_version()
    model = checkpoint(model_name, precision)
    system = SYSTEMS.get(gpu, gpu)
    setting = Setting(
        model=model,
        system=system,
        engine=engine,
        engine_version=known_version(gpu, system, engine, engine_version),
        precision=precision,
        kv_precision=kv_precision,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        data_parallel=data_parallel,
        expert_parallel=expert_parallel,
        package_version=version,
    )
    table = remembered(setting, cache or Path.home() / ".cache" / "fleetcast", ask)
    return fit(table, setting)


def package_version() -> str:
    """The installed release, without importing it."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise AicMissing(
            f"{PACKAGE} is not installed; type: pip install 'fleetcast[aic]'"
        ) from None


def its(module: str, name: str) -> Any:
    """`name` of one of its modules, imported only when asked for."""
    try:
        return getattr(import_module(f"{CORE}.{module}" if module else CORE), name)
    except ModuleNotFoundError as missing:
        raise AicMissing(
            f"{PACKAGE} cannot be imported ({missing}); type: pip install 'fleetcast[aic]'"
        ) from missing


def checkpoint(model_name: str, precision: Precision | Literal["checkpoint"]) -> str:
    """Its name of the model: the checkpoint published in this precision where it has one."""
    known = its("common", "get_default_models")()
    name = SAME_SHAPE.get(model_name, model_name)
    suffix, base = precision.upper(), name.rpartition("/")[2]
    published = PUBLISHED.get((name, precision), f"{name}-{suffix}")
    for variant in (published, f"nvidia/{base}-{suffix}", name):
        if variant in known:
            return variant
    raise AicUnknown(f"model {model_name!r}: its models are {', '.join(sorted(known))}")


def known_version(gpu: str, system: str, engine: str, version: str | None) -> str:
    """The engine version to ask for; the database's current one when None."""
    has = its("perf_database", "get_supported_databases")()
    if system not in has:
        ours = [ours for ours, its_name in SYSTEMS.items() if its_name in has]
        raise AicUnknown(f"gpu {gpu!r}: its GPUs are {', '.join(sorted({*ours, *has}))}")
    versions = has[system].get(engine, [])
    if not versions:
        raise AicUnknown(f"engine {engine!r}: on {system} it has {', '.join(sorted(has[system]))}")
    if version is None:
        current: str = its("perf_database", "get_version_slots")(system, engine)["current"]
        return current
    if version not in versions:
        raise AicUnknown(f"{engine} {version!r}: on {system} it has {', '.join(versions)}")
    return version


def ask(setting: Setting) -> Table:
    """Query it: a second or two, most of it loading tables."""
    shape = its("utils", "get_model_config_from_model_path")(setting.model)
    experts = shape["num_experts"] or 0
    check_layout(setting, moe=experts > 0)
    first: Exception | None = None
    for modes in mode_choices(setting, shape["raw_config"].get("quant_algo"), moe=experts > 0):
        try:
            engine = its("", "EngineHandle").compile(
                setting.model,
                setting.system,
                setting.engine,
                backend_version=setting.engine_version,
                tp_size=setting.tensor_parallel,
                pp_size=setting.pipeline_parallel,
                attention_dp_size=setting.data_parallel,
                kvcache_quant_mode=KV_MODES[setting.kv_precision],
                **expert_layout(setting, moe=experts > 0),
                **modes,
            )
            steps = tuple(steps_of(engine, setting.data_parallel * setting.pipeline_parallel))
        except (ValueError, RuntimeError, AssertionError) as error:
            first = first or error
            continue
        return Table(
            steps=steps,
            expert_miss=1.0 - shape["topk"] / experts if experts else 0.0,
            modes=", ".join(f"{key}={mode}" for key, mode in modes.items()) or "its own modes",
        )
    raise AicUnknown(f"{first}\n{what_it_has(setting.model)}") from first


def check_layout(setting: Setting, *, moe: bool) -> None:
    """Refuse layouts that mean nothing."""
    gpus = setting.tensor_parallel * setting.data_parallel
    if not moe and (setting.data_parallel, setting.expert_parallel) != (1, 1):
        raise AicUnknown(f"{setting.model} has no experts: data_parallel and expert_parallel are 1")
    if gpus % setting.expert_parallel:
        raise AicUnknown(f"expert_parallel {setting.expert_parallel} does not divide {gpus} GPUs")


def expert_layout(setting: Setting, *, moe: bool) -> dict[str, int]:
    """Experts over the same GPUs as attention: apart, or each one split."""
    if not moe:
        return {}
    gpus = setting.tensor_parallel * setting.data_parallel
    return {
        "moe_ep_size": setting.expert_parallel,
        "moe_tp_size": gpus // setting.expert_parallel,
    }


def mode_choices(setting: Setting, own: str | None, *, moe: bool) -> Iterator[dict[str, str]]:
    """Quantisation modes to try in turn: the checkpoint's own where they mean the precision asked
    for, else its modes of it; each also with attention of prompts in bf16, which the tables of
    some models have alone."""
    precision = setting.precision
    weights: list[dict[str, str]]
    if precision == "checkpoint" or (own or "bfloat16") in WEIGHT_MODES[precision]:
        weights = [{}]
    elif moe:
        weights = [
            {"gemm_quant_mode": mode, "moe_quant_mode": mode} for mode in WEIGHT_MODES[precision]
        ]
    else:
        weights = [{"gemm_quant_mode": mode} for mode in reversed(WEIGHT_MODES[precision])]
    for modes in weights:
        yield modes
        yield {**modes, "fmha_quant_mode": "bfloat16"}


def what_it_has(model: str) -> str:
    """Where its support matrix counts a model as measured."""
    rows = its("common", "get_support_matrix")()
    has = sorted(
        {
            f"{row['System']} {row['Backend']} {row['Version']}"
            for row in rows
            if row["HuggingFaceID"] == model and row["Status"] == "PASS"
        }
    )
    return f"it has {model} on: {', '.join(has) or 'nothing'}"


def steps_of(engine: Any, batches: int) -> Iterator[Step]:
    """Every step of the grid. It counts one rank's micro-batch, we all `batches` of them."""

    def step(chunk: int, prompts: int, prefix: int, batch: int, context: int, ms: float) -> Step:
        prefill = prompts * chunk
        pairs = prompts * (chunk * prefix + chunk * (chunk + 1) // 2) + batch * (context + 1)
        return Step(
            batches * prefill,
            batches * batch,
            batches * (prompts + batch),
            batches * (prompts * prefix + batch * context),
            batches * pairs,
            ms / 1e3,
        )

    for batch in BATCHES:
        for context in CONTEXTS:
            if batch * context <= KV_TOKENS_MAX:
                ms = engine.decode_step_latency(batch, context, 1)
                yield step(0, 0, 0, batch, context, ms)
    for chunk in CHUNKS:
        for prefix in PREFIXES:
            ms = engine.predict_prefill_latency(1, chunk + prefix, prefix)
            yield step(chunk, 1, prefix, 0, 0, ms)
    for prompts, chunk in SEVERAL_PROMPTS:
        ms = engine.predict_prefill_latency(prompts, chunk, 0)
        yield step(chunk, prompts, 0, 0, 0, ms)
    for chunk in CHUNKS:
        for batch in MIXED_BATCHES:
            for context in sorted({max(chunk, context) for context in MIXED_CONTEXTS}):
                if batch * context > KV_TOKENS_MAX:
                    continue
                parts = engine.mixed_step_breakdown(chunk, batch, chunk, 2 * (context - chunk))
                # It finds attention by an operator's name, and finds none in models of latent
                # attention: their mixed steps are no answer.
                if parts[3] > 0:
                    yield step(chunk, 1, 0, batch, context, parts[0])


def remembered(setting: Setting, folder: Path, answer: Callable[[Setting], Table]) -> Table:
    """The table from disk, or asked for and put there; a file half written is never seen."""
    inputs = json.dumps(asdict(setting), sort_keys=True)
    path = folder / f"aic-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["setting"] == asdict(setting):
            steps = tuple(Step(*step) for step in stored["steps"])
            return Table(steps, stored["expert_miss"], stored["modes"])
    table = answer(setting)
    content = json.dumps({"setting": asdict(setting), **asdict(table)})
    with suppress(OSError):  # a folder that cannot be written costs time, not the answer
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=path.stem, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return table


def fit(table: Table, setting: Setting) -> tuple[StepTime, AicFit]:
    """Non-negative coefficients of least squared relative error; of several alphas the best."""
    evenness = EVENNESS if table.expert_miss else (None,)
    fits = [(*least_squares(table, alpha), alpha) for alpha in evenness]
    time, residuals, alpha = min(fits, key=lambda found: float(found[1] @ found[1]))
    return time, AicFit(
        setting=setting,
        modes=table.modes,
        points=len(table.steps),
        residual_median=float(np.median(np.abs(residuals))),
        residual_worst=float(np.abs(residuals).max()),
        routing_evenness=alpha,
    )


def least_squares(table: Table, alpha: float | None) -> tuple[StepTime, NDArray[np.float64]]:
    """Coefficients at one alpha, and fitted / table - 1 of every step."""
    prefill, decode, sequences, read, pairs, seconds = np.array(table.steps, np.float64).T
    terms = {
        "fixed_s": np.ones_like(seconds),
        "prefill_token_s": prefill,
        "decode_token_s": decode,
        "sequence_s": sequences,
        "kv_token_s": read,
        "attention_pair_s": pairs,
        "mixed_s": (prefill > 0).astype(np.float64),
    }
    miss = table.expert_miss**alpha if alpha is not None else 0.0
    if alpha is not None:
        terms["experts_s"] = 1.0 - miss ** (prefill + decode)
    shares = np.stack(list(terms.values()), axis=1) / seconds[:, None]
    scale = shares.max(axis=0)
    solution, _ = nnls(shares / scale, np.ones_like(seconds))
    coefficients = solution / scale
    time = StepTime(
        **{name: float(value) for name, value in zip(terms, coefficients, strict=True)},
        expert_miss=miss,
    )
    return time, shares @ coefficients - 1.0
