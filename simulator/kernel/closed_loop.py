"""A closed loop: one replica, and clients that send a request as soon as one has ended.

Arrivals emerge from the run. The first requests arrive at 0; each end, at the instant its client
sees it, is the arrival of one more. `fleet.next_row` divides the rows whose arrival is known into
delivered ones and those of clients that still wait for the reply.
"""

from simulator.kernel import kernel
from simulator.kernel.batching import conclude, proceed
from simulator.kernel.decoding import decode
from simulator.kernel.ending import end
from simulator.kernel.queues import join
from simulator.kernel.state import NEVER_NS
from simulator.run import REJECTED


@kernel
def serve_closed(s, concurrency):
    """Serve every row on replica 0, `concurrency` at a time.

    arrival_ns int64[N] written: 0 for the first `concurrency` rows and NEVER_NS for all others
    before, when each arrived afterwards.
    """
    seen = 0  # of those that ended: whose end has brought a new request
    while True:
        arrival_ns = next_arrival_ns(s)
        if s.boundary_ns[0] < arrival_ns:
            decode(s, 0, arrival_ns)
            now_ns = s.boundary_ns[0]
            if now_ns < arrival_ns:
                known_ns = conclude(s, 0, now_ns)
                # Arrivals come before the boundaries of their instant: whom an end of this very
                # boundary brings must be in the inbox before it is read.
                seen = deliver(s, concurrency, seen, now_ns)
                proceed(s, 0, now_ns, known_ns)
        elif arrival_ns < NEVER_NS:
            seen = deliver(s, concurrency, seen, arrival_ns)
        else:
            break


@kernel
def next_arrival_ns(s):
    row = s.fleet[0].next_row
    return s.arrival_ns[row] if row < s.arrival_ns.size else NEVER_NS


@kernel
def deliver(s, concurrency, seen, now_ns):
    """Every arrival up to now; whoever can never fit is turned away, which brings the next."""
    fleet = s.fleet[0]
    seen = succeed(s, concurrency, seen)
    while next_arrival_ns(s) <= now_ns:
        row = fleet.next_row
        fleet.next_row += 1
        if s.fits[row] == 0:
            end(s, row, REJECTED, now_ns, now_ns)
        else:
            join(s, 0, row, now_ns)
        seen = succeed(s, concurrency, seen)
    return seen


@kernel
def succeed(s, concurrency, seen):
    """Each end not seen so far is the arrival of one more row; returns how many are seen now."""
    fleet, rows = s.fleet[0], s.arrival_ns.size
    while seen < fleet.ended:
        at_ns = s.requests[s.ended[seen]].finish_ns
        # Clients read in another order than the engine ends when a fuller step's reply takes
        # longer. The arrivals to come are sorted; beyond the last row the latest have no use.
        row = min(concurrency + seen, rows)
        while row > fleet.next_row and s.arrival_ns[row - 1] > at_ns:
            if row < rows:
                s.arrival_ns[row] = s.arrival_ns[row - 1]
            row -= 1
        if row < rows:
            s.arrival_ns[row] = at_ns
        seen += 1
    return seen
