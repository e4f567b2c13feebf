"""scenario x fleet x (seed, replication) -> Run."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import simpy

from scenarios.memory import kv_blocks
from scenarios.model import Fleet, ReplicaFailures, Scenario
from simulator.batching import NEVER_NS, Limits
from simulator.fleet import Cluster, Records, Referee, Replica, arrive, at, nanoseconds, probe
from simulator.histogram import histogram
from simulator.latency import step_time
from simulator.outages import outages
from simulator.routing import ROUTERS
from simulator.run import Run
from simulator.streams import stream
from simulator.traffic import NS_PER_S, Workload, draw_workload

TIMELINE_SAMPLES = 120


def simulate(
    scenario: Scenario,
    fleet: Fleet,
    seed: int,
    replication: int,
    referee_for: Callable[[int], Referee] | None = None,
) -> Run:
    """One replication of `scenario` on `fleet`.

    Same seed and replication: the same demand, and the same failures of every replica that two
    fleets share. `referee_for(counted requests)` may end the run once its verdict is certain.
    """
    workload = draw_workload(scenario, seed, replication)
    return serve(scenario, fleet, workload, seed, replication, referee_for)


def serve(
    scenario: Scenario,
    fleet: Fleet,
    workload: Workload,
    seed: int,
    replication: int,
    referee_for: Callable[[int], Referee] | None = None,
) -> Run:
    """Serve a given workload; see `simulate`."""
    horizon_ns = nanoseconds(scenario.horizon_s)
    counted = (workload.arrival_ns >= 0) & (workload.arrival_ns < horizon_ns)
    env = simpy.Environment(initial_time=-nanoseconds(scenario.preroll_s))
    referee = referee_for(int(counted.sum())) if referee_for else None
    records = Records(env, workload, counted, referee)
    limits, time = replica_limits(scenario), step_time(scenario)
    replicas = [Replica(env, id, limits, time, records, horizon_ns) for id in range(fleet.replicas)]
    cluster = Cluster(env, replicas, ROUTERS[fleet.router](), records, scenario.clients.retries)
    timeout_ns = nanoseconds(scenario.clients.timeout_s)
    samples: list[tuple[float, ...]] = []
    env.process(arrive(env, workload, timeout_ns, limits, cluster))
    env.process(probe(env, cluster, max(horizon_ns // TIMELINE_SAMPLES, 1), samples))
    env.process(at(env, horizon_ns, records.one_less))
    env.process(at(env, horizon_ns + nanoseconds(scenario.drain_s), records.stop))
    if scenario.failures is not None:
        fail_replicas(env, cluster, scenario.failures.replica, scenario, seed, replication)
    env.run(until=records.over)
    records.sweep(timeout_ns, env.now)
    return collect(workload, records, replicas, samples, horizon_ns)


def replica_limits(scenario: Scenario) -> Limits:
    """What one replica of the scenario can hold."""
    replica, engine = scenario.replica, scenario.replica.engine
    blocks = engine.num_gpu_blocks or kv_blocks(
        scenario.model, replica.gpu, engine.facts, replica.precision, replica.tensor_parallel,
        engine.gpu_memory_utilization,
    )  # fmt: skip
    return Limits(
        max_num_seqs=engine.max_num_seqs,
        max_num_batched_tokens=engine.max_num_batched_tokens,
        chunked_prefill=engine.chunked_prefill,
        blocks=blocks,
        block_tokens=engine.facts.block_tokens,
        context_tokens=engine.max_model_len or scenario.model.context_tokens,
    )


def fail_replicas(
    env: simpy.Environment,
    cluster: Cluster,
    failures: ReplicaFailures,
    scenario: Scenario,
    seed: int,
    replication: int,
) -> None:
    for replica in cluster.replicas:
        rng = stream(seed, "run", replication, "failures", replica.id)
        env.process(
            cluster.fail_and_recover(replica, outages(failures, scenario.cold_start_s, rng))
        )


def collect(
    workload: Workload,
    records: Records,
    replicas: list[Replica],
    samples: list[tuple[float, ...]],
    horizon_ns: int,
) -> Run:
    """The counted rows and the fleet's own figures."""
    rows = records.counted
    gaps: Counter[int] = sum((replica.gaps for replica in replicas), Counter())
    columns = ["time_s", "replicas_up", "waiting", "running", "kv_used"]
    timeline = pd.DataFrame(samples, columns=columns)
    return Run(
        arrival_s=workload.arrival_ns[rows] / NS_PER_S,
        input_tokens=workload.input_tokens[rows],
        output_tokens=workload.output_tokens[rows],
        group=workload.group[rows],
        first_token_s=seconds(records.first_token_ns[rows]),
        finish_s=seconds(records.finish_ns[rows]),
        replica=records.replica[rows],
        preemptions=records.preemptions[rows],
        retries=records.retries[rows],
        outcome=records.outcome[rows],
        horizon_s=horizon_ns / NS_PER_S,
        itl_histogram=histogram(gaps),
        timeline=timeline[timeline["time_s"] * NS_PER_S <= horizon_ns],
        steps=sum(replica.steps for replica in replicas),
        busy_share=sum(replica.busy_ns for replica in replicas) / (horizon_ns * len(replicas)),
        stopped_early=records.stopped_early,
    )


def seconds(instants_ns: np.ndarray) -> np.ndarray:
    """Seconds of instants, NaN for those that never came."""
    return np.where(instants_ns == NEVER_NS, np.nan, instants_ns / NS_PER_S)
