"""Attempts: until when a client waits for one, what it does when one has failed, and its budget.

Replicas are brought up to an instant one after the other, so what happens to attempts at their
boundaries is only noted there, if it could matter elsewhere; `settling.py` looks at it in order.
"""

import numpy as np

from simulator.kernel import cold, kernel
from simulator.kernel.ending import end, lose_progress, patience_ns
from simulator.kernel.follow_ups import come
from simulator.kernel.journal import FAILED, LEFT, write
from simulator.kernel.routing import luck
from simulator.kernel.state import NEVER_NS, NO_LIMIT
from simulator.run import LOST, REJECTED, TIMED_OUT

FAILURE, REJECTION, TIMEOUT, PATIENCE, LOST_RACE, FIRST_TOKEN, COMPLETION = range(7)
"""What can happen to an attempt. The first three are reasons to try again; with all but
FIRST_TOKEN it is over."""
ORIGINAL, COPY = 1, 2
"""The two attempts of a pair (hedging.py)."""
MILLION = 1_000_000
SOON_NS = 1_000_000
"""The shortest wait of a client that waits, and how soon it lets go of a race that is lost."""
JITTER_DRAW = 2
"""Which of a request's lucky numbers it is; the routers use 0 and 1."""


@kernel
def loses_ns(s, row):
    """When the request hangs up because it lost a race; NEVER_NS if it did not."""
    fleet = s.fleet[0]
    if fleet.hedge_ns == NEVER_NS:
        return NEVER_NS
    pair = s.pairs[row % fleet.rows]
    if pair.around == 0 or pair.winner == 0 or pair.winner == side(s, row):
        return NEVER_NS
    return pair.lost_ns


@kernel
def side(s, row):
    return ORIGINAL if row < s.fleet[0].rows else COPY


@kernel
def paired(s, row):
    """Whether the request, held by a replica, is one of two."""
    fleet = s.fleet[0]
    return fleet.hedge_ns < NEVER_NS and s.pairs[row % fleet.rows].around > 0


@kernel
def deadline_ns(s, row):
    """When the client of a request that a replica holds hangs up."""
    fleet = s.fleet[0]
    hangs_up_ns = patience_ns(s, row)
    if not fleet.watching:
        return hangs_up_ns
    request = s.requests[row]
    if request.first_token_ns == NEVER_NS:
        hangs_up_ns = min(hangs_up_ns, request.joined_ns + fleet.first_token_timeout_ns)
    return min(hangs_up_ns, loses_ns(s, row))


@kernel
def hangs_up_now(s, replica_id, row, at_ns, now_ns):
    """A request has left its replica because its client is gone since `at_ns`."""
    replica = s.replicas[replica_id]
    if replica.fault >= 0:
        s.hit_by[row] = replica.fault
    if s.fleet[0].watching:
        attempt_hangs_up(s, replica_id, row, at_ns, now_ns)
    else:
        write(s, now_ns, LEFT, row, replica_id, PATIENCE, replica.fault)
        end(s, row, TIMED_OUT, at_ns, now_ns)


@cold
def attempt_hangs_up(s, replica_id, row, at_ns, now_ns):
    """Where that may be the end of one attempt only."""
    event = TIMEOUT
    if at_ns == patience_ns(s, row):
        event = PATIENCE
    elif at_ns == loses_ns(s, row):
        event = LOST_RACE
    write(s, now_ns, LEFT, row, replica_id, event, s.replicas[replica_id].fault)
    if event == TIMEOUT:
        count_timeout(s, replica_id, now_ns)
    if event == PATIENCE and not paired(s, row):
        end(s, row, TIMED_OUT, at_ns, now_ns)
    else:
        note(s, row, event, at_ns, now_ns)


@kernel
def count_timeout(s, replica_id, now_ns):
    """Its breaker trips when there were too many in a row. In between two looks at the trips none
    but the first of a replica can eject it: none comes back, and none is back so soon."""
    fleet, replica = s.fleet[0], s.replicas[replica_id]
    replica.timeouts += 1
    if replica.timeouts >= fleet.breaker_failures:
        replica.timeouts = 0
        replica.trip_ns = min(replica.trip_ns, now_ns)
        fleet.tripped = 1


@kernel
def note(s, row, event, at_ns, now_ns):
    """To be looked at after all boundaries of this instant."""
    fleet = s.fleet[0]
    noted = s.notes[fleet.noted]
    noted.ns, noted.at_ns, noted.row, noted.event = now_ns, at_ns, row, event
    fleet.noted += 1


@cold
def fails(s, row, reason, at_ns, now_ns, at_once):
    """An attempt has failed: the request is sent again after a wait, or has ended. Returns whether
    the caller must send it again at once; only if it would do so."""
    fleet = s.fleet[0]
    original = row - fleet.rows if row >= fleet.rows else row
    request = s.requests[original]
    retried = (fleet.retried >> reason) & 1 == 1
    if not retried or request.retries >= fleet.retries or fleet.budget < MILLION:
        outcome = LOST
        if reason == REJECTION:
            outcome = REJECTED
        elif reason == TIMEOUT:
            outcome = TIMED_OUT
        write(s, now_ns, FAILED, original, -1, reason, 0)
        end(s, row, outcome, at_ns, now_ns)
        return False
    write(s, now_ns, FAILED, original, -1, reason, 1)
    fleet.budget -= MILLION
    request.retries += 1
    request.replica, s.hit_by[original] = s.requests[row].replica, s.hit_by[row]
    lose_progress(s, original)
    if at_once and fleet.wait_first_ns == 0:
        return True
    come(s, original, now_ns + wait_ns(s, original))
    return False


@kernel
def wait_ns(s, row):
    """Before the retry that is now counted."""
    fleet = s.fleet[0]
    wait = fleet.wait_first_ns
    for _ in range(1, s.requests[row].retries):
        if wait >= fleet.wait_most_ns:
            break
        wait *= 2
    wait = min(wait, fleet.wait_most_ns)
    less_ppm = fleet.jitter_ppm * luck(s, row, JITTER_DRAW, MILLION) // MILLION
    return max(wait - wait * less_ppm // MILLION, np.int64(SOON_NS))


@kernel
def earn(s):
    """What the first arrival of a request adds to the retry budget."""
    fleet = s.fleet[0]
    if fleet.budget_most < NO_LIMIT:
        fleet.budget = min(fleet.budget + fleet.budget_ppm, fleet.budget_most)
