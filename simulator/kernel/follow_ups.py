"""Follow-ups: requests whose arrival emerges as others end (simulator/traffic/follow_ups.py).

Rows whose arrival is known and yet to come are a binary heap, the next one at its top; so are
those that clients will send again (attempts.py), and copies (hedging.py). An end is
noted first (`ended`) and looked at by `release`, so that it does not matter in which order replicas
were brought up to an instant: of several instants at which a row could arrive, the first counts.
"""

from simulator.kernel import kernel
from simulator.kernel.state import NEVER_NS
from simulator.kernel.step_time import whole_ns
from simulator.run import COMPLETED

FAR = 1000
"""Boundaries: to look further ahead is of no use."""


@kernel
def unknown_ns(s):
    """No arrival that is not known yet comes before: a request has to end first, and then at least
    the shortest pause to pass. The lookahead of Chandy and Misra 1979, 'Distributed simulation'."""
    end_ns = NEVER_NS
    for replica_id in range(s.end_ns.size):
        end_ns = min(end_ns, s.end_ns[replica_id])
    return end_ns + s.fleet[0].pause_min_ns


@kernel
def look_ahead(s, replica_id):
    """Note before when no request of the replica ends: each boundary brings each of them at most
    one token, and those that do not run yet none before the one after the next."""
    replica, boundary_ns = s.replicas[replica_id], s.boundary_ns[replica_id]
    s.end_ns[replica_id] = boundary_ns
    if boundary_ns == NEVER_NS:
        return
    boundaries = replica.min_finish - replica.step if replica.decoding > 0 else 2
    for position in range(replica.decoding, replica.running):
        request = s.requests[s.running[replica_id, position]]
        boundaries = min(boundaries, request.output - request.generated)
    if replica.waiting + replica.inbox > 0:
        boundaries = min(boundaries, 2)
    # A replica that is slow now may be as fast as ever before the next boundary.
    step_min_ns = whole_ns(s.times[replica.pool].fixed_s, 1e9)
    end_ns = boundary_ns + (min(boundaries, FAR) - 1) * step_min_ns
    s.end_ns[replica_id] = max(min(end_ns, replica.deadline_ns), boundary_ns)


@kernel
def release(s):
    """Those that waited for requests that have ended since the last call."""
    fleet = s.fleet[0]
    while fleet.released < fleet.ended:
        attempt = s.ended[fleet.released]
        fleet.released += 1
        row, request = attempt % fleet.rows, s.requests[attempt]
        # The reply reaches a client later than the step ends; a hang-up is noticed later.
        ended_ns = max(request.finish_ns, request.last_token_ns)
        if request.outcome == COMPLETED:
            for edge in range(s.follow_first[row], s.follow_first[row + 1]):
                completed_before(s, s.follow_rows[edge], ended_ns)
        elif s.otherwise[row] >= 0:
            bring(s, s.otherwise[row], ended_ns)


@kernel
def completed_before(s, row, ended_ns):
    """One of those that a row waits for has completed; nothing new if it has arrived otherwise."""
    if s.pending[row] == 0:
        return
    request = s.requests[row]
    request.joined_ns = max(request.joined_ns, ended_ns)
    s.pending[row] -= 1
    if s.pending[row] == 0:
        bring(s, row, request.joined_ns)


@kernel
def bring(s, row, ended_ns):
    """A row arrives its pause after that instant, unless it does so before."""
    arrival_ns = ended_ns + s.pause_ns[row]
    if arrival_ns >= s.arrival_ns[row]:
        return
    known = s.arrival_ns[row] < NEVER_NS
    s.arrival_ns[row] = arrival_ns
    if known:  # rarely: brought twice, by replicas of which one was ahead of the other
        place = 0
        while s.heap[place] != row:
            place += 1
        s.due_ns[row] = arrival_ns
        rise(s, row, place)
    else:
        come(s, row, arrival_ns)


@kernel
def come(s, row, due_ns):
    """A row that is not in the heap is to come, or to come again, at that instant."""
    fleet = s.fleet[0]
    s.due_ns[row] = due_ns
    fleet.coming += 1
    rise(s, row, fleet.coming - 1)


@kernel
def rise(s, row, place):
    """Into the heap at a free place, and up from there to where it belongs."""
    while place > 0 and comes_before(s, row, s.heap[(place - 1) >> 1]):
        s.heap[place] = s.heap[(place - 1) >> 1]
        place = (place - 1) >> 1
    s.heap[place] = row


@kernel
def comes_before(s, one, other):
    """Who comes first; at the same instant the lower row."""
    one_ns, other_ns = s.due_ns[one], s.due_ns[other]
    return one_ns < other_ns or (one_ns == other_ns and one < other)


@kernel
def next_arrival(s):
    """The row that arrives next, as far as is known; -1: nobody."""
    fleet = s.fleet[0]
    row = fleet.next_row if fleet.next_row < fleet.rows else -1
    if fleet.coming > 0 and (row < 0 or comes_before(s, s.heap[0], row)):
        row = s.heap[0]
    return row


@kernel
def take_arrival(s, row):
    """The next row comes; returns whether it is a request that has not come before. Whether it
    counts is known only now if its arrival has emerged."""
    fleet = s.fleet[0]
    if row == fleet.next_row and row < fleet.rows:
        fleet.next_row += 1
        if fleet.pause_min_ns < NEVER_NS:
            while fleet.next_row < s.pause_ns.size and s.pause_ns[fleet.next_row] > 0:
                fleet.next_row += 1
        return True
    take_top(s)
    if row >= fleet.rows or s.requests[row].retries > 0:
        return False
    s.pending[row] = 0
    if 0 <= s.arrival_ns[row] < fleet.horizon_ns:
        s.requests[row].counted = 1
        fleet.left += 1
    return True


@kernel
def take_top(s):
    """The heap without its top: the last one sinks from there to its place."""
    fleet = s.fleet[0]
    fleet.coming -= 1
    size, row = fleet.coming, s.heap[fleet.coming]
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and comes_before(s, s.heap[child + 1], s.heap[child]):
            child += 1
        if comes_before(s, row, s.heap[child]):
            break
        s.heap[place] = s.heap[child]
        place = child
    s.heap[place] = row
