"""The memory of the data plane: arrays of records, and the one tuple that carries them all.

Everything is allocated before the clock starts. Lists of requests (waiting, inbox, stranded) and of
cache nodes (eviction queues) are linked through the records; -1 ends them.

Decoding costs nothing per request and step. Of a request that decodes, only the step in which it
ends is kept: with `step` the replica's step count, `generated = output - (finish_step - step)` and
`computed = prompt + generated - 1`. What a step of decodes needs is kept per replica instead: their
number, the sum of their contexts, and how many of them begin a new block at each step modulo the
block size (`phases`). Where steps are not mixed, decodes pause while others prefill; such a step
does not count: `step` is that of the decodes.
"""

from typing import Any, NamedTuple

import numpy as np

from simulator.kernel import kernel

NEVER_NS = 1 << 62
CLOSED = 1 << 40
"""Added to `load` of a replica that is not routable."""

REPLICA = np.dtype(
    [
        ("step", "i8"),  # steps ended that decodes took part in: the epoch of lazy decoding
        ("contexts", "i8"),  # sum of `computed` over decodes
        ("min_finish", "i8"),  # no decode ends before this step (a lower bound)
        ("duration_ns", "i8"),  # of the step in flight
        ("deadline_ns", "i8"),  # no client hangs up before this (a lower bound)
        ("inbox_ns", "i8"),  # when the first request of the inbox joined; NEVER_NS: empty
        ("newest_ns", "i8"),  # the latest arrival among those that wait (an upper bound)
        ("busy_ns", "i8"),
        ("paused_ns", "i8"),  # when decodes paused last
        ("prefill_tokens", "i4"),  # of the step in flight
        ("sequences", "i4"),  # likewise
        ("decoding", "i4"),  # running[:decoding] decode, at most one after them prefills
        ("running", "i4"),
        ("waiting", "i4"),  # in the waiting queues, inbox not included
        ("inbox", "i4"),
        ("inbox_head", "i4"),
        ("inbox_tail", "i4"),
        ("free", "i4"),  # KV blocks: blank + in the eviction queue
        ("blank", "i4"),
        ("evict_head", "i4"),
        ("evict_tail", "i4"),
        ("phase", "i4"),  # -step modulo the block size
        ("pool", "i2"),
        ("live", "i1"),
        ("stepping", "i1"),  # a step is in flight
        ("unsorted", "i1"),  # some queue may not be in order of arrival
        ("stuck", "i1"),  # the waiting head lacks a seat or blocks until someone leaves
        ("pausing", "i1"),  # decodes take no part in the step in flight
        ("resuming", "i1"),  # the step in flight is their first one after a pause
    ],
    align=True,
)
REQUEST = np.dtype(
    [
        # When it came to its replica; while it waits for others: the latest end of one of them.
        ("joined_ns", "i8"),
        ("first_token_ns", "i8"),  # when the client reads it
        ("finish_ns", "i8"),  # likewise
        # While preempted; else when its prefill ended; afterwards when the fleet saw it end.
        ("last_token_ns", "i8"),
        ("finish_step", "i8"),  # only while decoding
        ("prompt", "i4"),
        ("output", "i4"),
        ("generated", "i4"),  # not kept while decoding
        ("computed", "i4"),  # not kept while decoding
        ("granted", "i4"),  # prefill tokens in the step in flight
        ("blocks", "i4"),  # held; not kept while decoding
        ("shared", "i4"),  # leading blocks that lie in nodes of the prefix cache
        ("segments", "i4"),  # of its chain, those in use
        ("own_node", "i4"),  # run of its own blocks after a preemption, -1: none
        ("cached_tokens", "i4"),
        ("next", "i4"),
        ("replica", "i4"),
        ("preemptions", "i4"),
        ("retries", "i4"),
        ("rank", "i2"),  # of its priority number among those of the workload
        ("outcome", "i1"),
        ("counted", "i1"),
    ],
    align=True,
)
NODE = np.dtype(
    [
        ("key", "i8"),  # of its segment; -1: a run of blocks that belonged to one request
        ("replica", "i4"),
        ("resident", "i4"),  # blocks
        ("users", "i4"),  # requests; 0: in the eviction queue
        ("owner", "i4"),  # request that can find the run again, -1: nobody
        ("full", "i4"),  # of such a run, the leading full blocks ...
        ("begin", "i4"),  # ... and how many blocks of the request lie before it
        ("previous", "i4"),
        ("next", "i4"),
    ],
    align=True,
)
POOL = np.dtype(
    [
        ("seats", "i4"),
        ("budget", "i4"),
        ("blocks", "i4"),
        ("block_tokens", "i4"),
        ("chunked", "i1"),
        ("asynchronous", "i1"),
        ("prefix_caching", "i1"),
        ("priority", "i1"),
        ("mixed", "i1"),
        ("reply_fixed_ns", "i8"),
        ("reply_sequence_ns", "i8"),  # per running request
    ],
    align=True,
)
ALLOWANCE = np.dtype([("limit_s", "f8"), ("left", "i8"), ("metric", "i8")], align=True)
FLEET = np.dtype(
    [
        ("horizon_ns", "i8"),
        ("timeout_ns", "i8"),
        ("queue_limit", "i8"),
        ("salt", "u8"),
        ("router", "i8"),
        ("by_rule", "i8"),  # routing or admission is decided by Python code
        ("next_row", "i8"),  # the next to arrive of those that wait for nobody
        ("coming", "i8"),  # rows in `heap`
        ("pause_min_ns", "i8"),  # the shortest pause of a follow-up; NEVER_NS: there are none
        ("sample_ns", "i8"),  # the next sample of the timeline
        ("sample_interval_ns", "i8"),
        ("sampled", "i8"),
        ("ended", "i8"),  # requests
        ("released", "i8"),  # of those that ended: whose follow-ups know of it
        ("left", "i8"),  # counted requests that have not ended
        ("period_over", "i8"),
        ("lost", "i8"),  # an allowance is exceeded
        ("last_chosen", "i8"),  # by round-robin
        ("stranded", "i8"),
        ("stranded_head", "i8"),
        ("stranded_tail", "i8"),
        ("spare_node", "i8"),  # list of nodes given back
        ("fresh_node", "i8"),  # nodes from here on were never used
        ("steps", "i8"),
        ("prefill_tokens", "i8"),
    ],
    align=True,
)


class State(NamedTuple):
    """Everything the kernel reads and writes. R replicas, N requests, P pools, M chain segments."""

    fleet: Any
    """FLEET[1]: settings and counters of the whole."""
    pools: Any
    """POOL[P]."""
    times: Any
    """STEP_TIME[P]."""
    replicas: Any
    """REPLICA[R]."""
    boundary_ns: Any
    """int64[R]: the next step boundary, NEVER_NS when idle or dead."""
    end_ns: Any
    """int64[R]: no request of the replica ends before, unless it is drained; NEVER_NS without
    follow-ups."""
    load: Any
    """int64[R]: requests running, waiting and in the inbox, + CLOSED when not routable."""
    running: Any
    """int32[R, seats]: rows in running order."""
    phases: Any
    """int32[R, block tokens]: decodes with (computed + phase) % block_tokens equal to the index."""
    waiting: Any
    """int32[R, ranks, 2]: head and tail of each waiting queue."""
    requests: Any
    """REQUEST[N]."""
    ended: Any
    """int32[N]: the rows that have ended, in that order; the first `fleet.ended` are in use."""
    arrival_ns: Any
    """int64[N], sorted among rows that wait for nobody. NEVER_NS until an arrival that emerges is
    known; closed loops (closed_loop.py) and follow-ups (follow_ups.py) write them."""
    follow_first: Any
    """int64[N + 1]: the edges of each row; this and the next five are empty without follow-ups."""
    follow_rows: Any
    """int32[edges]: who waits for the row to complete."""
    otherwise: Any
    """int32[N]: who arrives if the row fails, -1: nobody."""
    pause_ns: Any
    """int64[N]: 0 for rows that wait for nobody."""
    pending: Any
    """int32[N]: how many a row still waits for; 0 once it has arrived."""
    heap: Any
    """int32[rows that wait]: a binary heap of those whose arrival is known and yet to come."""
    fits: Any
    """uint8[N]: bit p is set when a replica of pool p can hold the request."""
    chain_first: Any
    """int64[N + 1]: the segments of each row; all zero without chains."""
    chain_keys: Any
    """int64[M]."""
    chain_ends: Any
    """int64[M]: tokens up to the end of each segment."""
    chain_nodes: Any
    """int32[M]: the node of each segment in use; -1 for a segment that owns no block."""
    nodes: Any
    """NODE[...]."""
    table: Any
    """int32[a power of two]: nodes by hash of (key, replica), open addressing; -1: empty."""
    histogram: Any
    """int64[BINS]: inter-token gaps of the period (simulator/histogram.py)."""
    allowances: Any
    """ALLOWANCE[...]."""
    samples: Any
    """float64[samples, 5]: time_s, replicas up, waiting, running, share of KV blocks used."""


@kernel
def histogram_bin(duration_ns):
    """The bin of a positive duration, from the bits of its float: see simulator/histogram.py."""
    if duration_ns < 256:
        return duration_ns
    # Exponent and the first 7 bits of the fraction; the exponent of 2**6 is the first of bin 0.
    return (np.float64(duration_ns).view(np.int64) >> 45) - ((1023 + 6) << 7)
