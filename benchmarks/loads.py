"""The loads that are measured: scenarios and workloads, all drawn here, no file needed."""

from typing import Any

import numpy as np

from scenarios.loading import restore
from scenarios.model import Scenario
from simulator.data_plane import Setup
from simulator.simulate import set_up
from simulator.streams import stream
from simulator.traffic import NS_PER_S, Chains, Workload, draw_workload

SEED = 1
RATE_PER_REPLICA_PER_S = 6.0
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
QWEN_MOE = "Qwen/Qwen3-30B-A3B"

# Mixtures of lognormals fitted (expectation-maximisation on logarithms) to the first 2400 s of
# AzureLLMInferenceTrace_conv.csv, 14,176 requests: Azure/AzurePublicDataset@b469a113cedc, CC-BY-4.0
# (Splitwise, ISCA 2024). Means of those requests: 1195 and 201 tokens.
PROMPT = {
    "kind": "mixture",
    "of": [
        {"weight": 0.627, "kind": "lognormal", "median": 516, "p95": 2432, "max": 14050},
        {"weight": 0.271, "kind": "lognormal", "median": 1070, "p95": 1175},
        {"weight": 0.103, "kind": "lognormal", "median": 4088, "p95": 4225},
    ],
}
OUTPUT = {
    "kind": "mixture",
    "of": [
        {"weight": 0.738, "kind": "lognormal", "median": 98, "p95": 311, "max": 1000},
        {"weight": 0.262, "kind": "lognormal", "median": 406, "p95": 440},
    ],
}

# Short prompts and long answers: growing answers run out of KV blocks.
SHORT_PROMPT = {"kind": "lognormal", "median": 100, "p95": 400, "max": 2000}
LONG_OUTPUT = {"kind": "lognormal", "median": 300, "p95": 700, "max": 2000}

SHARED_BLOCK_TOKENS = 512
"""What one segment of a Mooncake-like prompt stands for (FAST 2025)."""
TURNS_MEAN = 1.65
NEW_TOKENS_MEDIAN, NEW_TOKENS_SIGMA = 2750.0, 1.0
THINK_S_MEAN = 30.0
OUTPUT_TOKENS_MEAN = 180


def chat(
    replicas: int,
    requests: int,
    *,
    rate_per_replica_per_s: float = RATE_PER_REPLICA_PER_S,
    router: str = "least-outstanding",
    engine: dict[str, Any] | None = None,
    fleet: dict[str, Any] | None = None,
    traffic: dict[str, Any] | None = None,
    tensor_parallel: int = 1,
    **parts: Any,
) -> Scenario:
    """The headline load, long enough for about `requests`: Azure-like chat, Poisson arrivals,
    Llama-3.1-8B on an H100 in bf16, prefix caching off, asynchronous scheduling on, no failures.

    Keyword arguments change parts of it. No pre-roll and no drain, so that every request drawn is
    also served (but the last few).
    """
    rate_per_s = rate_per_replica_per_s * replicas
    chat_traffic = {
        "name": "chat",
        "arrivals": {"kind": "poisson", "rate": f"{rate_per_s}/s"},
        "input_tokens": PROMPT,
        "output_tokens": OUTPUT,
    }
    base: dict[str, Any] = {
        "version": 1,
        "name": "bench",
        "horizon": f"{requests / rate_per_s}s",
        "preroll": "0s",
        "drain": "0s",
        "seed": SEED,
        "model": LLAMA_8B,
        "replica": {
            "gpu": "h100-sxm-80gb",
            "tensor_parallel": tensor_parallel,
            "engine": {"name": "vllm", "prefix_caching": False, **(engine or {})},
        },
        "traffic": [chat_traffic | (traffic or {})],
        "fleet": {"replicas": replicas, "router": router, **(fleet or {})},
    }
    return restore(base | parts)


def set_up_for(scenario: Scenario, workload: Workload | None = None) -> Setup:
    """What a data plane is made of; the workload is drawn if none is given."""
    if workload is None:
        workload = draw_workload(scenario, SEED, 0)
    return set_up(scenario, scenario.fleet, workload, SEED, 0)


def mooncake(requests: int, rate_per_s: float) -> Workload:
    """Conversations that share their past, after Mooncake's trace (FAST 2025): every prompt begins
    with the same block of 512 tokens, and every turn repeats the prompt of the turn before it.

    About `requests` rows, 15 segments of 512 tokens each on average, outputs of 180 tokens; with
    ample KV about 40 % of the prompt tokens are found in the cache. `rate_per_s`: requests.
    """
    rng = stream(SEED, "benchmarks", "mooncake")
    turns = rng.geometric(1 / TURNS_MEAN, round(requests / TURNS_MEAN))
    session = np.repeat(np.arange(turns.size), turns)
    opening = np.concatenate([[0], np.cumsum(turns)[:-1]])
    first_turn = np.zeros(session.size, dtype=bool)
    first_turn[opening] = True
    new_tokens = rng.lognormal(np.log(NEW_TOKENS_MEDIAN), NEW_TOKENS_SIGMA, session.size)
    new_tokens = np.clip(np.rint(new_tokens), 64, 60_000).astype(np.int64)
    prompt = SHARED_BLOCK_TOKENS + since_opening(new_tokens, opening, turns)
    begins_s = rng.uniform(0.0, requests / rate_per_s, turns.size)
    thinks_s = np.where(first_turn, 0.0, rng.exponential(THINK_S_MEAN, session.size))
    arrival_s = begins_s[session] + since_opening(thinks_s, opening, turns)
    order = np.argsort(arrival_s, kind="stable")
    return Workload(
        np.rint(arrival_s[order] * NS_PER_S).astype(np.int64),
        prompt[order],
        np.clip(rng.geometric(1 / OUTPUT_TOKENS_MEAN, session.size), 1, 2000),
        np.zeros(session.size, dtype=np.int64),
        session_chains(prompt[order], session[order]),
    )


def since_opening(values: Any, opening: Any, turns: Any) -> Any:
    """Running sums within each session."""
    total = np.cumsum(values)
    return total - np.repeat(total[opening] - values[opening], turns)


def session_chains(prompt: Any, session: Any) -> Chains:
    """One segment per full block of 512 tokens: the first everyone's, the others the session's."""
    counts = prompt // SHARED_BLOCK_TOKENS
    first = np.concatenate([[0], np.cumsum(counts)])
    place = np.arange(first[-1]) - np.repeat(first[:-1], counts)
    keys = np.where(place == 0, 0, np.repeat(session, counts) * (counts.max() + 1) + place)
    return Chains(first, keys, (place + 1) * SHARED_BLOCK_TOKENS)
