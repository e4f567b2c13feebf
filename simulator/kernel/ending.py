"""How a request ends: exactly one outcome, and a verdict that may end the run."""

import numpy as np

from simulator.kernel import kernel
from simulator.kernel.journal import ENDED, write
from simulator.kernel.state import NEVER_NS
from simulator.run import COMPLETED

METRICS = ("ttft", "tpot", "e2e", "error")
TTFT, TPOT, E2E, ERROR = range(len(METRICS))


@kernel
def end(s, row, outcome, at_ns, now_ns):
    """A request leaves, once and for all; counted ones use up the allowances they exceed.

    at_ns: for its client;  now_ns: for the fleet, which completes a request before the reply is
    read, and notices late who has hung up.
    """
    request = s.requests[row]
    request.outcome = outcome
    request.finish_ns, request.last_token_ns = at_ns, now_ns
    fleet = s.fleet[0]
    write(s, now_ns, ENDED, row % fleet.rows, -1, outcome, 0)
    s.ended[fleet.ended] = row
    fleet.ended += 1
    if not request.counted:
        return
    fleet.left -= 1
    for k in range(s.allowances.size):
        allowance = s.allowances[k]
        if outcome != COMPLETED or latency_s(s, row, allowance.metric) > allowance.limit_s:
            allowance.left -= 1
            if allowance.left < 0:
                fleet.lost = 1


@kernel
def latency_s(s, row, metric):
    """TTFT, TPOT or E2E of a completed request, as `Run` defines them."""
    request = s.requests[row]
    if metric == TTFT:
        return (request.first_token_ns - s.arrival_ns[row]) / 1e9
    if metric == TPOT:
        return (request.finish_ns - request.first_token_ns) / 1e9 / max(request.output - 1, 1)
    if metric == E2E:
        return (request.finish_ns - s.arrival_ns[row]) / 1e9
    return -np.inf


@kernel
def patience_ns(s, row):
    """When the client of a request gives it up, whatever happens."""
    return s.arrival_ns[row] + s.fleet[0].timeout_ns


@kernel
def lose_progress(s, row):
    """The replica is gone, and with it the KV cache and the generated tokens."""
    request = s.requests[row]
    request.generated = request.computed = request.blocks = request.shared = request.segments = 0
    request.own_node = -1
    request.cached_tokens = 0
    request.first_token_ns = request.last_token_ns = NEVER_NS
