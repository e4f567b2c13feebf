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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calibration.aic_database import (
    PACKAGE,
    SYSTEMS,
    Setting,
    Table,
    ask,
    checkpoint,
    known_version,
    package_version,
)
from calibration.aic_grid import Step
from calibration.profile import COSTS, significant
from scenarios.catalogue.facts import Model, Precision
from scenarios.fleet import Replica
from scenarios.latency import LinearLatency, Measured, Profile, layout_of
from simulator.kernel.step_time import StepTime

EVENNESS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""alpha: T tokens meet as many experts as alpha T evenly routed ones would."""
ERROR = 0.11
"""Median of |table / measured - 1| over the measured rows of mixture-of-experts models:
docs/guides/aiconfigurator.md."""


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


def profile_from_aic(
    model: Model, replica: Replica, date: str, engine_version: str | None = None
) -> tuple[Profile, AicFit]:
    """The tables' step time of a replica as a profile; raises as `step_time_from_aic` does."""
    ranks = replica.data_parallel
    time, fitted = step_time_from_aic(
        model.name,
        replica.gpu.name,
        replica.engine.facts.name,
        engine_version=engine_version,
        precision=replica.precision,
        kv_precision=replica.kv_precision,
        tensor_parallel=replica.tensor_parallel,
        pipeline_parallel=replica.pipeline_parallel,
        data_parallel=ranks,
        expert_parallel=replica.tensor_parallel * ranks if ranks > 1 else 1,
    )
    costs: dict[str, Any] = {
        cost: significant(getattr(time, name)) for cost, (name, _) in COSTS.items()
    }
    profile = Profile.model_construct(
        measured_on=Measured(
            model=model.name, gpu=replica.gpu.name, engine=replica.engine.facts.name
        ),
        layout=layout_of(replica),
        step=LinearLatency.model_construct(**costs, expert_miss=time.expert_miss),
        uncertainty={"step_factor": round(max(fitted.residual_median, ERROR), 4)},
        source=fitted.provenance,
        date=date,
    )
    return profile, fitted


def step_time_from_aic(
    model_name: str,
    gpu: str,
    engine: str,
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
