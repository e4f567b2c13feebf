"""The scheduler: who computes how many tokens in the next step of a replica, and with which blocks.

It follows vLLM V1 (vllm/v1/core/sched/scheduler.py): running requests first, each decode one token,
a prefill what the budget leaves; when blocks run out the last running request is preempted and
recomputed later; only then are waiting requests admitted, in order, without look-ahead. Without
mixed steps, as in SGLang and vLLM V0, prefills come first and have their steps to themselves.
"""

import numpy as np

from simulator.kernel import kernel
from simulator.kernel.blocks import blocks_for, take_blocks
from simulator.kernel.journal import ADMITTED, write
from simulator.kernel.leaving import preempt, victim
from simulator.kernel.prefix import adopt, look_up, own_blocks, register, shareable_blocks
from simulator.kernel.queues import pop_waiting, waiting_rank
from simulator.kernel.state import NEVER_NS
from simulator.kernel.step_time import step_s, whole_ns


@kernel
def compose(s, replica_id, now_ns):
    """Grant tokens to running and waiting requests, and begin the step they make."""
    replica = s.replicas[replica_id]
    replica.stuck = False
    decodes = grant(s, replica_id, now_ns)
    if replica.running > 0:
        begin_step(s, replica_id, now_ns, decodes)
    else:
        replica.stepping, replica.duration_ns = 0, 0
        s.boundary_ns[replica_id] = NEVER_NS


@kernel
def grant(s, replica_id, now_ns):
    """Tokens and blocks for all who take part in the next step; whether decodes do.

    Without mixed steps, first only prefills are asked, and decodes only when none gets anything;
    then prefills again, should blocks be so few that no decode is left.
    """
    replica = s.replicas[replica_id]
    mixed = bool(s.pools[replica.pool].mixed)
    there, decodes = replica.running, mixed
    while True:
        budget = s.pools[replica.pool].budget
        if decodes:
            grant_decodes(s, replica_id, now_ns)
            budget -= replica.decoding
        if mixed or not decodes:
            if replica.running > replica.decoding:
                budget = grant_partial(s, replica_id, budget, now_ns)
            # After a preemption nobody joins, unless a lone request has preempted itself for want
            # of blocks that others shared with it: now that it has left they can be evicted.
            if replica.running == there or replica.running == 0:
                grant_waiting(s, replica_id, budget, now_ns)
        if mixed or settled(s, replica_id, decodes):
            return decodes
        decodes = not decodes


@kernel
def settled(s, replica_id, decodes):
    """Whether those who were asked, decodes or prefills, make a step, or nobody is left to ask."""
    replica = s.replicas[replica_id]
    if decodes:
        return replica.decoding > 0
    if replica.decoding == 0 or replica.decoding == replica.running:
        return replica.decoding == 0
    return s.requests[s.running[replica_id, replica.running - 1]].granted > 0


@kernel
def begin_step(s, replica_id, now_ns, decodes):
    """The load of the step that was granted, and when it ends."""
    replica = s.replicas[replica_id]
    if decodes:
        replica.resuming, replica.pausing = replica.pausing, 0
        sequences = decode_tokens = np.int64(replica.decoding)
        contexts, pairs = replica.contexts, replica.contexts + replica.decoding
    else:
        if not replica.pausing:
            replica.paused_ns = now_ns
        replica.resuming, replica.pausing = 0, 1
        sequences = decode_tokens = contexts = pairs = np.int64(0)
    prefill_tokens = 0
    for position in range(replica.decoding, replica.running):
        request = s.requests[s.running[replica_id, position]]
        granted, computed = np.int64(request.granted), np.int64(request.computed)
        if granted == 0:
            continue
        sequences += 1
        contexts += computed
        pairs += granted * computed + granted * (granted + 1) // 2
        if granted == 1 and request.generated > 0:
            decode_tokens += 1
        else:
            prefill_tokens += granted
    replica.prefill_tokens, replica.sequences = prefill_tokens, sequences
    replica.stepping = 1
    time = s.times[replica.pool]
    seconds = step_s(time, prefill_tokens, decode_tokens, sequences, contexts, pairs)
    replica.duration_ns = whole_ns(seconds, replica.slowness * 1e9)
    s.boundary_ns[replica_id] = now_ns + replica.duration_ns


@kernel
def grant_decodes(s, replica_id, now_ns):
    """One token for each decode, and the blocks for it."""
    replica = s.replicas[replica_id]
    needed = s.phases[replica_id, replica.phase]
    if needed > replica.free:
        grant_decodes_in_turn(s, replica_id, now_ns)
    elif needed > 0:
        take_blocks(s, replica_id, needed)


@kernel
def grant_decodes_in_turn(s, replica_id, now_ns):
    """Blocks run out: decodes take theirs in running order, at the cost of victims."""
    replica = s.replicas[replica_id]
    block_tokens = s.pools[replica.pool].block_tokens
    position = 0
    while position < replica.decoding:
        request = s.requests[s.running[replica_id, position]]
        computed = request.prompt + request.output - (request.finish_step - replica.step) - 1
        if computed % block_tokens == 0:
            if replica.free == 0:
                chosen = victim(s, replica_id)
                preempt(s, replica_id, chosen, int(chosen < position), now_ns)
                if chosen < position:
                    position -= 1
                continue
            take_blocks(s, replica_id, 1)
        position += 1


@kernel
def grant_partial(s, replica_id, budget, now_ns):
    """Tokens and blocks for the partial prefill; what is left of the budget for those that wait."""
    replica = s.replicas[replica_id]
    pool = s.pools[replica.pool]
    row = s.running[replica_id, replica.decoding]
    request = s.requests[row]
    granted = min(request.prompt + request.generated - request.computed, budget)
    after = request.computed + granted
    while True:
        needed = blocks_for(after, pool.block_tokens) - request.blocks
        if needed <= replica.free:
            break
        if not pool.mixed and replica.decoding > 0:
            request.granted = 0  # until decodes have left
            return 0
        position = victim(s, replica_id)
        preempt(s, replica_id, position, int(position < replica.decoding), now_ns)
        if replica.running == replica.decoding:
            return budget
    take_blocks(s, replica_id, needed)
    request.blocks += needed
    request.granted = granted
    if pool.prefix_caching and (granted > 1 or request.generated == 0):
        register_prefill(s, replica_id, row, after)
    return budget - granted


@kernel
def grant_waiting(s, replica_id, budget, now_ns):
    """Waiting requests join while budget, seats and blocks last; the head holds up the rest."""
    replica = s.replicas[replica_id]
    pool = s.pools[replica.pool]
    while replica.waiting > 0 and budget > 0:
        if replica.running == pool.seats:
            replica.stuck = True
            break
        rank = waiting_rank(s, replica_id)
        row = s.waiting[replica_id, rank, 0]
        request = s.requests[row]
        tokens = request.prompt + request.generated
        blocks = unused = segments = own = 0
        if pool.prefix_caching:
            blocks, unused, segments = look_up(s, replica_id, row, tokens)
            own = own_blocks(s, row, blocks, tokens, pool.block_tokens)
        computed = (blocks + own) * pool.block_tokens
        granted = min(tokens - computed, budget)
        held = blocks_for(computed + granted, pool.block_tokens)
        needed = held - blocks - own
        if needed + unused + own > replica.free:
            # With a prefix cache what the head needs can fall while it waits.
            replica.stuck = not pool.prefix_caching
            break
        if not pool.chunked and granted < min(tokens - computed, pool.budget):
            break
        pop_waiting(s, replica_id, rank)
        if pool.prefix_caching:
            adopt(s, replica_id, row, blocks, segments, own)
        take_blocks(s, replica_id, needed)
        request.computed, request.granted, request.blocks = computed, granted, held
        request.cached_tokens = computed
        if pool.prefix_caching:
            register_prefill(s, replica_id, row, computed + granted)
        write(s, now_ns, ADMITTED, row, replica_id, computed, replica.running)
        s.running[replica_id, replica.running] = row
        replica.running += 1
        budget -= granted


@kernel
def register_prefill(s, replica_id, row, tokens):
    """The blocks that `tokens` fill may be shared from now on."""
    request = s.requests[row]
    block_tokens = s.pools[s.replicas[replica_id].pool].block_tokens
    limit = shareable_blocks(s, row, request.prompt + request.generated, block_tokens)
    register(s, replica_id, row, min(limit, tokens // block_tokens))
