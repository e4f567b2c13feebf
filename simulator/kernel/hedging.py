"""Hedging: a request without a first token is sent a second time, and the faster attempt wins.

Row `rows + row` is the copy of a row. Both run through the engine like any two requests; what
happens to them is noted (attempts.py) and looked at here.
"""

from simulator.kernel import kernel
from simulator.kernel.attempts import (
    COMPLETION,
    COPY,
    FAILURE,
    FIRST_TOKEN,
    ORIGINAL,
    PATIENCE,
    SOON_NS,
    fails,
    side,
)
from simulator.kernel.ending import end, patience_ns
from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED, TIMED_OUT, UNFINISHED


@kernel
def holder(s, copy, now_ns):
    """The replica that holds the request whose copy is due; -1: it needs none."""
    original = copy - s.fleet[0].rows
    request = s.requests[original]
    first_attempt = request.retries == 0 and request.outcome == UNFINISHED
    if first_attempt and request.first_token_ns == NEVER_NS and now_ns < patience_ns(s, original):
        return request.replica
    return -1


@kernel
def pair_up(s, replica_id, copy):
    """A copy is about to join a replica: the race is open."""
    original = copy - s.fleet[0].rows
    s.arrival_ns[copy] = s.arrival_ns[original]
    s.requests[copy].counted = s.requests[original].counted
    pair = s.pairs[original]
    pair.around, pair.open = ORIGINAL + COPY, 1
    s.replicas[replica_id].racers += 1
    s.replicas[s.requests[original].replica].racers += 1


@kernel
def close_race(s, original):
    """Nothing that happens to the two matters to the other one any more."""
    pair = s.pairs[original]
    if pair.open:
        pair.open = 0
        for row in (original, original + s.fleet[0].rows):
            s.replicas[s.requests[row].replica].racers -= 1


@kernel
def happens_to_one_of_two(s, row, event, at_ns, now_ns):
    """A note of one of a pair; notes come in order of instants and rows."""
    original = row % s.fleet[0].rows
    pair, mine = s.pairs[original], side(s, row)
    if event == FIRST_TOKEN:
        if pair.winner == 0:
            pair.winner = mine
            close_race(s, original)
            if pair.around == ORIGINAL + COPY:
                let_go(s, original + s.fleet[0].rows if mine == ORIGINAL else original, now_ns)
    elif event == COMPLETION and pair.winner == mine:
        pair.around -= mine
        pair.completed = 1
        end(s, row, COMPLETED, at_ns, now_ns)
    else:
        goes(s, row, event, at_ns, now_ns, False)


@kernel
def let_go(s, loser, now_ns):
    """The client will hang up on the loser."""
    pair, replica_id = s.pairs[loser % s.fleet[0].rows], s.requests[loser].replica
    pair.lost_ns = now_ns + SOON_NS
    replica = s.replicas[replica_id]
    replica.unsorted = 1
    replica.deadline_ns = min(replica.deadline_ns, pair.lost_ns)
    if not replica.live:
        s.boundary_ns[replica_id] = min(s.boundary_ns[replica_id], pair.lost_ns)
    ends_ns = max(pair.lost_ns, s.boundary_ns[replica_id])
    s.end_ns[replica_id] = min(s.end_ns[replica_id], ends_ns)


@kernel
def goes(s, row, event, at_ns, now_ns, at_once):
    """One of two leaves without having completed the request. When both are gone, it has ended or
    is sent again: by the reason of the winner, or else of the last one. Returns as `fails`."""
    rows = s.fleet[0].rows
    original = row % rows
    pair, mine = s.pairs[original], side(s, row)
    close_race(s, original)
    pair.around -= mine
    if pair.winner == 0 or pair.winner == mine:
        pair.decides, pair.event, pair.at_ns = mine, event, at_ns
    if pair.around > 0 or pair.completed:
        return False
    decides = original if pair.decides == ORIGINAL else original + rows
    gives_up_ns = patience_ns(s, original)
    if pair.event == PATIENCE or (pair.event == FAILURE and gives_up_ns <= now_ns):
        end(s, decides, TIMED_OUT, gives_up_ns, now_ns)
        return False
    at_ns = now_ns if pair.event == FAILURE else pair.at_ns
    return fails(s, decides, pair.event, at_ns, now_ns, at_once)
