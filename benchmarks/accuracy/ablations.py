"""What each effect is worth: open loops without it, nothing fitted again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calibration.cases import Case
from calibration.prediction import predict
from scenarios.fleet import Replica

METRICS = ("e2e_mean", "ttft_mean", "ttft_p90", "tpot_mean")


def flag(**settings: Any) -> Callable[[Replica], Replica]:
    """Another setting of the engine."""

    def change(replica: Replica) -> Replica:
        return replica.model_copy(update={"engine": replica.engine.model_copy(update=settings)})

    return change


def fact(**facts: Any) -> Callable[[Replica], Replica]:
    """Another coefficient of the engine."""

    def change(replica: Replica) -> Replica:
        return flag(facts=replica.engine.facts.model_copy(update=facts))(replica)

    return change


def without_scheduling_ahead(replica: Replica) -> Replica:
    """The rule alone: what the bookkeeping costs stays as it was."""
    return flag(async_scheduling=False)(fact(blocking_sequence_overhead_s=0.0)(replica))


def full_decode_price(replica: Replica) -> Replica:
    gpu = replica.gpu.model_copy(update={"decode_flops_price": 1.0})
    return replica.model_copy(update={"gpu": gpu})


ABLATIONS: dict[str, Callable[[Replica], Replica]] = {
    "nothing left out": lambda replica: replica,
    "asynchronous scheduling off": without_scheduling_ahead,
    "prefix cache off": flag(prefix_caching=False),
    "no overhead per layer": fact(layer_overhead_s=0.0),
    "no front end": flag(http=False),
    "no cost of mixed steps": fact(mixed_layer_overhead_s=0.0),
    "no sampler": flag(sampling="greedy"),
    "decode FLOPs at full price": full_decode_price,
    "experts evenly routed": fact(routing_evenness=1.0),
}


def ablations(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Per effect: median absolute error and median signed error of each metric, %."""
    rows = []
    for name, change in ABLATIONS.items():
        told = [predict(replace(c, replica=change(c.replica)), seeds=1) for c in cases]
        row: dict[str, Any] = {"without": name}
        for metric in METRICS:
            errors = [
                100 * (figures[metric] / case.measured[metric] - 1)
                for case, figures in zip(cases, told, strict=True)
                if metric in case.measured and metric in figures
            ]
            row[metric] = float(np.median(np.abs(errors)))
            row[f"{metric}_mean"] = float(np.mean(np.abs(errors)))
            row[f"{metric}_signed"] = float(np.median(errors))
        rows.append(row)
    return rows
