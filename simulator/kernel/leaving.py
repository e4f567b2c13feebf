"""Who leaves a replica before it has all its tokens: preempted, hung up, or drained."""

from simulator.kernel import kernel
from simulator.kernel.attempts import FAILURE, deadline_ns, hangs_up_now
from simulator.kernel.blocks import blocks_for, take_blocks
from simulator.kernel.decoding import stop_decoding
from simulator.kernel.journal import LEFT, PREEMPTED, write
from simulator.kernel.prefix import disown, release
from simulator.kernel.queues import back_to_inbox, pop_waiting, push_front, take_from_inbox
from simulator.kernel.state import NEVER_NS


@kernel
def leave_running(s, replica_id, position, granted, comes_back):
    """One running request gives back its seat and blocks; `granted` is 1 for a decode that was
    already given its token of the step that is composed, or lost."""
    replica = s.replicas[replica_id]
    row = s.running[replica_id, position]
    request = s.requests[row]
    if position < replica.decoding:
        stop_decoding(s, replica_id, row)
        block_tokens = s.pools[replica.pool].block_tokens
        request.blocks = blocks_for(request.computed + granted, block_tokens)
    for later in range(position + 1, replica.running):
        s.running[replica_id, later - 1] = s.running[replica_id, later]
    replica.running -= 1
    release(s, replica_id, row, request.blocks, request.computed, comes_back)
    request.blocks = 0


@kernel
def preempt(s, replica_id, position, granted, now_ns):
    """The request gives its blocks back and waits, first of its rank, to recompute; `granted` as in
    `leave_running`."""
    row = s.running[replica_id, position]
    request = s.requests[row]
    replica = s.replicas[replica_id]
    if position < replica.decoding:
        last_ns = replica.paused_ns if replica.pausing else now_ns
        request.last_token_ns = max(request.last_token_ns, last_ns)
    leave_running(s, replica_id, position, granted, True)
    write(s, now_ns, PREEMPTED, row, replica_id, request.computed, replica.running)
    request.computed = 0
    request.preemptions += 1
    replica.stuck = False
    push_front(s, replica_id, row)


@kernel
def victim(s, replica_id):
    """Where in running order the next to be preempted stands: the last, or under the priority
    policy the last among those of the highest number."""
    replica = s.replicas[replica_id]
    chosen = replica.running - 1
    if s.pools[replica.pool].priority:
        for position in range(chosen - 1, -1, -1):
            worst = s.requests[s.running[replica_id, chosen]].rank
            if s.requests[s.running[replica_id, position]].rank > worst:
                chosen = position
    return chosen


@kernel
def hang_up(s, replica_id, now_ns):
    """Requests whose client has gone by now leave: running, waiting, inbox."""
    replica = s.replicas[replica_id]
    replica.deadline_ns = NEVER_NS
    replica.stuck = False
    # Of a live replica no step is in flight: it has just ended.
    granted = 0 if replica.live or replica.pausing else 1
    position = 0
    while position < replica.running:
        row = s.running[replica_id, position]
        at_ns = deadline_ns(s, row)
        if at_ns > now_ns:
            replica.deadline_ns = min(replica.deadline_ns, at_ns)
            position += 1
            continue
        leave_running(s, replica_id, position, granted, False)
        s.load[replica_id] -= 1
        hangs_up_now(s, replica_id, row, at_ns, now_ns)
    for rank in range(s.waiting.shape[1]):
        if replica.unsorted:
            hang_up_anywhere(s, replica_id, rank, now_ns)
        else:
            # Whoever waits behind one that stays has more time left.
            while s.waiting[replica_id, rank, 0] >= 0 and hangs_up(
                s, replica_id, s.waiting[replica_id, rank, 0], now_ns
            ):
                pop_waiting(s, replica_id, rank)
    if replica.unsorted:
        for _ in range(replica.inbox):
            row = take_from_inbox(s, replica_id)
            if not hangs_up(s, replica_id, row, now_ns):
                back_to_inbox(s, replica_id, row)
    else:
        while replica.inbox > 0 and hangs_up(s, replica_id, replica.inbox_head, now_ns):
            take_from_inbox(s, replica_id)


@kernel
def hang_up_anywhere(s, replica_id, rank, now_ns):
    """Go through a whole waiting queue."""
    replica = s.replicas[replica_id]
    row, keep = s.waiting[replica_id, rank, 0], -1
    s.waiting[replica_id, rank, 0] = -1
    while row >= 0:
        after = s.requests[row].next
        if not hangs_up(s, replica_id, row, now_ns):
            link(s, s.waiting[replica_id, rank], keep, row)
            keep = row
        else:
            replica.waiting -= 1
        row = after
    s.waiting[replica_id, rank, 1] = keep


@kernel
def link(s, ends, previous, row):
    """Append to a list that is being rebuilt from its head."""
    s.requests[row].next = -1
    if previous >= 0:
        s.requests[previous].next = row
    else:
        ends[0] = row


@kernel
def hangs_up(s, replica_id, row, now_ns):
    """Whether a request that does not run leaves; if not, its deadline is noted."""
    at_ns = deadline_ns(s, row)
    if at_ns > now_ns:
        replica = s.replicas[replica_id]
        replica.deadline_ns = min(replica.deadline_ns, at_ns)
        return False
    disown(s, row)
    s.load[replica_id] -= 1
    hangs_up_now(s, replica_id, row, at_ns, now_ns)
    return True


@kernel
def drain(s, replica_id, rows, now_ns):
    """Everyone leaves, running first, then waiting, then the inbox; the cache is empty afterwards.

    rows int32[load] written: who left, in order.  Returns how many.
    """
    fleet, replica = s.fleet[0], s.replicas[replica_id]
    pool = s.pools[replica.pool]
    if 0 <= now_ns < fleet.horizon_ns:
        fleet.tokens_lost += replica.contexts
        for position in range(replica.decoding, replica.running):
            fleet.tokens_lost += s.requests[s.running[replica_id, position]].computed
    count = 0
    for position in range(replica.running):
        row = s.running[replica_id, position]
        if pool.prefix_caching:
            # Of nothing computed nothing is registered; how many own blocks go does not matter.
            release(s, replica_id, row, s.requests[row].shared, 0, False)
        rows[count] = row
        count += 1
    replica.running = replica.decoding = 0
    for rank in range(s.waiting.shape[1]):
        while s.waiting[replica_id, rank, 0] >= 0:
            rows[count] = pop_waiting(s, replica_id, rank)
            count += 1
    while replica.inbox > 0:
        rows[count] = take_from_inbox(s, replica_id)
        count += 1
    if pool.prefix_caching:
        # Evict everything: nodes leave the table, runs lose their owners.
        take_blocks(s, replica_id, replica.free)
    replica.free = replica.blank = pool.blocks
    replica.contexts = replica.step = replica.phase = 0
    replica.min_finish = replica.deadline_ns = NEVER_NS
    s.phases[replica_id, :] = 0
    replica.stepping = replica.stuck = replica.pausing = replica.resuming = 0
    replica.duration_ns = replica.prefill_tokens = 0
    s.load[replica_id] -= count
    s.boundary_ns[replica_id] = s.end_ns[replica_id] = NEVER_NS
    for place in range(count):
        write(s, now_ns, LEFT, rows[place], replica_id, FAILURE, replica.fault)
        if replica.fault >= 0:
            s.hit_by[rows[place]] = replica.fault
    return count
