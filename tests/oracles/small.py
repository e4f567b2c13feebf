"""Small scenarios and workloads for tests: an explicit step time, everything else overridable.

The engine of `small_scenario` is the plainest one: synchronous and without a prefix cache, unless a
test asks for them. `DEFAULT_ENGINE` asks for what users get who say nothing.
"""

from typing import Any

import numpy as np

from scenarios.fleet import EngineSettings
from scenarios.loading import restore
from scenarios.model import Scenario
from simulator.data_plane import Limits, Pool, Setup
from simulator.kernel.state import NEVER_NS
from simulator.kernel.step_time import StepTime
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


def limits(**changed: Any) -> Limits:
    """Of a small replica."""
    given = {
        "max_num_seqs": 8,
        "max_num_batched_tokens": 64,
        "chunked_prefill": True,
        "blocks": 100,
        "block_tokens": 16,
        "context_tokens": 10_000,
    }
    return Limits(**(given | changed))


def setup(
    arrivals_s: Any,
    prompt: Any = 10,
    output: Any = 5,
    replicas: int = 1,
    horizon_s: int = 100,
    **changed: Any,
) -> Setup:
    """A fleet whose every step takes a second. `end_of_shared`: one segment in all prompts."""
    n = len(arrivals_s)
    ends = np.full(n, changed.pop("end_of_shared", 0))
    chains = Chains(np.arange(n + 1), np.zeros(n, dtype=np.int64), ends) if ends.any() else None
    arrival_ns = np.array([round(t * NS_PER_S) for t in arrivals_s], dtype=np.int64)
    given = {
        "workload": Workload(
            arrival_ns,
            np.broadcast_to(prompt, n).astype(np.int64),
            np.broadcast_to(output, n).astype(np.int64),
            np.zeros(n, dtype=np.int64),
            chains,
        ),
        "counted": arrival_ns >= 0,
        "start_ns": min(0, *arrival_ns.tolist()),
        "horizon_ns": horizon_s * NS_PER_S,
        "priority": np.zeros(n, dtype=np.int64),
        "pools": [Pool(replicas, limits(**changed.pop("limits", {})), StepTime(1, 0, 0, 0, 0, 0))],
        "router": "round-robin",
        "routing_rule": None,
        "admission_rule": None,
        "queue_limit": None,
        "salt": 0,
        "timeout_ns": 1 << 60,
        "retries": 0,
        "allowances": (),
        "sample_interval_ns": 10 * NS_PER_S,
    }
    return Setup(**(given | changed))


def seconds(column: Any) -> list[float | None]:
    """A column of instants; None: never."""
    return [None if t == NEVER_NS else t / NS_PER_S for t in column.tolist()]
