"""What stands before the router: shedding when the fleet is busy, and token buckets."""

from simulator.kernel import kernel
from simulator.kernel.attempts import MILLION
from simulator.kernel.state import CLOSED, NO_LIMIT


@kernel
def passes(s, row, now_ns):
    """Whether its gate lets the request through now; replicas are up to date if any gate sheds."""
    if s.gates.size == 0:
        return True
    gate = s.gates[s.gate_of[row]]
    if gate.shed_ppm < NO_LIMIT and sheds(s, gate.shed_ppm):
        return False
    if gate.interval_ns > 0:
        if gate.expected_ns - gate.tolerance_ns > now_ns:
            return False
        gate.expected_ns = max(gate.expected_ns, now_ns) + gate.interval_ns
    return True


@kernel
def sheds(s, shed_ppm):
    """Whether so many requests are outstanding for each routable replica."""
    held, routable = s.fleet[0].stranded, 0
    for replica_id in range(s.load.size):
        if s.load[replica_id] < CLOSED:
            held += s.load[replica_id]
            routable += 1
    return MILLION * held >= shed_ppm * max(routable, 1)
