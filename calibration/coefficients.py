"""The coefficients of the step time that a fit may move: names, priors, and where they act.

A key is (owner, field): a chip or an engine of catalogue/step_time.yaml and a field of `Gpu` or
`Engine`. Values are in the unit of the field.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.catalogue.facts import Engine, Gpu, Model
from scenarios.fleet import Replica

Key = tuple[str, str]
ALL = "unknown"
"""Owner of what all engines share, and of what holds for a chip or an engine nobody measured."""


@dataclass(frozen=True)
class Prior:
    """What is believed before any measurement: about `value`, within a factor exp(+-spread)."""

    value: float
    spread: float
    most: float = math.inf


CHIP = {
    "achieved_bandwidth": Prior(0.89, 0.06, 1.2),
    "achieved_flops": Prior(0.66, 0.12, 1.0),
    "decode_flops_price": Prior(0.35, 0.5, 1.0),
}
"""Of each chip. 0.89 and 0.66 are what tuned kernels reach on most; how much of a decode step's
products hides behind memory traffic is hardly known."""

ENGINE = {
    "layer_overhead_s": Prior(60e-6, 0.5),
    "moe_layer_overhead_s": Prior(43e-6, 0.4),
}
"""Of each engine: launching a layer's kernels, with CUDA graphs; routing tokens to experts."""

SHARED = {
    "step_overhead_s": Prior(270e-6, 0.4),
    "sequence_overhead_s": Prior(10e-6, 0.4),
    "blocking_sequence_overhead_s": Prior(25e-6, 0.4),
    "attention_efficiency": Prior(0.27, 0.5, 1.5),
    "routing_evenness": Prior(0.7, 0.25, 1.0),
    "expert_efficiency": Prior(0.6, 0.5, 1.0),
    "nvfp4_efficiency": Prior(0.85, 0.1, 1.0),
    "nvlink_efficiency": Prior(0.55, 0.3, 1.0),
    "nvlink_latency_s": Prior(7e-6, 0.4),
    "pcie_efficiency": Prior(0.5, 0.3, 1.0),
    "pcie_latency_s": Prior(46e-6, 0.4),
    "mixed_layer_overhead_s": Prior(10e-6, 0.7),
    "fp8_layer_overhead_s": Prior(10e-6, 0.7),
    "sampler_logit_s": Prior(0.15e-9, 0.3),
    "reply_s": Prior(5.6e-3, 0.15),
    "reply_sequence_s": Prior(55e-6, 0.4),
}

OWN = {("vllm", "quantised_moe_layer_overhead_s"): Prior(20e-6, 0.7)}
"""Of one engine alone: vLLM's kernels for fp8 experts are slower than those of the others, whose
overhead per MoE layer is that of quantised ones (nobody else measured bf16 experts)."""

TIED = {
    ("h200", "achieved_flops"): "h100",
    ("h200", "decode_flops_price"): "h100",
    ("trtllm", "moe_layer_overhead_s"): "trtllm-1.0",
}
"""Whose value stands for another's: the same compute units under another memory; the release before
the one whose rows may hold speculative decoding."""


def priors(used: Iterable[tuple[Model, Replica]]) -> dict[Key, Prior]:
    """Every coefficient that measurements of these can move."""
    ran = [(model, replica.gpu.silicon, replica.engine.facts.name) for model, replica in used]
    chips = {chip for _, chip, _ in ran} - {ALL}
    engines = {engine for _, _, engine in ran}
    with_experts = {engine for model, _, engine in ran if model.experts}
    fields = {
        engine: [f for f in ENGINE if f != "moe_layer_overhead_s" or engine in with_experts]
        for engine in engines
    }
    of_chips = {(owner(chip, field), field) for chip in chips for field in CHIP}
    of_engines = {(owner(engine, field), field) for engine in engines for field in fields[engine]}
    return {
        **{key: CHIP[key[1]] for key in sorted(of_chips)},
        **{key: ENGINE[key[1]] for key in sorted(of_engines)},
        **{key: prior for key, prior in OWN.items() if key[0] in with_experts},
        **{(ALL, field): prior for field, prior in SHARED.items()},
    }


def moved(replica: Replica, values: Mapping[Key, float]) -> Replica:
    """The replica as if `values` stood in the catalogue."""
    gpu, engine = moved_gpu(replica.gpu, values), moved_engine(replica.engine.facts, values)
    settings = replica.engine.model_copy(update={"facts": engine})
    return replica.model_copy(update={"gpu": gpu, "engine": settings})


def moved_gpu(gpu: Gpu, values: Mapping[Key, float]) -> Gpu:
    chosen = {field: values.get((owner(gpu.silicon, field), field)) for field in CHIP}
    return gpu.model_copy(update=given(chosen))


def moved_engine(engine: Engine, values: Mapping[Key, float]) -> Engine:
    fields = (*SHARED, *ENGINE, *(field for _, field in OWN))
    chosen = {f: values.get((owner(engine.name, f), f), values.get((ALL, f))) for f in fields}
    return engine.model_copy(update=given(chosen))


def owner(name: str, field: str) -> str:
    """Whose value of a field holds for a chip or an engine."""
    return TIED.get((name, field), name)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
