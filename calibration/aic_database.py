"""aiconfigurator's database: what is asked of it, in its own names, and its answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Literal

from calibration.aic_grid import GRID, Step, steps_of
from scenarios.catalogue.facts import Precision

PACKAGE = "aiconfigurator-core"
CORE = "aiconfigurator_core.sdk"
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


class AicMissing(ImportError):
    """aiconfigurator-core is not installed."""


class AicUnknown(ValueError):
    """Its database has no figures for this model, GPU, engine, precision or layout."""


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
