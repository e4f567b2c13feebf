"""The rows of a workload as the twin's objects."""

from simulator.data_plane import Setup
from simulator.kernel.state import NEVER_NS
from simulator.traffic.follow_ups import NOBODY, FollowUps
from tests.oracles.twin_engine import Request


def requests_of(setup: Setup) -> list[Request]:
    """One object per row."""
    workload, chains = setup.workload, setup.workload.chains
    requests = []
    for row in range(len(workload)):
        request = Request(
            row=row,
            prompt=int(workload.input_tokens[row]),
            output=int(workload.output_tokens[row]),
            arrival_ns=int(workload.arrival_ns[row]),
            patience_ns=int(workload.arrival_ns[row]) + setup.timeout_ns,
            priority=int(setup.priority[row]),
            group=int(workload.group[row]),
            counted=bool(setup.counted[row]),
        )
        if workload.follow_ups is not None:
            tell_who_follows(request, workload.follow_ups)
        if chains is not None:
            part = slice(int(chains.first[row]), int(chains.first[row + 1]))
            request.chain = tuple(
                zip(chains.keys[part].tolist(), chains.ends[part].tolist(), strict=True)
            )
        requests.append(request)
    return requests


def tell_who_follows(request: Request, follow_ups: FollowUps) -> None:
    """Its place in the graph; the arrival of a row that waits for others is not known."""
    row = request.row
    edges = slice(int(follow_ups.first[row]), int(follow_ups.first[row + 1]))
    request.followers = tuple(follow_ups.rows[edges].tolist())
    request.waits_for = int(follow_ups.waits[row])
    request.pause_ns = int(follow_ups.pause_ns[row])
    if follow_ups.otherwise[row] != NOBODY:
        request.otherwise = int(follow_ups.otherwise[row])
    if request.waits_for:
        request.arrival_ns = request.patience_ns = NEVER_NS
        request.counted = False


def copy_of(request: Request, rows: int) -> Request:
    """A second one of it, with a luck of its own; nobody waits for it."""
    return Request(
        row=request.row,
        lot=rows + request.row,
        prompt=request.prompt,
        output=request.output,
        arrival_ns=request.arrival_ns,
        patience_ns=request.patience_ns,
        priority=request.priority,
        group=request.group,
        chain=request.chain,
    )
