"""Autoscaling, decision by decision: worked out by hand on both planes, then on random traffic.

Steps take a second, decisions fall on multiples of ten seconds, a new replica serves five later,
and the aim is two requests per replica. Nothing is stabilised on the way down.
"""

import numpy as np
import pytest

from simulator.control.drill import Kill
from simulator.plane import Plane
from simulator.run import COMPLETED
from simulator.simulate import serve, simulate
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, small_traffic, workload
from tests.oracles.twin import Twin

FAILURES = {
    "replica": {
        "mtbf": "400h", "detection": "2s", "repair": {"median": "3s", "p95": "4s"},
        "cold_start": "5s",
    }
}  # fmt: skip
AT_ONCE = {"stabilisation": "0s"}


def scaled(replicas="1..3", start=1, startup="5s", **parts):
    autoscaling = {
        "replicas": replicas, "target_outstanding": 2, "interval": "10s", "startup": startup,
        "scale_down": AT_ONCE,
    }  # fmt: skip
    fleet = {"replicas": start, "autoscaling": autoscaling}
    return small_scenario(latency={"per_step": "1s"}, **({"fleet": fleet} | parts))


@pytest.fixture(params=[Plane, Twin], ids=["plane", "twin"])
def run(request):
    """Serves explicit rows on either plane; `drill` is what breaks."""

    def serve_rows(scenario, arrivals, outputs, *drill):
        demand = workload(arrivals, 1, outputs)
        return serve(scenario, scenario.fleet, demand, 0, 0, plane_of=request.param, drill=drill)

    return serve_rows


def breaks(replica, at_s, unnoticed_s, broken_s=None):
    """The router knows of it after `unnoticed_s`, and `broken_s` later it serves again."""
    lasts_s = None if broken_s is None else unnoticed_s + broken_s
    return Kill(f"replica-{replica}", at_s, lasts_s, noticed_s=unnoticed_s, start="none")


def up(result):
    """(second, live replicas) wherever their number changes."""
    counts, times_s = result.timeline["replicas_up"], result.timeline["time_s"]
    changed = counts.ne(counts.shift())
    return list(zip(times_s[changed].tolist(), counts[changed].astype(int).tolist(), strict=True))


def test_a_crowd_brings_replicas_that_serve_after_their_startup(run):
    """Six requests at 1 s: at 10 s three replicas are wanted, at 15 s there are three."""
    result = run(scaled(), [1] * 6 + [14.9, 15.0, 15.1], [40] * 6 + [3, 3, 3])
    assert up(result) == [(0, 1), (15, 3), (50, 1)]
    # At 15 s control comes before arrivals: the new ones are there, and empty.
    assert result.replica.tolist() == [0] * 7 + [1, 2]
    assert (result.outcome == COMPLETED).all()
    assert not result.retries.any()


def test_a_surplus_replica_serves_what_it_holds_and_gets_nothing_new(run):
    """At 10 s one replica is enough. Replica 1 is busy until 25 s; control looks every second,
    before what happens at that instant: it is off at 26 s."""
    result = run(scaled(start=2), [0, 0, 11], [5, 25, 5])
    assert result.replica.tolist() == [0, 1, 0]
    assert result.finish_s.tolist() == [5, 25, 16]
    assert up(result) == [(0, 2), (26, 1)]


def test_who_still_serves_what_it_held_comes_back_at_once(run):
    """Replica 1 is closed at 10 s and wanted again at 20 s: no startup."""
    result = run(scaled(start=2), [0, 0, 11, 11, 11, 20.5], [5, 25, 15, 15, 15, 1])
    assert result.replica.tolist() == [0, 1, 0, 0, 0, 1]
    assert up(result)[:2] == [(0, 2), (30, 1)]


def test_a_replica_that_is_no_longer_wanted_when_it_is_up_is_not_started(run):
    """Wanted at 10 s, up at 25 s, but from 20 s on nobody is there."""
    result = run(scaled(startup="15s"), [1] * 6, 12)
    assert up(result) == [(0, 1)]


@pytest.mark.parametrize("start", [2, 3])
def test_nobody_is_let_go_below_the_range(run, start):
    result = run(scaled("2..4", start), [35], 1)
    assert up(result) == ([(0, 2)] if start == 2 else [(0, 3), (10, 2)])


def test_nobody_is_added_above_the_range(run):
    result = run(scaled("1..2"), [1] * 50, 20)
    assert up(result) == [(0, 1), (15, 2), (30, 1)]


def test_what_stands_still_does_not_break(run):
    """Replica 1 is not there when it would fail at 5 s; it is when it fails for good at 18 s."""
    result = run(
        scaled(), [1] * 4 + [16], [40] * 4 + [9], breaks(1, 5.0, 0.0, 2.0), breaks(1, 18.0, 0.0)
    )
    assert up(result)[:3] == [(0, 1), (15, 2), (18, 1)]
    # The request that it held starts over on replica 0.
    assert result.replica.tolist() == [0] * 5
    assert result.retries.tolist() == [0, 0, 0, 0, 1]
    assert (result.outcome == COMPLETED).all()


def test_a_surplus_replica_that_breaks_is_not_repaired_into_service(run):
    """Closed at 10 s, it fails at 12 s with its request; its repair ends at 14 s, unwanted."""
    result = run(scaled(start=2), [0, 0], [5, 25], breaks(1, 12.0, 1.0, 1.0))
    assert result.replica.tolist() == [0, 0]
    assert result.retries.tolist() == [0, 1]
    assert result.finish_s.tolist() == [5, 13 + 25]
    assert up(result) == [(0, 2), (12, 1)]


def test_who_waits_for_any_replica_counts_as_demand(run):
    """The only replica breaks at 5 s; of four requests behind it two replicas' worth is wanted."""
    result = run(scaled(), [6, 7, 8, 9], 3, breaks(0, 5.0, 0.0))
    assert result.replica.tolist() == [1] * 4
    assert result.first_token_s.tolist() == [16] * 4


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("run_index", range(6))
def test_scaling_loses_nobody(run_index, failing):
    """Bursts up and down within 2..7 replicas: whoever arrives is served, and only a failure makes
    anyone start over."""
    failures = {"replica": FAILURES["replica"] | {"mtbf": "40s"}} if failing else None
    burst = {"kind": "gamma", "rate": "4/s", "cv": 2.5,
             "rate_table": [{"at": "40s", "rate": "30/s"}, {"at": "80s", "rate": "1/s"},
                            {"at": "120s", "rate": "20/s"}]}  # fmt: skip
    scenario = small_scenario(
        DEFAULT_ENGINE, {"per_step": "20ms"}, horizon="200s", drain="600s",
        traffic=[small_traffic(arrivals=burst)], failures=failures,
        clients={"timeout": "1h", "retries": 100},
        fleet={"replicas": 3, "autoscaling": {"replicas": "2..7", "target_outstanding": 5,
                                              "interval": "3s", "startup": "4s",
                                              "scale_down": AT_ONCE}},
    )  # fmt: skip
    run = simulate(scenario, scenario.fleet, 5, run_index)
    assert len(run) > 1_000
    assert (run.outcome == COMPLETED).all()
    assert run.retries.any() == failing
    counts = run.timeline["replicas_up"]
    assert counts.max() == 7 or failing
    assert counts.between(0 if failing else 2, 7).all()
    assert counts.nunique() > 3
    assert np.all(run.finish_s >= run.first_token_s)


def test_a_start_up_that_was_called_off_does_not_count_for_a_later_one(run):
    """Wanted at 10 s, not any more at 20 s, wanted again at 30 s; it takes 25 s to start."""
    result = run(scaled(startup="25s"), [1] * 4 + [25] * 4, [12] * 4 + [40] * 4)
    assert up(result)[:2] == [(0, 1), (55, 2)]


def test_a_replica_let_go_while_nobody_knows_it_failed_gets_nothing_new(run):
    """Replica 1 fails at 9 s, is noticed at 19 s, and is one too many from 10 s on."""
    result = run(scaled(start=2), [12, 12.5, 14, 14.5], [2] * 4, breaks(1, 9.0, 10.0, 10.0))
    assert result.replica.tolist() == [0] * 4
    assert not result.retries.any()
