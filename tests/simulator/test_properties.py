"""What must hold on any scenario: nothing is lost, blocks add up, time goes forward."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.verdict import Referee, RefereeFor, judge
from scenarios.objectives import parse_objective
from simulator import batching
from simulator.histogram import histogram, quantile_s
from simulator.run import COMPLETED
from simulator.simulate import serve, simulate
from tests.oracles.small import small_scenario, workload

ENGINES = st.fixed_dictionaries(
    {
        "max_num_seqs": st.integers(1, 12),
        "max_num_batched_tokens": st.integers(13, 300),
        "num_gpu_blocks": st.integers(4, 60),
        "chunked_prefill": st.booleans(),
    }
)
FAILURES = st.none() | st.fixed_dictionaries(
    {
        "replica": st.fixed_dictionaries(
            {
                "mtbf": st.sampled_from(["5s", "20s", "1000s"]),
                "detection": st.sampled_from(["0s", "1s", "5s"]),
                "repair": st.just({"median": "2s", "p95": "6s"}),
                "cold_start": st.sampled_from(["0s", "1s"]),
            }
        )
    }
)
ROWS = st.lists(
    st.tuples(st.floats(-5, 30), st.integers(1, 400), st.integers(1, 60)), min_size=1, max_size=60
)


@st.composite
def cases(draw):
    parts = {
        "horizon": "20s",
        "preroll": "5s",
        "drain": "200s",
        "fleet": {
            "replicas": draw(st.integers(1, 4)),
            "router": draw(st.sampled_from(["round-robin", "least-outstanding"])),
        },
        "clients": {
            "timeout": draw(st.sampled_from(["3s", "30s", "300s"])),
            "retries": draw(st.integers(0, 3)),
        },
    }
    failures = draw(FAILURES)
    if failures is not None:
        parts["failures"] = failures
    scenario = small_scenario(engine=draw(ENGINES), **parts)
    rows = sorted(draw(ROWS))
    return scenario, workload(*map(list, zip(*rows, strict=True)))


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 1000))
def test_every_request_ends_once_and_in_order(case, replication):
    scenario, demand = case
    run = serve(scenario, scenario.fleet, demand, 5, replication)
    counted = (demand.arrival_ns >= 0) & (demand.arrival_ns < 20_000_000_000)
    assert len(run) == counted.sum()
    assert np.bincount(run.outcome, minlength=5).sum() == len(run)
    done = run.outcome == COMPLETED
    assert (run.first_token_s[done] > run.arrival_s[done]).all()
    assert (run.finish_s[done] >= run.first_token_s[done]).all()
    single = done & (run.output_tokens == 1)
    assert (run.finish_s[single] == run.first_token_s[single]).all()
    assert np.isfinite(run.ttft_s[done]).all()
    assert np.isinf(run.ttft_s[~done]).all()
    assert (run.retries <= scenario.clients.retries).all()
    assert 0.0 <= run.busy_share <= 1.0 + 1e-12


@settings(max_examples=150, deadline=None)
@given(ENGINES, ROWS, st.integers(0, 2**32))
def test_blocks_seats_and_budget_always_add_up(engine, rows, seed):
    limits = batching.Limits(
        engine["max_num_seqs"], engine["max_num_batched_tokens"], engine["chunked_prefill"],
        engine["num_gpu_blocks"], 16, 10_000,
    )  # fmt: skip
    scheduler = batching.Scheduler(limits)
    rng = np.random.default_rng(seed)
    waiting = [
        batching.Request(row, prompt, output, batching.NEVER_NS)
        for row, (_, prompt, output) in enumerate(rows)
        if limits.can_ever_serve(prompt, output)
    ]
    admitted, finished = len(waiting), []
    for now in range(1, 200_000):
        while waiting and rng.random() < 0.3:
            scheduler.add(waiting.pop())
        step = scheduler.schedule()
        held = [*scheduler.running, *scheduler.waiting]
        assert scheduler.free_blocks + sum(r.blocks for r in held) == limits.blocks
        assert scheduler.free_blocks >= 0
        assert len(scheduler.running) <= limits.max_num_seqs
        assert all(r.blocks == 0 for r in scheduler.waiting)
        if step is None:
            # Work that cannot start is a replica that hangs for ever.
            assert not held
            if not waiting:
                break
            continue
        tokens = sum(granted for _, granted in step.grants)
        assert tokens <= limits.max_num_batched_tokens
        assert tokens == step.prefill_tokens + step.decode_tokens
        for request, granted in step.grants:
            assert request.computed + granted <= request.blocks * 16
            assert request.computed + request.todo == request.prompt + request.generated
        finished += scheduler.complete(step, now, batching.Counter())
    assert len(finished) == admitted
    assert all(request.generated == request.output for request in finished)
    assert scheduler.free_blocks == limits.blocks


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.sampled_from(["20ms", "100ms", "400ms", "2s"]),
    st.sampled_from(["10ms", "15ms", "40ms"]),
)
def test_a_stopped_period_is_one_that_the_full_run_breaks(replication, replicas, ttft, tpot):
    """The referee is exact: it stops if and only if the whole period would be broken."""
    scenario = small_scenario(horizon="20s", clients={"timeout": "6s"})
    texts = (f"ttft p90 <= {ttft}", f"tpot p80 <= {tpot}", "error_rate <= 2%")
    objectives = [parse_objective(text) for text in texts]
    fleet = scenario.fleet.model_copy(update={"replicas": replicas})
    whole = simulate(scenario, fleet, 11, replication)
    watched = simulate(scenario, fleet, 11, replication, RefereeFor(objectives))
    assert watched.stopped_early <= (not judge(whole, objectives).kept)
    assert judge(watched, objectives).kept == judge(whole, objectives).kept
    if not watched.stopped_early:
        assert watched.finish_s.tolist() == whole.finish_s.tolist()


def test_a_referee_allows_exactly_the_promised_violations():
    referee = Referee([parse_objective("ttft p90 <= 1s")], 25)
    assert [referee(2.0, 0.0, 3.0) for _ in range(3)] == [False, False, True]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 10**12), min_size=1, max_size=200), st.sampled_from([50, 90, 95, 99])
)
def test_the_histogram_is_within_half_a_percent(durations_ns, percent):
    share = parse_objective(f"itl p{percent} <= 1s").share
    counts = histogram({d: durations_ns.count(d) for d in set(durations_ns)})
    allowed = (len(durations_ns) * (100 - percent)) // 100
    exact_s = sorted(durations_ns)[len(durations_ns) - allowed - 1] / 1e9
    assert abs(quantile_s(counts, share) / exact_s - 1) < 0.004
