"""How long before the traffic the control of a fleet begins.

Most faults can be drawn as they are found in the steady state (`openings`). Not so where components
wait for each other, for one of a limited number of crews or spares, and where they break together,
in bursts: their processes begin a while earlier, as if they were alone, and meet each other by the
time it matters. The start is then near the steady state: what is left of the first instant has
faded to below 1 % after five mean repairs, but for queues at crews that are busy nearly all the
time, which need longer.
"""

from scenarios.failures import Failures, Fault
from simulator.control.outages import mean_outage_s, mean_uptime_s

REPAIRS = 5.0
"""Mean repairs that history comprises."""
FAULTS_MAX = 200
"""Faults of one component in it, on average."""
MOST_S = 60 * 86400.0


def history_s(failures: Failures | None) -> float:
    """From the beginning of control to that of the traffic. It is the same for any fleet."""
    if failures is None:
        return 0.0
    return max((memory_s(failures, fault) for fault in failures.all), default=0.0)


def memory_s(failures: Failures, fault: Fault) -> float:
    """How long before the traffic its processes begin: as far back as what happened still tells.
    0 where components neither wait for each other nor break together."""
    limited = failures.spare_nodes > 0 or failures.repair_crews is not None
    lengths_s = [repair.time.mean_s for repair in fault.repairs if repair.hands_on and limited]
    longest_s = max(lengths_s, default=0.0)
    if fault.burst is not None:
        longest_s = max(longest_s, mean_outage_s(fault, None) + fault.burst.within_s)
    return min(REPAIRS * longest_s, FAULTS_MAX * mean_uptime_s(fault), MOST_S)
