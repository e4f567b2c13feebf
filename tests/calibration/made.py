"""Cases made up for tests: any load on one replica, nothing measured unless it is said."""

from typing import Any

import numpy as np

from calibration.cases import Case, Load, OpenLoop
from calibration.datasets.replicas import measured_engines
from scenarios.catalogue import load_catalogue
from scenarios.catalogue.facts import Model
from scenarios.fleet import Replica
from simulator.traffic import Workload

CATALOGUE = load_catalogue()
LLAMA_8B = CATALOGUE.models["meta-llama/Llama-3.1-8B-Instruct"]
MIXTRAL = CATALOGUE.models["mistralai/Mixtral-8x7B-v0.1"]


def replica_on(
    gpu: str = "h100-sxm-80gb", engine: str = "vllm", flags: Any = None, **layout: Any
) -> Replica:
    """A replica; `flags` of its engine, its layout and precisions as keywords."""
    facts = measured_engines()[engine]
    return Replica.model_validate(
        {"gpu": CATALOGUE.gpus[gpu], "engine": {"name": facts, **(flags or {})}, **layout}
    )


def case_of(
    load: Load, replica: Replica | None = None, model: Model = LLAMA_8B, **fields: Any
) -> Case:
    """A case on one H100 under vLLM, unless `replica` is given."""
    base: dict[str, Any] = {"dataset": "made", "case_id": "a", "split": None, "measured": {}}
    return Case(load=load, replica=replica or replica_on(), model=model, **(base | fields))


def recorded(
    arrival_ms: Any, input_tokens: Any = 100, output_tokens: Any = 5, timeout_s: float = np.inf
) -> OpenLoop:
    """An open loop of known arrivals; a single number of tokens is that of every request."""
    arrival_ns = np.rint(np.asarray(arrival_ms) * 1e6).astype(np.int64)
    inputs, outputs = (
        np.broadcast_to(np.asarray(tokens, np.int32), arrival_ns.size).copy()
        for tokens in (input_tokens, output_tokens)
    )
    workload = Workload(arrival_ns, inputs, outputs, np.zeros(arrival_ns.size, np.int16))
    return OpenLoop(
        workload, stages=(), input_tokens=0, output_tokens=0, prompts=0, timeout_s=timeout_s
    )
