"""Steps that are not mixed: prompts first, decodes pause. Schedules by hand, on plane and twin.

Every step takes 10 ms. serving-engine.md, "Prefill first".
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from simulator.closed_loop import lone_replica, serve_closed
from simulator.data_plane import Limits, Pool, Reply
from simulator.histogram import histogram
from simulator.kernel.step_time import StepTime
from simulator.plane import Plane
from simulator.simulate import replica_limits
from tests.oracles.fuzz_cases import differences
from tests.oracles.fuzz_demand import random_workload
from tests.oracles.fuzz_fleet import random_limits, random_time
from tests.oracles.small import small_scenario, workload
from tests.oracles.twin import Twin

MS = 1_000_000


def clockwork(mixed_steps=False, reply=Reply(), **limits):  # noqa: B008  # it is immutable
    """A replica of 10 ms a step, 64 tokens at most."""
    given = {
        "max_num_seqs": 8,
        "max_num_batched_tokens": 64,
        "chunked_prefill": True,
        "blocks": 100,
        "block_tokens": 16,
        "context_tokens": 1_000,
        "mixed_steps": mixed_steps,
    }
    return Pool(1, Limits(**(given | limits)), StepTime(0.01, 0, 0, 0, 0, 0), reply)


def serve(pool, arrival_ms, prompts, outputs):
    """The outcome, which plane and twin agree on."""
    demand = workload(np.array(arrival_ms) / 1000, prompts, outputs)
    setup = lone_replica(pool, demand)
    outcomes = [replace(plane(setup).run(setup.horizon_ns), samples=0) for plane in (Plane, Twin)]
    assert differences(*outcomes) == []
    return outcomes[0]


def ms(instants_ns):
    return (instants_ns / MS).tolist()


def assert_gaps_ms(outcome, gaps):
    """gaps: how many there are of each length."""
    expected = histogram(Counter({length * MS: count for length, count in gaps.items()}))
    assert outcome.itl_histogram.tolist() == expected.tolist()


def test_decodes_pause_while_a_third_prompt_is_computed():
    """It comes at 15 and takes two steps, 20 to 40, in which the two others get nothing; from 40
    all three decode."""
    outcome = serve(clockwork(), [0, 0, 15], [5, 5, 100], [4, 4, 2])
    assert ms(outcome.first_token_ns) == [10, 10, 40]
    assert ms(outcome.finish_ns) == [60, 60, 50]
    assert_gaps_ms(outcome, {10: 2 + 1 + 2, 30: 2})
    assert (outcome.steps, outcome.prefill_tokens) == (6, 110)


def test_mixed_steps_make_nobody_pause():
    outcome = serve(clockwork(mixed_steps=True), [0, 0, 15], [5, 5, 100], [4, 4, 2])
    assert ms(outcome.first_token_ns) == [10, 10, 40]
    assert ms(outcome.finish_ns) == [40, 40, 50]
    assert_gaps_ms(outcome, {10: 7})


def test_who_began_to_decode_in_a_pause_has_waited_since_then():
    """Row 0 has a token at 20, row 1 its first at 30, row 2 at 40; all have the next one at 50."""
    outcome = serve(clockwork(), [0, 15, 15], [5, 64, 64], [4, 3, 3])
    assert ms(outcome.first_token_ns) == [10, 30, 40]
    assert ms(outcome.finish_ns) == [60, 60, 60]
    assert_gaps_ms(outcome, {10: 1 + 1 + 3, 20: 1, 30: 1})


def test_without_chunks_a_prompt_waits_for_a_whole_step():
    """Rows 1 and 2 do not fit into one step of 64 tokens."""
    outcome = serve(clockwork(chunked_prefill=False), [0, 15, 15], [5, 40, 40], [3, 2, 2])
    assert ms(outcome.first_token_ns) == [10, 30, 40]
    assert ms(outcome.finish_ns) == [50, 50, 50]
    assert_gaps_ms(outcome, {10: 2, 20: 1, 30: 1})


def test_asynchronous_scheduling_begins_the_pause_one_step_later():
    """Row 1 comes at 15, in the step that ends at 20: composed next is 30."""
    outcome = serve(clockwork(async_scheduling=True), [0, 15], [5, 5], [4, 2])
    assert ms(outcome.first_token_ns) == [10, 40]
    assert ms(outcome.finish_ns) == [50, 50]
    assert_gaps_ms(outcome, {10: 2 + 1, 20: 1})


def test_a_prompt_that_lacks_blocks_lets_the_decodes_run():
    """Row 0 and four tokens of row 1 take five of eight blocks; the next 64 tokens want four more.
    Row 0 decodes alone (its client reads 1 ms after a step of one request) and leaves at 30."""
    outcome = serve(clockwork(reply=Reply(0, MS), blocks=8), [0, 0], [60, 100], [3, 1])
    assert ms(outcome.first_token_ns) == [12, 51]
    assert ms(outcome.finish_ns) == [31, 51]
    assert_gaps_ms(outcome, {10: 2})


def test_who_is_preempted_for_want_of_blocks_comes_back_one_step_later():
    """Prompts of 31 tokens in chunks of 16, four blocks of 16. At 50 both want their third block:
    row 1 goes, row 0 has a token at 60. One block is free: row 1 computes 16 tokens until 70, row 0
    pauses; then row 1 lacks a block until row 0 has left at 80, and has its third token at 100."""
    pool = clockwork(max_num_batched_tokens=16, blocks=4)
    outcome = serve(pool, [0, 0], [31, 31], [4, 4])
    assert ms(outcome.first_token_ns) == [20, 40]
    assert ms(outcome.finish_ns) == [80, 110]
    assert outcome.preemptions.tolist() == [0, 1]
    assert_gaps_ms(outcome, {30: 1, 10: 1 + 2, 20: 1, 50: 1})


def test_a_wave_is_computed_before_anybody_decodes():
    """Four in flight whose prompts fill a step each: first tokens at 10, 20, 30 and 40, then all
    decode together and end together, and so do the next four."""
    demand, outcome = serve_closed(clockwork(), [64] * 8, [3] * 8, concurrency=4)
    assert ms(demand.arrival_ns) == [0] * 4 + [60] * 4
    assert ms(outcome.first_token_ns - demand.arrival_ns) == [10, 20, 30, 40] * 2
    assert ms(outcome.finish_ns) == [60] * 4 + [120] * 4
    assert_gaps_ms(outcome, {40: 2, 30: 2, 20: 2, 10: 2 + 8})
    assert outcome.steps == 12


def test_mixed_steps_stretch_the_same_wave():
    """The first one decodes twice while the second prompt is computed, and the fifth request comes
    before the third has begun."""
    demand, outcome = serve_closed(clockwork(mixed_steps=True), [64] * 8, [3] * 8, concurrency=4)
    assert ms(demand.arrival_ns)[4] == 30
    assert ms(outcome.first_token_ns)[:3] == [10, 30, 40]


@pytest.mark.parametrize("first", range(0, 100, 50))
def test_it_makes_no_difference_to_one_at_a_time(first):
    """Whoever is alone has nobody to mix with."""
    choices = dict.fromkeys(["prefix_caching", "async_scheduling", "chunked_prefill"])
    choices |= {"priority_policy": None, "coarse": False, "experts": True}
    for seed in range(first, first + 50):
        rng = np.random.default_rng(seed)
        limits, time = random_limits(rng, choices), random_time(rng, choices, 1.0)
        tokens = limits.blocks * limits.block_tokens
        demand = random_workload(rng, 20, (0, 1), 1, "tree", limits.block_tokens, tokens)
        one, other = (
            serve_closed(
                Pool(1, limits._replace(mixed_steps=mixed), time),
                demand.input_tokens, demand.output_tokens, 1, demand.chains,
            )[1]
            for mixed in (True, False)
        )  # fmt: skip
        assert differences(one, other) == [], f"seed {seed}"


def test_the_setting_reaches_the_scheduler():
    for mixed in (True, False):
        scenario = small_scenario({"mixed_steps": mixed})
        assert replica_limits(scenario.model, scenario.replica).mixed_steps is mixed
