"""What each kind of fault does to its replicas, instant by instant, and to nobody else.

Control alone, on a plane without requests; then with requests, on both planes. Where chance plays a
part the intervals are so wide that a right program fails with probability below 1e-4.
"""

import time

import numpy as np
import pytest
from scipy import stats

from scenarios.fleet.fleet import OtherPool
from simulator.control.accounts import hardware, settle
from simulator.control.books import CLOSING, DOWN, GONE, SERVING, STARTING, Books
from simulator.control.drill import Kill
from simulator.control.lives import Life, Lives
from simulator.plane import Plane
from simulator.run import COMPLETED, LOST
from simulator.simulate import serve, simulate
from simulator.traffic import NS_PER_S, draw_workload
from tests.oracles.idle_plane import IdlePlane, changes_of, control
from tests.oracles.small import small_scenario, workload
from tests.oracles.twin import Twin

CHECKS = {"period": "10s", "threshold": 3, "timeout": "1s"}
ONE_EACH = {"gpus_per_node": 1}


def troubled(fault, replicas=4, topology=None, horizon="1h", fleet=None, **parts):
    """A scenario with one kind of fault."""
    base = {"name": "test", "scope": "replica", "every": "20min", "repair": "5min"}
    return small_scenario(
        horizon=horizon, drain="0s",
        fleet={"replicas": replicas, "topology": topology or ONE_EACH, "cold_start": "90s"}
        | (fleet or {}),
        failures={"faults": [base | fault]}, **parts,
    )  # fmt: skip


def fresh(books, scenario):
    """Incidents that began in the period, early enough to see their end."""
    end_ns = (scenario.horizon_s - 900) * NS_PER_S
    return [one for one in books.incidents if 0 < one.begin_ns < end_ns]


def after(plane, books, incident):
    """[(seconds after its begin, what)] of what control did to its first replica until it served
    again."""
    begin_s = incident.begin_ns / NS_PER_S
    own = [(round(at - begin_s, 6), what) for at, what, id in plane.log
           if id == incident.replicas[0] and at >= begin_s - 1e-6]  # fmt: skip
    return own[: [what for _, what in own].index("open") + 1]


# --- effects --------------------------------------------------------------------------------------


def test_a_crash_is_passed_over_at_once_and_repaired_once_detected():
    scenario = troubled({"effect": "crash", "detection": "20s"})
    plane, books = control(scenario)
    for one in fresh(books, scenario):
        assert after(plane, books, one) == [
            (0, "stop"), (0, "close"), (0, "drain"), (20, "close"), (20, "drain"),
            (320, "close"), (320, "drain"), (410, "start"), (410, "open"),
        ]  # fmt: skip
        assert one.noticed_ns - one.begin_ns == 20 * NS_PER_S
        assert one.end_ns - one.begin_ns == 320 * NS_PER_S
    assert len(fresh(books, scenario)) >= 4


@pytest.mark.parametrize("effect, checks", [("silence", None), ("hang", None), ("hang", CHECKS)])
def test_silence_and_hangs_are_noticed_by_detection(effect, checks):
    scenario = troubled(
        {"effect": effect, "detection": "50s"}, fleet={"health_checks": checks} if checks else None
    )
    plane, books = control(scenario)
    for one in fresh(books, scenario):
        assert after(plane, books, one) == [
            (0, "stop"), (50, "close"), (50, "drain"),
            (350, "close"), (350, "drain"), (440, "start"), (440, "open"),
        ]  # fmt: skip


def test_health_checks_notice_each_replica_at_its_own_instants():
    """Four replicas on a node; monitoring would take five minutes. The repair begins when the first
    of them is noticed."""
    scenario = troubled(
        {"scope": "node", "detection": "5min"}, replicas=8, topology={"gpus_per_node": 4},
        fleet={"health_checks": CHECKS},
    )  # fmt: skip
    plane, books = control(scenario)
    phases_s = [set() for _ in range(8)]
    for one in fresh(books, scenario):
        begin_s = one.begin_ns / NS_PER_S
        noticed_s = {}
        for at, what, id in plane.log:
            if what == "drain" and id in one.replicas and 0 < at - begin_s < 300:
                noticed_s.setdefault(id, at)
                phases_s[id].add(round((at - 1) % 10, 6))
        assert all(21 <= at - begin_s <= 31 for at in noticed_s.values())
        assert one.noticed_ns == round(min(noticed_s.values()) * NS_PER_S)
        assert one.end_ns - one.noticed_ns == 300 * NS_PER_S
    assert [len(phases) for phases in phases_s] == [1] * 8
    assert len(set.union(*phases_s)) == 8


def test_monitoring_may_be_sooner_than_health_checks():
    scenario = troubled({"detection": "7s"}, fleet={"health_checks": CHECKS})
    _, books = control(scenario)
    assert {one.noticed_ns - one.begin_ns for one in fresh(books, scenario)} == {7 * NS_PER_S}


def test_a_slow_replica_goes_on_until_it_is_mended():
    scenario = troubled({"effect": "slow", "speed": 0.5, "detection": "1min"})
    plane, books = control(scenario)
    slow = [(at, what) for at, what, id in plane.log if id == 0 and at > 0]
    assert {what for _, what in slow} == {"slow 2", "slow 1"}
    begun = [at for at, what in slow if what == "slow 2"]
    ended = [at for at, what in slow if what == "slow 1" and at > begun[0]]
    assert ended[0] - begun[0] == pytest.approx(360)
    assert all(plane.live)
    assert {change.state for change in books.changes} == {SERVING}


def test_the_slowest_gpu_sets_the_pace():
    drill = [
        Kill("gpu-0", 10.0, 30.0, "slow", speed=0.5),
        Kill("gpu-1", 20.0, 5.0, "slow", speed=0.25),
        Kill("node-0", 22.0, 20.0, "slow", speed=0.8),
    ]
    scenario = small_scenario(fleet={"replicas": 1})
    wide = scenario.replica.model_copy(update={"tensor_parallel": 2})
    plane, _ = control(scenario.model_copy(update={"replica": wide}), drill=drill)
    assert [(at, what) for at, what, _ in plane.told("slow")] == [
        (10, "slow 2"), (20, "slow 4"), (22, "slow 4"), (25, "slow 2"), (40, "slow 1.25"),
        (42, "slow 1"),
    ]  # fmt: skip


def test_a_spot_node_goes_after_its_notice_and_comes_back_as_a_new_node():
    scenario = troubled(
        {"scope": "node", "notice": "2min", "paid": False,
         "repair": [{"time": "5min", "start": "node"}]},
    )  # fmt: skip
    plane, books = control(scenario, held=3)
    for one in fresh(books, scenario):
        replica, gone_s = one.replicas[0], one.begin_ns / NS_PER_S
        closed = [at for at, what, id in plane.log if what == "close" and id == replica and
                  at <= gone_s - 1]  # fmt: skip
        assert gone_s - closed[-1] == pytest.approx(120)
        assert after(plane, books, one)[:3] == [(0, "stop"), (0, "close"), (0, "drain")]
        states = [state for at, state in changes_of(books, replica, gone_s - 1e-6)][:3]
        assert states == [GONE, STARTING, SERVING]
        assert {start.kind for start in books.starts if start.replica == replica} == {"node"}


def test_what_was_wrong_with_a_spot_node_goes_with_it():
    """A slow GPU and one that is broken; the node is taken and given back: a new one, that
    works."""
    plane = IdlePlane(1, 0)
    lives = Lives(plane, [Life(0, 0, 1)], Books(), lambda life, start: 0.0)
    lives.slow_down(lives[0], "slow", 2.0)
    lives.hit(lives[0], "broken", 0, known=True)
    lives.hit(lives[0], "spot", 1, known=True, paid=False)
    lives.mend(lives[0], "spot", "node")
    assert (plane.live, plane.routable, plane.slowness) == ([True], [True], [1.0])
    for gone in ("slow", "broken"):
        lives.speed_up(lives[0], gone)
        lives.mend(lives[0], gone, "cold")
    states = [change.state for change in lives.books.changes]
    assert states == [SERVING, DOWN, GONE, STARTING, SERVING]


def test_notice_of_a_second_loss_goes_with_the_first():
    """A replica on two spot nodes, both with notice: the first that goes takes the other's notice
    along, and what comes back is open."""
    plane = IdlePlane(1, 0)
    lives = Lives(plane, [Life(0, 0, 2)], Books(), lambda life, start: 0.0)
    lives.hold(lives[0], "first")
    lives.hold(lives[0], "second")
    lives.hit(lives[0], "first", 0, known=True, paid=False)
    lives.hit(lives[0], "second", 0, known=True, paid=False)
    lives.mend(lives[0], "first", "node")
    lives.mend(lives[0], "second", "node")
    assert (plane.live, plane.routable) == ([True], [True])
    states = [change.state for change in lives.books.changes]
    assert states == [SERVING, CLOSING, GONE, STARTING, SERVING]


def test_a_replica_that_is_found_starting_is_missed():
    """A fault is repaired at once, and a start of 10 min follows, as long as the mean time to the
    next fault: starting are those whose last fault is younger, 1 - 1/e of all. They are down."""
    fault = {"every": None, "mtbf": "10min", "repair": "0s"}
    scenario = troubled(fault, replicas=40, horizon="2min", fleet={"cold_start": "10min"})
    _, books = control(scenario)
    down = settle(
        books, hardware(scenario, scenario.fleet), 120 * NS_PER_S, [0] * 40, 0,
        np.empty(0, np.int8), np.empty(0, bool),
    ).down_s  # fmt: skip
    mean = sum(count * time_s for count, time_s in enumerate(down)) / 120
    # Binomial(40, 0.632) is outside 12..38 with probability 3e-5.
    assert 12 <= mean <= 38


# --- bursts ---------------------------------------------------------------------------------------


def spot(share, replicas=6, horizon="6000h", zones=1, every="10h"):
    return troubled(
        {"scope": "node", "effect": "crash", "every": None, "mtbf": every, "burst":
         {"share": share, "within": "3min"}, "repair": [{"time": "10min", "start": "none"}]},
        replicas, {"gpus_per_node": 1, "zones": zones}, horizon,
    )  # fmt: skip


def bursts(books):
    """[(first second, replicas)] of incidents less than 4 minutes apart."""
    found = []
    for at_s, one in sorted((one.begin_ns / NS_PER_S, one.replicas[0]) for one in books.incidents):
        if found and at_s - found[-1][0] <= 240:
            found[-1][1].add(one)
        else:
            found.append((at_s, {one}))
    return found


def test_each_of_a_zone_follows_with_its_probability_and_keeps_its_own_rate():
    """If one goes, each other one does too with probability 0.7 within 3 minutes, and every one
    goes once in 10 h and 10 min."""
    _, books = control(spot(0.7))
    together = bursts(books)
    with_first = [gone for _, gone in together if 0 in gone]
    for other in range(1, 6):
        followed = sum(other in gone for gone in with_first)
        low, high = stats.binom.ppf([5e-6, 1 - 5e-6], len(with_first), 0.7)
        assert low <= followed <= high
    for replica in range(6):
        count = sum(one.replicas == (replica,) and one.begin_ns >= 0 for one in books.incidents)
        expected = 6000 / (10 + 1 / 6)
        assert abs(count - expected) < 5 * np.sqrt(expected)
    begun_s = np.sort([one.begin_ns for one in books.incidents]) / NS_PER_S
    apart_s = [begun_s[(begun_s >= at) & (begun_s <= at + 240)].max() - at for at, _ in together]
    assert np.mean(np.array(apart_s) <= 180) > 0.97  # seldom another burst follows as soon
    assert max(apart_s) > 150


def test_in_bursts_too_the_larger_replica_breaks_as_often_as_it_has_gpus():
    """A rate per GPU-hour, and replicas of 1 and of 8 GPUs in one zone."""
    fault = {
        "effect": "crash",
        "every": None,
        "rate": "0.01 per GPU-hour",
        "burst": {"share": 0.5, "within": "1s"},
        "repair": [{"time": "1s", "start": "none"}],
    }
    scenario = troubled(fault, 1, horizon="20000h")
    wide = scenario.replica.model_copy(update={"tensor_parallel": 8})
    other = OtherPool.model_construct(name="wide", replicas=1, replica=wide, latency=None)
    fleet = scenario.fleet.model_copy(update={"others": (other,)})
    _, books = control(scenario.model_copy(update={"fleet": fleet}))
    for replica, expected in ((0, 200), (1, 1600)):
        count = sum(one.replicas == (replica,) and one.begin_ns >= 0 for one in books.incidents)
        assert abs(count - expected) < 5 * np.sqrt(expected)


def test_a_burst_stays_in_its_zone():
    """With certain bursts a zone goes as a whole, and the other one at its own instants."""
    _, books = control(spot(1.0, zones=2, horizon="200h"))
    assert {frozenset(gone) for _, gone in bursts(books)} <= {
        frozenset({0, 2, 4}), frozenset({1, 3, 5}), frozenset(range(6)),
    }  # fmt: skip


def test_nodes_that_are_gone_at_the_start_went_together():
    """Ten hours of work, ten hours of absence, certain bursts: both or none are up at instant 0."""
    scenario = troubled(
        {"scope": "node", "every": None, "mtbf": "10h", "burst": {"share": 1.0, "within": "1s"},
         "repair": [{"time": "10h", "start": "none"}]},
        2, horizon="1s",
    )  # fmt: skip
    plane_of = [control(scenario, replication=run)[0] for run in range(60)]
    down = [plane.live.count(False) for plane in plane_of]
    assert down.count(1) <= 2  # began alone, before the history
    assert 12 <= down.count(2) <= 48  # of 60 with probability 1/2: fails with probability 4e-6


# --- planned maintenance --------------------------------------------------------------------------


def maintained(at_most=1, drain_timeout="2min", every="40min"):
    fault = {"scope": "node", "effect": "drain", "every": every, "at_most": at_most,
             "drain_timeout": drain_timeout, "repair": [{"time": "5min"}]}  # fmt: skip
    return troubled(fault, replicas=6, horizon="10h")


@pytest.mark.parametrize("at_most", [1, 2])
def test_no_more_than_allowed_are_drained_at_once_start_included(at_most):
    _, books = control(maintained(at_most), held=1)
    away = []
    for replica in range(6):
        serves = True
        for at_s, state in changes_of(books, replica):
            if (state == SERVING) != serves:
                serves = state == SERVING
                away.append((at_s, -1 if serves else 1))
    assert max(np.cumsum([turn for _, turn in sorted(away)])) == at_most
    assert len(books.incidents) > 20


def test_maintenance_waits_for_requests_but_not_for_ever():
    plane, books = control(maintained(), held=1)
    first = min((one for one in books.incidents if one.begin_ns > 0), key=lambda one: one.begin_ns)
    assert after(plane, books, first)[:4] == [
        (0, "close"), (120, "stop"), (120, "close"), (120, "drain"),
    ]  # fmt: skip
    plane, books = control(maintained(), held=0)
    first = min((one for one in books.incidents if one.begin_ns > 0), key=lambda one: one.begin_ns)
    assert after(plane, books, first)[:2] == [(0, "close"), (0, "stop")]


# --- lemons ---------------------------------------------------------------------------------------


def test_lemons_are_a_share_of_components_that_break_more_often():
    """A fifth of 400 replicas breaks a hundred times as often."""
    scenario = troubled(
        {"every": None, "mtbf": "1000h", "repair": [{"time": "0s", "start": "none"}],
         "lemons": {"share": 0.2, "times": 100.0}},
        replicas=400, horizon="100h",
    )  # fmt: skip
    counts = np.zeros(400)
    for one in control(scenario)[1].incidents:
        counts[one.replicas[0]] += 1
    lemons = int((counts >= 3).sum())  # of Poisson means 10 and 0.1
    low, high = stats.binom.ppf([5e-6, 1 - 5e-6], 400, 0.2 * stats.poisson.sf(2, 10.0))
    assert low <= lemons <= high
    assert counts[counts >= 3].mean() == pytest.approx(10.0, abs=2.0)


# --- one more of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("preset, scale", [("h100-mature", 500.0), ("spot-moderate", 5.0)])
def test_one_replica_more_leaves_everything_else_as_it_was(preset, scale):
    """Two replicas of two GPUs per node: the fourth one joins the third on its node."""
    topology = {"gpus_per_node": 4, "zones": 2}
    scenario = small_scenario(
        horizon="30d", drain="0s", fleet={"replicas": 6, "topology": topology},
        failures={"presets": [preset], "scale": scale},
    )  # fmt: skip
    small, large = (
        control(scenario, scenario.fleet.model_copy(update={"replicas": replicas}))[1]
        for replicas in (6, 7)
    )
    told = [(one.fault, one.component, one.begin_ns, one.noticed_ns, one.end_ns)
            for one in large.incidents]  # fmt: skip
    known = {one.component for one in small.incidents}
    assert [row for row in told if row[1] in known] == [
        (one.fault, one.component, one.begin_ns, one.noticed_ns, one.end_ns)
        for one in small.incidents
    ]
    assert len(told) >= len(small.incidents) > 30
    for replica in range(6):
        assert changes_of(small, replica) == changes_of(large, replica)


def test_rare_faults_cost_nothing():
    """32 replicas of 8 mature GPUs, 1,700 components: hardly any process is started."""
    scenario = small_scenario(failures="h100-mature", fleet={"replicas": 32})
    wide = scenario.replica.model_copy(update={"tensor_parallel": 8})
    scenario = scenario.model_copy(update={"replica": wide})
    control(scenario)
    began = time.process_time()
    queued = [len(control(scenario, replication=run)[0].env._queue) for run in range(20)]
    assert max(queued) < 20
    assert (time.process_time() - began) / 20 < 0.02


# --- with requests --------------------------------------------------------------------------------

STEP = {"per_step": "1s"}


@pytest.fixture(params=[Plane, Twin], ids=["plane", "twin"])
def run(request):
    def serve_rows(scenario, arrivals, outputs=1, drill=()):
        demand = workload(arrivals, 1, outputs)
        return serve(scenario, scenario.fleet, demand, 0, 0, plane_of=request.param, drill=drill)

    return serve_rows


def test_a_crash_fails_requests_at_once_and_silence_when_it_is_noticed(run):
    scenario = small_scenario(latency=STEP, fleet={"replicas": 2})
    crash = run(scenario, [0.0], 5, [Kill("replica-0", 2.5, effect="crash")])
    assert (crash.finish_s[0], crash.retries[0], crash.replica[0]) == (7.5, 1, 1)
    silence = run(scenario, [0.0], 5, [Kill("replica-0", 2.5, noticed_s=10.0)])
    assert (silence.finish_s[0], silence.retries[0]) == (17.5, 1)
    unnoticed = run(scenario, [0.0], 5, [Kill("replica-0", 2.5, 20.0, start="none")])
    assert (unnoticed.finish_s[0], unnoticed.retries[0]) == (27.5, 1)


def test_health_checks_notice_a_silent_replica_of_a_drill_and_not_a_hanging_one(run):
    checks = {"period": "1s", "threshold": 2, "timeout": "500ms"}
    scenario = small_scenario(latency=STEP, fleet={"replicas": 2, "health_checks": checks})
    silence = run(scenario, [0.0], 5, [Kill("replica-0", 2.5)])
    assert 4.0 <= silence.finish_s[0] - 5 <= 5.0
    hang = run(scenario, [0.0], 5, [Kill("replica-0", 2.5, 50.0, "hang")])
    assert hang.finish_s[0] > 50


def test_a_drained_replica_loses_nobody(run):
    scenario = small_scenario(latency=STEP, fleet={"replicas": 2})
    drill = [Kill("replica-0", 2.5, 20.0, "drain", start="none")]
    result = run(scenario, [0.0, 0.0, 3.0, 3.0, 30.0], [9, 9, 2, 2, 1], drill)
    assert result.retries.tolist() == [0] * 5
    assert result.replica.tolist() == [0, 1, 1, 1, 0]


def test_a_slow_replica_takes_longer(run):
    scenario = small_scenario(latency=STEP, fleet={"replicas": 1})
    result = run(scenario, [0.0, 20.0], 5, [Kill("replica-0", 2.5, 10.0, "slow", speed=0.5)])
    assert result.finish_s.tolist() == [1 + 1 + 1 + 2 + 2, 25.0]


def test_what_a_zone_held_starts_over_in_the_other_one(run):
    topology = {"gpus_per_node": 1, "zones": 2}
    scenario = small_scenario(latency=STEP, fleet={"replicas": 4, "topology": topology})
    result = run(scenario, [0.0] * 4, 9, [Kill("zone-a", 2.5, effect="crash")])
    assert result.retries.tolist() == [1, 0, 1, 0]
    assert set(result.replica.tolist()) == {1, 3}
    scenario = small_scenario(latency=STEP, fleet={"replicas": 4, "topology": topology},
                              clients={"retries": 0})  # fmt: skip
    lost = run(scenario, [0.0] * 4, 9, [Kill("zone-a", 2.5, effect="crash")])
    assert lost.outcome.tolist() == [LOST, COMPLETED, LOST, COMPLETED]
    assert lost.faults[lost.fault[0]] == "drill"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_both_planes_tell_the_same_story_whatever_breaks(seed):
    spot = {"name": "spot", "scope": "node", "rate": "0.001 per node-hour", "notice": "10s",
            "burst": {"share": 0.8, "within": "30s"}, "paid": False,
            "repair": [{"time": {"exponential": "2min"}, "start": "node"}]}  # fmt: skip
    scenario = small_scenario(
        horizon="4min", drain="4min", clients={"timeout": "2min", "retries": 5},
        fleet={"replicas": 6, "health_checks": CHECKS, "cold_start": "20s",
               "topology": {"gpus_per_node": 2, "zones": 2}},
        failures={"presets": ["h100-mature", "planned-maintenance"], "faults": [spot],
                  "scale": [1000.0, 5000.0][seed % 2], "repair_crews": 1, "spares": {"nodes": 1},
                  "rollout": {"starts": "1min", "max_unavailable": 1}},
    )  # fmt: skip
    planes = [simulate(scenario, scenario.fleet, seed, 0)]
    demand = draw_workload(scenario, seed, 0)
    planes.append(serve(scenario, scenario.fleet, demand, seed, 0, plane_of=Twin))
    for column in ("finish_s", "first_token_s", "replica", "retries", "outcome", "fault"):
        np.testing.assert_array_equal(getattr(planes[0], column), getattr(planes[1], column))
    assert planes[0].incidents.equals(planes[1].incidents)
    assert len(planes[0].incidents) >= 3
