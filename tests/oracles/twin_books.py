"""What the twin tells: samples, observations, violations, and the outcome of a run."""

import math
from collections.abc import Callable
from operator import truediv
from typing import Any

import numpy as np

from simulator.data_plane import Allowance, Ints, Observation, Outcome
from simulator.histogram import histogram
from simulator.run import COMPLETED
from simulator.traffic import NS_PER_S
from tests.oracles.twin_engine import Request
from tests.oracles.twin_replica import Replica
from tests.oracles.twin_routing import kv_used


def sample(twin: Any) -> tuple[float, ...]:
    """One row of the timeline."""
    live = [replica for replica in twin.replicas if replica.up]
    used, blocks = (sum(kv_used(replica)[part] for replica in live) for part in (0, 1))
    return (
        twin.env.now / NS_PER_S,
        len(live),
        twin.stranded() + sum(replica.queued for replica in twin.replicas),
        sum(len(replica.scheduler.running) for replica in live),
        used / blocks if blocks else 0.0,
    )


def observation(twin: Any) -> Observation:
    """The fleet as it stands, the dead included, and what was counted so far."""

    def each(what: Callable[[Replica], float], kind: type = np.int64) -> Any:
        return np.array([what(replica) for replica in twin.replicas], dtype=kind)

    return Observation(
        waiting=each(lambda replica: replica.queued),
        running=each(lambda replica: len(replica.scheduler.running)),
        kv_used=each(lambda replica: truediv(*kv_used(replica)), np.float64),
        stranded=twin.stranded(),
        arrivals=twin.arrivals.so_far,
        first_tokens=twin.counts.first_tokens,
        ttft_ns=twin.counts.ttft_ns,
    )


def told(twin: Any) -> Outcome:
    """The requests as they stand and what was counted, in columns."""

    def column(name: str) -> Ints:
        return np.array([getattr(request, name) for request in twin.requests], dtype=np.int64)

    def story(name: str) -> Ints:
        return np.array([getattr(request.story, name) for request in twin.requests], dtype=np.int64)

    preemptions = column("preemptions")
    for copy in twin.hedges.copies:
        preemptions[copy.row] += copy.preemptions
    return Outcome(
        arrival_ns=column("arrival_ns"),
        first_token_ns=story("first_token_ns"),
        finish_ns=story("finish_ns"),
        replica=story("replica"),
        preemptions=preemptions,
        retries=column("retries"),
        outcome=column("outcome"),
        cached_tokens=story("cached_tokens"),
        fault=story("fault"),
        samples=np.array(twin.samples, dtype=np.float64).reshape(-1, 5),
        itl_histogram=histogram(twin.counts.gaps),
        steps=twin.counts.steps,
        prefill_tokens=twin.counts.prefill_tokens,
        busy_ns=np.array([replica.busy_ns for replica in twin.replicas], dtype=np.int64),
        tokens_lost=twin.counts.tokens_lost,
        stopped_early=twin.stopped_early,
        free_blocks=np.array([r.scheduler.memory.free for r in twin.replicas], dtype=np.int64),
    )


def exceeded(allowance: Allowance, request: Request) -> bool:
    """Whether an ended request is one violation, by the latencies of simulator/run.py."""
    if allowance.metric == "error":
        return request.outcome != COMPLETED
    latency_s, story = math.inf, request.story
    if request.outcome == COMPLETED:
        match allowance.metric:
            case "ttft":
                latency_s = (story.first_token_ns - request.arrival_ns) / NS_PER_S
            case "tpot":
                decode_s = (story.finish_ns - story.first_token_ns) / NS_PER_S
                latency_s = decode_s / max(request.output - 1, 1)
            case "e2e":
                latency_s = (story.finish_ns - request.arrival_ns) / NS_PER_S
    return latency_s > allowance.limit_s
