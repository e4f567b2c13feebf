"""What Python code may call of the kernel: its doors, each compiled as one function."""

from simulator.kernel import advance as advancing
from simulator.kernel import closed_loop, door, ending, leaving, routing


@door
def advance(s, until_ns):
    return advancing.advance(s, until_ns)


@door
def serve_closed(s, concurrency):
    closed_loop.serve_closed(s, concurrency)


@door
def dispatch(s, row, now_ns):
    advancing.dispatch(s, row, now_ns)


@door
def send(s, replica_id, row, now_ns):
    advancing.send(s, replica_id, row, now_ns)


@door
def strand(s, row):
    advancing.strand(s, row)


@door
def take_stranded(s):
    return advancing.take_stranded(s)


@door
def take_sample(s):
    advancing.take_sample(s)


@door
def drain(s, replica_id, rows):
    return leaving.drain(s, replica_id, rows)


@door
def end(s, row, outcome, at_ns, now_ns):
    ending.end(s, row, outcome, at_ns, now_ns)


@door
def lose_progress(s, row):
    ending.lose_progress(s, row)


@door
def resident_tokens(s, row, tokens):
    routing.resident_tokens(s, row, tokens)
