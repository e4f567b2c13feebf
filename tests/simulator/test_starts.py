"""Starts of replicas, phase by phase, and the rollout of a new version."""

import numpy as np
import pytest

from scenarios.memory import weight_bytes
from simulator.control.books import OFF, SERVING, STARTING
from simulator.control.drill import Kill
from simulator.control.history import history_s
from simulator.control.starts import node_phases
from simulator.run import COMPLETED
from simulator.simulate import simulate
from simulator.traffic import NS_PER_S
from tests.oracles.idle_plane import changes_of, control, up_at
from tests.oracles.small import small_scenario

PHASES = {
    "provision": "100s", "node_init": "50s", "image": "40s", "framework": "30s",
    "framework_warm": "5s", "storage": "2GB/s", "page_cache": "20GB/s", "compile": "20s",
    "compile_warm": "4s",
}  # fmt: skip


def fleet(**parts):
    return {"replicas": 2, "cold_start": PHASES} | parts


def start_after(kind, **parts):
    """Seconds from repaired to serving of a replica that crashed, and the start in the books."""
    scenario = small_scenario(fleet=fleet(), horizon="20min", **parts)
    _, books = control(scenario, drill=[Kill("replica-0", 10.0, 5.0, "crash", start=kind)])
    times_s = [at for at, state in changes_of(books, 0) if state in (STARTING, SERVING)]
    return times_s[-1] - 15.0, books.starts


WEIGHTS_S = {"cold": 8.03, "warm": 0.803, "node": 8.03}
"""16 GB at 2 and 20 GB/s."""


@pytest.mark.parametrize(
    "kind, phases",
    [
        ("warm", ["framework", "weights", "compile"]),
        ("cold", ["image", "framework", "weights", "compile"]),
        ("node", ["provision", "node_init", "image", "framework", "weights", "compile"]),
    ],
)
def test_a_start_is_the_sum_of_its_phases(kind, phases):
    seconds, (start,) = start_after(kind)
    assert [name for name, _ in start.phases] == phases
    assert seconds == pytest.approx(sum(seconds for _, seconds in start.phases), abs=1e-8)
    assert dict(start.phases)["weights"] == pytest.approx(WEIGHTS_S[kind], abs=0.01)
    others_s = {"warm": 5 + 4, "cold": 40 + 30 + 20, "node": 100 + 50 + 40 + 30 + 20}[kind]
    assert seconds - dict(start.phases)["weights"] == pytest.approx(others_s, abs=1e-6)
    assert (start.at_ns, start.replica, start.kind) == (15 * NS_PER_S, 0, kind)


def test_none_serves_at_once_and_is_no_start():
    assert start_after("none") == (0.0, [])


def test_one_time_for_a_whole_start():
    scenario = small_scenario(fleet={"replicas": 1, "cold_start": "77s"}, horizon="10min")
    _, books = control(scenario, drill=[Kill("replica-0", 10.0, 5.0, "crash", start="warm")])
    assert changes_of(books, 0)[-1] == (15 + 77, SERVING)
    assert books.starts[0].phases == (("start", 77.0),)


def test_a_node_reads_only_its_share_of_the_weights():
    scenario = small_scenario(fleet=fleet(topology={"gpus_per_node": 2}), horizon="10min")
    wide = scenario.replica.model_copy(update={"tensor_parallel": 8})
    scenario = scenario.model_copy(update={"replica": wide})
    _, books = control(scenario, drill=[Kill("replica-0", 10.0, 5.0, "crash")])
    read_s = weight_bytes(scenario.model, "bf16") / 4 / 2e9
    assert dict(books.starts[0].phases)["weights"] == pytest.approx(read_s)


def test_starts_are_drawn_and_those_of_one_replica_are_its_own():
    drawn = {"replicas": 3, "cold_start": {"framework": {"median": "30s", "p95": "2min"}}}
    drill = [Kill(f"replica-{id}", 10.0, 5.0, "crash") for id in (0, 2)]
    scenario = small_scenario(fleet=drawn, horizon="1h")
    both, one = (control(scenario, drill=kills)[1].starts for kills in (drill, drill[1:]))
    assert both[0].phases != both[1].phases
    assert both[1] == one[0]


def test_a_start_that_breaks_off_is_made_again_in_full():
    """A new node was coming; a crash of the engine does not make it come any sooner."""
    drill = [
        Kill("node-0", 10.0, 5.0, "crash", start="node"),
        Kill("replica-0", 30.0, 10.0, "crash", start="warm"),
    ]
    _, books = control(small_scenario(fleet=fleet(replicas=1), horizon="20min"), drill=drill)
    assert [(start.at_ns // NS_PER_S, start.kind) for start in books.starts] == [
        (15, "node"), (40, "node"),
    ]  # fmt: skip
    assert changes_of(books, 0)[-1] == (pytest.approx(40 + books.starts[1].seconds), SERVING)


def test_a_replica_that_several_things_keep_down_waits_for_the_last():
    drill = [
        Kill("node-0", 10.0, 50.0, "crash", start="none"),
        Kill("replica-0", 20.0, 10.0, "crash", start="cold"),
    ]
    _, books = control(small_scenario(fleet=fleet(replicas=1), horizon="20min"), drill=drill)
    assert [at for at, state in changes_of(books, 0) if state == STARTING] == [60.0]
    assert [start.kind for start in books.starts] == ["cold"]


def test_a_node_for_the_warm_pool_is_made_ready_without_an_engine():
    phases = node_phases(small_scenario(fleet=fleet()))
    assert [name for name, _ in phases] == ["provision", "node_init", "image"]
    alone = node_phases(small_scenario(fleet=fleet(cold_start="77s")))
    assert [time.mean_s for _, time in alone] == [77]


# --- rollout --------------------------------------------------------------------------------------


def rolling(surge, unavailable, drain="0s", **parts):
    rollout = {"starts": "1min", "max_surge": surge, "max_unavailable": unavailable}
    return small_scenario(
        horizon="30min", drain=drain,
        fleet={"replicas": 5, "cold_start": "40s", "topology": {"gpus_per_node": 1}},
        failures={"rollout": rollout}, **parts,
    )  # fmt: skip


@pytest.mark.parametrize("surge, unavailable", [(1, 0), (0, 1), (2, 1), (0, 3), (7, 0), (5, 5)])
def test_a_rollout_replaces_everyone_within_its_limits(surge, unavailable):
    """A surge of as many as there are, of more, and none at all."""
    scenario = rolling(surge, unavailable)
    assert history_s(scenario.failures) == 0.0
    plane, books = control(scenario)
    slots = 5 + surge
    assert len(plane.live) == slots
    instants_s = np.arange(0.0, 1800.0, 0.5)
    serving = up_at(books, slots, instants_s).sum(axis=1)
    assert serving.min() >= 5 - unavailable
    there = np.zeros((len(instants_s), slots), dtype=bool)
    for replica in range(slots):
        times_s, states = zip(*changes_of(books, replica), strict=True)
        which = np.searchsorted(times_s, instants_s, side="right") - 1
        there[:, replica] = np.array(states)[which] != OFF
    assert there.sum(axis=1).max() <= 5 + surge
    assert there.sum(axis=1)[-1] == serving[-1] == 5
    served_since_s = [
        changes_of(books, replica)[-1][0] for replica in range(slots) if there[-1, replica]
    ]
    assert min(served_since_s) >= 60 + 40
    assert len(books.starts) == 5 and {start.kind for start in books.starts} == {"cold"}


def test_one_after_the_other_takes_as_long_as_their_starts():
    """Five times 40 s, beside the second at which somebody looks."""
    _, books = control(rolling(1, 0))
    last_s = max(at for replica in range(6) for at, state in changes_of(books, replica)
                 if state == SERVING)  # fmt: skip
    assert 60 + 200 <= last_s <= 60 + 210


def test_a_rollout_waits_for_what_is_broken():
    """Nobody else may be down while one replica is, if one may."""
    _, books = control(rolling(0, 1), drill=[Kill("replica-4", 10.0, 600.0, "crash", start="none")])
    assert up_at(books, 5, np.arange(20.0, 600.0)).sum(axis=1).min() == 4
    assert all(start.at_ns >= 610 * NS_PER_S for start in books.starts)


@pytest.mark.parametrize("surge, unavailable", [(1, 0), (0, 1)])
def test_a_rollout_loses_no_request(surge, unavailable):
    scenario = rolling(surge, unavailable, "1min", clients={"retries": 0})
    run = simulate(scenario, scenario.fleet, 3, 0)
    assert len(run) > 5_000
    assert (run.outcome == COMPLETED).all()
    assert set(run.replica.tolist()) == set(range(5 + surge))


def test_a_rollout_and_an_autoscaler_get_on():
    """The autoscaler asks for two of up to five; the new version replaces those two, and the pool
    keeps its size."""
    scaling = {"replicas": "2..5", "target_outstanding": 20, "interval": "10s", "startup": "30s"}
    scenario = rolling(1, 0)
    scaled = scenario.fleet.model_copy(update={"replicas": 2})
    scaled = type(scaled).model_validate(scaled.as_yaml_data() | {"autoscaling": scaling})
    _, books = control(scenario.model_copy(update={"fleet": scaled}), scaled)
    up = up_at(books, 6, np.arange(0.0, 1800.0))
    assert up.sum(axis=1).min() >= 2 and up.sum(axis=1).max() <= 3
    assert up[-1].sum() == 2
    assert len(books.starts) == 2
