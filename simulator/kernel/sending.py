"""Where requests go that are sent: past a gate, to a replica, into line, or away."""

from simulator.kernel import kernel
from simulator.kernel.attempts import FAILURE, REJECTION, fails, paired
from simulator.kernel.ending import end, lose_progress, patience_ns
from simulator.kernel.gates import passes
from simulator.kernel.hedging import goes, pair_up
from simulator.kernel.journal import FULL, STRANDED, write
from simulator.kernel.queues import join
from simulator.kernel.routing import choose
from simulator.run import TIMED_OUT


@kernel
def send_out(s, row, now_ns, first, second):
    """A request is sent, first or again: to one of the candidates, if its gate lets it through. Of
    a copy neither client nor gate is asked."""
    if row < s.fleet[0].rows:
        if gives_up(s, row, now_ns):
            return
        if not passes(s, row, now_ns):
            fails(s, row, REJECTION, now_ns, now_ns, False)
            return
    route(s, row, now_ns, first, second)


@kernel
def gives_up(s, row, now_ns):
    """Whether the client's patience is over; then the request has ended."""
    gives_up_ns = patience_ns(s, row)
    if gives_up_ns <= now_ns:
        end(s, row, TIMED_OUT, gives_up_ns, now_ns)
        return True
    return False


@kernel
def route(s, row, now_ns, first, second):
    """To one of the candidates, or into the line of those that wait until a replica is routable."""
    chosen = choose(s, row, first, second)
    if chosen >= 0:
        send(s, chosen, row, now_ns)
    elif row < s.fleet[0].rows:
        strand(s, row, now_ns)


@kernel
def send(s, replica_id, row, now_ns):
    """To a chosen replica, unless its queue is full."""
    is_copy = row >= s.fleet[0].rows
    if has_room(s, replica_id):
        if is_copy:
            pair_up(s, replica_id, row)
        join(s, replica_id, row, now_ns)
    elif not is_copy:
        replica = s.replicas[replica_id]
        write(s, now_ns, FULL, row, replica_id, replica.waiting + replica.inbox, 0)
        fails(s, row, REJECTION, now_ns, now_ns, False)


@kernel
def has_room(s, replica_id):
    replica = s.replicas[replica_id]
    return replica.waiting + replica.inbox < s.fleet[0].queue_limit


@kernel
def loses_replica(s, row, now_ns):
    """The replica of a request is gone; whether its client sends it again at once."""
    lose_progress(s, row)
    if paired(s, row):
        return goes(s, row, FAILURE, now_ns, now_ns, True)
    if gives_up(s, row, now_ns):
        return False
    return fails(s, row, FAILURE, now_ns, now_ns, True)


@kernel
def strand(s, row, now_ns):
    """No replica is routable: wait in line until one is."""
    fleet = s.fleet[0]
    write(s, now_ns, STRANDED, row, -1, 0, 0)
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
