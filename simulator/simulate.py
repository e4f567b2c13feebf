"""scenario x fleet x (seed, replication) -> Run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.catalogue.facts import Model
from scenarios.fleet import Fleet, PythonRule, Replica
from scenarios.latency import Latency
from scenarios.memory import kv_blocks
from scenarios.model import Scenario
from simulator.admission import attempts, breaker, gates
from simulator.control.accounts import hardware, settle
from simulator.control.begin import start_control
from simulator.control.books import Books
from simulator.control.drill import Kill
from simulator.control.history import history_s
from simulator.control.lives import nanoseconds
from simulator.control.stocks import stocks
from simulator.data_plane import Allowance, DataPlane, Ints, Limits, Outcome, Pool, Setup
from simulator.inputs import draw_inputs, with_inputs
from simulator.kernel.state import NEVER_NS
from simulator.latency import reply, step_time
from simulator.plane import Plane
from simulator.rules import load_rule
from simulator.run import COMPLETED, Run, incidents_in_period
from simulator.streams import stream
from simulator.traffic import NS_PER_S, DemandError, Workload, draw_workload, ran_out

TIMELINE_SAMPLES = 120

HASTE = (1.0, 8.0, 64.0)
"""How far closed loops are drawn; further, if that was not enough
(simulator/traffic/sessions/closed.py)."""

AllowancesFor = Callable[[int], Sequence[Allowance]]
"""How much a period of that many requests may miss, before it is certainly lost."""


def simulate(
    scenario: Scenario,
    fleet: Fleet,
    seed: int,
    replication: int,
    allowances_for: AllowancesFor | None = None,
    drill: Sequence[Kill] = (),
) -> Run:
    """One replication of `scenario` on `fleet`, with the incidents of a `drill` on top.

    Same seed and replication: the same demand, and the same failures of every replica that two
    fleets share, and the same uncertain inputs. With `allowances_for` the run may end once its
    verdict is certain. Raises DemandError, InputError, and UnknownComponent for a drill of what the
    fleet does not have.
    """
    return collect(play_drawn(scenario, fleet, seed, replication, allowances_for, drill=drill))


class Played(NamedTuple):
    """A run that is over, before its figures are put together."""

    scenario: Scenario
    fleet: Fleet
    setup: Setup
    outcome: Outcome
    books: Books
    inputs: dict[str, float]
    """What was drawn of the uncertain inputs; scenario and fleet have it."""


def play_drawn(
    scenario: Scenario,
    fleet: Fleet,
    seed: int,
    replication: int,
    allowances_for: AllowancesFor | None = None,
    plane_of: Callable[[Setup], DataPlane] = Plane,
    drill: Sequence[Kill] = (),
) -> Played:
    """See `simulate`, which tells what came of it, and `serve`."""
    inputs = draw_inputs(scenario, seed, replication)
    if inputs:
        scenario = with_inputs(scenario.model_copy(update={"fleet": fleet}), inputs)
        fleet = scenario.fleet
    for haste in HASTE:
        workload = draw_workload(scenario, seed, replication, haste)
        setup = set_up(scenario, fleet, workload, seed, replication, allowances_for)
        outcome, books = play(setup, scenario, fleet, seed, replication, plane_of, drill)
        if not ran_out(workload.follow_ups, outcome.arrival_ns):
            return Played(scenario, fleet, setup, outcome, books, inputs)
    raise DemandError(
        "a closed loop went round too often to be drawn: its requests end as soon as they are "
        "sent; give its clients a pause, or see whether any replica can hold its requests"
    )


def serve(
    scenario: Scenario,
    fleet: Fleet,
    workload: Workload,
    seed: int,
    replication: int,
    allowances_for: AllowancesFor | None = None,
    plane_of: Callable[[Setup], DataPlane] = Plane,
    drill: Sequence[Kill] = (),
) -> Run:
    """Serve a given workload; see `simulate`. `plane_of` makes what serves between two events."""
    setup = set_up(scenario, fleet, workload, seed, replication, allowances_for)
    outcome, books = play(setup, scenario, fleet, seed, replication, plane_of, drill)
    return collect(Played(scenario, fleet, setup, outcome, books, {}))


def play(
    setup: Setup,
    scenario: Scenario,
    fleet: Fleet,
    seed: int,
    replication: int,
    plane_of: Callable[[Setup], DataPlane] = Plane,
    drill: Sequence[Kill] = (),
) -> tuple[Outcome, Books]:
    """The run itself: the requests of `setup`, and the processes of the fleet."""
    plane = plane_of(setup)
    books = start_control(plane, scenario, fleet, seed, replication, drill)
    return plane.run(setup.horizon_ns + nanoseconds(scenario.drain_s)), books


def set_up(
    scenario: Scenario,
    fleet: Fleet,
    workload: Workload,
    seed: int,
    replication: int,
    allowances_for: AllowancesFor | None = None,
) -> Setup:
    """All that serving a workload takes, as the data plane wants it."""
    horizon_ns = nanoseconds(scenario.horizon_s)
    counted = (workload.arrival_ns >= 0) & (workload.arrival_ns < horizon_ns)
    requests_max = int(counted.sum())
    if workload.follow_ups is not None:
        # How many follow-ups arrive in the period is not known. What is allowed grows with their
        # number: a run that misses more than if all of them did is lost.
        counted &= ~workload.follow_ups.emerges
        requests_max = int(counted.sum() + workload.follow_ups.emerges.sum())
    priorities = np.array([group.priority for group in scenario.traffic], dtype=np.int32)
    router = fleet.router
    stops, gate_of_group = gates(scenario, fleet)
    return Setup(
        workload=workload,
        counted=counted,
        start_ns=-nanoseconds(scenario.preroll_s + history_s(scenario.failures)),
        horizon_ns=horizon_ns,
        priority=priorities[workload.group],
        pools=pools(scenario, fleet),
        router="least-outstanding" if isinstance(router, PythonRule) else router,
        routing_rule=load_rule(router) if isinstance(router, PythonRule) else None,
        admission_rule=load_rule(fleet.admission) if fleet.admission else None,
        queue_limit=fleet.queue_limit,
        salt=int(stream(seed, "run", replication, "router").integers(2**63)),
        timeout_ns=nanoseconds(scenario.clients.timeout_s),
        retries=scenario.clients.retries,
        allowances=allowances_for(requests_max) if allowances_for else (),
        sample_interval_ns=max(horizon_ns // TIMELINE_SAMPLES, 1),
        attempts=attempts(scenario.clients),
        breaker=breaker(fleet.breaker),
        gates=stops,
        gate_of=gate_of_group[workload.group] if stops else None,
    )


def pools(scenario: Scenario, fleet: Fleet) -> list[Pool]:
    """The main pool, as large as it may grow, and the others."""
    most = stocks(scenario, fleet)[0].replicas
    main = pool(scenario, most, scenario.replica, scenario.latency)
    return [main, *(pool(scenario, o.replicas, o.replica, o.latency) for o in fleet.others)]


def pool(scenario: Scenario, replicas: int, replica: Replica, latency: Latency | None) -> Pool:
    model = scenario.model
    time, front = step_time(model, replica, latency), reply(replica, latency)
    return Pool(replicas, replica_limits(model, replica), time, front)


def replica_limits(model: Model, replica: Replica) -> Limits:
    """What one replica can hold, and how its scheduler is set. Its data parallel ranks count as one
    scheduler with all their seats and blocks, and so do the micro-batches of its pipeline: as if
    the load were always spread evenly."""
    engine, ranks = replica.engine, replica.data_parallel
    given = engine.num_gpu_blocks
    return Limits(
        max_num_seqs=engine.max_num_seqs * ranks,
        max_num_batched_tokens=engine.max_num_batched_tokens * ranks * replica.pipeline_parallel,
        chunked_prefill=engine.chunked_prefill,
        blocks=kv_blocks(model, replica) if given is None else given * ranks,
        block_tokens=engine.facts.block_tokens,
        context_tokens=engine.max_model_len or model.context_tokens,
        async_scheduling=engine.async_scheduling,
        prefix_caching=engine.prefix_caching,
        priority_policy=engine.scheduling_policy == "priority",
        mixed_steps=engine.facts.mixed_steps if engine.mixed_steps is None else engine.mixed_steps,
    )


def rows_in_period(setup: Setup, outcome: Outcome) -> Ints:
    """The rows of the workload that arrived in the period, by arrival."""
    arrival_ns = outcome.arrival_ns
    if setup.workload.follow_ups is None:
        return np.flatnonzero(setup.counted)
    rows = np.flatnonzero((arrival_ns >= 0) & (arrival_ns < setup.horizon_ns))
    return rows[np.argsort(arrival_ns[rows], kind="stable")]


def collect(played: Played) -> Run:
    """The rows that arrived in the period, and the fleet's own figures."""
    scenario, fleet, setup, outcome, books, inputs = played
    demand, horizon_ns, arrival_ns = setup.workload, setup.horizon_ns, outcome.arrival_ns
    rows = rows_in_period(setup, outcome)
    columns = ["time_s", "replicas_up", "waiting", "running", "kv_used"]
    timeline = pd.DataFrame(outcome.samples, columns=columns)
    timeline["arrivals"] = arrivals(arrival_ns[rows] / NS_PER_S, outcome.samples[:, 0])
    accounts = settle(
        books,
        hardware(scenario, fleet),
        horizon_ns,
        busy_ns=outcome.busy_ns.tolist(),
        tokens_lost=outcome.tokens_lost,
        fault=outcome.fault[rows],
        completed=outcome.outcome[rows] == COMPLETED,
    )
    return Run(
        arrival_s=arrival_ns[rows] / NS_PER_S,
        input_tokens=demand.input_tokens[rows],
        output_tokens=demand.output_tokens[rows],
        group=demand.group[rows],
        first_token_s=seconds(outcome.first_token_ns[rows]),
        finish_s=seconds(outcome.finish_ns[rows]),
        replica=outcome.replica[rows],
        preemptions=outcome.preemptions[rows],
        retries=outcome.retries[rows],
        outcome=outcome.outcome[rows],
        cached_tokens=outcome.cached_tokens[rows],
        fault=outcome.fault[rows],
        faults=books.faults,
        horizon_s=horizon_ns / NS_PER_S,
        itl_histogram=outcome.itl_histogram,
        timeline=timeline,
        incidents=incidents_in_period(books, horizon_ns),
        accounts=accounts,
        steps=outcome.steps,
        prefill_tokens=outcome.prefill_tokens,
        busy_share=int(outcome.busy_ns.sum()) / (horizon_ns * len(setup.pool_of)),
        stopped_early=outcome.stopped_early,
        inputs=inputs,
    )


def arrivals(arrival_s: NDArray[np.float64], sample_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many arrived from one sample to the next, told at the later one; the last one, at most
    nanoseconds before the end of the period, has those after it too.

    >>> arrivals(np.array([0.0, 0.5, 1.0, 1.2, 2.1]), np.array([0.0, 1.0, 2.0])).tolist()
    [1, 2, 2]
    """
    sample = np.minimum(np.searchsorted(sample_s, arrival_s), sample_s.size - 1)
    return np.bincount(sample, minlength=sample_s.size)


def seconds(instants_ns: np.ndarray) -> np.ndarray:
    """Seconds of instants, NaN for those that never came."""
    return np.where(instants_ns == NEVER_NS, np.nan, instants_ns / NS_PER_S)
