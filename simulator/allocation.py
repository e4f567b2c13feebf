"""Setup -> State: all memory of a run, as it is before the first event."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.data_plane import Breaker, Gate, Ints, Pool, Setup
from simulator.histogram import BINS
from simulator.kernel.attempts import FAILURE, MILLION, REJECTION, SOON_NS, TIMEOUT
from simulator.kernel.ending import METRICS
from simulator.kernel.journal import ENTRY
from simulator.kernel.routing import ROUTERS
from simulator.kernel.state import (
    ALLOWANCE,
    FLEET,
    GATE,
    NEVER_NS,
    NO_LIMIT,
    NODE,
    NOTE,
    PAIR,
    POOL,
    REPLICA,
    REQUEST,
    State,
)
from simulator.kernel.step_time import STEP_TIME
from simulator.run import UNFINISHED
from simulator.traffic import Chains
from simulator.traffic.follow_ups import NOBODY

NOTES_MOST = 2
"""Of an attempt between two looks at them: its first token, and its end."""


def records(dtype: np.dtype[Any], rows: Sequence[Any] | int) -> Any:
    """An array of records, from rows or zeros, whose fields are attributes."""
    made = np.zeros(rows, dtype) if isinstance(rows, int) else np.array(rows, dtype)
    return made.view(np.recarray)


def new_state(setup: Setup, journal: int = 0) -> State:
    """The arrays of `setup`, and a journal of so many entries; see `State`."""
    pools, pool_of = setup.pools, setup.pool_of
    replicas, rows = len(pool_of), len(setup.workload)
    copies = 1 if setup.attempts.hedge_ns is None else 2
    chains = setup.workload.chains or Chains(
        np.zeros(rows + 1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    )
    if copies == 2:
        first = np.concatenate([chains.first, chains.first[1:] + chains.keys.size])
        chains = Chains(first, np.tile(chains.keys, 2), np.tile(chains.ends, 2))
    ranks = np.unique(setup.priority)
    by_priority = any(pool.limits.priority_policy for pool in pools)
    cached = [pool for pool in pools if pool.limits.prefix_caching]
    blocks_cached = sum(pool.replicas * pool.limits.blocks for pool in cached)
    segments = chains.keys.size * len(pool_of)
    return State(
        fleet=fleet_record(setup),
        pools=pool_records(pools),
        times=records(STEP_TIME, [pool.time for pool in pools]),
        replicas=replica_records(setup),
        boundary_ns=np.full(replicas, NEVER_NS),
        end_ns=np.full(replicas, NEVER_NS),
        load=np.zeros(replicas, dtype=np.int64),
        running=np.zeros((replicas, max(p.limits.max_num_seqs for p in pools)), dtype=np.int32),
        phases=np.zeros((replicas, max(p.limits.block_tokens for p in pools)), dtype=np.int32),
        waiting=np.full((replicas, max(ranks.size, 1) if by_priority else 1, 2), -1, np.int32),
        requests=request_records(setup, ranks, copies),
        hit_by=np.full(copies * rows, -1, dtype=np.int32),
        ended=np.zeros(rows, dtype=np.int32),
        **waiting_rows(setup, copies),
        fits=twice(
            np.bitwise_or.reduce(
                [fits.astype(np.uint8) << index for index, fits in enumerate(setup.fits())],
                dtype=np.uint8,
            ),
            copies,
        ),
        chain_first=plain(chains.first),
        chain_keys=plain(chains.keys),
        chain_ends=plain(chains.ends),
        chain_nodes=np.full(chains.keys.size, -1, dtype=np.int32),
        # A node holds at least one block, but for the one that is about to be filled or freed.
        nodes=records(NODE, blocks_cached + 2 if cached else 1),
        table=np.full(power_of_two(2 * min(blocks_cached, segments) + 2), -1, dtype=np.int32),
        histogram=np.zeros(BINS, dtype=np.int64),
        allowances=records(
            ALLOWANCE,
            [(a.limit_s, a.violations, METRICS.index(a.metric)) for a in setup.allowances],
        ),
        gates=gate_records(setup.gates),
        gate_of=plain(setup.gate_of if setup.gates else np.zeros(0), np.int32),
        notes=records(NOTE, NOTES_MOST * copies * rows if watching(setup) else 0),
        pairs=records(PAIR, rows if copies == 2 else 0),
        samples=np.zeros((setup.horizon_ns // setup.sample_interval_ns + 1, 5)),
        journal=records(ENTRY, journal),
    )


def waiting_rows(setup: Setup, copies: int) -> dict[str, Any]:
    """When rows arrive, and who waits for whom."""
    workload = setup.workload
    rows, follow_ups = len(workload), workload.follow_ups
    again = copies == 2 or setup.attempts.wait_first_ns > 0
    if follow_ups is None:
        arrival_ns, emerging = plain(workload.arrival_ns), 1
        none, nobody = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32)
        waiting = {
            "follow_first": none, "pause_ns": none,
            "follow_rows": nobody, "otherwise": nobody, "pending": nobody,
        }  # fmt: skip
    else:
        emerges, otherwise = follow_ups.emerges, follow_ups.otherwise
        assert (follow_ups.pause_ns[emerges] > 0).all(), "no end brings an arrival of its instant"
        assert emerges[otherwise[otherwise != NOBODY]].all(), "whom failures bring waits for others"
        arrival_ns = np.where(emerges, NEVER_NS, workload.arrival_ns)
        emerging = max(int(emerges.sum()), 1)
        waiting = {
            "follow_first": plain(follow_ups.first),
            "follow_rows": plain(follow_ups.rows, np.int32),
            "otherwise": plain(otherwise, np.int32),
            "pause_ns": plain(follow_ups.pause_ns),
            "pending": follow_ups.waits.astype(np.int32),
        }
    if copies == 2:
        arrival_ns = np.concatenate([arrival_ns, np.full(rows, NEVER_NS)])
    return waiting | {
        "arrival_ns": arrival_ns,
        "due_ns": arrival_ns.copy() if again else arrival_ns,
        "heap": np.zeros(copies * rows if again else emerging, dtype=np.int32),
    }


def plain(numbers: Any, dtype: Any = np.int64) -> Any:
    """As the kernel was compiled for: contiguous and writable; a copy only where it must be."""
    return np.require(numbers, dtype, ["C", "W"])


def twice(column: Any, copies: int) -> Any:
    """A column of the requests, and again for their copies, if there may be any."""
    return column if copies == 1 else np.tile(column, copies)


def power_of_two(least: int) -> int:
    return 1 << math.ceil(math.log2(least))


def fleet_record(setup: Setup) -> Any:
    record = records(FLEET, 1)
    fleet = record[0]
    fleet.horizon_ns, fleet.timeout_ns = setup.horizon_ns, setup.timeout_ns
    fleet.rows, fleet.clock_ns = len(setup.workload), setup.start_ns
    set_attempts(fleet, setup)
    set_breaker(fleet, setup.breaker)
    fleet.shedding = any(gate.shed_ppm is not None for gate in setup.gates)
    fleet.salt = setup.salt
    fleet.queue_limit = NO_LIMIT if setup.queue_limit is None else setup.queue_limit
    fleet.router = ROUTERS.index(setup.router)
    fleet.by_rule = setup.routing_rule is not None or setup.admission_rule is not None
    fleet.sample_interval_ns = setup.sample_interval_ns
    fleet.left = int(setup.counted.sum())
    fleet.pause_min_ns = NEVER_NS
    follow_ups = setup.workload.follow_ups
    if follow_ups is not None and follow_ups.emerges.any():
        fleet.pause_min_ns = follow_ups.pause_ns[follow_ups.emerges].min()
        fleet.next_row = np.argmin(np.append(follow_ups.emerges, False))
    fleet.last_chosen = fleet.stranded_head = fleet.stranded_tail = fleet.spare_node = -1
    return record


def watching(setup: Setup) -> bool:
    """Whether what happens to attempts at boundaries may matter elsewhere."""
    attempts = setup.attempts
    return attempts.first_token_timeout_ns is not None or attempts.hedge_ns is not None


def set_attempts(fleet: Any, setup: Setup) -> None:
    attempts = setup.attempts
    until_token_ns, hedge_ns = attempts.first_token_timeout_ns, attempts.hedge_ns
    fleet.first_token_timeout_ns = NEVER_NS if until_token_ns is None else until_token_ns
    fleet.hedge_ns = NEVER_NS if hedge_ns is None else hedge_ns
    fleet.watching = watching(setup)
    fleet.retries = setup.retries
    waits = attempts.wait_first_ns > 0
    fleet.retried = (
        attempts.on_failure << FAILURE
        | (attempts.on_rejection and waits) << REJECTION
        | (attempts.on_timeout and waits) << TIMEOUT
    )
    fleet.wait_first_ns, fleet.wait_most_ns = attempts.wait_first_ns, attempts.wait_most_ns
    fleet.jitter_ppm = attempts.jitter_ppm
    if attempts.budget_ppm is None:
        fleet.budget = fleet.budget_most = NO_LIMIT
    else:
        fleet.budget = fleet.budget_most = MILLION * attempts.budget_burst
        fleet.budget_ppm = attempts.budget_ppm


def set_breaker(fleet: Any, breaker: Breaker | None) -> None:
    fleet.breaker_failures, fleet.apart_ns, fleet.back_ns = NO_LIMIT, SOON_NS, NEVER_NS
    if breaker is not None:
        fleet.breaker_failures = breaker.failures
        fleet.eject_ns, fleet.eject_ppm = breaker.eject_ns, breaker.at_most_ppm
        fleet.apart_ns = min(SOON_NS, breaker.eject_ns)


def gate_records(gates: Sequence[Gate]) -> Any:
    rows = [
        (
            NO_LIMIT if gate.shed_ppm is None else gate.shed_ppm,
            gate.interval_ns or 0,
            (gate.burst - 1) * (gate.interval_ns or 0),
            -NEVER_NS,
        )
        for gate in gates
    ]
    return records(GATE, rows)


def pool_records(pools: Sequence[Pool]) -> Any:
    rows = [
        (
            limits.max_num_seqs, limits.max_num_batched_tokens, limits.blocks,
            limits.block_tokens, limits.chunked_prefill, limits.async_scheduling,
            limits.prefix_caching, limits.priority_policy, limits.mixed_steps, *reply,
        )
        for _, limits, _, reply in pools
    ]  # fmt: skip
    return records(POOL, rows)


def replica_records(setup: Setup) -> Any:
    fresh = records(REPLICA, len(setup.pool_of))
    fresh.pool = setup.pool_of
    fresh.free = fresh.blank = [setup.pools[index].limits.blocks for index in setup.pool_of]
    fresh.min_finish = fresh.deadline_ns = fresh.inbox_ns = NEVER_NS
    fresh.inbox_head = fresh.inbox_tail = fresh.evict_head = fresh.evict_tail = -1
    fresh.trip_ns = fresh.back_ns = NEVER_NS
    fresh.live, fresh.slowness, fresh.fault = 1, 1.0, -1
    return fresh


def request_records(setup: Setup, ranks: Ints, copies: int) -> Any:
    """One after the other, and then their copies, if there may be any."""
    demand = setup.workload
    fresh = records(REQUEST, copies * len(demand))
    fresh.first_token_ns = fresh.finish_ns = fresh.last_token_ns = NEVER_NS
    fresh.prompt = twice(demand.input_tokens, copies)
    fresh.output = twice(demand.output_tokens, copies)
    fresh.own_node = fresh.next = fresh.replica = -1
    fresh.outcome = UNFINISHED
    if demand.follow_ups is not None:
        fresh.joined_ns = -NEVER_NS
    fresh.rank = twice(np.searchsorted(ranks, setup.priority), copies)
    fresh.counted = twice(setup.counted, copies)
    return fresh
