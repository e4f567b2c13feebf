"""Other worlds differ in the one thing that they say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.bracket import draw_periods
from planner.what_ifs import (
    evenly,
    inputs_times,
    lengths_times,
    physics,
    relieved,
    repairs_times,
    starting_at_once,
    starts_times,
    tokens_times,
    traffic_times,
)
from scenarios.lines import variant
from scenarios.loading import load, restore
from simulator.control.starts import start_phases
from simulator.inputs import draw_inputs
from simulator.latency import step_time
from simulator.simulate import pools, replica_limits
from tests.oracles.small import small_scenario

ROOT = Path(__file__).parents[2]
CHAT = ROOT / "scenarios" / "examples" / "chat.yaml"
ZONES = ROOT / "scenarios" / "examples" / "zones.yaml"


@pytest.fixture(scope="module")
def chat():
    return load(CHAT)


def worlds(scenario):
    periods = draw_periods(scenario, 1, 0).given
    return {one.relieves: one.scenario for one in relieved(scenario, periods)}


def differing(one, other, at=()):
    """Paths at which two plain data differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differing(one.get(key), other.get(key), (*at, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, (*at, index))
    elif one != other:
        yield ".".join(map(str, at))


def test_each_what_if_changes_its_own_thing(chat):
    found = {
        name: set(differing(chat.as_yaml_data(), world.as_yaml_data()))
        for name, world in worlds(chat).items()
    }
    arrivals = {f"traffic.0.arrivals.{key}" for key in ("kind", "cv", "rate")}
    assert found == {
        "compute": {"replica.gpu.bf16", "replica.gpu.fp8"},
        "memory bandwidth": {"replica.gpu.bandwidth"},
        "KV capacity": {"replica.engine.num_gpu_blocks"},
        "seats": {"replica.engine.max_num_seqs"},
        "queueing at peaks": arrivals,
        "failures": {"failures"} | {
            path for path in found["failures"] if path.startswith("failures")
        },
        "cold starts": found["cold starts"],
    }  # fmt: skip
    assert all("cold_start" in path for path in found["cold starts"])


def test_twice_the_hardware_is_twice_as_fast_where_it_says(chat):
    base, more = pools(chat, chat.fleet)[0], worlds(chat)
    compute = pools(more["compute"], chat.fleet)[0]
    assert compute.time.prefill_token_s == pytest.approx(base.time.prefill_token_s / 2)
    assert compute.limits == base.limits
    memory = pools(more["memory bandwidth"], chat.fleet)[0]
    assert memory.time.kv_token_s == pytest.approx(base.time.kv_token_s / 2)
    assert memory.time.fixed_s < base.time.fixed_s
    blocks = replica_limits(chat.model, more["KV capacity"].replica).blocks
    assert blocks == 2 * base.limits.blocks


def test_an_explicit_step_time_is_halved_as_a_whole():
    scenario = small_scenario(latency={"per_step": "10ms", "per_decode_token": "1ms"})
    assert not physics(scenario)
    faster = worlds(scenario)["step time"]
    time = step_time(faster.model, faster.replica, faster.latency)
    assert (time.fixed_s, time.decode_token_s) == (0.005, 0.0005)


def test_every_world_is_a_scenario_that_a_manifest_can_carry(chat):
    for scenario in (chat, load(ZONES)):
        moved = [world for factor in (0.8, 1.2) for _, world in inputs_times(scenario, factor)]
        for world in [*worlds(scenario).values(), *moved]:
            again = restore(world.as_yaml_data())
            assert again.hash == world.hash != scenario.hash


def test_traffic_of_every_kind_is_multiplied(chat):
    more = traffic_times(chat, 1.5).traffic[0].arrivals
    assert more.rate_per_s == 90.0 and more.cv == chat.traffic[0].arrivals.cv
    table = {"kind": "poisson", "rate": "2/s", "rate_table": [{"at": "10s", "rate": "4/s"}]}
    group = chat.traffic[0].as_yaml_data()
    tabled = variant(chat, {"traffic.0": group | {"arrivals": table}})
    (change,) = traffic_times(tabled, 1.5).traffic[0].arrivals.rate_table
    assert change.rate_per_s == 6.0
    closed = variant(chat, {"traffic.0": group | {"arrivals": {"kind": "closed", "clients": 10}}})
    assert traffic_times(closed, 1.26).traffic[0].arrivals.clients == 13
    load_ = [len(period) for period in draw_periods(traffic_times(chat, 2.0), 1, 0).given]
    base = [len(period) for period in draw_periods(chat, 1, 0).given]
    assert sum(load_) / sum(base) == pytest.approx(2.0, rel=0.03)


def test_even_arrivals_keep_the_mean_rate(chat):
    even = evenly(chat, draw_periods(chat, 1, 0).given).traffic[0].arrivals
    assert even.kind == "constant"
    assert even.rate_per_s == pytest.approx(60.0, rel=0.03)
    constant = small_scenario()
    group = constant.traffic[0].as_yaml_data() | {"arrivals": {"kind": "constant", "rate": "1/s"}}
    steady = variant(constant, {"traffic.0": group})
    assert evenly(steady, draw_periods(steady, 1, 0).given) is None


def test_lengths_are_multiplied(chat):
    longer = lengths_times(chat, "output_tokens", 1.2).traffic[0].output_tokens
    assert [part.median for part in longer.of] == pytest.approx([108.0, 456.0])
    assert [part.weight for part in longer.of] == [0.6, 0.4]
    assert tokens_times({"kind": "constant", "tokens": 3}, 0.1) == {"kind": "constant", "tokens": 1}
    assert tokens_times({"tokens": [10, 20], "weights": [1.0, 2.0]}, 2.0) == {
        "tokens": [20, 40], "weights": [1.0, 2.0],
    }  # fmt: skip


def test_repairs_and_starts_are_multiplied(chat):
    slow = repairs_times(chat, chat.failures, 2.0)
    (before,), (after,) = chat.failures.all, slow.failures.all
    assert after.mean_repair_s == pytest.approx(2 * before.mean_repair_s)
    assert after.detection.mean_s == 2 * before.detection.mean_s
    assert slow.cold_start == chat.cold_start
    assert starts_times(chat, 2.0).cold_start.total.mean_s == 360.0
    zones = load(ZONES)
    for world, factor in ((starts_times(zones, 2.0), 2.0), (starting_at_once(zones), 0.0)):
        base, other = (start_phases(each, each.fleet)[0]["cold"] for each in (zones, world))
        total = sum(time.mean_s for _, time in base)
        assert sum(time.mean_s for _, time in other) == pytest.approx(factor * total)


def test_what_is_uncertain_stays_uncertain_in_every_world():
    """Users who ask, a fault beside a preset, and the short form: each keeps its place."""
    users = {"concurrent": 2000, "requests_per_user": "12/h"}
    own = {"name": "own", "scope": "node", "rate": "1 per node-hour", "repair": "5min"}
    group = small_scenario().traffic[0].as_yaml_data()
    scenario = small_scenario(
        traffic=[group | {"arrivals": {"kind": "poisson", "users": users}}],
        failures={"presets": ["h100-mature"], "faults": [own]},
        uncertain={
            "traffic.0.arrivals.users.concurrent": {"within": "30%"},
            "failures.faults.0.rate": {"within": "50%"},
        },
    )
    drawn = draw_inputs(scenario, 1, 0)
    assert len(drawn) == 2
    moved = dict(inputs_times(scenario, 1.2))
    assert draw_inputs(traffic_times(scenario, 1.2), 1, 0) == drawn
    assert draw_inputs(moved["repair times"], 1, 0) == drawn
    asking = traffic_times(scenario, 1.2).traffic[0].arrivals
    assert asking.rate_per_s == asking.users.rate_per_s
    assert asking.rate_per_s == pytest.approx(1.2 * scenario.traffic[0].arrivals.rate_per_s)


@given(st.floats(0.5, 2.0))
def test_there_and_back_is_the_same_traffic(factor):
    scenario = small_scenario()
    back = traffic_times(traffic_times(scenario, factor), 1.0 / factor)
    rates = [each.traffic[0].arrivals.rate_per_s for each in (scenario, back)]
    assert rates[0] == pytest.approx(rates[1])
