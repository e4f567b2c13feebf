"""The slow twin against steps worked out by hand from docs/background/serving-engine.md, and its
books on random cases."""

from collections import Counter

import numpy as np
import pytest

from simulator.data_plane import Allowance, Pool
from simulator.kernel.state import NEVER_NS
from simulator.kernel.step_time import StepTime
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S as S
from tests.oracles.fuzz_cases import differences, play, random_case
from tests.oracles.fuzz_fleet import Action
from tests.oracles.small import limits, seconds, setup
from tests.oracles.twin import Twin
from tests.oracles.twin_cache import PlainBlocks
from tests.oracles.twin_engine import Request, Scheduler
from tests.oracles.twin_routing import dice


def scheduler(*requests, **changed):
    engine = Scheduler(limits(**changed))
    add(engine, *requests)
    return engine


def add(engine, *requests):
    for request in requests:
        engine.join(request, 0)


def step(engine, now_ns=1, gaps=None):
    """Compose a step and end it. What each row was granted."""
    engine.read_inbox(None)
    composed = engine.compose()
    engine.end_step(composed.granted, now_ns, Counter() if gaps is None else gaps)
    return {request.row: tokens for request, tokens in composed.granted.items()}


def rows(requests):
    return [request.row for request in requests]


# Continuous batching


def test_a_prompt_above_the_budget_is_computed_in_chunks():
    engine = scheduler(lone := Request(0, 150, 2))
    assert [step(engine, now) for now in (1, 2, 3)] == [{0: 64}, {0: 64}, {0: 22}]
    assert (lone.first_token_ns, lone.generated, lone.todo) == (3, 1, 1)


def test_the_step_that_ends_a_prefill_emits_the_first_token_and_the_last_one_frees_everything():
    engine = scheduler(Request(0, 10, 3))
    gaps = Counter()
    for now_ns in (5, 9, 15):
        assert engine.memory.free == (100 if now_ns == 5 else 99)
        step(engine, now_ns, gaps)
    assert gaps == {4: 1, 6: 1}
    assert (engine.memory.free, engine.outstanding) == (100, 0)
    assert engine.compose() is None


def test_running_decodes_come_first_and_the_waiting_head_gets_what_is_left():
    engine = scheduler(Request(0, 10, 5))
    step(engine)
    add(engine, Request(1, 100, 5), Request(2, 5, 5))
    assert step(engine) == {0: 1, 1: 63}
    assert step(engine) == {0: 1, 1: 37, 2: 5}


def test_seats_limit_admission():
    engine = scheduler(*(Request(row, 4, 2) for row in range(3)), max_num_seqs=2)
    assert [step(engine) for _ in range(3)] == [{0: 4, 1: 4}, {0: 1, 1: 1}, {2: 4}]


def test_the_load_of_a_step_counts_context_and_attention_pairs():
    engine = scheduler(Request(0, 10, 5))
    engine.read_inbox(None)
    first = engine.compose()
    assert first[1:] == (10, 0, 0, 10 * 11 // 2)
    engine.end_step(first.granted, 1, Counter())
    add(engine, Request(1, 70, 5))
    engine.read_inbox(None)
    second = engine.compose()
    # Request 0 decodes over 10 tokens of context and itself; request 1 starts with 63.
    assert second[1:] == (63, 1, 10, 11 + 63 * 64 // 2)
    engine.end_step(second.granted, 2, Counter())
    # Request 1 computes its last 7 tokens over 63 of context.
    assert engine.compose()[1:] == (7, 1, 11 + 63, 12 + 7 * 63 + 7 * 8 // 2)


def test_without_blocks_the_last_running_request_is_preempted_and_recomputed():
    engine = scheduler(Request(0, 31, 20), victim := Request(1, 31, 20), blocks=4)
    step(engine)
    assert engine.memory.free == 0
    step(engine)  # both fill their second block
    # Request 0 needs a third block: request 1 gives both of its own, and waits first in line.
    assert step(engine) == {0: 1}
    assert engine.waiting == [victim]
    assert (victim.preemptions, victim.computed) == (1, 0)
    assert victim.todo == 31 + 2  # its two generated tokens are computed again
    assert engine.memory.free == 4 - 3


def test_a_step_that_preempts_admits_nobody():
    engine = scheduler(Request(0, 31, 20), Request(1, 31, 20), blocks=4)
    step(engine)
    add(engine, Request(2, 1, 1))
    step(engine)
    assert step(engine) == {0: 1}
    assert rows(engine.waiting) == [1, 2]
    # The next step could seat request 2, but the head blocks the queue.
    assert step(engine) == {0: 1}


def test_a_gap_after_a_preemption_reaches_back_to_the_last_token():
    engine = scheduler(Request(0, 31, 18), Request(1, 31, 20), blocks=4)
    gaps = Counter()
    now_ns = 0
    while engine.outstanding:
        now_ns += 10
        step(engine, now_ns, gaps)
    assert sum(gaps.values()) == 17 + 19
    assert max(gaps) > 10
    assert engine.memory.free == 4


def test_unchunked_a_prompt_waits_for_a_step_that_holds_all_of_it():
    engine = scheduler(Request(0, 40, 2), Request(1, 40, 2), chunked_prefill=False)
    assert [step(engine) for _ in range(2)] == [{0: 40}, {0: 1, 1: 40}]


def test_requests_leave_when_their_client_hangs_up():
    engine = scheduler(
        Request(0, 10, 50, patience_ns=100),
        Request(1, 10, 50, patience_ns=90),
        Request(2, 10, 50, patience_ns=200),
        max_num_seqs=1,
    )
    step(engine, 50)
    add(engine, Request(3, 10, 50, patience_ns=80))
    assert engine.hang_up(79) == []
    assert rows(engine.hang_up(100)) == [0, 1, 3]  # running, waiting, inbox
    assert (engine.memory.free, engine.outstanding) == (100, 1)
    assert rows(engine.hang_up(200)) == [2]


def test_a_drained_replica_is_empty_and_its_requests_keep_their_order():
    engine = scheduler(*(Request(row, 10, 5) for row in range(4)), max_num_seqs=2)
    step(engine)
    add(engine, Request(4, 10, 5))
    assert rows(engine.drain()) == [0, 1, 2, 3, 4]
    assert (engine.outstanding, engine.memory.free) == (0, 100)


# Priorities


def test_lower_numbers_wait_in_front_and_equal_ones_in_order():
    requests = [Request(row, 4, 2, priority=p) for row, p in enumerate([2, 1, 2, 0, 1])]
    engine = scheduler(*requests, priority_policy=True)
    engine.read_inbox(None)
    assert rows(engine.waiting) == [3, 1, 4, 0, 2]
    first_come = scheduler(*requests)
    first_come.read_inbox(None)
    assert rows(first_come.waiting) == [0, 1, 2, 3, 4]


def test_the_victim_is_the_last_one_of_the_highest_number_and_gives_back_its_grant():
    engine = scheduler(blocks=3, priority_policy=True)
    add(engine, Request(0, 10, 9, priority=2), Request(1, 10, 9, priority=2))
    step(engine)
    add(engine, Request(2, 16, 9, priority=0))
    assert step(engine) == {0: 1, 1: 1, 2: 16}
    assert step(engine) == {0: 1, 2: 1}  # the last to be served needs a second block
    assert rows(engine.waiting) == [1]
    assert engine.memory.free == 0


def test_a_request_may_be_its_own_victim_and_the_next_one_goes_on():
    engine = scheduler(blocks=3, priority_policy=True)
    add(engine, Request(0, 31, 9, priority=1))
    step(engine)
    add(engine, Request(1, 10, 9, priority=0))
    assert step(engine) == {0: 1, 1: 10}
    assert step(engine) == {1: 1}
    assert (rows(engine.running), rows(engine.waiting)) == ([1], [0])


def test_the_preempted_wait_in_front_of_their_number_only():
    engine = scheduler(Request(0, 10, 9, priority=1), priority_policy=True)
    step(engine)
    add(engine, Request(1, 10, 9, priority=1), Request(2, 10, 9, priority=0))
    engine.read_inbox(None)
    engine.preempt()
    assert rows(engine.waiting) == [2, 0, 1]


# The prefix cache, in blocks of 4 tokens


def cache(*requests, **changed):
    return scheduler(*requests, **({"block_tokens": 4, "prefix_caching": True} | changed))


def left_over(engine):
    """The eviction queue: (key, blocks)."""
    return [(run.key, run.blocks) for run in engine.memory.queue]


def test_a_prefix_that_is_resident_is_not_computed_again():
    engine = cache(Request(0, 20, 1, chain=((7, 16),)))
    assert step(engine) == {0: 20}
    assert left_over(engine) == [(None, 1), (7, 4)]
    add(engine, second := Request(1, 30, 1, chain=((7, 16),)))
    assert step(engine) == {1: 14}
    assert second.cached_tokens == 16


def test_only_full_blocks_are_shared_and_a_segment_owns_those_that_end_in_it():
    chain = ((1, 3), (2, 6), (3, 7), (4, 13))
    engine = cache(Request(0, 20, 1, chain=chain))
    step(engine)
    assert left_over(engine) == [(None, 2), (4, 2), (2, 1)]
    add(engine, Request(1, 20, 1, chain=(*chain[:3], (5, 13))))
    assert step(engine) == {1: 16}


def test_at_least_one_token_is_computed_and_what_nobody_needs_is_dropped():
    engine = cache(Request(0, 16, 1, chain=((7, 16),)), blocks=10)
    step(engine)
    assert left_over(engine) == [(7, 4)]  # the fourth block entered on leaving
    add(engine, twice := Request(1, 16, 2, chain=((7, 16),)))
    assert step(engine) == {1: 4}
    assert twice.cached_tokens == 12
    assert (engine.memory.nodes[7].blocks, engine.memory.blank) == (3, 6)


def test_a_node_somebody_else_uses_keeps_its_blocks():
    engine = cache(Request(0, 18, 9, chain=((7, 16),)), blocks=10)
    step(engine)
    add(engine, Request(1, 16, 9, chain=((7, 16),)))
    assert step(engine) == {0: 1, 1: 4}
    node = engine.memory.nodes[7]
    assert (node.blocks, node.users) == (4, 2)
    assert engine.memory.free == 10 - 4 - 1 - 1  # shared ones count once


def test_requests_of_one_step_share_what_the_first_of_them_is_about_to_compute():
    chain = ((7, 16),)
    engine = cache(Request(0, 18, 9, chain=chain), Request(1, 18, 9, chain=chain))
    assert step(engine) == {0: 18, 1: 2}


def test_leftovers_go_first_then_the_least_recently_used_node_from_its_end():
    engine = cache(blocks=6)
    for row in (1, 2):
        add(engine, Request(row, 9, 1, chain=((row, 8),)))
        step(engine)
    assert left_over(engine) == [(None, 1), (1, 2), (None, 1), (2, 2)]
    add(engine, Request(3, 8, 1))
    step(engine)
    assert left_over(engine) == [(1, 1), (None, 1), (2, 2), (None, 2)]
    add(engine, again := Request(4, 9, 1, chain=((1, 8),)))
    assert step(engine) == {4: 5}
    assert again.cached_tokens == 4
    # Two new blocks: the leftover of request 2, and the last block of its node.
    assert left_over(engine) == [(2, 1), (None, 2), (None, 1), (1, 2)]


def test_nodes_of_a_chain_are_left_last_to_first():
    engine = cache(Request(0, 13, 1, chain=((1, 4), (2, 8), (3, 12))))
    step(engine)
    assert left_over(engine) == [(None, 1), (3, 1), (2, 1), (1, 1)]


def test_a_segment_resident_in_part_ends_the_walk():
    engine = cache(Request(0, 20, 1, chain=((1, 8), (2, 16))))
    step(engine)
    engine.memory.nodes[1].blocks -= 1
    engine.memory.blank += 1
    add(engine, request := Request(1, 20, 1, chain=((1, 8), (2, 16))))
    step(engine)
    assert request.cached_tokens == 4
    # Its second block went into node 1; node 2 exists, but not as this request's: own blocks.
    assert left_over(engine) == [(None, 1), (2, 2), (None, 3), (1, 2)]


def test_an_admission_counts_the_unused_blocks_it_would_take():
    engine = cache(Request(0, 17, 1, chain=((1, 16),)), blocks=8)
    step(engine)
    add(engine, Request(1, 8, 20))
    step(engine)
    assert engine.memory.free == 6
    add(engine, request := Request(2, 28, 1, chain=((1, 16),)))
    assert 2 not in step(engine)  # 4 blocks found and 3 new ones: 7
    assert (request.computed, engine.memory.nodes[1].users) == (0, 0)


def test_a_preempted_request_finds_what_is_left_of_its_own_blocks():
    engine = cache(Request(0, 7, 4), victim := Request(1, 7, 5), blocks=4)
    step(engine)
    step(engine)
    assert step(engine) == {0: 1}
    # It left two full blocks of its own; request 0 took the last one of them.
    assert left_over(engine) == [(None, 1)]
    assert step(engine) == {0: 1}
    assert step(engine) == {1: 7 + 2 - 4}
    assert victim.cached_tokens == 4
    assert sum(run.blocks for run in engine.memory.queue) + engine.memory.blank == 4 - 3


def test_a_partly_filled_block_cannot_be_found_again():
    engine = cache(Request(0, 8, 9), victim := Request(1, 6, 9), blocks=8)
    step(engine)
    engine.preempt()
    assert victim.holding.kept_full == 1
    assert left_over(engine) == [(None, 2)]
    assert step(engine) == {0: 1, 1: 6 + 1 - 4}
    assert left_over(engine) == [(None, 1)]  # the rest stays behind, dead


def test_the_output_enters_the_cache_on_leaving_for_the_next_turn():
    engine = cache(Request(0, 6, 6, chain=((1, 12),)))
    while engine.outstanding or engine.inbox:
        step(engine)
    assert left_over(engine) == [(None, 1), (1, 2)]  # the twelfth token was never computed
    add(engine, follow_up := Request(1, 14, 1, chain=((1, 12), (2, 14))))
    assert step(engine) == {1: 6}
    assert follow_up.cached_tokens == 8
    assert left_over(engine)[-1] == (1, 3)


def test_decode_tokens_register_nothing():
    engine = cache(Request(0, 7, 9, chain=((1, 16),)))
    step(engine)
    assert engine.memory.nodes[1].blocks == 1
    step(engine)
    step(engine)
    assert engine.memory.nodes[1].blocks == 1


# The fleet on the clock: steps of 1 s


def test_a_request_joins_the_step_that_begins_at_its_arrival_or_the_next():
    outcome = Twin(setup([0, 1, 1.5])).run(200 * S)
    assert seconds(outcome.first_token_ns) == [1, 2, 3]
    assert seconds(outcome.finish_ns) == [5, 6, 7]
    assert (outcome.steps, outcome.busy_ns.sum(), outcome.prefill_tokens) == (7, 7 * S, 30)


def test_with_async_scheduling_who_joins_during_a_step_misses_the_next_one():
    outcome = Twin(setup([0, 0.5, 1, 1.5], limits={"async_scheduling": True})).run(200 * S)
    # The boundary at 1 does not see who joined after that at 0; the one at 2 sees who joined at 1.
    assert seconds(outcome.first_token_ns) == [1, 3, 3, 4]


def test_with_async_scheduling_a_replica_with_nothing_else_to_do_takes_all():
    case = setup([0, 0.5, 7, 7.2], output=1, limits={"async_scheduling": True})
    assert seconds(Twin(case).run(200 * S).first_token_ns) == [1, 2, 8, 9]


def test_a_failure_loses_the_step_and_everyone_starts_over_elsewhere():
    script = [Action(int(2.5 * S), "stop", 0)]
    script += [Action(4 * S, name, 0) for name in ("close", "drain")]
    script += [Action(9 * S, name, 0) for name in ("start", "open")]
    case = setup([0, 3], output=5, retries=1)
    outcome = play(Twin(case), script, 200 * S)
    # Two steps before 2.5 s. Stranded until 9 s, then five steps.
    assert seconds(outcome.first_token_ns) == [10, 10]
    assert seconds(outcome.finish_ns) == [14, 14]
    assert outcome.retries.tolist() == [1, 1]
    assert (outcome.steps, outcome.busy_ns.sum()) == (7, 7 * S)
    lost = play(Twin(setup([0, 3], retries=0)), script, 200 * S)
    assert lost.outcome.tolist() == [LOST, LOST]
    assert seconds(lost.finish_ns) == [4, 4]
    late = play(Twin(setup([0, 3], retries=1, timeout_ns=4 * S)), script, 200 * S)
    assert late.outcome.tolist() == [TIMED_OUT, TIMED_OUT]
    assert seconds(late.finish_ns) == [4, 7]


def test_a_closed_replica_serves_what_it_has():
    script = [Action(2 * S, "close", 0), Action(20 * S, "open", 0)]
    outcome = play(Twin(setup([0, 2, 3])), script, 200 * S)
    assert seconds(outcome.finish_ns) == [5, 25, 25]


def test_the_queue_limit_counts_who_waits_and_the_rejected_have_no_replica():
    outcome = Twin(setup([0, 0.5, 0.6, 0.7], queue_limit=2)).run(200 * S)
    assert outcome.outcome.tolist() == [COMPLETED, COMPLETED, COMPLETED, REJECTED]
    assert outcome.replica.tolist() == [0, 0, 0, -1]
    assert outcome.finish_ns[3] == int(0.7 * S)


def test_what_nobody_could_hold_is_turned_away():
    outcome = Twin(setup([0, 1], prompt=[10, 1599])).run(200 * S)
    assert outcome.outcome.tolist() == [COMPLETED, REJECTED]


def test_the_timeline_includes_both_ends_of_the_period():
    case = setup([0, 0, 15], horizon_s=20, limits={"max_num_seqs": 1}, output=30)
    samples = Twin(case).run(20 * S).samples
    assert samples[:, 0].tolist() == [0, 10, 20]
    assert samples[:, 2].tolist() == [0, 1, 2]
    assert samples[:, 3].tolist() == [0, 1, 1]
    assert samples[:, 4].tolist() == [0, 0.02, 0.02]


def test_what_is_around_at_the_end_has_timed_out_or_is_unfinished():
    case = setup([0, 0], horizon_s=10, output=[50, 50], timeout_ns=int(9.5 * S))
    assert Twin(case).run(10 * S).outcome.tolist() == [TIMED_OUT, TIMED_OUT]
    case = setup([0, 2], horizon_s=10, output=[50, 50], timeout_ns=int(9.5 * S))
    outcome = Twin(case).run(10 * S)
    assert outcome.outcome.tolist() == [TIMED_OUT, UNFINISHED]
    assert seconds(outcome.finish_ns) == [9.5, None]


# Routers


def test_round_robin_takes_turns_and_skips_the_closed():
    script = [Action(3 * S, "close", 1)]
    outcome = play(Twin(setup(range(6), replicas=3)), script, 200 * S)
    assert outcome.replica.tolist() == [0, 1, 2, 0, 2, 0]


def test_least_outstanding_prefers_the_idle_and_then_the_lowest_id():
    case = setup([0, 0, 0, 0, 6], output=[9, 2, 9, 9, 1], replicas=3, router="least-outstanding")
    assert Twin(case).run(200 * S).replica.tolist() == [0, 1, 2, 0, 1]


def test_least_kv_looks_at_shares_of_the_pools():
    pools = [Pool(1, limits(blocks=blocks), StepTime(1, 0, 0, 0, 0, 0)) for blocks in (10, 100)]
    case = setup([0, 1.5, 2.5], prompt=[10, 60, 60], output=9, pools=pools, router="least-kv")
    # 1 of 10 blocks is more than none of 100, and more than 5 of 100.
    assert Twin(case).run(200 * S).replica.tolist() == [0, 1, 1]


def test_prefix_aware_goes_where_the_prefix_is_until_it_is_crowded_there():
    case = setup(
        [0, *[10 + i / 100 for i in range(12)]],
        prompt=40,
        end_of_shared=32,
        replicas=2,
        router="prefix-aware",
        limits={"prefix_caching": True},
    )
    outcome = Twin(case).run(200 * S)
    # Nobody has the prefix at first: by luck. Eight more than nobody are too many; then the other
    # replica has the prefix, too, and fewer requests.
    first = dice(case.salt, Request(0, 40, 5), 0) % 2
    assert outcome.replica.tolist() == [first] * 10 + [1 - first] * 3
    assert outcome.cached_tokens.tolist() == [0] + [32] * 9 + [0] + [32] * 2


def test_prefix_aware_follows_no_prefix_shorter_than_half_the_prompt():
    case = setup(
        [10 * i for i in range(30)],
        prompt=100,
        end_of_shared=48,
        replicas=3,
        router="prefix-aware",
        limits={"prefix_caching": True},
    )
    outcome = Twin(case).run(2000 * S)
    expected = [dice(case.salt, Request(row, 100, 5), 0) % 3 for row in range(30)]
    assert outcome.replica.tolist() == expected
    assert len(set(expected)) == 3


@pytest.mark.parametrize("router", ["random", "power-of-two"])
def test_the_random_routers_follow_the_dice_of_the_row(router):
    case = setup([0] * 50, replicas=3, router=router, salt=5)
    requests, loads, expected = [Request(row, 10, 5) for row in range(50)], [0, 0, 0], []
    for request in requests:
        pair = [dice(5, request, k) % 3 for k in (0, 1)]
        expected.append(min(pair, key=lambda id: (loads[id], id)) if router[0] == "p" else pair[0])
        loads[expected[-1]] += 1
    assert Twin(case).run(200 * S).replica.tolist() == expected


def test_the_dice_are_splitmix64():
    assert dice(0, Request(0, 1, 1), 0) == 0xE220A8397B1DCDAF  # its first number from seed 0


def test_rules_of_users_decide_instead_of_the_router():
    views = []

    def route(request, replicas):
        views.append(replicas)
        return None if request.row == 2 else 1

    case = setup([0, 1.5, 1.6, 1.7], replicas=2, routing_rule=route,
                 admission_rule=lambda request, replicas: request.row != 3)  # fmt: skip
    outcome = Twin(case).run(200 * S)
    assert outcome.outcome.tolist() == [COMPLETED, COMPLETED, REJECTED, REJECTED]
    assert outcome.replica.tolist() == [1, 1, -1, -1]
    assert [view[1].outstanding for view in views] == [0, 1, 2]
    assert views[2][1].kv_used == 0.01 and views[2][1].waiting == 1


# Allowances


@pytest.mark.parametrize(
    "metric, limit_s, violations, stops",
    [
        ("ttft", 1.0, 0, False),
        ("ttft", 0.9, 1, False),
        ("ttft", 0.9, 0, True),
        ("tpot", 0.9, 0, True),
        ("tpot", 1.0, 0, False),
        ("e2e", 4.9, 0, True),
        ("error", 0.0, 0, False),
    ],
)
def test_one_violation_too_many_ends_the_run(metric, limit_s, violations, stops):
    case = setup([0], allowances=[Allowance(metric, limit_s, violations)])
    assert Twin(case).run(200 * S).stopped_early == stops


# Any input


class Audited(Twin):
    """After every event, each replica accounts for each of its blocks."""

    def __init__(self, given):
        super().__init__(given)
        step = self.env.step

        def audited_step():
            step()
            for replica in self.replicas:
                audit(replica.scheduler)

        self.env.step = audited_step


def audit(engine):
    memory, total = engine.memory, engine.limits.blocks
    own = sum(request.holding.own for request in engine.running)
    assert len(engine.running) <= engine.limits.max_num_seqs
    assert all(request.holding.blocks == 0 for request in [*engine.waiting, *engine.inbox])
    if isinstance(memory, PlainBlocks):
        assert memory.free + own == total and memory.free >= 0
        return
    nodes = list(memory.nodes.values())
    used = sum(node.blocks for node in nodes if node.users)
    assert memory.blank + sum(run.blocks for run in memory.queue) + used + own == total
    assert memory.blank >= 0 and all(run.blocks > 0 for run in [*memory.queue, *nodes])
    assert {node for node in nodes if not node.users} == {
        r for r in memory.queue if r.key is not None
    }
    users = Counter(node for request in engine.running for node in request.holding.nodes)
    assert users == Counter({node: node.users for node in nodes if node.users})


@pytest.mark.parametrize("seed", range(120))
def test_every_request_has_one_end_and_every_block_one_place(seed):
    case = random_case(seed)
    planes = []
    outcome = case.play(lambda given: planes.append(Audited(given)) or planes[0])
    workload, setup = case.setup.workload, case.setup
    assert len(outcome.outcome) == len(workload)
    ended = outcome.outcome != UNFINISHED
    assert ((outcome.finish_ns == NEVER_NS) == ~ended).all()
    assert (outcome.finish_ns >= outcome.arrival_ns)[ended].all()
    completed = outcome.outcome == COMPLETED
    assert (outcome.first_token_ns <= outcome.finish_ns)[completed].all()
    assert (outcome.replica >= 0)[completed].all()
    assert (outcome.retries <= setup.retries).all()
    assert (outcome.busy_ns <= setup.horizon_ns).all()
    held = planes[0].outstanding().sum() + planes[0].stranded()
    yet_to_come = (outcome.arrival_ns >= planes[0].env.now).sum()
    sent_again = sum(len(due) for due in planes[0].arrivals.due.values())
    assert (~ended).sum() <= held + yet_to_come + sent_again
    for replica, free in zip(planes[0].replicas, outcome.free_blocks, strict=True):
        if not replica.scheduler.running:
            assert free == replica.scheduler.limits.blocks
    if not outcome.stopped_early:
        samples = setup.horizon_ns // setup.sample_interval_ns + 1
        assert outcome.samples.shape == (samples, 5)


@pytest.mark.parametrize("seed", range(0, 40, 8))
def test_a_case_plays_the_same_twice(seed):
    first, second = (random_case(seed).play(Twin) for _ in range(2))
    assert differences(first, second) == []


def test_patient_clients_of_a_fleet_without_failures_are_all_served():
    for seed in range(30):
        case = random_case(
            seed, failures=False, timeout_steps=None, queue_limit=None, to_the_end=False,
            steps=50, allowances=False, admission_rule=False, routing_rule=False,
            first_token_timeout=False, gates=False, slow=False,
        )  # fmt: skip
        outcome = case.play(Twin)
        able = np.any(case.setup.fits(), axis=0) & case.setup.counted
        if case.end_ns > 10 * case.setup.horizon_ns:
            assert (outcome.outcome[able] == COMPLETED).all(), seed
