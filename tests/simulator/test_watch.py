"""A watched run is the run that is judged; its journal tells the stories of its requests."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from simulator import watch as watching
from simulator.journal import in_order
from simulator.kernel.attempts import COMPLETION, FAILURE, PATIENCE
from simulator.kernel.journal import ENTRY, EVENTS
from simulator.kernel.state import NEVER_NS
from simulator.plane import Plane
from simulator.run import COMPLETED, Run
from simulator.simulate import simulate
from simulator.stories import (
    BEFORE_RETRY,
    DECODE,
    NO_REPLICA,
    NOWHERE,
    PREFILL,
    QUEUED,
    WAITS_AGAIN,
    Stories,
)
from simulator.traffic import NS_PER_S
from simulator.watch import watch
from tests.oracles.small import setup, small_scenario, small_traffic
from tests.oracles.twin import Twin

SAMPLE_NS = 20 * NS_PER_S // 120
LOOKS_NS = range(0, 30 * NS_PER_S, 3 * SAMPLE_NS)


def mean_scenario():
    """Much breaks, and callers come back: every kind of event is in its journal."""
    return small_scenario(
        {"num_gpu_blocks": 40, "max_num_seqs": 8},
        {"per_step": "50ms", "per_prefill_token": "50us"},
        horizon="20s", preroll="2s", drain="20s",
        clients={
            "timeout": "8s", "first_token_timeout": "2s", "retries": 3,
            "retry_on": ["failure", "rejection", "timeout"],
            "backoff": {"first": "100ms", "most": "2s", "jitter": "50%"},
            "hedge": {"after": "1s"},
        },
        fleet={
            "replicas": 3, "cold_start": "2s", "queue_limit": 4,
            "breaker": {"failures": 2, "eject": "3s", "at_most": "70%"},
            "buckets": [{"class": "all", "rate": "8/s", "burst": 5}],
        },
        failures={"replica": {"mtbf": "6s", "detection": "1s",
                              "repair": {"median": "2s", "p95": "4s"}}},
        traffic=[small_traffic(
            "9/s",
            sla_class="all",
            input_tokens={"kind": "lognormal", "median": 100, "p95": 400, "max": 500},
            output_tokens={"kind": "lognormal", "median": 20, "p95": 60, "max": 150},
        )],
    )  # fmt: skip


@pytest.fixture(scope="module")
def watched():
    scenario = mean_scenario()
    return watch(scenario, scenario.fleet, 3, 1, LOOKS_NS)


@pytest.fixture(scope="module")
def stories(watched):
    return Stories(watched.journal, len(watched.played.setup.workload), watched.end_ns)


def test_a_watched_run_is_the_run_that_is_judged(watched):
    scenario = mean_scenario()
    run = simulate(scenario, scenario.fleet, 3, 1)
    for name in (field.name for field in fields(Run)):
        one, other = getattr(watched.run, name), getattr(run, name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_a_run_with_more_entries_than_expected_is_played_again(watched, monkeypatch):
    scenario = mean_scenario()
    monkeypatch.setattr(watching, "ENTRIES_PER_REQUEST", 1)
    again = watch(scenario, scenario.fleet, 3, 1, LOOKS_NS)
    np.testing.assert_array_equal(again.journal, watched.journal)
    assert [ns for ns, _ in again.looks] == [ns for ns, _ in watched.looks]


def test_every_kind_of_event_happens(watched):
    assert set(watched.journal["event"].tolist()) == set(range(len(EVENTS)))


def test_looks_are_what_the_timeline_says(watched):
    """Every third sample of the timeline falls on a look."""
    at = {ns / NS_PER_S: seen for ns, seen in watched.looks}
    compared = 0
    for row in watched.run.timeline.itertuples():
        if row.time_s in at:
            seen = at[row.time_s]
            assert row.waiting == seen.waiting.sum() + seen.stranded
            compared += 1
    assert compared > 10


def test_stories_agree_with_the_outcome(watched, stories):
    """First tokens, ends, replicas, preemptions and faults, of every request of the period: two
    ways to the same facts."""
    outcome, rows = watched.played.outcome, len(watched.played.setup.workload)
    for row in watched.rows.tolist():
        told = stories[row]
        assert told.ended_ns is not None or outcome.finish_ns[row] == NEVER_NS
        own = [stay for stay in told.stays if stay.how == COMPLETION]
        if outcome.outcome[row] == COMPLETED:
            assert int(outcome.finish_ns[row]) in [stay.end_ns for stay in own]
            assert int(outcome.replica[row]) in [stay.replica for stay in own]
            firsts = [p.begin_ns for s in own for p in s.phases if p.name == DECODE]
            assert int(outcome.first_token_ns[row]) in firsts
        preempted = sum(p.name == WAITS_AGAIN for stay in told.stays for p in stay.phases)
        assert preempted == outcome.preemptions[row]
        if outcome.fault[row] >= 0:
            assert int(outcome.fault[row]) in [stay.fault for stay in told.stays]
    assert rows >= len(watched.rows) > 100


def test_phases_fill_a_stay_and_stays_follow_each_other(watched, stories):
    """Without gaps; only the two of a hedged request are at replicas at once."""
    for row in range(len(watched.played.setup.workload)):
        told = stories[row]
        for stay in told.stays:
            edges = [edge for p in stay.phases for edge in (p.begin_ns, p.end_ns)]
            assert edges[0] == stay.begin_ns and edges[-1] == stay.end_ns
            assert edges == sorted(edges)
            assert edges[1:-1:2] == edges[2::2]
            assert stay.phases[0].name == QUEUED
        for is_copy in (False, True):
            own = [stay for stay in told.stays if stay.is_copy == is_copy]
            assert all(a.end_ns <= b.begin_ns for a, b in pairwise(own))
        assert all(wait.begin_ns < wait.end_ns for wait in told.waits)


def test_the_ends_of_requests_are_those_of_their_stories(stories, watched):
    ends_ns = stories.ends_ns()
    for row in watched.rows.tolist():
        told = stories[row]
        edges = [told.ended_ns or watched.end_ns, *(stay.end_ns for stay in told.stays)]
        assert ends_ns[row] == max(edges)


# --- by hand: every step takes a second ----------------------------------------------------------


def played(control=None, **given):
    """(journal, stories) of a small setup; `control(plane)` is a process on its clock."""
    made = setup(**given)
    plane = Plane(made, 1000)
    if control is not None:
        plane.env.process(control(plane))
    plane.run(made.horizon_ns)
    return Stories(plane.journal, len(made.workload), made.horizon_ns)


def test_a_story_by_hand():
    """A prompt of 100 tokens takes two steps at 64 each, beside nobody; the second of two requests
    gets what is left of the second step, and then of the third."""
    told = played(arrivals_s=[0, 0.5], prompt=[100, 40], output=3)
    (first,), (second,) = told[0].stays, told[1].stays
    assert (first.replica, first.ahead, first.running, first.how) == (0, 0, 0, COMPLETION)
    s = NS_PER_S
    assert [(p.name, p.begin_ns / s, p.end_ns / s) for p in first.phases] == [
        (QUEUED, 0.0, 0.0), (PREFILL, 0.0, 2.0), (DECODE, 2.0, 4.0),
    ]  # fmt: skip
    prefill = first.phases[1]
    assert (prefill.steps, prefill.tokens, prefill.batch) == (2, 100, 1 + 2)
    assert (second.ahead, second.running) == (0, 1)
    assert [(p.name, p.begin_ns / s, p.end_ns / s) for p in second.phases] == [
        (QUEUED, 0.5, 1.0), (PREFILL, 1.0, 3.0), (DECODE, 3.0, 5.0),
    ]  # fmt: skip
    assert (second.phases[1].steps, second.phases[1].tokens) == (2, 40)
    assert told[1].ended_ns == 5 * s


def test_preempted_by_hand():
    """Three blocks of 16: two prompts of 15 take one each. At the 17th token both want another one:
    the second is preempted, and computes again all it had."""
    told = played(
        arrivals_s=[0, 0], prompt=15, output=8, limits={"blocks": 3, "async_scheduling": False}
    )
    names = [phase.name for phase in told[1].stays[0].phases]
    assert names == [QUEUED, PREFILL, DECODE, WAITS_AGAIN, PREFILL, DECODE]
    waits = told[1].stays[0].phases[3]
    assert waits.tokens == 16


def test_lost_and_found_by_hand():
    """A replica stops at 2.5 s and is noticed at 4 s; nobody else is there until 6 s."""

    def control(plane):
        yield plane.env.timeout(int(2.5 * NS_PER_S))
        plane.stop(0, 7)
        yield plane.env.timeout(int(1.5 * NS_PER_S))
        plane.close(0)
        plane.drain(0)
        yield plane.env.timeout(2 * NS_PER_S)
        plane.start(0)
        plane.open(0)

    told = played(control, arrivals_s=[0], prompt=10, output=5, retries=1)
    lost, found = told[0].stays
    s = NS_PER_S
    assert (lost.how, lost.fault, lost.end_ns / s) == (FAILURE, 7, 4.0)
    assert [(w.why, w.begin_ns / s, w.end_ns / s) for w in told[0].waits] == [(NO_REPLICA, 4, 6)]
    assert (found.how, found.begin_ns / s, found.end_ns / s) == (COMPLETION, 6.0, 11.0)


def test_turned_away_and_impatient_by_hand():
    told = played(arrivals_s=[0, 0], output=20, timeout_ns=4 * NS_PER_S)
    assert {stay.how for row in (0, 1) for stay in told[row].stays} == {PATIENCE}
    full = played(arrivals_s=[0, 0, 0], output=2, queue_limit=2)
    assert full[2].refusals == [(0, 0)] and not full[2].stays and full[2].ended_ns == 0


def test_waits_and_refusals_of_every_kind(stories, watched):
    told = [stories[row] for row in watched.rows.tolist()]
    assert {wait.why for one in told for wait in one.waits} == {BEFORE_RETRY, NO_REPLICA}
    assert {replica for one in told for _, replica in one.refusals} == {NOWHERE, 0, 1, 2}


def test_journals_of_both_planes_are_equal():
    made = setup(arrivals_s=[0, 0.5, 0.5, 3], prompt=[100, 40, 10, 64], output=4, replicas=2)
    plane, twin = Plane(made, 1000), Twin(made)
    plane.run(made.horizon_ns)
    twin.run(made.horizon_ns)
    np.testing.assert_array_equal(plane.journal, in_order(np.array(twin.journal, ENTRY)))
    assert plane.journaled == len(twin.journal) > 20


def test_no_journal_unless_asked_for():
    made = setup(arrivals_s=[0, 1])
    plane = Plane(made)
    plane.run(made.horizon_ns)
    assert plane.journaled == plane.journal.size == 0
