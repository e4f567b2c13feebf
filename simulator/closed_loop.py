"""A benchmark at fixed concurrency: one replica that always has the same number of requests.

The serving benchmarks of vLLM, SGLang and others keep a number of requests in flight; here is what
such a run would measure. The requests are known beforehand, their arrivals emerge.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from simulator.allocation import new_state
from simulator.data_plane import Outcome, Pool, Setup
from simulator.kernel import entries
from simulator.kernel.state import NEVER_NS
from simulator.plane import outcome_of
from simulator.run import UNFINISHED
from simulator.traffic import Chains, Workload

FOREVER_NS = 1 << 60
"""36 years: longer than any run, and far from the end of 64 bits."""


def serve_closed(
    pool: Pool,
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    concurrency: int,
    chains: Chains | None = None,
) -> tuple[Workload, Outcome]:
    """Serve rows 0, 1, 2, ... on the one replica of `pool`, `concurrency` of them in flight.

    The first `concurrency` rows arrive at 0. Whenever a client has read its last token, or is
    turned away, the next row arrives at that instant. Clients have patience without end.

    Returns the workload with the arrivals that emerged, and what became of each row: TTFT is
    `outcome.first_token_ns - workload.arrival_ns` of a completed one. Steps, busy time and gaps are
    those of the whole run; there is no timeline. Served in an open loop (`lone_replica`) the same
    workload has the same outcome, to the last bit.

    Raises ValueError unless the pool has one replica and concurrency is at least 1.
    """
    if pool.replicas != 1:
        raise ValueError(f"a closed loop runs on one replica, got {pool.replicas}")
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, got {concurrency}")
    rows = np.size(input_tokens)
    arrival_ns = np.full(rows, NEVER_NS, dtype=np.int64)
    arrival_ns[:concurrency] = 0
    workload = Workload(
        arrival_ns,
        np.asarray(input_tokens, dtype=np.int32),
        np.asarray(output_tokens, dtype=np.int32),
        np.zeros(rows, dtype=np.int16),
        chains,
    )
    state = new_state(lone_replica(pool, workload))
    entries.serve_closed(state, min(concurrency, rows))
    assert not (state.requests.outcome == UNFINISHED).any(), "every request ends"
    return replace(workload, arrival_ns=state.arrival_ns), outcome_of(state)


def lone_replica(pool: Pool, workload: Workload) -> Setup:
    """One replica and clients of endless patience: what a workload meets in `serve_closed`."""
    rows = len(workload)
    return Setup(
        workload=workload,
        counted=np.ones(rows, dtype=np.bool_),
        start_ns=0,
        horizon_ns=FOREVER_NS,
        priority=np.zeros(rows, dtype=np.int64),
        pools=[pool],
        router="round-robin",
        routing_rule=None,
        admission_rule=None,
        queue_limit=None,
        salt=0,
        timeout_ns=FOREVER_NS,
        retries=0,
        allowances=(),
        sample_interval_ns=FOREVER_NS,
    )
