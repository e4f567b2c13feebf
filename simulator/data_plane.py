"""The seam between the SimPy clock and whatever serves the requests between its events.

Two programs stand behind it: the compiled plane (`simulator/kernel/`), which `simulate` uses, and
its slow twin (`tests/oracles/twin.py`). docs/background/serving-engine.md says what both must do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from simulator.kernel.step_time import StepTime
from simulator.rules import AdmissionRule, RoutingRule
from simulator.traffic import Workload

Ints = NDArray[np.int64]


class Limits(NamedTuple):
    """What one replica can hold, and how its scheduler is set."""

    max_num_seqs: int
    max_num_batched_tokens: int
    chunked_prefill: bool
    blocks: int
    block_tokens: int
    context_tokens: int
    async_scheduling: bool = False
    prefix_caching: bool = False
    priority_policy: bool = False
    mixed_steps: bool = True


class Reply(NamedTuple):
    """What lies between the engine step that emits a token and the client that reads it: HTTP,
    tokenising, detokenising."""

    fixed_ns: int = 0
    sequence_ns: int = 0
    """Per request running in that step."""


class Pool(NamedTuple):
    """Replicas of one kind."""

    replicas: int
    limits: Limits
    time: StepTime
    reply: Reply = Reply()


class Attempts(NamedTuple):
    """When a client sends a request again; serving-engine.md, "Attempts". The patience of clients
    and the number of retries are fields of `Setup`."""

    first_token_timeout_ns: int | None = None
    on_failure: bool = True
    on_rejection: bool = False
    on_timeout: bool = False
    wait_first_ns: int = 0
    """Before the first retry; doubles with each. 0: failures are retried at once, and nothing else
    is retried."""
    wait_most_ns: int = 0
    jitter_ppm: int = 0
    budget_ppm: int | None = None
    """Of a retry that each first arrival adds; None: retries without limit."""
    budget_burst: int = 0
    hedge_ns: int | None = None
    """After the first arrival; None: no second copy is sent."""


ONCE_AND_AGAIN = Attempts()
"""Failures are retried at once, and nothing else."""


class Breaker(NamedTuple):
    """serving-engine.md, "Circuit breaker"."""

    failures: int
    eject_ns: int
    at_most_ppm: int


class Gate(NamedTuple):
    """What stands before the router; serving-engine.md, "Gates". None: no such limit."""

    shed_ppm: int | None = None
    """Outstanding requests per routable replica from which on one is shed, in millionths."""
    interval_ns: int | None = None
    """Between two tokens of the bucket."""
    burst: int = 1


class Allowance(NamedTuple):
    """The period is lost once more than `violations` counted requests exceed `limit_s`.

    metric: 'ttft', 'tpot', 'e2e' (seconds; infinite for a request that does not complete) or
    'error' (a request that does not complete; `limit_s` is then of no meaning).
    """

    metric: str
    limit_s: float
    violations: int


@dataclass(frozen=True)
class Setup:
    """All a data plane needs to know. Replica ids run through the pools in order."""

    workload: Workload
    counted: NDArray[np.bool_]
    """Rows that arrive in the period, of those that wait for nobody: whether a follow-up does is
    known only when it arrives."""
    start_ns: int
    horizon_ns: int
    priority: NDArray[Any]
    """Per row: the priority number of its traffic group; lower is served first."""
    pools: Sequence[Pool]
    router: str
    """A name of the table in serving-engine.md; not used when `routing_rule` is given."""
    routing_rule: RoutingRule | None
    admission_rule: AdmissionRule | None
    queue_limit: int | None
    salt: int
    """Seed of the random routers, below 2**63."""
    timeout_ns: int
    retries: int
    allowances: Sequence[Allowance]
    sample_interval_ns: int
    """The timeline is sampled at 0, 1, 2, ... intervals, up to the horizon inclusive."""
    attempts: Attempts = ONCE_AND_AGAIN
    breaker: Breaker | None = None
    gates: Sequence[Gate] = ()
    gate_of: NDArray[Any] | None = None
    """Per row: the gate it passes; None without gates."""

    @property
    def pool_of(self) -> list[int]:
        """The pool of each replica."""
        return [index for index, pool in enumerate(self.pools) for _ in range(pool.replicas)]

    def fits(self) -> list[NDArray[np.bool_]]:
        """Per pool: which rows a replica of it can ever hold (rule S11)."""
        prompt, output = self.workload.input_tokens, self.workload.output_tokens
        return [can_ever_serve(pool.limits, prompt, output) for pool in self.pools]


def can_ever_serve(limits: Limits, prompt: Any, output: Any) -> Any:
    """Whether a request fits the context, the KV pool and, unchunked, the token budget.

    Elementwise on arrays of tokens."""
    total = np.add(prompt, output, dtype=np.int64)
    blocks = -(-total // limits.block_tokens)
    fits = (total <= limits.context_tokens) & (blocks <= limits.blocks)
    return fits & (limits.chunked_prefill | (prompt <= limits.max_num_batched_tokens))


@dataclass(frozen=True)
class Outcome:
    """What became of every row of the workload, and what the fleet did in the period.

    Columns, one row per request: arrival_ns (int64; of a follow-up, when it really arrived,
    NEVER_NS: it did not), first_token_ns and finish_ns (int64, the client's instants, NEVER_NS:
    none), replica (the last one that held it, -1 none), preemptions, retries, outcome
    (simulator/run.py), cached_tokens (tokens found in the prefix cache at the last admission),
    fault (the last one that hit it, as `DataPlane.stop` was told; -1 none).
    """

    arrival_ns: Ints
    first_token_ns: Ints
    finish_ns: Ints
    replica: NDArray[Any]
    preemptions: NDArray[Any]
    retries: NDArray[Any]
    outcome: NDArray[Any]
    cached_tokens: NDArray[Any]
    fault: NDArray[Any]
    samples: NDArray[np.float64]
    """[sample, (time_s, replicas_up, waiting, running, kv_used)]; waiting includes the stranded,
    running and kv_used (share of blocks not free) are those of live replicas."""
    itl_histogram: Ints
    steps: int
    """Steps that end in the period."""
    prefill_tokens: int
    """Prefill tokens of those steps."""
    busy_ns: Ints
    """Per replica: time inside the period of the steps that end in it."""
    tokens_lost: int
    """In the period: tokens whose KV was lost with a replica."""
    stopped_early: bool
    """Some allowance was exceeded."""
    free_blocks: Ints
    """Per replica, at the end."""


class Observation(NamedTuple):
    """What can be measured at an instant, by an autoscaler's metrics."""

    waiting: Ints
    """Per replica: waiting and in the inbox."""
    running: Ints
    """Per replica."""
    kv_used: NDArray[np.float64]
    """Per replica: share of KV blocks not free."""
    stranded: int
    arrivals: int
    """First arrivals so far."""
    first_tokens: int
    """So far; of a request that starts over each one counts."""
    ttft_ns: int
    """Summed over those: first token (as the client reads it) less arrival."""


class DataPlane(Protocol):
    """What control processes may do to replicas and know of them. All of it at `env.now`."""

    env: simpy.Environment

    def stop(self, replica: int, fault: int = -1) -> None:
        """The engine is gone, by that fault; the step in flight is lost. The router does not know.
        A replica that is stopped already keeps the fault that it was stopped by."""

    def start(self, replica: int) -> None:
        """The engine runs, empty and with a cold cache. It must hold no requests."""

    def close(self, replica: int) -> None:
        """The router sends nothing more; what the replica holds is served."""

    def open(self, replica: int) -> None:
        """Routable again; stranded requests are routed."""

    def drain(self, replica: int) -> None:
        """Every request leaves a closed, stopped replica and is routed again, or ends."""

    def slow(self, replica: int, slowness: float) -> None:
        """Steps composed from now on take that many times as long."""

    def observe(self) -> Observation:
        """See there."""

    def outstanding(self) -> Ints:
        """Per replica: requests running, waiting and in the inbox."""

    def stranded(self) -> int:
        """Requests that wait because no replica is routable."""

    def run(self, end_ns: int) -> Outcome:
        """Serve until every counted request has ended and the period is over, at most to `end_ns`.

        At the end, requests still around whose deadline has passed have timed out, at the deadline.
        """
