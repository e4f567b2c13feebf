"""Looking at what was noted while replicas were brought up to an instant one after the other.

That may not go so far that what emerges from a note would have mattered to another replica before:
a wait, an ejection and a lost race all last for some time (`apart_ns`), so it is safe to go so
much further than the first instant at which anything could be noted.
"""

from simulator.kernel import cold, kernel
from simulator.kernel.attempts import TIMEOUT, fails, paired
from simulator.kernel.breaker import eject_tripped
from simulator.kernel.hedging import happens_to_one_of_two
from simulator.kernel.state import NEVER_NS


@kernel
def unsettled_ns(s):
    """Nothing that anybody notes from now on brings anything before."""
    first_ns = NEVER_NS
    for replica_id in range(s.replicas.size):
        replica, boundary_ns = s.replicas[replica_id], s.boundary_ns[replica_id]
        if replica.racers == 0:
            boundary_ns = max(boundary_ns, replica.deadline_ns)
        first_ns = min(first_ns, boundary_ns)
    return first_ns + s.fleet[0].apart_ns if first_ns < NEVER_NS else first_ns


@cold
def settle(s):
    """In order of time: ejections; what happened to attempts, in order of rows."""
    fleet = s.fleet[0]
    if fleet.tripped:
        eject_tripped(s)
    sort_notes(s)
    for place in range(fleet.noted):
        noted = s.notes[place]
        row, event, at_ns, now_ns = noted.row, noted.event, noted.at_ns, noted.ns
        if paired(s, row):
            happens_to_one_of_two(s, row, event, at_ns, now_ns)
        else:
            fails(s, row, TIMEOUT, at_ns, now_ns, False)
    fleet.noted = 0


@kernel
def sort_notes(s):
    """By insertion: there are few, and those of each replica come in order. Stable, so that a first
    token comes before the last one."""
    for place in range(1, s.fleet[0].noted):
        noted = s.notes[place]
        ns, at_ns, row, event = noted.ns, noted.at_ns, noted.row, noted.event
        while place > 0:
            before = s.notes[place - 1]
            if before.ns < ns or (before.ns == ns and before.row <= row):
                break
            after = s.notes[place]
            after.ns, after.at_ns, after.row, after.event = (
                before.ns, before.at_ns, before.row, before.event,
            )  # fmt: skip
            place -= 1
        noted = s.notes[place]
        noted.ns, noted.at_ns, noted.row, noted.event = ns, at_ns, row, event
