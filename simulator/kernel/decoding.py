"""Lazy decoding: requests that decode are sums of their replica, until they stop (see state.py)."""

from simulator.kernel import kernel
from simulator.kernel.blocks import blocks_for, take_blocks
from simulator.kernel.state import NEVER_NS, histogram_bin
from simulator.kernel.step_time import experts_s, linear_s, whole_ns


@kernel
def start_decoding(s, replica_id, row):
    """From now on the request is part of the replica's sums."""
    replica, request = s.replicas[replica_id], s.requests[row]
    request.finish_step = replica.step + request.output - request.generated
    replica.min_finish = min(replica.min_finish, request.finish_step)
    replica.contexts += request.computed
    block_tokens = s.pools[replica.pool].block_tokens
    s.phases[replica_id, (request.computed + replica.phase) % block_tokens] += 1
    replica.decoding += 1


@kernel
def stop_decoding(s, replica_id, row):
    """Out of the sums; `generated` and `computed` are kept again."""
    replica, request = s.replicas[replica_id], s.requests[row]
    request.generated = request.output - (request.finish_step - replica.step)
    request.computed = request.prompt + request.generated - 1
    replica.contexts -= request.computed
    block_tokens = s.pools[replica.pool].block_tokens
    s.phases[replica_id, (request.computed + replica.phase) % block_tokens] -= 1
    replica.decoding -= 1
    request.blocks = blocks_for(request.computed, block_tokens)


@kernel
def decode(s, replica_id, until_ns):
    """Boundaries at which nobody finishes, hangs up, joins or lacks a block: O(1) each."""
    replica = s.replicas[replica_id]
    count = replica.decoding
    if count == 0 or count != replica.running or replica.prefill_tokens or not replica.stepping:
        return
    if replica.resuming or not replica.live:
        return
    fleet, pool, time = s.fleet[0], s.pools[replica.pool], s.times[replica.pool]
    now_ns, duration_ns = s.boundary_ns[replica_id], replica.duration_ns
    step, contexts, phase = replica.step, replica.contexts, replica.phase
    free, busy_ns, steps = replica.free, replica.busy_ns, 0
    block_tokens, prefix_caching = pool.block_tokens, pool.prefix_caching
    per_s = replica.slowness * 1e9
    horizon_ns, last_step = fleet.horizon_ns, replica.min_finish - 1
    # Nobody joins while the head is stuck, unless one with precedence over it could.
    closed = replica.stuck and not pool.priority
    inbox_ns = NEVER_NS if closed else replica.inbox_ns
    if replica.waiting > 0 and not replica.stuck:
        return
    until_ns = min(until_ns, replica.deadline_ns)
    late = pool.asynchronous
    experts = experts_s(time, count)
    while now_ns < until_ns and step < last_step:
        if inbox_ns <= (now_ns - duration_ns if late else now_ns):
            break
        next_phase = phase - 1 if phase > 0 else block_tokens - 1
        needed = s.phases[replica_id, next_phase]
        if needed > free:
            break
        if 0 <= now_ns < horizon_ns:
            s.histogram[histogram_bin(duration_ns)] += count
            steps += 1
            busy_ns += duration_ns + min(now_ns - duration_ns, 0)
        step += 1
        contexts += count
        phase = next_phase
        free -= needed
        if prefix_caching and needed > 0:
            take_blocks(s, replica_id, needed)
        seconds = linear_s(time, count, count, contexts, contexts + count) + experts
        duration_ns = whole_ns(seconds, per_s)
        now_ns += duration_ns
    fleet.steps += steps
    s.boundary_ns[replica_id], replica.duration_ns = now_ns, duration_ns
    replica.step, replica.contexts, replica.phase = step, contexts, phase
    replica.free, replica.busy_ns = free, busy_ns
    if not prefix_caching:
        replica.blank = free
