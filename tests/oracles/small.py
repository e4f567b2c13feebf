"""Small scenarios and workloads for tests: an explicit step time, everything else overridable.

The engine of `small_scenario` is the plainest one: synchronous and without a prefix cache, unless a
test asks for them. `DEFAULT_ENGINE` asks for what users get who say nothing.
"""

from typing import Any

import numpy as np

from scenarios.fleet import EngineSettings
from scenarios.loading import restore
from scenarios.model import Scenario
from simulator.traffic import NS_PER_S, Chains, Workload

PLAIN_ENGINE = {"async_scheduling": False, "prefix_caching": False}
DEFAULT_ENGINE = {key: EngineSettings.model_fields[key].default for key in PLAIN_ENGINE}


STEP = {"per_step": "10ms", "per_prefill_token": "10us"}


def small_scenario(
    engine: dict[str, Any] | None = None, latency: dict[str, str] | None = STEP, **parts: Any
) -> Scenario:
    """A valid scenario; keyword arguments replace top-level parts. `latency=None`: physics."""
    base: dict[str, Any] = {
        "version": 1,
        "name": "small",
        "horizon": "60s",
        "preroll": "0s",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "replica": {
            "gpu": "h100-sxm-80gb",
            "engine": {"name": "vllm"} | PLAIN_ENGINE | (engine or {}),
        },
        "latency": latency,
        "traffic": [small_traffic()],
        "fleet": {"replicas": 2},
    }
    return restore(base | parts)


def small_traffic(rate: str = "5/s", **parts: Any) -> dict[str, Any]:
    """A traffic group; keyword arguments replace its parts."""
    return {
        "name": "all",
        "arrivals": {"kind": "poisson", "rate": rate},
        "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900, "max": 4000},
        "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200, "max": 1000},
    } | parts


def workload(
    arrival_s: Any, input_tokens: Any, output_tokens: Any, group: Any = 0, shared_tokens: int = 0
) -> Workload:
    """A workload of explicit rows; scalars are repeated. All prompts begin with the same
    `shared_tokens`."""
    arrival_ns = np.rint(np.asarray(arrival_s, dtype=float) * NS_PER_S).astype(np.int64)
    rows = arrival_ns.size
    return Workload(
        arrival_ns,
        np.broadcast_to(np.asarray(input_tokens, dtype=np.int64), rows).copy(),
        np.broadcast_to(np.asarray(output_tokens, dtype=np.int64), rows).copy(),
        np.broadcast_to(np.asarray(group, dtype=np.int64), rows).copy(),
        shared_prefix(rows, shared_tokens) if shared_tokens else None,
    )


def shared_prefix(rows: int, tokens: int) -> Chains:
    return Chains(np.arange(rows + 1), np.zeros(rows, dtype=np.int64), np.full(rows, tokens))
