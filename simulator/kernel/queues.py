"""Who waits at a replica: the inbox of new requests, and one waiting queue per priority rank."""

from simulator.kernel import kernel
from simulator.kernel.attempts import deadline_ns
from simulator.kernel.follow_ups import look_ahead
from simulator.kernel.journal import SENT, write
from simulator.kernel.state import NEVER_NS


@kernel
def join(s, replica_id, row, now_ns):
    """A request comes to a replica: into its inbox; a live idle replica begins at once."""
    replica, request = s.replicas[replica_id], s.requests[row]
    arrival_ns = s.arrival_ns[row]
    write(s, now_ns, SENT, row, replica_id, replica.waiting + replica.inbox, replica.running)
    if replica.waiting + replica.inbox == 0:
        replica.unsorted, replica.newest_ns = 0, arrival_ns
    elif arrival_ns < replica.newest_ns:
        replica.unsorted = 1  # re-routed, it has waited elsewhere
    replica.newest_ns = max(replica.newest_ns, arrival_ns)
    request.joined_ns, request.replica, request.next = now_ns, replica_id, -1
    if replica.inbox_tail >= 0:
        s.requests[replica.inbox_tail].next = row
    else:
        replica.inbox_head = row
        replica.inbox_ns = now_ns
    replica.inbox_tail = row
    replica.inbox += 1
    hangs_up_ns = deadline_ns(s, row)
    replica.deadline_ns = min(replica.deadline_ns, hangs_up_ns)
    s.load[replica_id] += 1
    if not replica.live:
        s.boundary_ns[replica_id] = min(s.boundary_ns[replica_id], hangs_up_ns)
    elif not replica.stepping:
        s.boundary_ns[replica_id] = now_ns
    if s.fleet[0].pause_min_ns < NEVER_NS:
        look_ahead(s, replica_id)


@kernel
def take_from_inbox(s, replica_id):
    """The first request of the inbox, which is not empty."""
    replica = s.replicas[replica_id]
    row = replica.inbox_head
    replica.inbox -= 1
    replica.inbox_head = s.requests[row].next
    if replica.inbox_head < 0:
        replica.inbox_tail = -1
        replica.inbox_ns = NEVER_NS
    else:
        replica.inbox_ns = s.requests[replica.inbox_head].joined_ns
    return row


@kernel
def collect(s, replica_id, until_ns):
    """Requests of the inbox that joined by `until_ns` go to the end of their waiting queues; all
    of them, if the replica would have nothing to do otherwise."""
    replica = s.replicas[replica_id]
    priority = s.pools[replica.pool].priority
    idle = replica.running == 0 and replica.waiting == 0 and replica.inbox_ns > until_ns
    while replica.inbox > 0 and (idle or replica.inbox_ns <= until_ns):
        row = take_from_inbox(s, replica_id)
        rank = s.requests[row].rank if priority else 0
        s.requests[row].next = -1
        tail = s.waiting[replica_id, rank, 1]
        if tail >= 0:
            s.requests[tail].next = row
        else:
            s.waiting[replica_id, rank, 0] = row
        s.waiting[replica_id, rank, 1] = row
        replica.waiting += 1


@kernel
def waiting_rank(s, replica_id):
    """The rank whose queue holds the head; there is one."""
    rank = 0
    while s.waiting[replica_id, rank, 0] < 0:
        rank += 1
    return rank


@kernel
def pop_waiting(s, replica_id, rank):
    row = s.waiting[replica_id, rank, 0]
    s.waiting[replica_id, rank, 0] = s.requests[row].next
    if s.requests[row].next < 0:
        s.waiting[replica_id, rank, 1] = -1
    s.replicas[replica_id].waiting -= 1
    return row


@kernel
def push_front(s, replica_id, row):
    """A preempted request is the first of its rank."""
    replica = s.replicas[replica_id]
    rank = s.requests[row].rank if s.pools[replica.pool].priority else 0
    head = s.waiting[replica_id, rank, 0]
    arrival_ns = s.arrival_ns[row]
    replica.newest_ns = max(replica.newest_ns, arrival_ns)
    if head >= 0 and arrival_ns > s.arrival_ns[head]:
        replica.unsorted = 1
    if replica.inbox > 0 and arrival_ns > s.arrival_ns[replica.inbox_head]:
        replica.unsorted = 1
    if s.fleet[0].watching:
        replica.unsorted = 1  # with a first token its client waits longer than others
    s.requests[row].next = head
    s.waiting[replica_id, rank, 0] = row
    if head < 0:
        s.waiting[replica_id, rank, 1] = row
    replica.waiting += 1


@kernel
def back_to_inbox(s, replica_id, row):
    replica = s.replicas[replica_id]
    s.requests[row].next = -1
    if replica.inbox_tail >= 0:
        s.requests[replica.inbox_tail].next = row
    else:
        replica.inbox_head = row
        replica.inbox_ns = s.requests[row].joined_ns
    replica.inbox_tail = row
    replica.inbox += 1
