"""The processes that change the size of the pool: worked out by hand, on both planes.

Every engine step takes a second and gives each running request a token. A start takes five seconds
on a new node, two on one of the warm pool. Decisions fall on multiples of ten seconds.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.fleet import Autoscaling, Target, Window
from simulator.control.books import CLOSING, DOWN, GONE, OFF, SERVING, STARTING, Books, Change
from simulator.control.lives import Life, Lives
from simulator.control.scaling import autoscale
from simulator.control.scaling.metrics import Scrape, read
from simulator.control.scaling.scale import coming, leaving
from simulator.control.scaling.schedule import is_open, minimum
from simulator.data_plane import Observation, Outcome
from simulator.plane import Plane
from simulator.run import COMPLETED
from simulator.simulate import play as play_scenario
from simulator.simulate import set_up
from simulator.traffic import NS_PER_S, draw_workload
from tests.oracles.small import small_scenario, small_traffic, workload
from tests.oracles.twin import Twin

START_S = {"none": 0.0, "warm": 2.0, "cold": 4.0, "node": 5.0}
NODE_S = 8.0
AT_ONCE = {"stabilisation": "0s"}


@dataclass
class Played:
    outcome: Outcome
    books: Books
    starts: list[tuple[float, int, str]]
    """(second, replica, kind)."""

    def sizes(self, *states):
        """(second, replicas in these states) wherever that changes."""
        found, path = {}, []
        for change in self.books.changes:
            found[change.replica] = change.state in states
            at_s, count = change.at_ns / NS_PER_S, sum(found.values())
            if path and path[-1][0] == at_s:
                path.pop()
            if not path or path[-1][1] != count:
                path.append((at_s, count))
        return path


@pytest.fixture(params=[Plane, Twin], ids=["plane", "twin"])
def play(request):
    """Serves explicit rows on either plane; `story(lives, env)` is a process of the test's own."""

    def played(
        scaling, arrivals, outputs, start=1, week_s=None, story=None, end_s=200, blocks=None
    ):
        scaling = {"interval": "10s", "scale_down": AT_ONCE, "poll": "10s"} | scaling
        fleet = {"replicas": max(start, 1), "autoscaling": scaling}
        engine = {"num_gpu_blocks": blocks} if blocks else None
        scenario = small_scenario(
            engine, {"per_step": "1s"}, fleet=fleet, starts_at="Mon 00:00", horizon=f"{end_s}s",
            clients={"timeout": "1h", "retries": 9},
        )  # fmt: skip
        settings = scenario.fleet.autoscaling
        setup = set_up(scenario, scenario.fleet, workload(arrivals, 1, outputs), 0, 0)
        plane, books, starts = request.param(setup), Books(), []

        def start_s(life, kind):
            starts.append((plane.env.now / NS_PER_S, life.id, kind))
            return START_S[kind]

        most = settings.replicas[1]
        born = [Life(id, 0, 1, wanted=id < start) for id in range(most)]
        lives = Lives(plane, born, books, start_s)
        ids = list(range(most))
        plane.env.process(autoscale(lives, ids, settings, week_s, lambda: NODE_S))
        if story is not None:
            plane.env.process(story(lives, plane.env))
        return Played(plane.run(end_s * NS_PER_S), books, starts)

    return played


def at(second, env):
    return env.timeout(second * NS_PER_S - env.now)


# --- metrics ------------------------------------------------------------------------------------


def test_outstanding_and_what_comes_of_it(play):
    """Nine requests at 1 s for 30 s, aim 2: five at 10 s are wanted, a start takes 5 s; ends."""
    run = play({"replicas": "1..9", "targets": [{"outstanding": 2}]}, [1] * 9, 30)
    assert run.sizes(SERVING) == [(0, 1), (15, 5), (40, 1)]
    assert run.sizes(STARTING) == [(0, 0), (10, 4), (15, 0)]
    assert run.starts == [(10, id, "node") for id in (1, 2, 3, 4)]
    assert (run.outcome.outcome == COMPLETED).all()


def test_a_queue_of_those_beyond_the_seats(play):
    """256 seats: of 300 requests 44 wait, aim 20: 44 / 20 rounded up."""
    run = play({"replicas": "1..9", "targets": [{"queue": 20}]}, [1] * 300, 12)
    assert run.sizes(SERVING)[:2] == [(0, 1), (15, 3)]
    assert run.starts[:2] == [(10, 1, "node"), (10, 2, "node")]


def test_running_requests(play):
    """Of those 300 there are 256 running, aim 100."""
    run = play({"replicas": "1..9", "targets": [{"running": 100}]}, [1] * 300, 12)
    assert run.sizes(SERVING)[:2] == [(0, 1), (15, 3)]


def test_the_rate_since_the_scrape_before(play):
    """Ten arrivals within the first ten seconds, then six, then none; aim 0.25 a second each."""
    arrivals = [*range(10), 10.5, 11, 12, 13, 14, 15]
    run = play({"replicas": "1..9", "targets": [{"rate": "0.25/s"}]}, arrivals, 1)
    # 1 / 0.25 = 4; 0.6 / 0.25 = 2.4; 0.
    assert run.sizes(SERVING) == [(0, 1), (15, 4), (20, 3), (30, 1)]


def test_the_mean_ttft_since_the_scrape_before(play):
    """Of 257 requests each has its first token a second after it came: twice the aim. No first
    token after 10 s: there is no data, and nothing changes any more."""
    arrivals, outputs = [0] + [2] * 256, [1] + [12] * 256
    run = play({"replicas": "1..9", "targets": [{"ttft": "500ms"}]}, arrivals, outputs)
    assert run.sizes(SERVING) == [(0, 1), (15, 2)]


def test_kv_use_of_replicas_that_serve(play):
    """20 blocks of 16 tokens, aim 20 %. Five requests hold 5 at 10 s, 10 at 20 and 30 s, 15 at
    40 s: means over the replicas that serve are 25 %, 25 %, 17 %, 25 %, and then they end."""
    run = play({"replicas": "1..3", "targets": [{"kv": "20%"}]}, [1] * 5, 45, blocks=20)
    assert run.sizes(SERVING) == [(0, 1), (15, 2), (25, 3), (50, 1)]


def observation(waiting, running, kv_used, stranded=0, arrivals=0, first_tokens=0, ttft_ns=0):
    return Observation(
        np.array(waiting), np.array(running), np.array(kv_used, dtype=float), stranded, arrivals,
        first_tokens, ttft_ns,
    )  # fmt: skip


def target(**metric):
    return Target.model_validate(metric)


def test_what_is_read():
    """Replicas 0 and 1 serve, 2 is broken with requests nobody sees, 3 starts, 4 is let go, 5 came
    up after the scrape, 6 drains for maintenance, 7 has lost its node."""
    states = (SERVING, SERVING, DOWN, STARTING, CLOSING, SERVING, CLOSING, GONE)
    pool = [Life(id, 0, 1, wanted=id != 4, state=state) for id, state in enumerate(states)]
    seen = observation([3, 0, 9, 0, 5, 0, 2, 0], [4, 1, 9, 0, 5, 0, 2, 0], [0.5, 0.1] + [0.9] * 6,
                       stranded=6, arrivals=90, first_tokens=50, ttft_ns=30 * NS_PER_S)  # fmt: skip
    earlier = observation([0] * 8, [0] * 8, [0] * 8, arrivals=60, first_tokens=40,
                          ttft_ns=5 * NS_PER_S)  # fmt: skip
    last, before = Scrape(20 * NS_PER_S, seen, (0, 1)), Scrape(5 * NS_PER_S, earlier, (0,))

    def value(**metric):
        return read(target(**metric), last, before, pool).value

    assert value(outstanding=2) == 3 + 4 + 1 + 6
    assert value(queue=2) == 3 + 6
    assert value(running=2) == 5
    assert value(rate="1/s") == 2.0
    assert value(ttft="1s") == 2.5
    kv = read(target(kv="50%"), last, before, pool)
    assert kv.values == (0.5, 0.1)
    assert (kv.starting, kv.missing) == (2, 2)
    # The first scrape has none before it, and without first tokens there is no TTFT.
    assert read(target(rate="1/s"), last, None, pool).value is None
    assert read(target(ttft="1s"), last, last, pool).value is None


@pytest.mark.parametrize(
    "delay, up_s", [("0s", 15), ("4s", 15), ("9s", 25), ("10s", 25), ("12s", 25), ("25s", 45)]
)
def test_metrics_are_as_old_as_their_scrape(play, delay, up_s):
    """Four requests at 5 s. A decision looks at the scrape made that long before it: at 10 s four
    seconds earlier they are there, nine seconds earlier they are not."""
    scaling = {"replicas": "1..2", "targets": [{"outstanding": 2}], "scrape_delay": delay}
    run = play(scaling, [5] * 4, 80)
    assert run.sizes(SERVING)[:2] == [(0, 1), (up_s, 2)]


def test_several_metrics_the_largest_counts(play):
    """Nine running, none waiting; by `running` two, by `outstanding` three, by `queue` one."""
    targets = [{"running": 5}, {"outstanding": 3}, {"queue": 1}]
    run = play({"replicas": "1..9", "targets": targets}, [1] * 9, 30)
    assert run.sizes(SERVING)[:2] == [(0, 1), (15, 3)]


def test_a_step_up_is_limited_by_policies(play):
    """Of twelve wanted one pod a minute is allowed: at 10 s, and at 70 s."""
    slowly = {"policies": [{"kind": "pods", "value": 1, "period": "60s"}]}
    scaling = {"replicas": "1..9", "target_outstanding": 1, "scale_up": slowly}
    run = play(scaling, [1] * 12, 100)
    assert run.sizes(SERVING)[:3] == [(0, 1), (15, 2), (75, 3)]


def test_a_step_down_waits_for_its_window(play):
    """Nobody is there after 11 s. Two were recommended at 10 s; 300 s later that is forgotten."""
    scaling = {"replicas": "1..2", "target_outstanding": 2, "scale_down": {}}
    run = play(scaling, [1] * 3, 9.5, start=2, end_s=400)
    assert run.sizes(SERVING) == [(0, 2), (310, 1)]


# --- replicas that come and go ------------------------------------------------------------------


def test_a_surplus_replica_is_off_within_a_second_of_its_last_request(play):
    """Let go at 10 s. Its request ends at 24.5 s; somebody looks every second from 10 s on."""
    run = play({"replicas": "1..2", "target_outstanding": 2}, [0, 0.5], [3, 24], start=2)
    assert run.sizes(SERVING) == [(0, 2), (10, 1)]
    assert run.sizes(SERVING, CLOSING) == [(0, 2), (25, 1)]


def test_who_leaves_first():
    """Without a node, not up, not ready; then the youngest, and of one age the highest id."""
    states = [SERVING, SERVING, DOWN, STARTING, SERVING, GONE, CLOSING, SERVING]
    changes = [Change(0, id, SERVING) for id in range(8)] + [Change(50, 1, SERVING)]
    lives = Lives.__new__(Lives)
    lives.books = Books(changes=changes)
    pool = [Life(id, 0, 1, state=state) for id, state in enumerate(states)]
    assert [life.id for life in leaving(lives, pool)] == [5, 3, 2, 6, 1, 7, 4, 0]


def test_who_comes_first():
    """Who still serves, then whoever is off; what is broken comes last, and what drains for
    another reason could not serve."""
    states = [DOWN, OFF, CLOSING, OFF, CLOSING, SERVING]
    pool = [Life(id, 0, 1, wanted=id == 5, state=state) for id, state in enumerate(states)]
    pool[2].holds.add("maintenance")
    assert [life.id for life in coming(pool)] == [4, 1, 3, 0, 2]


def test_of_two_that_are_too_many_the_one_that_starts_is_given_up(play):
    """Three are wanted at 10 s, and from 20 s on one; replica 1 serves since 15 s, and a start of
    replica 2 is under way for another 30."""

    def story(lives, env):
        lives.start_s = lambda life, kind: 5.0 if life.id == 1 else 30.0
        yield at(100, env)

    run = play({"replicas": "1..3", "target_outstanding": 2}, [1] * 6 + [18], [12] * 6 + [30],
               story=story)  # fmt: skip
    assert run.sizes(SERVING) == [(0, 1), (15, 2), (20, 1)]
    assert run.sizes(STARTING) == [(0, 0), (10, 2), (15, 1), (20, 0)]
    assert next(c.replica for c in run.books.changes if c.at_ns == 20 * NS_PER_S) == 2


def test_a_broken_replica_is_not_measured_and_not_replaced(play):
    """Replica 1 breaks at 5 s with two of four requests: the scaler sees two, at the aim of one for
    each of the two replicas wanted. Nothing is added: the broken one is repaired at 55 s."""

    def story(lives, env):
        yield at(5, env)
        lives.hit(lives[1], "fault", 0, known=False)
        yield at(55, env)
        lives.mend(lives[1], "fault", "none")

    run = play({"replicas": "1..3", "target_outstanding": 1}, [1] * 4, 150, start=2, story=story)
    assert run.sizes(SERVING)[:4] == [(0, 2), (5, 1), (55, 2), (65, 3)]
    assert run.starts == [(60, 2, "node")]


def test_of_replicas_too_many_the_broken_one_goes(play):
    """Nobody is there at 10 s: of the two, the one that is broken is let go; mended at 15 s, it is
    not started."""

    def story(lives, env):
        yield at(5, env)
        lives.hit(lives[0], "fault", 0, known=True)
        yield at(15, env)
        lives.mend(lives[0], "fault", "cold")

    run = play({"replicas": "1..2", "target_outstanding": 1}, [40], 1, start=2, story=story)
    assert run.sizes(SERVING) == [(0, 2), (5, 1)]
    assert run.sizes(DOWN) == [(0, 0), (5, 1), (15, 0)]
    assert run.outcome.replica.tolist() == [1]


# --- the schedule -------------------------------------------------------------------------------


def window(start, end, replicas=1, **days):
    return Window.model_validate({"start": start, "end": end, "replicas": replicas} | days)


HOUR_S, DAY_S = 3600.0, 86400.0


@pytest.mark.parametrize(
    "shown, hours_open",
    [
        (window("08:00", "18:00"), [(d * 24 + 8, d * 24 + 18) for d in range(7)]),
        (window("00:00", "24:00", days=["Tue"]), [(24, 48)]),
        (window("22:00", "06:00", days=["Fri"]), [(4 * 24 + 22, 5 * 24 + 6)]),
        (window("22:00", "06:00", days=["Sun"]), [(0, 6), (6 * 24 + 22, 7 * 24)]),
        (window("00:00", "24:00"), [(0, 7 * 24)]),
    ],
)
def test_windows_of_the_week(shown, hours_open):
    """From its start on, before its end, in every quarter of an hour of three weeks."""
    for quarter in range(7 * 24 * 4):
        hour = quarter / 4
        expected = any(start <= hour < end for start, end in hours_open)
        assert is_open(shown, hour * HOUR_S) == expected
        assert is_open(shown, hour * HOUR_S + 7 * DAY_S) == expected
        assert is_open(shown, hour * HOUR_S - 7 * DAY_S) == expected


def test_the_largest_of_the_open_windows():
    windows = [
        window("08:00", "18:00", 4),
        window("10:00", "12:00", 9),
        window("20:00", "21:00", 2),
    ]
    hours = [7, 8, 11, 12, 18, 20]
    assert [minimum(windows, hour * HOUR_S) for hour in hours] == [None, 4, 9, 4, None, 2]


EIGHT_S = 8 * HOUR_S


def test_a_schedule_alone(play):
    """The period starts at 07:59:35, the window opens at 25 s: at 30 s three are wanted. It shuts a
    minute later, at 85 s."""
    shut = {"replicas": "1..9", "schedule": [{"start": "08:00", "end": "08:01", "replicas": 3}]}
    run = play(shut, [199], 1, week_s=EIGHT_S - 25)
    assert run.sizes(SERVING) == [(0, 1), (35, 3), (90, 1)]


def test_a_schedule_is_a_metric_among_others(play):
    """The window asks for three, six requests of which each replica is to have one for six; without
    them three are left."""
    both = {
        "replicas": "1..9", "target_outstanding": 1,
        "schedule": [{"start": "08:00", "end": "10:00", "replicas": 3}],
    }  # fmt: skip
    run = play(both, [21] * 6, 20, week_s=EIGHT_S)
    assert run.sizes(SERVING)[:4] == [(0, 1), (15, 3), (35, 6), (50, 3)]


def test_a_schedule_obeys_tolerance(play):
    """Ten are near enough to eleven."""
    near = {"replicas": "1..20", "schedule": [{"start": "08:00", "end": "10:00", "replicas": 11}]}
    run = play(near, [199], 1, start=10, week_s=EIGHT_S)
    assert run.sizes(SERVING) == [(0, 10)]


# --- from and to zero ---------------------------------------------------------------------------

ZERO = {"replicas": "0..3", "target_outstanding": 2, "cooldown": "25s"}


def test_to_zero_after_the_cooldown_and_back(play):
    """One request until 6 s. Looks at 10, 20 and 30 s find nothing; the last time of activity is
    the start, more than 25 s ago at 30 s. The next one, at 42 s, is seen at 50 s and served from
    55 s on."""
    run = play(ZERO, [1, 42], [5, 3])
    assert run.sizes(SERVING) == [(0, 1), (30, 0), (55, 1), (80, 0)]
    assert run.outcome.first_token_ns.tolist() == [2 * NS_PER_S, 56 * NS_PER_S]
    assert run.starts == [(50, 0, "node")]


def test_zero_waits_for_those_who_are_served(play):
    """Active at 10 s and at 20 s; not at 30 s or later. More than 25 s after 20 s is 50 s."""
    run = play(ZERO, [1], [21])
    assert run.sizes(SERVING) == [(0, 1), (50, 0)]


def test_from_zero_to_one_and_on_from_there(play):
    """Twelve requests while there is none: one replica, and the autoscaler takes it from there,
    with what waits in front of the fleet, at 60 s."""
    run = play(ZERO, [1, *[42] * 12], [5, *[30] * 12])
    assert run.sizes(SERVING)[:4] == [(0, 1), (30, 0), (55, 1), (65, 3)]


def test_a_window_keeps_it_awake(play):
    """From 20 s to 80 s after the start: awake at 20 s; the look at 70 s is the last active one."""
    scaling = ZERO | {"schedule": [{"start": "08:00", "end": "08:01", "replicas": 2}]}
    run = play(scaling, [199], 1, week_s=EIGHT_S - 20, start=0)
    assert run.sizes(SERVING) == [(0, 0), (25, 1), (35, 2), (80, 1), (100, 0)]


def test_by_a_queue_alone_it_sleeps_while_it_works(play):
    """As KEDA would: nobody waits, so nothing is active, whatever runs. It drains."""
    scaling = {"replicas": "0..3", "targets": [{"queue": 2}], "cooldown": "25s"}
    run = play(scaling, [1], [60])
    assert run.sizes(SERVING) == [(0, 1), (30, 0)]
    assert run.sizes(SERVING, CLOSING) == [(0, 1), (62, 0)]
    assert run.outcome.outcome.tolist() == [COMPLETED]


# --- the warm pool ------------------------------------------------------------------------------


def test_the_warm_pool_serves_first_and_fills_up(play):
    """Four are added at 10 s: two on its nodes, up at 12 s, and two on new ones, up at 15 s. It is
    filled up eight seconds later."""
    run = play({"replicas": "1..9", "target_outstanding": 2, "warm_pool": 2}, [1] * 9, 30)
    assert run.starts == [(10, 1, "warm"), (10, 2, "warm"), (10, 3, "node"), (10, 4, "node")]
    assert run.sizes(SERVING)[:3] == [(0, 1), (12, 3), (15, 5)]
    ready = [(at_ns / NS_PER_S, nodes) for at_ns, nodes in run.books.ready_nodes]
    assert ready == [(0, 2), (10, 1), (10, 0), (18, 1), (18, 2)]


def test_who_comes_back_takes_no_node(play):
    """Let go at 10 s, wanted again at 20 s, while it still serves."""
    run = play({"replicas": "1..2", "target_outstanding": 2, "warm_pool": 1},
               [0, 0, 11, 11, 11], [5, 25, 15, 15, 15], start=2)  # fmt: skip
    assert run.sizes(SERVING)[:4] == [(0, 2), (10, 1), (20, 2), (30, 1)]
    assert run.starts == []
    assert run.books.ready_nodes == [(0, 1)]


# --- whatever happens ---------------------------------------------------------------------------

TARGETS = {
    "outstanding": [1, 4], "queue": [1, 3], "running": [2, 5], "rate": ["0.5/s", "2/s"],
    "kv": ["10%", "60%"], "ttft": ["150ms", "1s"],
}  # fmt: skip
SECONDS = st.sampled_from(["0s", "1s", "3s", "7s"])
POLICIES = st.sampled_from(
    [
        {},
        {"policies": [{"kind": "pods", "value": 1, "period": "4s"}]},
        {
            "policies": [
                {"kind": "pods", "value": 2, "period": "3s"},
                {"kind": "percent", "value": 50, "period": "6s"},
            ],
            "select": "min",
        },
    ]
)


@st.composite
def fleets(draw):
    least = draw(st.integers(0, 2))
    most = least + draw(st.integers(1, 4))
    metrics = draw(st.lists(st.sampled_from(list(TARGETS)), min_size=1, max_size=3, unique=True))
    scaling = {
        "replicas": f"{least}..{most}",
        "targets": [{name: draw(st.sampled_from(TARGETS[name]))} for name in metrics],
        "interval": draw(st.sampled_from(["1s", "2s", "5s"])),
        "tolerance": draw(st.sampled_from([0, 0.1])),
        "scale_up": draw(POLICIES) | {"stabilisation": draw(SECONDS)},
        "scale_down": draw(POLICIES) | {"stabilisation": draw(SECONDS)},
        "scrape_delay": draw(SECONDS),
        "poll": "2s",
        "cooldown": draw(SECONDS),
        "warm_pool": draw(st.integers(0, 2)),
        "startup": draw(st.sampled_from(["0s", "2s", {"exponential": "3s"}])),
    }
    if draw(st.booleans()):
        scaling["schedule"] = [{"start": "08:00", "end": "08:01", "replicas": most}]
    return {
        "replicas": draw(st.integers(max(least, 1), most)),
        "cold_start": draw(st.sampled_from(["1s", {"uniform": ["0s", "4s"]}])),
        "autoscaling": scaling,
    }


def in_period(books, setup):
    """What is written of the instant at which a run ends is the plane's own affair."""
    return [change for change in books.changes if change.at_ns < setup.horizon_ns]


@settings(max_examples=30, deadline=None)
@given(fleets(), st.integers(0, 10_000))
def test_whatever_the_settings(fleet, seed):
    """Bursts and silence within 100 s. Both planes see the same; everybody is served; the range is
    kept; and who is let go is off within a second of its last request."""
    rates = [{"at": f"{at_s}s", "rate": rate} for at_s, rate in
             ((10, "8/s"), (25, "0.01/s"), (50, "3/s"), (60, "0.2/s"))]  # fmt: skip
    scenario = small_scenario(
        {"max_num_seqs": 4, "num_gpu_blocks": 60}, {"per_step": "50ms"}, fleet=fleet,
        traffic=[small_traffic(arrivals={"kind": "poisson", "rate": "1/s", "rate_table": rates},
                               input_tokens={"kind": "constant", "tokens": 30},
                               output_tokens={"kind": "uniform", "min": 1, "max": 40})],
        starts_at="Mon 07:59", clients={"timeout": "1h"}, horizon="100s", drain="300s",
    )  # fmt: skip
    setup = set_up(scenario, scenario.fleet, draw_workload(scenario, seed, 0), seed, 0)
    (outcome, books), (other, others) = (
        play_scenario(setup, scenario, scenario.fleet, seed, 0, kind) for kind in (Plane, Twin)
    )
    changes, ready = in_period(books, setup), books.ready_nodes
    assert changes == in_period(others, setup)
    assert ready[: len(others.ready_nodes)] == others.ready_nodes[: len(ready)]
    for column in ("first_token_ns", "finish_ns", "replica", "outcome"):
        assert np.array_equal(
            getattr(outcome, column)[setup.counted], getattr(other, column)[setup.counted]
        )
    assert (outcome.outcome[setup.counted] == COMPLETED).all()
    wanted = dict.fromkeys(range(scenario.fleet.autoscaling.replicas[1]), False)
    closed_ns = {}
    for index, change in enumerate(changes):
        wanted[change.replica] = change.wanted
        if change.state == CLOSING:
            closed_ns[change.replica] = change.at_ns
        if change.state == OFF and change.replica in closed_ns:
            held = (outcome.replica == change.replica) & (outcome.finish_ns <= change.at_ns)
            last_ns = max(outcome.finish_ns[held].max(initial=0), closed_ns.pop(change.replica))
            assert change.at_ns - last_ns <= NS_PER_S
        if index + 1 < len(changes) and changes[index + 1].at_ns > change.at_ns:
            fewest, most = scenario.fleet.autoscaling.replicas
            assert fewest <= sum(wanted.values()) <= most


def test_settings_that_scale_by_nothing_are_refused():
    with pytest.raises(ValueError, match="nothing to scale by"):
        Autoscaling.model_validate({"replicas": "1..2"})
    with pytest.raises(ValueError, match="thousandths"):
        Autoscaling.model_validate({"replicas": "1..2", "targets": [{"rate": "1/h"}]})
