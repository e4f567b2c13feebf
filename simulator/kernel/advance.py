"""The data plane between two events of the clock: arrivals are routed, replicas step, time passes.

Replicas only meet at the router. So each is brought up to an instant on its own, and only when
somebody looks at it: the router at an arrival, a sample of the timeline, a control process. Where
ends of requests bring others (follow_ups.py), also when one on it could have brought somebody; and
where what happens to attempts matters elsewhere (settling.py), all of them before anything does.
"""

from simulator.kernel import kernel
from simulator.kernel.attempts import earn
from simulator.kernel.batching import step_until
from simulator.kernel.breaker import bring_back
from simulator.kernel.ending import end
from simulator.kernel.follow_ups import (
    come,
    look_ahead,
    next_arrival,
    release,
    take_arrival,
    unknown_ns,
)
from simulator.kernel.hedging import holder
from simulator.kernel.routing import EVERYONE, candidates
from simulator.kernel.sending import send_out
from simulator.kernel.settling import settle, unsettled_ns
from simulator.kernel.state import AVOIDED, CLOSED, NEVER_NS
from simulator.run import REJECTED

NOBODY, STRANDED = -1, -2
"""What `advance` returns in place of a row."""


@kernel
def advance(s, until_ns):
    """Everything before `until_ns`. Returns the row of an arrival that Python code must send,
    STRANDED if it must route those (call again afterwards), or NOBODY; both at `fleet.now_ns`."""
    fleet = s.fleet[0]
    rows, watching, by_rule, shedding = fleet.rows, fleet.watching, fleet.by_rule, fleet.shedding
    while not fleet.lost:
        looking_ns = look_until_ns(s)
        row = next_arrival(s)
        arrival_ns = s.due_ns[row] if row >= 0 else NEVER_NS
        now_ns = min(fleet.sample_ns, fleet.back_ns, arrival_ns, until_ns)
        # Whether somebody else arrives by then, or something is to be settled before.
        looking = looking_ns <= now_ns
        if looking:
            now_ns = looking_ns
        elif watching and fleet.clock_ns < now_ns:
            looking = True
        happening = now_ns < until_ns and not looking
        sampling = happening and fleet.sample_ns == now_ns
        returning = happening and not sampling and fleet.back_ns == now_ns
        arriving = happening and not (sampling or returning) and arrival_ns == now_ns
        first, second, avoided = 0, EVERYONE, -1
        if arriving and row >= rows:
            avoided = holder(s, row, now_ns)
            if avoided >= 0:
                s.load[avoided] += AVOIDED
        if arriving and (row >= rows or not by_rule):
            first, second = candidates(s, row)
        catch_up(s, first, EVERYONE if shedding else second, now_ns, looking)
        if looking and watching:
            settle(s)
            fleet.clock_ns = now_ns
        if sampling:
            take_sample(s)
        elif returning:
            fleet.now_ns = now_ns
            if s.load[bring_back(s)] < CLOSED and fleet.stranded > 0:
                return STRANDED
        elif arriving:
            is_sent = avoided >= 0 or row < rows
            if take_arrival(s, row):
                is_sent = enters(s, row, now_ns)
            if is_sent and row < rows and by_rule:
                fleet.now_ns = now_ns
                return row
            if is_sent:
                send_out(s, row, now_ns, first, second)
            if avoided >= 0:
                s.load[avoided] -= AVOIDED
        if (now_ns == until_ns and not looking) or (fleet.period_over and fleet.left == 0):
            break
    return NOBODY


@kernel
def look_until_ns(s):
    """Up to where no replica needs to know what happens on others."""
    fleet, looking_ns = s.fleet[0], NEVER_NS
    if fleet.pause_min_ns < NEVER_NS:
        release(s)
        looking_ns = unknown_ns(s)
    if fleet.watching:
        looking_ns = min(looking_ns, unsettled_ns(s))
    return looking_ns


@kernel
def enters(s, row, now_ns):
    """A request arrives for the first time; whether any replica could ever hold it."""
    fleet = s.fleet[0]
    fleet.arrivals += 1
    if s.fits[row] == 0:
        end(s, row, REJECTED, now_ns, now_ns)
        return False
    earn(s)
    if fleet.hedge_ns < NEVER_NS:
        come(s, row + fleet.rows, now_ns + fleet.hedge_ns)
    return True


@kernel
def catch_up(s, first, second, until_ns, looking):
    """Every boundary before `until_ns` of two candidates, or of every replica; when `looking` for
    ends of requests, of those on which one may end before."""
    fleet = s.fleet[0]
    # In one loop, so that the engine is compiled once.
    for turn in range(s.load.size if second == EVERYONE else 2):
        replica_id = turn
        if second != EVERYONE:
            replica_id = first if turn == 0 else second
        if replica_id < 0:
            continue
        ends = looking and not fleet.watching
        if (s.end_ns[replica_id] if ends else s.boundary_ns[replica_id]) < until_ns:
            step_until(s, replica_id, until_ns)
            if fleet.pause_min_ns < NEVER_NS:
                look_ahead(s, replica_id)


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
