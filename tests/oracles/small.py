"""Small scenarios and workloads for tests: an explicit step time, everything else overridable."""

from typing import Any

import numpy as np

from scenarios.loading import restore
from scenarios.model import Scenario
from simulator.traffic import NS_PER_S, Workload


def small_scenario(
    engine: dict[str, Any] | None = None, latency: dict[str, str] | None = None, **parts: Any
) -> Scenario:
    """A valid scenario; keyword arguments replace top-level parts."""
    base: dict[str, Any] = {
        "version": 1,
        "name": "small",
        "horizon": "60s",
        "preroll": "0s",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "replica": {"gpu": "h100-sxm-80gb", "engine": {"name": "vllm", **(engine or {})}},
        "latency": latency or {"per_step": "10ms", "per_prefill_token": "10us"},
        "traffic": [
            {
                "name": "all",
                "arrivals": {"kind": "poisson", "rate": "5/s"},
                "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900, "max": 4000},
                "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200, "max": 1000},
            }
        ],
        "fleet": {"replicas": 2},
    }
    return restore(base | parts)


def workload(arrival_s: Any, input_tokens: Any, output_tokens: Any) -> Workload:
    """A workload of explicit rows; scalars are repeated."""
    arrival_ns = np.rint(np.asarray(arrival_s, dtype=float) * NS_PER_S).astype(np.int64)
    rows = arrival_ns.size
    return Workload(
        arrival_ns,
        np.broadcast_to(np.asarray(input_tokens, dtype=np.int64), rows).copy(),
        np.broadcast_to(np.asarray(output_tokens, dtype=np.int64), rows).copy(),
        np.zeros(rows, dtype=np.int64),
    )
