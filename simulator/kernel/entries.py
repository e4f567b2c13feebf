"""What Python code may call of the kernel: its doors, each compiled as one function."""

from simulator.kernel import advance as advancing
from simulator.kernel import (
    attempts,
    closed_loop,
    door,
    gates,
    leaving,
    routing,
    sending,
)


@door
def advance(s, until_ns):
    return advancing.advance(s, until_ns)


@door
def serve_closed(s, concurrency):
    closed_loop.serve_closed(s, concurrency)


@door
def send_out(s, row, now_ns):
    """As `sending.send_out`; replicas are up to date."""
    first, second = routing.candidates(s, row)
    sending.send_out(s, row, now_ns, first, second)


@door
def route(s, row, now_ns):
    """As `sending.route`; replicas are up to date."""
    first, second = routing.candidates(s, row)
    sending.route(s, row, now_ns, first, second)


@door
def send(s, replica_id, row, now_ns):
    sending.send(s, replica_id, row, now_ns)


@door
def gives_up(s, row, now_ns):
    return sending.gives_up(s, row, now_ns)


@door
def passes(s, row, now_ns):
    return gates.passes(s, row, now_ns)


@door
def is_rejected(s, row, now_ns):
    attempts.fails(s, row, attempts.REJECTION, now_ns, now_ns, False)


@door
def strand(s, row, now_ns):
    sending.strand(s, row, now_ns)


@door
def take_stranded(s):
    return sending.take_stranded(s)


@door
def take_sample(s):
    advancing.take_sample(s)


@door
def drain(s, replica_id, rows, now_ns):
    return leaving.drain(s, replica_id, rows, now_ns)


@door
def loses_replica(s, row, now_ns):
    return sending.loses_replica(s, row, now_ns)


@door
def resident_tokens(s, row, tokens):
    routing.resident_tokens(s, row, tokens)
