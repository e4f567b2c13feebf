"""What everybody expects who turns one knob, on the same traffic before and after (common random
numbers): no intervals are needed where the answer must hold run by run."""

from fractions import Fraction

import numpy as np
import pytest

from scenarios.model import Scenario
from simulator.histogram import quantile_s
from simulator.run import Run
from simulator.simulate import replica_limits, serve, simulate
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, small_traffic, workload

SEED = 20
REQUESTS = 2200
"""Of the skewed load: two thirds of what the seats can serve."""
PLAIN = {"per_step": "15ms", "per_prefill_token": "30us", "per_kv_token": "20ns"}
CHAT = small_traffic("6/s", input_tokens={"kind": "lognormal", "median": 400, "p95": 1500,
                                          "max": 3000})  # fmt: skip


def sized(scenario: Scenario, replicas: int) -> Scenario:
    fleet = scenario.fleet.model_copy(update={"replicas": replicas})
    return scenario.model_copy(update={"fleet": fleet})


def runs(scenario: Scenario, count: int = 5) -> list[Run]:
    return [simulate(scenario, scenario.fleet, SEED, index) for index in range(count)]


def mean_ttft_s(run: Run) -> float:
    assert run.completed.all(), "who is left out would make the others look fast"
    return float(run.ttft_s.mean())


def mean_ttfts_s(scenario: Scenario) -> np.ndarray:
    return np.array([mean_ttft_s(run) for run in runs(scenario)])


def itl_p50_s(run: Run) -> float:
    return quantile_s(run.itl_histogram, Fraction(1, 2))


# --- hardware -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, gpu, tensor_parallel",
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "a100-sxm-80gb", 1),
        ("meta-llama/Llama-3.1-8B-Instruct", "l4-24gb", 1),
        ("meta-llama/Llama-3.3-70B-Instruct", "h100-sxm-80gb", 4),
        ("Qwen/Qwen3-30B-A3B", "h200-sxm-141gb", 1),
        ("mistralai/Mixtral-8x7B-v0.1", "mi300x-192gb", 1),
    ],
)
def test_twice_the_memory_bandwidth_gives_faster_tokens(model, gpu, tensor_parallel):
    replica = {"gpu": gpu, "tensor_parallel": tensor_parallel,
               "engine": {"name": "vllm"} | DEFAULT_ENGINE}  # fmt: skip
    scenario = small_scenario(
        latency=None, model=model, replica=replica, fleet={"replicas": 3},
        traffic=[small_traffic("1.5/s")],
    )  # fmt: skip
    fast_gpu = scenario.replica.gpu.model_copy(
        update={"bandwidth_bytes_per_s": 2 * scenario.replica.gpu.bandwidth_bytes_per_s}
    )
    fast = scenario.model_copy(
        update={"replica": scenario.replica.model_copy(update={"gpu": fast_gpu})}
    )
    for slow_run, fast_run in zip(runs(scenario, 3), runs(fast, 3), strict=True):
        assert fast_run.completed.all() and slow_run.completed.all()
        # Decoding mostly reads weights, but for MoE on the fastest memory: there overheads weigh.
        assert fast_run.tpot_s.mean() < 0.95 * slow_run.tpot_s.mean()
        assert itl_p50_s(fast_run) < 0.95 * itl_p50_s(slow_run)


def physical(replica: dict | None = None, engine: dict | None = None, **parts) -> Scenario:
    """A scenario whose step times come from physics."""
    whole = {"gpu": "h100-sxm-80gb", "engine": {"name": "vllm"} | DEFAULT_ENGINE | (engine or {})}
    return small_scenario(latency=None, replica=whole | (replica or {}), **parts)


@pytest.mark.parametrize(
    "change",
    [
        {"replica": {"precision": "fp8"}},
        {"replica": {"tensor_parallel": 2}},
        {"engine": {"sampling": "greedy"}},
    ],
    ids=lambda change: str(*change.values()),
)
def test_what_shortens_every_step_gives_faster_tokens(change):
    for before, after in zip(runs(physical(), 3), runs(physical(**change), 3), strict=True):
        assert after.completed.all() and before.completed.all()
        assert after.tpot_s.mean() < before.tpot_s.mean()
        assert itl_p50_s(after) <= itl_p50_s(before)
        # A first token waits for whoever is there: chance moves it by about a percent.
        assert mean_ttft_s(after) < 1.02 * mean_ttft_s(before)


def test_pipeline_stages_do_not_make_tokens_faster_but_hold_more_of_them():
    """All weights are still read one stage after the other."""
    one, four = physical(), physical({"pipeline_parallel": 4})
    for before, after in zip(runs(one, 3), runs(four, 3), strict=True):
        assert after.tpot_s.mean() == pytest.approx(before.tpot_s.mean(), rel=0.1)
    limits = [replica_limits(each.model, each.replica) for each in (one, four)]
    assert limits[1].blocks > 4 * limits[0].blocks
    assert limits[1].max_num_batched_tokens == 4 * limits[0].max_num_batched_tokens


def test_data_parallel_ranks_seat_more_and_wait_less():
    """Sixteen seats are too few for what arrives; four ranks have sixty-four."""
    parts = {"traffic": [small_traffic("40/s")], "model": "Qwen/Qwen3-30B-A3B"}
    one, four = (
        physical({"data_parallel": d}, {"max_num_seqs": 16}, **parts, fleet={"replicas": 1})
        for d in (1, 4)
    )
    limits = [replica_limits(each.model, each.replica) for each in (one, four)]
    assert [each.max_num_seqs for each in limits] == [16, 64]
    assert limits[1].blocks > 4 * limits[0].blocks
    assert (mean_ttfts_s(four) < mean_ttfts_s(one)).all()


@pytest.mark.parametrize("rate, matters", [("3/s", False), ("9/s", True)])
def test_a_smaller_kv_pool_never_makes_first_tokens_faster(rate, matters):
    """Mean over runs; at a light load the pool is never full and nothing changes at all."""

    def means(blocks: int) -> np.ndarray:
        engine = DEFAULT_ENGINE | {"num_gpu_blocks": blocks}
        traffic = [small_traffic(rate, output_tokens={"kind": "constant", "tokens": 150})]
        return mean_ttfts_s(small_scenario(engine, PLAIN, traffic=traffic))

    ample, enough, tight, tiny = (means(blocks) for blocks in (20_000, 4_000, 500, 330))
    assert (ample == enough).all()
    if matters:
        assert tight.mean() > 1.1 * enough.mean()
        assert tiny.mean() > 1.1 * tight.mean()
    else:
        assert (tight >= enough).all() and (tiny >= tight).all()


@pytest.mark.parametrize("load", ["light", "heavy"])
def test_more_replicas_lower_the_mean_time_to_first_token(load):
    rate = {"light": "4/s", "heavy": "14/s"}[load]
    scenario = small_scenario(
        DEFAULT_ENGINE | {"max_num_seqs": 16}, PLAIN, traffic=[CHAT | small_traffic(rate)]
    )
    two, three, six = (mean_ttfts_s(sized(scenario, size)) for size in (2, 3, 6))
    assert (three < two).all()
    assert (six < three).all()


# --- the engine's settings ------------------------------------------------------------------------


@pytest.mark.parametrize("prefixes", [[], [{"tokens": 600}, {"tokens": 300, "variants": 5}]])
def test_the_prefix_cache_saves_prefill_work_when_prompts_share(prefixes):
    def prefill(engine: dict) -> list[Run]:
        return runs(small_scenario(engine, PLAIN, traffic=[CHAT | {"prefixes": prefixes}]))

    on = prefill(DEFAULT_ENGINE)
    off = prefill(DEFAULT_ENGINE | {"prefix_caching": False})
    for with_cache, without in zip(on, off, strict=True):
        assert not without.cached_tokens.any()
        if prefixes:
            assert with_cache.prefill_tokens < 0.6 * without.prefill_tokens
            # All but the first prompts of each variant find 600 + 300 tokens, in whole blocks.
            assert np.median(with_cache.cached_tokens) == 900 // 16 * 16
            assert with_cache.ttft_s.mean() < without.ttft_s.mean()
        else:
            assert with_cache.prefill_tokens == without.prefill_tokens
            assert with_cache.finish_s.tolist() == without.finish_s.tolist()


def test_asynchronous_scheduling_costs_a_step_until_the_first_token():
    """A replica that is never idle, steps of 20 ms whatever they compute: every request that
    arrives is seen one boundary later."""
    traffic = [small_traffic("10/s", output_tokens={"kind": "constant", "tokens": 100})]

    def served(asynchronous: bool) -> Run:
        engine = DEFAULT_ENGINE | {"async_scheduling": asynchronous}
        scenario = small_scenario(
            engine, {"per_step": "20ms"}, traffic=traffic, preroll="10s", fleet={"replicas": 1}
        )
        return simulate(scenario, scenario.fleet, SEED, 0)

    later_s = served(True).ttft_s - served(False).ttft_s
    assert later_s == pytest.approx(0.02, abs=1e-9)


def test_the_better_class_waits_less_under_the_priority_policy():
    """And under first come first served, classes are nothing but names."""
    traffic = [
        small_traffic("5/s", name="batch", priority=1),
        small_traffic("5/s", name="chat", priority=0),
    ]

    def waits_s(policy: str) -> np.ndarray:
        engine = DEFAULT_ENGINE | {"scheduling_policy": policy, "max_num_seqs": 5}
        scenario = small_scenario(
            engine, PLAIN, traffic=traffic, fleet={"replicas": 2}, clients={"timeout": "1h"}
        )
        found = runs(scenario)
        assert all(run.completed.all() for run in found)
        return np.array([[run.ttft_s[run.group == g].mean() for g in (0, 1)] for run in found])

    by_class, in_order = waits_s("priority"), waits_s("fcfs")
    assert (by_class[:, 1] < 0.2 * by_class[:, 0]).all()
    assert (by_class[:, 1] < in_order[:, 1]).all()
    assert (by_class[:, 0] > in_order[:, 0]).all()
    assert in_order[:, 0].mean() == pytest.approx(in_order[:, 1].mean(), rel=0.2)


def test_the_front_end_delays_first_tokens_and_no_step():
    """In an open loop the engine never learns of it."""
    inside, outside = physical(engine={"http": False}), physical()
    added_s = outside.replica.engine.facts.reply_s
    for before, after in zip(runs(inside, 3), runs(outside, 3), strict=True):
        assert (after.ttft_s >= before.ttft_s + added_s - 1e-9).all()
        assert after.ttft_s.mean() < before.ttft_s.mean() + 3 * added_s
        assert (after.steps, after.prefill_tokens) == (before.steps, before.prefill_tokens)


def test_a_profile_that_says_slower_is_slower():
    measured_on = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "h100-sxm-80gb",
                   "engine": "vllm"}  # fmt: skip
    profile = {"measured_on": measured_on, "source": "a test", "date": "2026-11"}
    plain, same, slower = (
        small_scenario(DEFAULT_ENGINE, latency)
        for latency in (None, profile, profile | {"step_factor": 1.5})
    )
    for before, equal, after in zip(runs(plain, 3), runs(same, 3), runs(slower, 3), strict=True):
        assert equal.finish_s.tolist() == before.finish_s.tolist()
        assert 1.4 * before.tpot_s.mean() < after.tpot_s.mean() < 1.9 * before.tpot_s.mean()


# --- routers ------------------------------------------------------------------------------------


def skewed(router: str, run: int) -> Run:
    """Few requests are a hundred times as long as the others: who is dealt badly, waits long."""
    rng = np.random.default_rng((SEED, run))
    arrivals = np.sort(rng.uniform(0, 60, REQUESTS))
    outputs = np.where(rng.random(REQUESTS) < 0.05, 500, 5)
    scenario = small_scenario(
        DEFAULT_ENGINE | {"max_num_seqs": 4},
        {"per_step": "10ms"},
        drain="600s",
        fleet={"replicas": 4, "router": router},
    )
    return serve(scenario, scenario.fleet, workload(arrivals, 20, outputs), SEED, run)


def test_routers_that_look_beat_those_that_do_not():
    """Mean time to first token, 10 runs: the clear order of the literature, each step by a margin
    that no single run contradicts between the ends of the list."""
    ttfts_s = {
        router: np.array([mean_ttft_s(skewed(router, run)) for run in range(10)])
        for router in ("random", "power-of-two", "least-outstanding")
    }
    random, two, least = ttfts_s.values()
    assert (least < 0.7 * random).all()
    assert two.mean() < 0.7 * random.mean()
    assert least.mean() < 0.9 * two.mean()


def test_the_prefix_aware_router_finds_more_than_one_that_spreads():
    """Forty documents do not fit into every replica's cache: it pays to send each to its own."""
    scenario = small_scenario(
        DEFAULT_ENGINE | {"num_gpu_blocks": 3_000},
        {"per_step": "10ms", "per_prefill_token": "50us"},
        traffic=[small_traffic("8/s", prefixes=[{"tokens": 2_000, "variants": 40}])],
        fleet={"replicas": 4},
        horizon="120s",
    )
    for run in range(4):
        aware, spread = (
            simulate(scenario, scenario.fleet.model_copy(update={"router": router}), SEED, run)
            for router in ("prefix-aware", "least-outstanding")
        )
        assert aware.cached_tokens.sum() > 1.3 * spread.cached_tokens.sum()
        assert aware.prefill_tokens < 0.9 * spread.prefill_tokens
