"""The books of the compiled plane: at any instant every request is in one place, every KV block has
one owner, and whatever is kept twice for speed agrees. simulator/kernel/state.py says what is kept.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.kernel.blocks import slot_of
from simulator.kernel.state import CLOSED, NEVER_NS, State
from simulator.plane import Plane, has_ended
from tests.oracles.audit_attempts import audit_attempts, audit_breaker, deadlines_ns, held_attempts

home_slot = getattr(slot_of, "py_func", slot_of)
"""As plain Python: only the doors of the compiled kernel may be called from outside."""


def audit(plane: Plane) -> None:
    """Raises AssertionError unless the books of all replicas balance at `plane.env.now`."""
    s = plane.state
    stranded = listed(s, int(s.fleet[0].stranded_head), int(s.fleet[0].stranded_tail))
    assert len(stranded) == s.fleet[0].stranded
    places: Counter[int] = Counter()
    live_nodes = 0
    for replica_id in range(s.replicas.size):
        waiting, inbox = audit_queues(s, replica_id)
        running = s.running[replica_id, : s.replicas[replica_id].running].tolist()
        places.update([*running, *waiting, *inbox])
        audit_step(s, replica_id, running, plane.env.now)
        audit_deadlines(s, replica_id, [*running, *waiting, *inbox], plane.env.now)
        nodes = audit_nodes(s, replica_id, running)
        audit_blocks(s, replica_id, running, nodes)
        audit_own_runs(s, running, waiting, inbox)
        live_nodes += len(nodes)
    assert s.fleet[0].fresh_node == live_nodes + len(spare_nodes(s))
    audit_breaker(s)
    audit_attempts(s, list(places))
    assert set(places.values()) <= {1}, "an attempt is in one place"
    arrived, coming_again = audit_arrivals(s, plane.env.now)
    around = np.flatnonzero(arrived & ~has_ended(s)).tolist()
    somewhere = sorted([*stranded, *coming_again, *held_attempts(s, list(places))])
    assert somewhere == around, "who has arrived is in one place or has ended"
    counted = (s.requests.counted[: arrived.size] == 1) & ~has_ended(s)
    assert s.fleet[0].left == counted.sum()


def audit_arrivals(s: State, now_ns: int) -> tuple[Any, list[int]]:
    """Which rows have arrived, and which of those will be sent again. Of those that wait for
    others, only some arrivals are known."""
    fleet, heap = s.fleet[0], s.heap[: s.fleet[0].coming].tolist()
    arrived = np.arange(int(fleet.rows)) < fleet.next_row
    again = [row for row in heap if row < fleet.rows and s.requests[row].retries > 0]
    first = [row for row in heap if row < fleet.rows and s.requests[row].retries == 0]
    if fleet.pause_min_ns < NEVER_NS:
        emerges = s.pause_ns > 0
        arrived[emerges] = (s.arrival_ns[: arrived.size] < NEVER_NS)[emerges]
        assert arrived[first].all() and emerges[first].all(), "of those in the heap it is known"
        arrived[first] = False
        assert (s.pending[arrived] == 0).all()
        assert (s.end_ns >= s.boundary_ns)[s.boundary_ns < NEVER_NS].all()
    else:
        assert not first
    assert len(set(heap)) == len(heap)
    keys = [(int(s.due_ns[row]), row) for row in heap]
    assert all(keys[(place - 1) // 2] < keys[place] for place in range(1, len(keys)))
    assert arrived[again].all() and (s.due_ns[heap] >= now_ns).all()
    assert (s.arrival_ns[: arrived.size][arrived] <= now_ns).all()
    return arrived, again


def listed(s: State, head: int, tail: int) -> list[int]:
    """The rows of a list of requests."""
    rows, following = [], s.requests.view(np.ndarray)["next"]
    while head >= 0:
        rows.append(head)
        head = int(following[head])
    assert tail == (rows[-1] if rows else -1)
    return rows


def audit_queues(s: State, replica_id: int) -> tuple[list[int], list[int]]:
    """Waiting, in order of precedence, and the inbox."""
    replica, requests = s.replicas[replica_id], s.requests.view(np.ndarray)
    ranks = [listed(s, head, tail) for head, tail in s.waiting[replica_id].tolist()]
    waiting = [row for rows in ranks for row in rows]
    if s.pools[replica.pool].priority:
        expected = [rank for rank, rows in enumerate(ranks) for _ in rows]
        assert requests["rank"][waiting].tolist() == expected
    inbox = listed(s, int(replica.inbox_head), int(replica.inbox_tail))
    assert (replica.waiting, replica.inbox) == (len(waiting), len(inbox))
    joined = requests["joined_ns"][inbox].tolist()
    assert joined == sorted(joined)
    assert replica.inbox_ns == (joined[0] if joined else NEVER_NS)
    assert s.load[replica_id] % CLOSED == replica.running + len(waiting) + len(inbox)
    held = requests[[*waiting, *inbox]]
    assert not any(held[name].any() for name in ("computed", "blocks", "shared", "segments"))
    assert (held["replica"] == replica_id).all()
    return waiting, inbox


def audit_step(s: State, replica_id: int, running: list[int], now_ns: int) -> None:
    """The step in flight, and the sums kept over decodes."""
    replica, pool = s.replicas[replica_id], s.pools[s.replicas[replica_id].pool]
    decodes, prefills = running[: replica.decoding], running[replica.decoding :]
    assert len(running) <= pool.seats
    audit_grants(s, replica_id, len(decodes), [int(s.requests[row].granted) for row in prefills])
    assert bool(replica.stepping) >= bool(running)
    assert s.boundary_ns[replica_id] >= now_ns
    if replica.live:
        assert bool(replica.stepping) == bool(running)
        assert (s.boundary_ns[replica_id] < NEVER_NS) == bool(s.load[replica_id] % CLOSED)
    contexts = [computed_tokens(s, replica_id, row) for row in decodes]
    assert replica.contexts == sum(contexts)
    phases = np.bincount(
        (np.array(contexts, dtype=int) + replica.phase) % pool.block_tokens,
        minlength=s.phases.shape[1],
    )
    assert s.phases[replica_id].tolist() == phases.tolist()
    finish_steps = [int(s.requests[row].finish_step) for row in decodes]
    assert replica.step < min(finish_steps, default=NEVER_NS)
    assert replica.min_finish <= min(finish_steps, default=NEVER_NS)


def audit_deadlines(s: State, replica_id: int, held: list[int], now_ns: int) -> None:
    """No client of the replica hangs up before it may be noticed; on a dead one, exactly then."""
    replica, deadline_ns = s.replicas[replica_id], deadlines_ns(s, held).min(initial=NEVER_NS)
    assert replica.deadline_ns <= deadline_ns
    if not replica.live:
        assert s.boundary_ns[replica_id] <= max(deadline_ns, now_ns)


def audit_grants(s: State, replica_id: int, decodes: int, granted: list[int]) -> None:
    """Who takes part in the step in flight: everybody, or else decodes or prefills alone."""
    replica, pool = s.replicas[replica_id], s.pools[s.replicas[replica_id].pool]
    taking_part = 0 if replica.pausing else decodes
    assert taking_part + sum(granted) <= pool.budget
    if replica.stepping and replica.live:  # clients of a dead one hang up in the middle of a step
        assert replica.sequences == taking_part + np.count_nonzero(granted) > 0
    if pool.mixed:
        assert not (replica.pausing or replica.resuming)
        assert all(granted)
    elif replica.stepping:
        assert all(granted) if replica.pausing else granted in ([], [0])
        assert not (replica.pausing and replica.resuming)


def computed_tokens(s: State, replica_id: int, row: int) -> int:
    """Of a decode, whose count is not kept."""
    request = s.requests[row]
    left = int(request.finish_step - s.replicas[replica_id].step)
    return int(request.prompt + request.output) - left - 1


def audit_nodes(s: State, replica_id: int, running: list[int]) -> list[int]:
    """The nodes of one replica: used ones, and those in its eviction queue."""
    replica = s.replicas[replica_id]
    queue = list(eviction_queue(s, replica_id))
    assert replica.free == replica.blank + sum(int(s.nodes[index].resident) for index in queue)
    assert replica.blank >= 0
    users: Counter[int] = Counter()
    for row in running:
        users.update(used_nodes(s, replica_id, row))
    keyed = {int(i) for i in s.table[s.table >= 0] if s.nodes[i].replica == replica_id}
    assert keyed == set(users) | {index for index in queue if s.nodes[index].key >= 0}
    for index in keyed:
        assert find(s, s.nodes[index].key, replica_id) == index, "a node is found by its key"
        assert s.nodes[index].users == users[index]
    keys = [int(s.nodes[index].key) for index in keyed]
    assert len(set(keys)) == len(keys)
    for index in {*queue, *users}:
        node = s.nodes[index]
        assert node.resident > 0 and node.replica == replica_id
    assert all(s.nodes[index].users == 0 for index in queue)
    return [*queue, *users]


def find(s: State, key: Any, replica_id: int) -> int:
    """The node of a key, by the way that a lookup goes: -1 behind a gap."""
    with np.errstate(over="ignore"):  # 64-bit hashes wrap around
        slot = int(home_slot(s, key, replica_id))
    while (index := int(s.table[slot])) >= 0:
        if s.nodes[index].key == key and s.nodes[index].replica == replica_id:
            return index
        slot = (slot + 1) % s.table.size
    return -1


def eviction_queue(s: State, replica_id: int) -> Iterator[int]:
    """Front to back; neighbours know each other."""
    previous, index = -1, int(s.replicas[replica_id].evict_head)
    while index >= 0:
        assert s.nodes[index].previous == previous
        yield index
        previous, index = index, int(s.nodes[index].next)
    assert s.replicas[replica_id].evict_tail == previous


def used_nodes(s: State, replica_id: int, row: int) -> list[int]:
    """The nodes a running request uses; its shared blocks are in them."""
    request, block_tokens = s.requests[row], s.pools[s.replicas[replica_id].pool].block_tokens
    first, used, begin = int(s.chain_first[row]), [], 0
    for segment in range(first, first + int(request.segments)):
        end = int(s.chain_ends[segment]) // block_tokens
        index = int(s.chain_nodes[segment])
        if end > begin:
            assert s.nodes[index].key == s.chain_keys[segment]
            assert s.nodes[index].resident >= min(int(request.shared), end) - begin > 0
            used.append(index)
        begin = end
    assert request.shared <= begin
    return used


def audit_blocks(s: State, replica_id: int, running: list[int], nodes: list[int]) -> None:
    """Every block is free, in a used node, or a running request's own."""
    replica, pool = s.replicas[replica_id], s.pools[s.replicas[replica_id].pool]
    own = 0
    for position, row in enumerate(running):
        request = s.requests[row]
        if position < replica.decoding:
            tokens = computed_tokens(s, replica_id, row) + (not replica.pausing)
        else:
            tokens = int(request.computed + request.granted)
            assert request.blocks == -(-tokens // pool.block_tokens)
        own += -(-tokens // pool.block_tokens) - int(request.shared)
        assert -(-tokens // pool.block_tokens) >= request.shared
    in_use = sum(int(s.nodes[index].resident) for index in nodes if s.nodes[index].users)
    assert replica.free + in_use + own == pool.blocks
    assert replica.free >= 0
    if not pool.prefix_caching:
        assert (replica.blank, nodes) == (replica.free, [])


def audit_own_runs(s: State, running: list[int], waiting: list[int], inbox: list[int]) -> None:
    """Blocks that a preempted request left behind: it knows them, and they know it."""
    assert all(s.requests[row].own_node == -1 for row in [*running, *inbox])
    for row in waiting:
        index = int(s.requests[row].own_node)
        if index >= 0:
            node = s.nodes[index]
            assert (node.key, node.owner, node.users) == (-1, row, 0)
            assert 0 <= node.full <= node.resident
            assert node.replica == s.requests[row].replica


def spare_nodes(s: State) -> list[Any]:
    """The records that were given back."""
    spare, index = [], int(s.fleet[0].spare_node)
    while index >= 0:
        spare.append(index)
        index = int(s.nodes[index].next)
    return spare
