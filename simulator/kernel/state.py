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
NO_LIMIT = 1 << 60
CLOSED = 1 << 40
"""Added to `load` of a replica that is not routable: it is closed, ..."""
EJECTED = 1 << 41
"""... its breaker has ejected it, ..."""
AVOIDED = 1 << 42
"""... or it holds the request of which a copy is being sent. Multiples of CLOSED, all of them."""

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
        ("slowness", "f8"),  # of each step that is composed
        ("trip_ns", "i8"),  # the first trip of its breaker not yet looked at; NEVER_NS: none
        ("back_ns", "i8"),  # when it is no longer ejected; NEVER_NS: it is not
        ("timeouts", "i4"),  # for want of a first token, since the last first token
        ("racers", "i4"),  # its requests that may still win or lose a race (hedging.py)
        ("fault", "i4"),  # that it was stopped by; -1: none, or it runs
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
        ("unsorted", "i1"),  # some queue may not be in order of deadlines
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
GATE = np.dtype(
    [
        ("shed_ppm", "i8"),  # outstanding per routable replica, millionths; NO_LIMIT: no shedding
        ("interval_ns", "i8"),  # between two tokens; 0: no bucket
        ("tolerance_ns", "i8"),
        ("expected_ns", "i8"),  # the theoretical arrival time of the generic cell rate algorithm
    ],
    align=True,
)
NOTE = np.dtype(
    [
        ("ns", "i8"),  # when it happened to an attempt, at a boundary
        ("at_ns", "i8"),  # for its client
        ("row", "i4"),
        ("event", "i4"),  # attempts.py has their names
    ],
    align=True,
)
PAIR = np.dtype(
    [
        ("lost_ns", "i8"),  # when the loser hangs up
        ("at_ns", "i8"),  # when the one that decides went, for its client
        ("around", "i1"),  # ORIGINAL + COPY, those held by replicas; 0: there was never a copy
        ("winner", "i1"),  # ORIGINAL, COPY, or nobody yet
        ("decides", "i1"),  # of those that went: whose end is that of the request
        ("event", "i1"),  # how that one went
        ("completed", "i1"),
        ("open", "i1"),  # both are around, and nobody has won
    ],
    align=True,
)
ALLOWANCE = np.dtype([("limit_s", "f8"), ("left", "i8"), ("metric", "i8")], align=True)
FLEET = np.dtype(
    [
        ("horizon_ns", "i8"),
        ("timeout_ns", "i8"),
        ("rows", "i8"),  # requests; rows from there on are copies of them
        ("first_token_timeout_ns", "i8"),  # NEVER_NS: none
        ("hedge_ns", "i8"),  # NEVER_NS: no copies
        ("watching", "i8"),  # one of those two is there: what happens to attempts is noted
        ("noted", "i8"),  # notes not yet looked at
        ("clock_ns", "i8"),  # up to where replicas were brought and notes looked at, when watching
        ("apart_ns", "i8"),  # what a note brings comes at least so much later
        ("retries", "i8"),
        ("retried", "i8"),  # bit r is set when attempts that fail for reason r are tried again
        ("wait_first_ns", "i8"),
        ("wait_most_ns", "i8"),
        ("jitter_ppm", "i8"),
        ("budget", "i8"),  # millionths of a retry
        ("budget_most", "i8"),
        ("budget_ppm", "i8"),  # what each first arrival adds
        ("breaker_failures", "i8"),  # NO_LIMIT: no breaker
        ("eject_ns", "i8"),
        ("eject_ppm", "i8"),
        ("tripped", "i8"),  # whether the trip of some replica is to be looked at
        ("ejected", "i8"),
        ("back_ns", "i8"),  # when the next ejected replica is back
        ("shedding", "i8"),  # some gate looks at the outstanding requests of all replicas
        ("queue_limit", "i8"),
        ("salt", "u8"),
        ("router", "i8"),
        ("by_rule", "i8"),  # routing or admission is decided by Python code
        ("now_ns", "i8"),  # when Python code has to do something
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
        ("tokens_lost", "i8"),
        ("arrivals", "i8"),
        ("first_tokens", "i8"),
        ("ttft_ns", "i8"),  # summed over those
        ("journaled", "i8"),  # entries of the journal, with those that found no place
    ],
    align=True,
)


class State(NamedTuple):
    """Everything the kernel reads and writes. R replicas, N requests, P pools, M chain segments.

    With hedging what has N rows here has twice as many, unless it says N requests: the copy of row
    i is row N + i."""

    fleet: Any
    """FLEET[1]: settings and counters of the whole."""
    pools: Any
    """POOL[P]."""
    times: Any
    """STEP_TIME[P]."""
    replicas: Any
    """REPLICA[R]."""
    boundary_ns: Any
    """int64[R]: the next step boundary, NEVER_NS when idle; on a dead replica the next hang-up."""
    end_ns: Any
    """int64[R]: no request of the replica ends before, unless it is drained; NEVER_NS without
    follow-ups."""
    load: Any
    """int64[R]: requests running, waiting and in the inbox, + CLOSED, EJECTED, AVOIDED."""
    running: Any
    """int32[R, seats]: rows in running order."""
    phases: Any
    """int32[R, block tokens]: decodes with (computed + phase) % block_tokens equal to the index."""
    waiting: Any
    """int32[R, ranks, 2]: head and tail of each waiting queue."""
    requests: Any
    """REQUEST[N]."""
    hit_by: Any
    """int32[N]: the last fault that hit each, -1: none."""
    ended: Any
    """int32[N requests]: the rows that have ended, in that order (a copy, if it decided how); the
    first `fleet.ended` are in use."""
    arrival_ns: Any
    """int64[N], sorted among rows that wait for nobody. NEVER_NS until an arrival that emerges is
    known; closed loops (closed_loop.py) and follow-ups (follow_ups.py) write them."""
    due_ns: Any
    """int64[N]: when a row comes that is yet to come or to come again. The same array as
    arrival_ns where nothing is sent after a wait."""
    follow_first: Any
    """int64[N + 1]: the edges of each row; this and the next four are empty without follow-ups, and
    they are of the N requests."""
    follow_rows: Any
    """int32[edges]: who waits for the row to complete."""
    otherwise: Any
    """int32[N]: who arrives if the row fails, -1: nobody."""
    pause_ns: Any
    """int64[N]: 0 for rows that wait for nobody."""
    pending: Any
    """int32[N]: how many a row still waits for; 0 once it has arrived."""
    heap: Any
    """int32[rows that wait]: a binary heap by due_ns of those that are yet to come, or to come
    again, at an instant that is known."""
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
    gates: Any
    """GATE[...]."""
    gate_of: Any
    """int32[N requests]: the gate of each row; empty without gates."""
    notes: Any
    """NOTE[...]: what happened to attempts since the last look; `fleet.noted` are in use."""
    pairs: Any
    """PAIR[N requests]: those that were sent twice; empty without hedging."""
    samples: Any
    """float64[samples, 5]: time_s, replicas up, waiting, running, share of KV blocks used."""
    journal: Any
    """ENTRY[...] (journal.py); empty: none is kept."""


@kernel
def histogram_bin(duration_ns):
    """The bin of a positive duration, from the bits of its float: see simulator/histogram.py."""
    if duration_ns < 256:
        return duration_ns
    # Exponent and the first 7 bits of the fraction; the exponent of 2**6 is the first of bin 0.
    return (np.float64(duration_ns).view(np.int64) >> 45) - ((1023 + 6) << 7)
