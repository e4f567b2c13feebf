"""Setup -> State: all memory of a run, as it is before the first event."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.data_plane import Ints, Pool, Setup
from simulator.histogram import BINS
from simulator.kernel.ending import METRICS
from simulator.kernel.routing import ROUTERS
from simulator.kernel.state import ALLOWANCE, FLEET, NEVER_NS, NODE, POOL, REPLICA, REQUEST, State
from simulator.kernel.step_time import STEP_TIME
from simulator.run import UNFINISHED
from simulator.traffic import Chains, Workload
from simulator.traffic.follow_ups import NOBODY

NO_LIMIT = 1 << 60


def records(dtype: np.dtype[Any], rows: Sequence[Any] | int) -> Any:
    """An array of records, from rows or zeros, whose fields are attributes."""
    made = np.zeros(rows, dtype) if isinstance(rows, int) else np.array(rows, dtype)
    return made.view(np.recarray)


def new_state(setup: Setup) -> State:
    """The arrays of `setup`; see `State`."""
    pools, pool_of = setup.pools, setup.pool_of
    replicas, rows = len(pool_of), len(setup.workload)
    chains = setup.workload.chains or Chains(
        np.zeros(rows + 1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    )
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
        requests=request_records(setup, ranks),
        ended=np.zeros(rows, dtype=np.int32),
        **waiting_rows(setup.workload),
        fits=np.bitwise_or.reduce(
            [fits.astype(np.uint8) << index for index, fits in enumerate(setup.fits())],
            dtype=np.uint8,
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
        samples=np.zeros((setup.horizon_ns // setup.sample_interval_ns + 1, 5)),
    )


def waiting_rows(workload: Workload) -> dict[str, Any]:
    """When rows arrive, and who waits for whom."""
    follow_ups = workload.follow_ups
    if follow_ups is None:
        none, nobody = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32)
        return {
            "arrival_ns": plain(workload.arrival_ns), "follow_first": none, "pause_ns": none,
        } | dict.fromkeys(("follow_rows", "otherwise", "pending", "heap"), nobody)  # fmt: skip
    emerges, otherwise = follow_ups.emerges, follow_ups.otherwise
    assert (follow_ups.pause_ns[emerges] > 0).all(), "no end brings an arrival of the same instant"
    assert emerges[otherwise[otherwise != NOBODY]].all(), "whom a failure brings waits for others"
    return {
        "arrival_ns": np.where(emerges, NEVER_NS, workload.arrival_ns),
        "follow_first": plain(follow_ups.first),
        "follow_rows": plain(follow_ups.rows, np.int32),
        "otherwise": plain(otherwise, np.int32),
        "pause_ns": plain(follow_ups.pause_ns),
        "pending": follow_ups.waits.astype(np.int32),
        "heap": np.zeros(np.count_nonzero(emerges), dtype=np.int32),
    }


def plain(numbers: Any, dtype: Any = np.int64) -> Any:
    """As the kernel was compiled for: contiguous and writable; a copy only where it must be."""
    return np.require(numbers, dtype, ["C", "W"])


def power_of_two(least: int) -> int:
    return 1 << math.ceil(math.log2(least))


def fleet_record(setup: Setup) -> Any:
    record = records(FLEET, 1)
    fleet = record[0]
    fleet.horizon_ns, fleet.timeout_ns = setup.horizon_ns, setup.timeout_ns
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
    fresh.live = 1
    return fresh


def request_records(setup: Setup, ranks: Ints) -> Any:
    demand = setup.workload
    fresh = records(REQUEST, len(demand))
    fresh.first_token_ns = fresh.finish_ns = fresh.last_token_ns = NEVER_NS
    fresh.prompt, fresh.output = demand.input_tokens, demand.output_tokens
    fresh.own_node = fresh.next = fresh.replica = -1
    fresh.outcome = UNFINISHED
    if demand.follow_ups is not None:
        fresh.joined_ns = -NEVER_NS
    fresh.rank = np.searchsorted(ranks, setup.priority)
    fresh.counted = setup.counted
    return fresh
