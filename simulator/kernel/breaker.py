"""The circuit breaker: replicas on which too many requests in a row saw no first token are left
alone for a while."""

from simulator.kernel import kernel
from simulator.kernel.attempts import MILLION
from simulator.kernel.journal import EJECTION, RETURN, write
from simulator.kernel.state import EJECTED, NEVER_NS


@kernel
def eject_tripped(s):
    """Look at all trips, in order of time and then of replica id."""
    s.fleet[0].tripped = 0
    while True:
        first = -1
        for replica_id in range(s.replicas.size):
            trip_ns = s.replicas[replica_id].trip_ns
            if trip_ns < NEVER_NS and (first < 0 or trip_ns < s.replicas[first].trip_ns):
                first = replica_id
        if first < 0:
            return
        eject(s, first, s.replicas[first].trip_ns)
        s.replicas[first].trip_ns = NEVER_NS


@kernel
def eject(s, replica_id, now_ns):
    """Unless it already is, or too many would be."""
    fleet, replica = s.fleet[0], s.replicas[replica_id]
    ejected = fleet.ejected + 1
    if replica.back_ns < NEVER_NS or MILLION * ejected > fleet.eject_ppm * s.replicas.size:
        return
    write(s, now_ns, EJECTION, -1, replica_id, 0, 0)
    fleet.ejected = ejected
    s.load[replica_id] += EJECTED
    replica.back_ns = now_ns + fleet.eject_ns
    fleet.back_ns = min(fleet.back_ns, replica.back_ns)


@kernel
def bring_back(s):
    """The first of those that are back now, which there are; returns its id."""
    fleet = s.fleet[0]
    back_ns, fleet.back_ns = fleet.back_ns, NEVER_NS
    back = -1
    for replica_id in range(s.replicas.size):
        replica = s.replicas[replica_id]
        if back < 0 and replica.back_ns == back_ns:
            back, replica.back_ns = replica_id, NEVER_NS
        fleet.back_ns = min(fleet.back_ns, replica.back_ns)
    write(s, back_ns, RETURN, -1, back, 0, 0)
    fleet.ejected -= 1
    s.load[back] -= EJECTED
    return back
