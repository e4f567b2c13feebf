"""Case -> what the simulator says of it, in the metrics and units of the case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, ClosedLoop, OpenLoop, StaticBatch
from simulator.closed_loop import FOREVER_NS, lone_replica, serve_closed
from simulator.data_plane import Ints, Outcome, Pool
from simulator.kernel.step_time import STEP_TIME, StepTime, many_s
from simulator.latency import reply, step_time
from simulator.plane import Plane
from simulator.run import COMPLETED
from simulator.simulate import replica_limits
from simulator.streams import stream
from simulator.traffic import NS_PER_S, Workload
from simulator.traffic.prefixes import Chains

Floats = NDArray[np.float64]
SEEDS = 3
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def predict(case: Case, seeds: int = SEEDS) -> dict[str, float]:
    """Every metric the simulator can give of a case; means over `seeds` where chance plays."""
    pool = pool_of(case)
    if isinstance(case.load, StaticBatch):
        prefill_ms, decode_ms = (1e3 * steps_s([pool.time] * 2, static_loads(case.load))).tolist()
        return {"prefill": prefill_ms, "decode": decode_ms}
    if isinstance(case.load, ClosedLoop):
        return mean_of([closed_loop(case.load, pool, seed) for seed in range(seeds)])
    if case.load.recorded is not None:
        seeds = 1
    return mean_of([open_loop(case.load, pool, seed) for seed in range(seeds)])


def pool_of(case: Case) -> Pool:
    """The one replica of the case."""
    model, replica, latency = case.model, case.replica, case.latency
    time, front = step_time(model, replica, latency), reply(replica, latency)
    return Pool(1, replica_limits(model, replica), time, front)


def mean_of(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [name for name in figures[0] if all(name in each for each in figures)]
    return {name: float(np.mean([each[name] for each in figures])) for name in names}


# --- one engine step at a time -------------------------------------------------------------------


def steps_s(times: Sequence[StepTime], loads: Ints) -> Floats:
    """Seconds of each step: loads int64[n, 5] as `many_s` takes them."""
    seconds = np.empty(len(times))
    many_s(np.array(times, STEP_TIME).view(np.recarray), loads, seconds)
    return seconds


def step_load(prefills: int, prompt: float, decodes: int, context: float) -> list[int]:
    """The load of a step that computes `prefills` whole prompts and a token of each of `decodes`
    requests at `context` tokens."""
    kv = round(decodes * context)
    pairs = kv + decodes + round(prefills * prompt * (prompt + 1) / 2)
    return [round(prefills * prompt), decodes, prefills + decodes, kv, pairs]


def static_loads(load: StaticBatch) -> Ints:
    """The prefill of the batch, and its decode step half way."""
    context = load.input_tokens + load.output_tokens / 2
    return np.array(
        [
            step_load(load.batch, load.input_tokens, 0, 0),
            step_load(0, 0, load.batch, context),
        ]
    )


def mean_field_loads(load: ClosedLoop, decodes: int) -> Ints:
    """A step of decodes only, and the same with one whole prompt on top."""
    prompt, output = np.mean(load.input_tokens), np.mean(load.output_tokens)
    context = float(prompt + output / 2)
    return np.array(
        [step_load(0, 0, decodes, context), step_load(1, float(prompt), decodes, context)]
    )


# --- whole runs ----------------------------------------------------------------------------------


def closed_loop(load: ClosedLoop, pool: Pool, seed: int) -> dict[str, float]:
    """One run of a closed loop; its warm-up is simulated and not counted."""
    count = load.warm_up + load.requests
    inputs, outputs = lengths(load, count, seed)
    workload, outcome = serve_closed(pool, inputs, outputs, load.concurrency)
    arrival_ns, rows = workload.arrival_ns, slice(load.warm_up, count)
    done = latencies(arrival_ns[rows], outputs[rows], take(outcome, rows))
    if not done.e2e.size:
        return {}
    span_s = (outcome.finish_ns[rows].max() - arrival_ns[rows].min()) / NS_PER_S
    served = outputs[rows][outcome.outcome[rows] == COMPLETED].sum()
    return figures(done) | {"throughput": float(served / span_s)}


def lengths(load: ClosedLoop, count: int, seed: int) -> tuple[Ints, Ints]:
    """Of the first `count` prompts and answers: as recorded, else drawn from the ranges."""
    if load.lengths:
        rows = np.resize(np.array(load.lengths), (count, 2))
        return rows[:, 0], rows[:, 1]
    rng = stream(seed, "validate", "closed-loop")
    inputs, outputs = (
        rng.integers(low, high, count, endpoint=True)
        for low, high in (load.input_tokens, load.output_tokens)
    )
    return inputs, outputs


def open_loop(load: OpenLoop, pool: Pool, seed: int) -> dict[str, float]:
    """One run of an open loop."""
    workload = load.recorded if load.recorded is not None else drawn(load, seed)
    outcome = serve_open(workload, pool, load.timeout_s)
    return figures(latencies(workload.arrival_ns, workload.output_tokens, outcome))


def serve_open(workload: Workload, pool: Pool, timeout_s: float) -> Outcome:
    """A recorded workload on one replica; every request counts."""
    setup = lone_replica(pool, workload)
    if np.isfinite(timeout_s):
        setup = replace(setup, timeout_ns=round(timeout_s * NS_PER_S))
    return Plane(setup).run(FOREVER_NS)


def drawn(load: OpenLoop, seed: int) -> Workload:
    """Stage by stage: exponential gaps, rescaled so that they fill the stage."""
    rng = stream(seed, "validate", "open-loop")
    arrivals = []
    for stage in load.stages:
        gaps = rng.exponential(size=stage.requests)
        arrivals.append(stage.start_s + np.cumsum(gaps) / gaps.sum() * stage.duration_s)
    arrival_ns = np.rint(np.concatenate(arrivals) * NS_PER_S).astype(np.int64)
    rows = arrival_ns.size
    chains = round_robin_chains(load, rows) if load.prompts else None
    return Workload(
        arrival_ns,
        np.full(rows, load.input_tokens, np.int32),
        np.full(rows, load.output_tokens, np.int32),
        np.zeros(rows, np.int16),
        chains,
    )


def round_robin_chains(load: OpenLoop, rows: int) -> Chains:
    """Each prompt is the same as the one `prompts` before it."""
    return Chains(
        np.arange(rows + 1),
        np.arange(rows) % load.prompts,
        np.full(rows, load.input_tokens, np.int64),
    )


# --- figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Latencies:
    """Of the requests that completed, ms: ttft, tpot (of those with more than one token), e2e."""

    ttft: Floats
    tpot: Floats
    e2e: Floats


def latencies(arrival_ns: Ints, output_tokens: NDArray[Any], outcome: Outcome) -> Latencies:
    done = outcome.outcome == COMPLETED
    first, finish = outcome.first_token_ns[done], outcome.finish_ns[done]
    gaps = output_tokens[done] - 1
    several = gaps > 0
    return Latencies(
        ttft=(first - arrival_ns[done]) / 1e6,
        tpot=(finish - first)[several] / gaps[several] / 1e6,
        e2e=(finish - arrival_ns[done]) / 1e6,
    )


def figures(done: Latencies) -> dict[str, float]:
    """Mean and quantiles of each latency, and how many requests completed."""
    known = {"completed": float(done.e2e.size)}
    for name in ("ttft", "tpot", "e2e"):
        values = getattr(done, name)
        if values.size:
            known[f"{name}_mean"] = float(values.mean())
            for suffix, share in QUANTILES.items():
                known[f"{name}_{suffix}"] = float(np.quantile(values, share))
    return known


def take(outcome: Outcome, rows: slice) -> Outcome:
    """The outcome of some rows."""
    columns = ("first_token_ns", "finish_ns", "outcome")
    return replace(outcome, **{name: getattr(outcome, name)[rows] for name in columns})
