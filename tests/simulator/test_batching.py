"""The scheduler, step by step, against steps worked out by hand from vLLM V1's rules."""

from collections import Counter

from simulator.batching import NEVER_NS, Limits, Request, Scheduler


def scheduler(**limits):
    given = {
        "max_num_seqs": 8,
        "max_num_batched_tokens": 64,
        "chunked_prefill": True,
        "blocks": 100,
        "block_tokens": 16,
        "context_tokens": 10_000,
    }
    return Scheduler(Limits(**(given | limits)))


def request(row, prompt, output, deadline_ns=NEVER_NS):
    return Request(row, prompt, output, deadline_ns)


def granted(step):
    return [(request.row, tokens) for request, tokens in step.grants]


def run_step(engine, now_ns, gaps=None):
    step = engine.schedule()
    return step, engine.complete(step, now_ns, Counter() if gaps is None else gaps)


def test_a_prompt_above_the_budget_is_computed_in_chunks():
    engine = scheduler()
    engine.add(request(0, 150, 2))
    chunks = [granted(run_step(engine, now)[0]) for now in (1, 2, 3)]
    assert chunks == [[(0, 64)], [(0, 64)], [(0, 22)]]
    lone = engine.running[0]
    assert (lone.first_token_ns, lone.generated, lone.todo) == (3, 1, 1)


def test_the_step_that_ends_a_prefill_emits_the_first_token_and_the_last_one_frees_everything():
    engine = scheduler()
    engine.add(request(0, 10, 3))
    gaps = Counter()
    finished = [run_step(engine, now, gaps)[1] for now in (5, 9, 15)]
    assert [len(f) for f in finished] == [0, 0, 1]
    assert gaps == {4: 1, 6: 1}
    assert engine.free_blocks == 100
    assert engine.schedule() is None


def test_running_decodes_come_first_and_the_waiting_head_gets_what_is_left():
    engine = scheduler()
    engine.add(request(0, 10, 5))
    run_step(engine, 1)
    engine.add(request(1, 100, 5))
    engine.add(request(2, 5, 5))
    assert granted(run_step(engine, 2)[0]) == [(0, 1), (1, 63)]
    assert granted(run_step(engine, 3)[0]) == [(0, 1), (1, 37), (2, 5)]


def test_seats_limit_admission():
    engine = scheduler(max_num_seqs=2)
    for row in range(3):
        engine.add(request(row, 4, 2))
    assert granted(run_step(engine, 1)[0]) == [(0, 4), (1, 4)]
    assert granted(run_step(engine, 2)[0]) == [(0, 1), (1, 1)]
    assert granted(run_step(engine, 3)[0]) == [(2, 4)]


def test_the_load_of_a_step_counts_context_and_attention_pairs():
    engine = scheduler()
    engine.add(request(0, 10, 5))
    first, _ = run_step(engine, 1)
    assert (first.prefill_tokens, first.decode_tokens, first.kv_tokens) == (10, 0, 0)
    assert first.attention_pairs == 10 * 11 // 2
    engine.add(request(1, 70, 5))
    second, _ = run_step(engine, 2)
    # Request 0 decodes over 10 tokens of context and itself; request 1 starts with 63.
    assert (second.prefill_tokens, second.decode_tokens, second.kv_tokens) == (63, 1, 10)
    assert second.attention_pairs == 11 + 63 * 64 // 2
    third, _ = run_step(engine, 3)
    # Request 1 computes its last 7 tokens over 63 of context.
    assert (third.prefill_tokens, third.kv_tokens) == (7, 11 + 63)
    assert third.attention_pairs == 12 + 7 * 63 + 7 * 8 // 2


def test_without_blocks_the_last_running_request_is_preempted_and_recomputed():
    engine = scheduler(blocks=4)
    engine.add(request(0, 31, 20))
    engine.add(request(1, 31, 20))
    run_step(engine, 1)
    assert engine.free_blocks == 0
    run_step(engine, 2)  # both fill their second block
    step, _ = run_step(engine, 3)
    # Request 0 needs a third block: request 1 gives both of its own, and waits first in line.
    assert granted(step) == [(0, 1)]
    victim = engine.waiting[0]
    assert (victim.row, victim.preemptions, victim.computed) == (1, 1, 0)
    assert victim.todo == 31 + 2  # its two generated tokens are computed again
    assert engine.free_blocks == 4 - 3


def test_a_step_that_preempts_admits_nobody():
    engine = scheduler(blocks=4)
    engine.add(request(0, 31, 20))
    engine.add(request(1, 31, 20))
    run_step(engine, 1)
    engine.add(request(2, 1, 1))
    run_step(engine, 2)
    step, _ = run_step(engine, 3)
    assert granted(step) == [(0, 1)]
    assert [r.row for r in engine.waiting] == [1, 2]
    # The next step could seat request 2, but the head blocks the queue.
    assert granted(run_step(engine, 4)[0]) == [(0, 1)]


def test_a_gap_after_a_preemption_reaches_back_to_the_last_token():
    engine = scheduler(blocks=4)
    engine.add(request(0, 31, 18))
    engine.add(request(1, 31, 20))
    gaps = Counter()
    now = 0
    while engine.outstanding:
        now += 10
        run_step(engine, now, gaps)
    assert sum(gaps.values()) == 17 + 19
    assert max(gaps) > 10
    assert engine.free_blocks == 4


def test_unchunked_a_prompt_waits_for_a_step_that_holds_all_of_it():
    engine = scheduler(chunked_prefill=False)
    engine.add(request(0, 40, 2))
    engine.add(request(1, 40, 2))
    assert granted(run_step(engine, 1)[0]) == [(0, 40)]
    assert granted(run_step(engine, 2)[0]) == [(0, 1), (1, 40)]


def test_what_can_never_fit_is_known_beforehand():
    limits = scheduler(blocks=10, context_tokens=200).limits
    assert limits.can_ever_serve(100, 60)
    assert not limits.can_ever_serve(100, 61)  # 161 tokens need 11 blocks
    assert not scheduler(context_tokens=200).limits.can_ever_serve(150, 51)
    assert not scheduler(chunked_prefill=False).limits.can_ever_serve(65, 1)


def test_requests_leave_when_their_client_hangs_up():
    engine = scheduler(max_num_seqs=1)
    engine.add(request(0, 10, 50, deadline_ns=100))
    engine.add(request(1, 10, 50, deadline_ns=200))
    run_step(engine, 50)
    assert engine.expire(99) == []
    assert [r.row for r in engine.expire(100)] == [0]
    assert engine.free_blocks == 100
    assert [r.row for r in engine.expire(250)] == [1]
    assert engine.outstanding == 0


def test_a_drained_replica_is_empty_and_its_requests_keep_their_order():
    engine = scheduler(max_num_seqs=2)
    for row in range(4):
        engine.add(request(row, 10, 5))
    run_step(engine, 1)
    assert [r.row for r in engine.drain()] == [0, 1, 2, 3]
    assert (engine.outstanding, engine.free_blocks) == (0, 100)
