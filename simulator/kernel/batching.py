"""Continuous batching on one replica: step after step, from boundary to boundary.

Most boundaries only end a step of decodes and begin the next: `decode` does those, one after the
other, without looking at any request. `boundary` does all others.
"""

from simulator.kernel import kernel
from simulator.kernel.attempts import COMPLETION, FIRST_TOKEN, note, paired
from simulator.kernel.decoding import decode, start_decoding, stop_decoding
from simulator.kernel.ending import end
from simulator.kernel.journal import DECODES, LEFT, PREFILLED, write
from simulator.kernel.leaving import hang_up
from simulator.kernel.prefix import release
from simulator.kernel.queues import collect
from simulator.kernel.scheduling import compose
from simulator.kernel.state import NEVER_NS, histogram_bin
from simulator.run import COMPLETED


@kernel
def step_until(s, replica_id, until_ns):
    """Every boundary of a replica before `until_ns`."""
    while s.boundary_ns[replica_id] < until_ns:
        decode(s, replica_id, until_ns)
        if s.boundary_ns[replica_id] < until_ns:
            boundary(s, replica_id)


@kernel
def boundary(s, replica_id):
    """End the step in flight, see who comes and goes, compose the next one."""
    now_ns = known_ns = s.boundary_ns[replica_id]
    if s.replicas[replica_id].live:
        known_ns = conclude(s, replica_id, now_ns)
    proceed(s, replica_id, now_ns, known_ns)


@kernel
def conclude(s, replica_id, now_ns):
    """End the step in flight, if any; who joined by the returned instant is known to the next."""
    replica = s.replicas[replica_id]
    known_ns = now_ns
    if replica.stepping:
        if s.pools[replica.pool].asynchronous:
            known_ns -= replica.duration_ns
        end_step(s, replica_id, now_ns)
    return known_ns


@kernel
def proceed(s, replica_id, now_ns, known_ns):
    """Hang-ups, the inbox, and the next step; of a dead replica only hang-ups."""
    replica = s.replicas[replica_id]
    if replica.deadline_ns <= now_ns:
        hang_up(s, replica_id, now_ns)
    if not replica.live:
        s.boundary_ns[replica_id] = replica.deadline_ns
        return
    if replica.inbox > 0:
        collect(s, replica_id, known_ns)
    compose(s, replica_id, now_ns)


@kernel
def end_step(s, replica_id, now_ns):
    """Tokens come out: every decode's next one, the first one after a finished prefill."""
    fleet, replica = s.fleet[0], s.replicas[replica_id]
    in_period = 0 <= now_ns < fleet.horizon_ns
    if in_period:
        replica.busy_ns += now_ns - max(now_ns - replica.duration_ns, 0)
        fleet.steps += 1
        fleet.prefill_tokens += replica.prefill_tokens
        if replica.decoding > 0 and not replica.pausing:
            count_gaps(s, replica_id, now_ns)
    if not replica.pausing:
        replica.step += 1
        replica.contexts += replica.decoding
        block_tokens = s.pools[replica.pool].block_tokens
        replica.phase = replica.phase - 1 if replica.phase > 0 else block_tokens - 1
    for position in range(replica.decoding, replica.running):
        row = s.running[replica_id, position]
        request = s.requests[row]
        request.computed += request.granted
        if request.granted > 0:
            write(s, now_ns, PREFILLED, row, replica_id, request.granted, replica.sequences)
        if request.computed < request.prompt + request.generated:
            continue  # a partial prefill, the last of the running, or one that lacked blocks
        if request.generated > 0:
            if in_period:
                s.histogram[histogram_bin(now_ns - request.last_token_ns)] += 1
        else:
            first_token(s, replica_id, row, now_ns)
        request.generated += 1
        request.last_token_ns = now_ns
        write(s, now_ns, DECODES, row, replica_id, request.generated, replica.sequences)
        start_decoding(s, replica_id, row)
    if replica.step >= replica.min_finish:
        finish(s, replica_id, now_ns)


@kernel
def first_token(s, replica_id, row, now_ns):
    """It comes out: its client waits no longer for it, and its replica works."""
    fleet, request = s.fleet[0], s.requests[row]
    request.first_token_ns = read_ns(s, replica_id, now_ns)
    fleet.first_tokens += 1
    fleet.ttft_ns += request.first_token_ns - s.arrival_ns[row]
    s.replicas[replica_id].timeouts = 0
    if paired(s, row):
        note(s, row, FIRST_TOKEN, now_ns, now_ns)


@kernel
def count_gaps(s, replica_id, now_ns):
    """Every decode has its next token; after a pause, those that began to decode in it have waited
    less than the others. They are the last ones in running order."""
    replica = s.replicas[replica_id]
    count, gap_ns = replica.decoding, replica.duration_ns
    if replica.resuming:
        gap_ns = now_ns - replica.paused_ns
        while count > 0:
            last_ns = s.requests[s.running[replica_id, count - 1]].last_token_ns
            if last_ns <= replica.paused_ns:
                break
            s.histogram[histogram_bin(now_ns - last_ns)] += 1
            count -= 1
    s.histogram[histogram_bin(gap_ns)] += count


@kernel
def read_ns(s, replica_id, now_ns):
    """When clients read the tokens of the step that ends now."""
    replica = s.replicas[replica_id]
    pool = s.pools[replica.pool]
    return now_ns + pool.reply_fixed_ns + pool.reply_sequence_ns * replica.sequences


@kernel
def finish(s, replica_id, now_ns):
    """Those with all their tokens leave, in running order; find the next finish among the rest."""
    replica = s.replicas[replica_id]
    end_ns = read_ns(s, replica_id, now_ns)
    replica.min_finish = NEVER_NS
    kept, decoding = 0, replica.decoding
    for position in range(replica.running):
        row = s.running[replica_id, position]
        request = s.requests[row]
        if position < decoding:
            if request.finish_step <= replica.step:
                stop_decoding(s, replica_id, row)
                release(s, replica_id, row, request.blocks, request.computed, False)
                # The reply of a fuller step may have taken longer than all steps since.
                at_ns = max(end_ns, request.first_token_ns)
                write(s, now_ns, LEFT, row, replica_id, COMPLETION, replica.fault)
                if paired(s, row):
                    note(s, row, COMPLETION, at_ns, now_ns)
                else:
                    end(s, row, COMPLETED, at_ns, now_ns)
                s.load[replica_id] -= 1
                replica.stuck = False
                continue
            replica.min_finish = min(replica.min_finish, request.finish_step)
        s.running[replica_id, kept] = row
        kept += 1
    replica.running = kept
