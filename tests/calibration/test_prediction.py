"""What the simulator says of measured cases, against answers by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.cases import ClosedLoop, OpenLoop, Stage, StaticBatch
from calibration.prediction import (
    drawn,
    latencies,
    mean_field_loads,
    open_loop,
    pool_of,
    predict,
    round_robin_chains,
    serve_open,
    static_loads,
    step_load,
)
from scenarios.latency import LinearLatency
from simulator.closed_loop import serve_closed
from simulator.kernel.step_time import in_python
from simulator.latency import physics
from tests.calibration.made import LLAMA_8B, case_of, recorded, replica_on

STEP_MS = 10.0
CLOCKWORK = LinearLatency.model_construct(per_step_s=STEP_MS / 1e3)
"""Every step takes 10 ms, and no front end adds to it."""


def staged(*stages, prompts=0, input_tokens=300, output_tokens=10):
    return OpenLoop(
        None, tuple(Stage(*stage) for stage in stages), input_tokens, output_tokens, prompts, np.inf
    )


# --- one engine step at a time -------------------------------------------------------------------


def test_the_load_of_a_step_counts_what_it_computes():
    """Two prompts of 10 tokens, whose token i attends to i tokens; three decodes at 100 tokens."""
    pairs = 2 * sum(range(1, 11)) + 3 * (100 + 1)
    assert step_load(2, 10, 3, 100) == [20, 3, 5, 300, pairs]


@pytest.mark.parametrize("layout", [{}, {"tensor_parallel": 2, "pipeline_parallel": 2}])
def test_a_static_batch_is_two_steps(layout):
    """Eight prompts of 512 at once; then each decodes half way through its 128 tokens."""
    case = case_of(StaticBatch(8, 512, 128), replica_on(**layout))
    time = physics(LLAMA_8B, case.replica)
    prefill_s = in_python(time, 8 * 512, 0, 8, 0, 8 * 512 * 513 // 2)
    decode_s = in_python(time, 0, 8, 8, 8 * 576, 8 * 577)
    assert predict(case) == {"prefill": 1e3 * prefill_s, "decode": 1e3 * decode_s}


def test_the_steps_of_a_static_batch_and_of_a_closed_loop_are_alike():
    loads = mean_field_loads(ClosedLoop(8, (500, 524), (128, 128), 100, 0), 8)
    assert loads[0].tolist() == static_loads(StaticBatch(8, 512, 128))[1].tolist()
    alone = static_loads(StaticBatch(1, 512, 128))[0]
    assert (loads[1] - loads[0]).tolist() == alone.tolist()


# --- closed loops ---------------------------------------------------------------------------------


def test_a_closed_loop_in_lockstep_by_hand():
    """Four at a time, twenty tokens each: first token in the first step, a batch every 200 ms."""
    case = case_of(ClosedLoop(4, (100, 100), (20, 20), requests=40, warm_up=8), latency=CLOCKWORK)
    told = predict(case, seeds=1)
    assert told["completed"] == 40
    for metric in ("ttft", "tpot"):
        for statistic in ("mean", "p50", "p90", "p95", "p99"):
            assert told[f"{metric}_{statistic}"] == pytest.approx(STEP_MS), (metric, statistic)
    assert told["e2e_mean"] == told["e2e_p99"] == pytest.approx(20 * STEP_MS)
    assert told["throughput"] == pytest.approx(4 / (STEP_MS / 1e3))


def test_one_client_pays_for_its_prompt_in_steps_of_the_budget():
    """5000 tokens of 2048 a step: three steps; lengths of outputs change nothing per token."""
    case = case_of(ClosedLoop(1, (5000, 5000), (2, 30), requests=30, warm_up=3), latency=CLOCKWORK)
    told = predict(case)
    assert (told["ttft_mean"], told["tpot_mean"]) == pytest.approx((3 * STEP_MS, STEP_MS))


def test_recorded_lengths_are_served_in_their_order():
    """And again from the first, when there are fewer: answers of 3, 5, 3, 5 tokens."""
    load = ClosedLoop(1, (100, 200), (3, 5), 4, 0, lengths=((100, 3), (200, 5)))
    told = predict(case_of(load, latency=CLOCKWORK), seeds=1)
    assert told["e2e_mean"] == pytest.approx(4 * STEP_MS)
    assert told["e2e_p99"] == pytest.approx(5 * STEP_MS)


def test_costs_of_prefill_tokens_are_paid_by_the_first_token():
    """1 us for each of 1000 tokens, on top of the step."""
    latency = LinearLatency.model_construct(per_step_s=0.01, per_prefill_token_s=1e-6)
    alone = case_of(ClosedLoop(1, (1000, 1000), (11, 11), requests=10, warm_up=0), latency=latency)
    told = predict(alone, seeds=1)
    assert (told["ttft_mean"], told["tpot_mean"]) == pytest.approx((11.0, 10.0))
    assert told["e2e_mean"] == pytest.approx(11.0 + 10 * 10.0)


def test_a_closed_loop_is_the_simulators_own():
    """The same lengths served by hand: the figures are of the requests after the warm-up."""
    load = ClosedLoop(3, (700, 700), (25, 25), requests=20, warm_up=5)
    case = case_of(load)
    workload, outcome = serve_closed(pool_of(case), [700] * 25, [25] * 25, 3)
    ttft = (outcome.first_token_ns - workload.arrival_ns)[5:] / 1e6
    tpot = (outcome.finish_ns - outcome.first_token_ns)[5:] / 24 / 1e6
    span_s = (outcome.finish_ns[5:].max() - workload.arrival_ns[5:].min()) / 1e9
    told = predict(case, seeds=2)
    assert told["ttft_mean"] == pytest.approx(ttft.mean())
    assert told["tpot_mean"] == pytest.approx(tpot.mean())
    assert told["ttft_p90"] == pytest.approx(np.quantile(ttft, 0.9))
    assert told["throughput"] == pytest.approx(20 * 25 / span_s)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 300), st.integers(2, 30), st.integers(0, 8))
def test_every_request_of_a_closed_loop_completes(concurrency, prompt, output, warm_up):
    load = ClosedLoop(concurrency, (prompt, 2 * prompt), (output, 2 * output), 12, warm_up)
    told = predict(case_of(load, latency=CLOCKWORK), seeds=1)
    assert told["completed"] == 12
    assert told["ttft_p50"] <= told["ttft_p90"] <= told["ttft_p99"]
    assert told["tpot_mean"] == pytest.approx(STEP_MS)
    assert STEP_MS - 1e-9 <= told["ttft_mean"] <= 2 * STEP_MS + 1e-9


# --- open loops -----------------------------------------------------------------------------------


def test_a_recorded_open_loop_by_hand():
    """Requests a second apart meet an idle engine: 5 tokens in 5 steps. One that comes 5 ms later
    waits for the step under way and, composed ahead, the next one."""
    load = recorded([1000, 2000, 2005])
    told = predict(case_of(load, latency=CLOCKWORK))
    assert told["completed"] == 3
    assert told["ttft_mean"] == pytest.approx((10 + 10 + 25) / 3)
    assert told["e2e_mean"] == pytest.approx((50 + 50 + 65) / 3)
    assert told["tpot_mean"] == pytest.approx(STEP_MS)
    waits_less = predict(
        case_of(load, replica_on(flags={"async_scheduling": False}), latency=CLOCKWORK)
    )
    assert waits_less["ttft_mean"] == pytest.approx((10 + 10 + 15) / 3)


def test_who_gives_up_has_no_latency():
    """Outputs of 5 and 50 tokens, patience for 100 ms."""
    load = recorded([1000, 3000], output_tokens=[5, 50], timeout_s=0.1)
    told = predict(case_of(load, latency=CLOCKWORK))
    assert (told["completed"], told["e2e_mean"]) == (1, pytest.approx(50.0))


def test_nothing_completes_nothing_is_told():
    assert predict(case_of(recorded([1000], timeout_s=0.001), latency=CLOCKWORK)) == {
        "completed": 0.0
    }


def test_one_token_has_no_time_between_tokens():
    told = predict(case_of(recorded([1000, 2000], output_tokens=1), latency=CLOCKWORK))
    assert told["ttft_mean"] == told["e2e_mean"] == pytest.approx(STEP_MS)
    assert not any(metric.startswith("tpot") for metric in told)
    mixed = predict(case_of(recorded([1000, 2000], output_tokens=[1, 7]), latency=CLOCKWORK))
    assert mixed["tpot_mean"] == pytest.approx(STEP_MS)


def test_chance_is_averaged_over_seeds_and_recordings_have_none():
    case = case_of(staged((0.0, 20.0, 40)))
    singles = [open_loop(case.load, pool_of(case), seed)["ttft_mean"] for seed in range(3)]
    assert len(set(singles)) == 3
    assert predict(case, seeds=3)["ttft_mean"] == pytest.approx(np.mean(singles))
    known = case_of(recorded([1000, 1003, 1500]))
    assert predict(known, seeds=1) == predict(known, seeds=5)


STAGES = st.lists(st.tuples(st.floats(0.1, 50.0), st.integers(1, 60)), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(STAGES, st.integers(0, 1000))
def test_drawn_stages_have_exactly_their_counts_and_fill_their_spans(stages, seed):
    starts_s = np.cumsum([0.0] + [duration for duration, _ in stages])
    load = staged(
        *((start, length, n) for start, (length, n) in zip(starts_s, stages, strict=False))
    )
    workload = drawn(load, seed)
    arrival_s, begin = workload.arrival_ns / 1e9, 0
    assert len(workload) == sum(n for _, n in stages)
    assert (np.diff(arrival_s) >= 0).all()
    for stage in load.stages:
        mine = arrival_s[begin : begin + stage.requests]
        assert (mine > stage.start_s - 1e-8).all()
        assert mine[-1] == pytest.approx(stage.start_s + stage.duration_s, abs=1e-8)
        begin += stage.requests
    assert set(workload.input_tokens) == {300} and set(workload.output_tokens) == {10}


def test_gaps_within_a_stage_are_those_of_a_poisson_process():
    """As many exponential gaps as requests, scaled to fill it: of mean 1 and variance near 1."""
    arrival_ns = drawn(staged((0.0, 1000.0, 4000)), seed=1).arrival_ns
    gaps = np.diff(arrival_ns, prepend=0) / 1e9 * 4
    assert gaps.mean() == pytest.approx(1.0)
    assert gaps.std() == pytest.approx(1.0, abs=0.05)


def test_other_seeds_draw_other_arrivals():
    load = staged((0.0, 10.0, 20))
    first, again, other = (drawn(load, seed).arrival_ns for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_round_robin_prompts_come_again_and_are_found():
    """Seven prompts of 320 tokens: the second time all full blocks but the last token's."""
    load = staged((0.0, 100.0, 21), prompts=7, input_tokens=320)
    chains = round_robin_chains(load, 21)
    assert chains.keys.tolist() == list(range(7)) * 3
    assert set(chains.counts) == {1} and set(chains.ends) == {320}
    workload = drawn(load, seed=0)
    outcome = serve_open(workload, pool_of(case_of(load)), np.inf)
    assert outcome.cached_tokens.tolist() == [0] * 7 + [304] * 14
    assert drawn(replace(load, prompts=0), seed=0).chains is None
    off = serve_open(
        workload, pool_of(case_of(load, replica_on(flags={"prefix_caching": False}))), np.inf
    )
    assert not off.cached_tokens.any()
    on = latencies(workload.arrival_ns, workload.output_tokens, outcome).ttft
    assert on[7:].mean() < latencies(workload.arrival_ns, workload.output_tokens, off).ttft.mean()
