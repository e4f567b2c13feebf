"""Closed loops: answers by hand, the open loop of the emerged arrivals, and what is in flight."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.closed_loop import lone_replica, serve_closed
from simulator.data_plane import Limits, Pool, Reply
from simulator.kernel.step_time import StepTime
from simulator.plane import Plane
from simulator.run import COMPLETED, REJECTED
from tests.oracles.fuzz_cases import differences
from tests.oracles.fuzz_demand import CHAINS, random_workload
from tests.oracles.fuzz_fleet import random_limits, random_reply, random_time
from tests.oracles.twin import Twin

MS = 1_000_000
STEP_NS = 10 * MS


def clockwork(reply=Reply(), **limits):  # noqa: B008  # it is immutable
    """A replica whose every step takes 10 ms."""
    given = {
        "max_num_seqs": 8,
        "max_num_batched_tokens": 64,
        "chunked_prefill": True,
        "blocks": 100,
        "block_tokens": 16,
        "context_tokens": 1_000,
    }
    return Pool(1, Limits(**(given | limits)), StepTime(0.01, 0, 0, 0, 0, 0), reply)


def ms(instants_ns):
    return (instants_ns / MS).tolist()


def test_requests_follow_each_other_without_a_gap():
    """Two in flight, three tokens each: the next two are in the step that begins as theirs end."""
    workload, outcome = serve_closed(clockwork(), [5] * 6, [3] * 6, concurrency=2)
    assert ms(workload.arrival_ns) == [0, 0, 30, 30, 60, 60]
    assert ms(outcome.first_token_ns) == [10, 10, 40, 40, 70, 70]
    assert ms(outcome.finish_ns) == [30, 30, 60, 60, 90, 90]
    assert (outcome.steps, outcome.busy_ns, outcome.prefill_tokens) == (9, 9 * STEP_NS, 30)


def test_a_reply_is_part_of_every_latency_and_idles_the_engine():
    """2 ms + 1 ms for each of two requests: each round of three steps takes 34 ms."""
    pool = clockwork(Reply(2 * MS, 1 * MS))
    workload, outcome = serve_closed(pool, [5] * 6, [3] * 6, concurrency=2)
    assert ms(workload.arrival_ns) == [0, 0, 34, 34, 68, 68]
    assert ms(outcome.first_token_ns) == [14, 14, 48, 48, 82, 82]
    assert ms(outcome.finish_ns) == [34, 34, 68, 68, 102, 102]
    assert (outcome.steps, outcome.busy_ns) == (9, 9 * STEP_NS)


def test_an_arrival_waits_for_the_boundary_after_its_clients_instant():
    """Outputs 1 and 5. Row 0 ends at 10; its client has read that at 25, in the third step. The
    next one, row 2, is in the step from 30 to 40, and so on."""
    workload, outcome = serve_closed(clockwork(Reply(15 * MS)), [5] * 4, [1, 5, 1, 1], 2)
    assert ms(workload.arrival_ns) == [0, 0, 25, 55]
    assert ms(outcome.first_token_ns) == [25, 25, 55, 80]
    assert ms(outcome.finish_ns) == [25, 65, 55, 80]


def test_asynchronous_scheduling_sees_a_new_request_one_step_later():
    workload, outcome = serve_closed(clockwork(async_scheduling=True), [5] * 3, [1, 5, 1], 2)
    assert ms(workload.arrival_ns) == [0, 0, 10]
    assert ms(outcome.finish_ns) == [10, 50, 30]


def test_nobody_reads_the_last_token_before_the_first():
    """20 ms for each running request: first tokens at 10 + 60 ms, last ones at 10 + 60, 20 + 40 and
    30 + 20."""
    _, outcome = serve_closed(clockwork(Reply(0, 20 * MS)), [5] * 3, [1, 2, 3], concurrency=3)
    assert ms(outcome.first_token_ns) == [70, 70, 70]
    assert ms(outcome.finish_ns) == [70, 70, 70]


def test_requests_come_in_the_order_in_which_clients_read():
    """20 ms for each running request. Row 0 ends at 40 in a step of two, read at 40 + 40; row 1 at
    50 in a step of one, read at 50 + 20. So row 2 arrives at 70. It never fits and is turned away:
    row 3 arrives at 70, too, and the end at 80 brings nobody."""
    pool = clockwork(Reply(0, 20 * MS))
    workload, outcome = serve_closed(pool, [5, 5, 5000, 5000], [4, 5, 1, 1], concurrency=2)
    assert ms(outcome.finish_ns) == [80, 70, 70, 70]
    assert ms(workload.arrival_ns) == [0, 0, 70, 70]


def test_what_never_fits_is_turned_away_and_brings_the_next():
    workload, outcome = serve_closed(clockwork(), [5, 5000, 5000, 5, 5000], [2] * 5, 2)
    assert outcome.outcome.tolist() == [COMPLETED, REJECTED, REJECTED, COMPLETED, REJECTED]
    assert ms(workload.arrival_ns) == [0, 0, 0, 0, 20]
    workload, outcome = serve_closed(clockwork(), [5000] * 9, [1] * 9, 4)
    assert (outcome.outcome == REJECTED).all()
    assert ms(outcome.finish_ns) == [0] * 9


def test_more_clients_than_requests_and_no_requests():
    workload, outcome = serve_closed(clockwork(), [5, 5], [1, 2], concurrency=100)
    assert ms(outcome.finish_ns) == [10, 20]
    workload, outcome = serve_closed(clockwork(), [], [], concurrency=3)
    assert (len(workload), outcome.finish_ns.size) == (0, 0)


def test_a_closed_loop_wants_one_replica_and_somebody_in_it():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        serve_closed(clockwork(), [5], [1], concurrency=0)
    with pytest.raises(ValueError, match="one replica, got 2"):
        serve_closed(clockwork()._replace(replicas=2), [5], [1], concurrency=1)


# --- against the open loop ------------------------------------------------------------------------


def random_loop(seed):
    """A pool, demand and concurrency; in almost half of the cases all events are on a grid."""
    rng = np.random.default_rng(seed)
    flags = ("prefix_caching", "async_scheduling", "chunked_prefill", "priority_policy")
    choices = dict.fromkeys(flags)
    choices |= {"coarse": bool(rng.random() < 0.4), "experts": bool(rng.random() < 0.4)}
    limits = random_limits(rng, choices)
    pool = Pool(1, limits, random_time(rng, choices, 1.0), random_reply(rng, 10**9))
    tokens_max = limits.blocks * limits.block_tokens
    demand = random_workload(
        rng, int(rng.integers(1, 80)), (0, 1), 1, str(rng.choice(CHAINS)), limits.block_tokens,
        tokens_max,
    )  # fmt: skip
    concurrency = int(rng.choice([rng.integers(1, 5), rng.integers(1, 25)]))
    return serve_closed(
        pool, demand.input_tokens, demand.output_tokens, concurrency, demand.chains
    ), (pool, concurrency)


def in_flight(workload, outcome):
    """After each instant at which anyone comes or goes: (ns, requests in flight)."""
    instants_ns = np.unique(np.concatenate([workload.arrival_ns, outcome.finish_ns]))
    came = np.searchsorted(np.sort(workload.arrival_ns), instants_ns, side="right")
    went = np.searchsorted(np.sort(outcome.finish_ns), instants_ns, side="right")
    return instants_ns, came - went


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_open_loop_of_the_emerged_arrivals_is_the_same(first):
    """Plane and twin are given the arrivals and know nothing of loops."""
    preempted = cached = replied = experts = 0
    for seed in range(first, first + 100):
        (workload, outcome), (pool, concurrency) = random_loop(seed)
        assert (np.diff(workload.arrival_ns) >= 0).all()
        setup = lone_replica(pool, workload)
        for plane in (Plane, Twin):
            again = replace(plane(setup).run(setup.horizon_ns), samples=outcome.samples)
            assert differences(again, outcome) == [], f"seed {seed}, {plane.__name__}"
        instants_ns, there = in_flight(workload, outcome)
        assert (there <= concurrency).all(), f"seed {seed}"
        assert (there == concurrency)[instants_ns < workload.arrival_ns[-1]].all(), f"seed {seed}"
        preempted += int(outcome.preemptions.sum())
        cached += int(outcome.cached_tokens.sum())
        replied += any(pool.reply)
        experts += pool.time.experts_s > 0
    assert preempted > 100
    assert cached > 1_000
    assert replied > 30
    assert experts > 10
