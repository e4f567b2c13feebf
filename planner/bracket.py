"""Where to look: a size below which no fleet keeps up for long, and a first guess. No simulation.

Requests that follow others are taken to arrive at their nominal instants, in closed loops too: good
enough for a first guess. Closed loops have no part in the bound: clients of a slow fleet ask less,
so none is too small for them.

In steady state a replica spends `fixed` seconds per step plus the marginal work w of the requests
that arrive meanwhile: T = fixed + T r w for r requests/s, so T = fixed / (1 - r w). Everything
else (batch, KV in use, TTFT) follows from T. Means only: queues, bursts and failures come later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy import special

from scenarios.inputs import without_uncertainty
from scenarios.model import Scenario
from scenarios.objectives import Objective
from simulator.control.availability import unavailability
from simulator.data_plane import Limits, Pool, can_ever_serve
from simulator.inputs import Inputs, draw_inputs, with_inputs
from simulator.kernel.step_time import StepTime
from simulator.simulate import pools
from simulator.traffic import NS_PER_S, Workload, draw_between
from simulator.traffic.prefixes import take

SAMPLES = 12
SIZE_MAX = 100_000


@dataclass(frozen=True)
class Load:
    """What the drawn periods ask for, per second and per request."""

    rate_per_s: float
    peak_rate_per_s: float
    input_tokens: float
    output_tokens: float
    computed_tokens: float
    """Prompt tokens that a prefix cache without limits would leave to compute."""
    impossible_share: float
    """Share of requests that fit neither the context nor the KV pool of any replica."""
    work_s: float
    """Replica-seconds one request adds to the steps it takes part in, beyond their fixed part."""


@dataclass(frozen=True)
class Bracket:
    """What the mean load alone needs in the long run, and the size to try first."""

    low: int
    start: int
    load: Load


class Periods(NamedTuple):
    """What a few periods ask for."""

    given: list[Workload]
    """With all inputs as they are given."""
    drawn: list[tuple[Inputs, Workload]]
    """The same periods with uncertain inputs as they are drawn; none where all are certain."""


def draw_periods(scenario: Scenario, seed: int, first_replication: int) -> Periods:
    """A few of them, numbered from `first_replication`."""
    given: list[Workload] = []
    drawn: list[tuple[Inputs, Workload]] = []
    centre, horizon_s = without_uncertainty(scenario), scenario.horizon_s
    for replication in range(first_replication, first_replication + SAMPLES):
        given.append(draw_between(0.0, horizon_s, centre, seed, replication))
        inputs = draw_inputs(scenario, seed, replication)
        if inputs:
            certain = with_inputs(scenario, inputs)
            drawn.append((inputs, draw_between(0.0, horizon_s, certain, seed, replication)))
    return Periods(given, drawn)


def bracket(scenario: Scenario, periods: Periods, probability: float) -> Bracket:
    """Bounds from what those periods ask for. Load and lower bound are of inputs as they are given;
    the first guess serves uncertain ones as they were drawn."""
    main, *others = pools(scenario, scenario.fleet)
    limits, time = main.limits, main.time

    def load_without(left_out: Sequence[int]) -> Load:
        inside = [arriving(period, scenario.horizon_s, left_out) for period in periods.given]
        others_limits = [other.limits for other in others]
        return measure_load(inside, scenario.horizon_s, time, limits, probability, others_limits)

    closed = [i for i, group in enumerate(scenario.traffic) if group.arrivals.kind == "closed"]
    load = load_without([])
    must_serve = load_without(closed) if closed else load
    low = max(1, ceil(stability_bound(must_serve, time, limits)))
    serving = serving_size(scenario, load, low, main)
    if periods.drawn:
        sizes = [
            serving_drawn(with_inputs(scenario, inputs), period, probability, low)
            for inputs, period in periods.drawn
        ]
        serving = int(np.quantile(sizes, probability, method="higher"))
    # Other pools are taken for replicas like these: good enough for a first guess.
    helping = sum(pool.replicas for pool in others)
    size = serving + spares(scenario, serving, probability)
    return Bracket(max(low - helping, 1), max(size - helping, 1), load)


def serving_size(scenario: Scenario, load: Load, low: int, pool: Pool) -> int:
    """The smallest size from `low` on that keeps up with the load; `low` where none does."""
    keeping = (
        size
        for size in range(low, SIZE_MAX)
        if keeps_up(load, size, pool.time, pool.limits, scenario.objectives)
    )
    return next(keeping, low)


def serving_drawn(certain: Scenario, period: Workload, probability: float, low: int) -> int:
    """The same for one period with the inputs that were drawn for it."""
    main, *others = pools(certain, certain.fleet)
    horizon_s, asked = certain.horizon_s, arriving(period, certain.horizon_s, [])
    others_limits = [other.limits for other in others]
    load = measure_load([asked], horizon_s, main.time, main.limits, probability, others_limits)
    return serving_size(certain, load, low, main)


def arriving(period: Workload, horizon_s: float, left_out: Sequence[int]) -> Workload:
    """The requests that nominally arrive in [0, horizon_s), without the groups `left_out`."""
    if period.follow_ups is None and not left_out:
        return period
    inside = (period.arrival_ns >= 0) & (period.arrival_ns < horizon_s * NS_PER_S)
    rows = np.flatnonzero(inside & ~np.isin(period.group, left_out))
    return Workload(
        period.arrival_ns[rows],
        period.input_tokens[rows],
        period.output_tokens[rows],
        period.group[rows],
        None if period.chains is None else take(period.chains, rows),
    )


def measure_load(
    periods: Sequence[Workload],
    horizon_s: float,
    time: StepTime,
    limits: Limits,
    probability: float,
    other_limits: Sequence[Limits] = (),
) -> Load:
    inputs = np.concatenate([period.input_tokens for period in periods]).astype(np.int64)
    outputs = np.concatenate([period.output_tokens for period in periods]).astype(np.int64)
    seen = np.concatenate([tokens_seen_before(period, limits) for period in periods])
    busiest = []
    for period in periods:
        fifths = np.histogram(period.arrival_ns, bins=5, range=(0, horizon_s * NS_PER_S))[0]
        busiest.append(fifths.max() / (horizon_s / 5))
    return Load(
        rate_per_s=inputs.size / (len(periods) * horizon_s),
        peak_rate_per_s=float(np.quantile(busiest, probability)),
        input_tokens=float(inputs.mean()) if inputs.size else 0.0,
        output_tokens=float(outputs.mean()) if outputs.size else 0.0,
        computed_tokens=float((inputs - seen).mean()) if inputs.size else 0.0,
        impossible_share=impossible_share(inputs, outputs, [limits, *other_limits]),
        work_s=(
            float(marginal_work_s(inputs, seen, outputs, time, limits).mean())
            if inputs.size
            else 0.0
        ),
    )


def tokens_seen_before(period: Workload, limits: Limits) -> np.ndarray:
    """Per request: leading prompt tokens that an earlier request of the period had too.

    All zero without prefix caching. int64, at most the prompt less one token. Keys of equal begin
    may grow: of a segment that is seen again, as much is seen as the longest one before it had."""
    chains = period.chains
    seen = np.zeros(len(period), dtype=np.int64)
    if chains is None or not limits.prefix_caching or not chains.keys.size:
        return seen
    order = np.argsort(chains.keys, kind="stable")
    keys, ends = chains.keys[order], chains.ends[order]
    again = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    # A running maximum that begins anew with each key: ends of later keys are lifted above all.
    lifted = ends + np.cumsum(np.append(False, keys[1:] != keys[:-1])) * (int(ends.max()) + 1)
    longest = np.maximum.accumulate(lifted) - lifted + ends
    row = np.repeat(np.arange(len(period)), chains.counts)[order]
    np.maximum.at(seen, row[again], np.minimum(ends[again], longest[again - 1]))
    return np.minimum(seen, period.input_tokens - 1)


def marginal_work_s(
    inputs: np.ndarray, cached: np.ndarray, outputs: np.ndarray, time: StepTime, limits: Limits
) -> np.ndarray:
    """Seconds each request adds at least: the tokens that are not `cached`, context reads and
    attention, and its part of reading the experts in the fullest possible step."""
    computed = inputs - cached
    decodes = outputs - 1
    contexts = decodes * inputs + outputs * decodes / 2
    prefill_pairs = computed * cached + computed * (computed + 1) / 2
    budget = limits.max_num_batched_tokens
    experts_token_s = time.experts_s * (1.0 - time.expert_miss**budget) / budget
    return np.asarray(
        computed * time.prefill_token_s
        + decodes * time.decode_token_s
        + outputs * time.sequence_s
        + contexts * time.kv_token_s
        + (prefill_pairs + contexts) * time.attention_pair_s
        + (computed + decodes) * experts_token_s
    )


def impossible_share(
    inputs: np.ndarray, outputs: np.ndarray, pools_limits: Sequence[Limits]
) -> float:
    possible = [can_ever_serve(limits, inputs, outputs) for limits in pools_limits]
    return 1.0 - float(np.logical_or.reduce(possible).mean()) if inputs.size else 0.0


class Unanswerable(ValueError):
    """A question whose answer would mean nothing; the message says why and what to change."""


REQUESTS_MIN = 20


def question_makes_sense(scenario: Scenario, load: Load) -> None:
    """Raises Unanswerable when a period is too short to judge, or its SLA out of reach whatever
    the fleet."""
    assert scenario.sla is not None
    requests = load.rate_per_s * scenario.horizon_s
    if requests < REQUESTS_MIN:
        raise Unanswerable(
            f"a period of {scenario.horizon_s:g} s holds {requests:.1f} requests on average; "
            f"percentiles need at least {REQUESTS_MIN}: choose a longer horizon"
        )
    objectives = [o for o in scenario.objectives if o.groups is None]
    allowed = [o.limit for o in objectives if o.metric == "error_rate"]
    allowed += [float(1 - o.share) for o in objectives if o.share and o.metric != "itl"]
    if load.impossible_share > min(allowed, default=1.0):
        raise Unanswerable(
            f"{load.impossible_share:.1%} of requests are longer than the context, the KV pool "
            "or (with chunked_prefill off) the token budget of a replica and will be rejected by "
            "any fleet: see max_model_len, num_gpu_blocks, max_num_batched_tokens, tensor_parallel "
            "and the lengths of the traffic"
        )


def stability_bound(load: Load, time: StepTime, limits: Limits) -> float:
    """Replicas below which work, seats or KV blocks run out at the mean rate, however batched."""
    shared_s = time.fixed_s * load.output_tokens / limits.max_num_seqs
    residence_s = load.output_tokens * time.fixed_s
    tokens_held = load.computed_tokens + load.output_tokens / 2
    pool_tokens = limits.blocks * limits.block_tokens
    return load.rate_per_s * max(load.work_s + shared_s, residence_s * tokens_held / pool_tokens)


def keeps_up(
    load: Load, replicas: int, time: StepTime, limits: Limits, objectives: Sequence[Objective]
) -> bool:
    """Whether the mean-field steady state at the peak rate exists and meets the latency limits."""
    rate_per_s = load.peak_rate_per_s / replicas
    busy = rate_per_s * load.work_s
    if busy >= 0.95:
        return False
    step_s = time.fixed_s / (1.0 - busy)
    running = rate_per_s * load.output_tokens * step_s
    held = running * (load.computed_tokens + load.output_tokens / 2)
    if running > limits.max_num_seqs or held > limits.blocks * limits.block_tokens:
        return False
    ttft_s = 1.5 * step_s + load.computed_tokens * time.prefill_token_s
    expected_s = {
        "ttft": ttft_s,
        "tpot": step_s,
        "itl": step_s,
        "e2e": ttft_s + load.output_tokens * step_s,
    }
    return all(expected_s[o.metric] <= o.limit for o in objectives if o.is_latency)


def spares(scenario: Scenario, serving: int, probability: float) -> int:
    """Replicas on top so that `serving` are up with `probability` at a random instant, as if each
    broke on its own."""
    down = unavailability(scenario, scenario.fleet)
    enough = (k for k in range(1000) if special.bdtr(k, serving + k, down) >= probability)
    return next(enough, 1000)
