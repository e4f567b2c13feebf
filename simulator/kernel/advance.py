"""The data plane between two events of the clock: arrivals are routed, replicas step, time passes.

Replicas only meet at the router. So each is brought up to an instant on its own, and only when
somebody looks at it: the router at an arrival, a sample of the timeline, a control process. Where
ends of requests bring others (follow_ups.py), also when one on it could have brought somebody.
"""

from simulator.kernel import kernel
from simulator.kernel.batching import step_until
from simulator.kernel.ending import end
from simulator.kernel.follow_ups import look_ahead, next_arrival, release, take_arrival, unknown_ns
from simulator.kernel.queues import join
from simulator.kernel.routing import EVERYONE, candidates, choose
from simulator.kernel.state import NEVER_NS
from simulator.run import REJECTED, TIMED_OUT


@kernel
def advance(s, until_ns):
    """Everything before `until_ns`; returns the row of an arrival that Python code must route (call
    again afterwards), or -1."""
    fleet = s.fleet[0]
    while not fleet.lost:
        looking_ns = NEVER_NS
        if fleet.pause_min_ns < NEVER_NS:
            release(s)
            looking_ns = unknown_ns(s)
        row = next_arrival(s)
        arrival_ns = s.arrival_ns[row] if row >= 0 else NEVER_NS
        now_ns = min(fleet.sample_ns, arrival_ns, until_ns)
        looking = looking_ns <= now_ns  # whether somebody else arrives by then
        if looking:
            now_ns = looking_ns
        sampling = fleet.sample_ns == now_ns and now_ns < until_ns and not looking
        arriving = arrival_ns == now_ns and now_ns < until_ns and not (looking or sampling)
        first, second = 0, EVERYONE
        if arriving and not fleet.by_rule:
            first, second = candidates(s, row)
        catch_up(s, first, second, now_ns, looking)
        if sampling:
            take_sample(s)
        elif arriving:
            take_arrival(s, row)
            if s.fits[row] == 0:
                end(s, row, REJECTED, now_ns, now_ns)
            elif fleet.by_rule:
                return row
            else:
                route(s, row, now_ns, first, second)
        if (now_ns == until_ns and not looking) or (fleet.period_over and fleet.left == 0):
            break
    return -1


@kernel
def catch_up(s, first, second, until_ns, looking):
    """Every boundary before `until_ns` of two candidates, or of every replica; when `looking`, of
    those on which a request may end before."""
    # In one loop, so that the engine is compiled once.
    for turn in range(s.load.size if second == EVERYONE else 2):
        replica_id = turn
        if second != EVERYONE:
            replica_id = first if turn == 0 else second
        if replica_id < 0:
            continue
        if (s.end_ns[replica_id] if looking else s.boundary_ns[replica_id]) < until_ns:
            step_until(s, replica_id, until_ns)
            if s.fleet[0].pause_min_ns < NEVER_NS:
                look_ahead(s, replica_id)


@kernel
def dispatch(s, row, now_ns):
    """Route a request now; replicas are up to date."""
    first, second = candidates(s, row)
    route(s, row, now_ns, first, second)


@kernel
def route(s, row, now_ns, first, second):
    """To one of the candidates, or into the line of those that wait until a replica is routable."""
    deadline_ns = s.arrival_ns[row] + s.fleet[0].timeout_ns
    if deadline_ns <= now_ns:
        end(s, row, TIMED_OUT, deadline_ns, now_ns)
        return
    chosen = choose(s, row, first, second)
    if chosen < 0:
        strand(s, row)
    else:
        send(s, chosen, row, now_ns)


@kernel
def send(s, replica_id, row, now_ns):
    """To a chosen replica, unless its queue is full."""
    replica = s.replicas[replica_id]
    if replica.waiting + replica.inbox >= s.fleet[0].queue_limit:
        end(s, row, REJECTED, now_ns, now_ns)
    else:
        join(s, replica_id, row, now_ns)


@kernel
def strand(s, row):
    """No replica is routable: wait in line until one is."""
    fleet = s.fleet[0]
    s.requests[row].next = -1
    if fleet.stranded_tail >= 0:
        s.requests[fleet.stranded_tail].next = row
    else:
        fleet.stranded_head = row
    fleet.stranded_tail = row
    fleet.stranded += 1


@kernel
def take_stranded(s):
    """The first of those in line; there is one."""
    fleet = s.fleet[0]
    row = fleet.stranded_head
    fleet.stranded_head = s.requests[row].next
    if fleet.stranded_head < 0:
        fleet.stranded_tail = -1
    fleet.stranded -= 1
    return row


@kernel
def take_sample(s):
    """One row of the timeline; replicas are up to date."""
    fleet = s.fleet[0]
    up = waiting = running = blocks = free = 0
    for replica_id in range(s.load.size):
        replica = s.replicas[replica_id]
        waiting += replica.waiting + replica.inbox
        if replica.live:
            up += 1
            running += replica.running
            blocks += s.pools[replica.pool].blocks
            free += replica.free
    sample = s.samples[fleet.sampled]
    sample[0] = fleet.sample_ns / 1e9
    sample[1], sample[2], sample[3] = up, waiting + fleet.stranded, running
    sample[4] = (blocks - free) / blocks if blocks else 0.0
    fleet.sampled += 1
    fleet.sample_ns += fleet.sample_interval_ns
    if fleet.sample_ns > fleet.horizon_ns:
        fleet.sample_ns = NEVER_NS
