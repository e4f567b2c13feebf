"""Sessions in a workload: those in the middle of their work at its start, nominal order, cuts.

A request of 50 tokens takes 2 s nominally: 1 s to the first token and 20 ms for each.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.traffic import NS_PER_S, Chains, draw_workload
from simulator.traffic import workload as workload_module
from simulator.traffic.drawing import Period
from simulator.traffic.follow_ups import chosen, linked
from simulator.traffic.sessions.in_progress import drawing_of, from_the_start, lookback_s
from simulator.traffic.sessions.nominal import arrivals_ns, response_ns
from simulator.traffic.sessions.session_rows import SessionRows
from tests.oracles.graphs import assert_sound_workload, edges, segments
from tests.oracles.small import small_scenario

FALSE_ALARM = 1e-4
S = NS_PER_S


def constant(number):
    return {"kind": "constant", "count": number}


def tokens(number):
    return {"kind": "constant", "tokens": number}


def chat(rate="1/s", kind="poisson", turns=10, think="8s", **parts):
    """Turns of 10 s, nominally, with the default thinking time."""
    return {
        "name": "chat",
        "arrivals": {"kind": kind, "rate": rate},
        "input_tokens": tokens(100),
        "output_tokens": tokens(50),
        "sessions": {
            "kind": "drawn", "turns": constant(turns), "follow_up_tokens": tokens(25),
            "think": {"kind": "constant", "time": think},
        },
    } | parts  # fmt: skip


def drawn(*groups, seed=7, replication=0, preroll="0s", horizon="60s", drain="0s", **parts):
    scenario = small_scenario(
        traffic=list(groups), preroll=preroll, horizon=horizon, drain=drain, **parts
    )
    return draw_workload(scenario, seed, replication)


def turn_of(workload):
    """Which turn each request is, by its prompt: 100 tokens, 175, 250, ..."""
    return (workload.input_tokens - 100) // 75


def test_a_session_in_progress_goes_on_where_it_is():
    """One every 100 s, each lasting 92 s: at the start one is in the middle of its work or none."""
    for replication in range(20):
        workload = drawn(chat("0.01/s", "constant"), replication=replication)
        assert_sound_workload(workload)
        turns, first = turn_of(workload), np.flatnonzero(~workload.follow_ups.emerges)
        at_start = first[turns[first] > 0]
        assert at_start.size <= 1
        if at_start.size:
            assert at_start[0] == 0
            assert 0 <= workload.arrival_ns[0] < 10 * S
            keys = workload.chains.keys  # one segment each
            mine = turns[keys == keys[0]]
            assert mine.tolist() == list(range(turns[0], 10))[: mine.size]
        emerges = workload.follow_ups.emerges
        assert np.all(workload.follow_ups.pause_ns[emerges] == 8 * S)


def test_what_a_session_has_said_by_then_is_its_context():
    """Its first prompt is whole, and one segment with all that follow."""
    drawings = [drawn(chat("0.01/s", "constant"), replication=i) for i in range(5)]
    workload = next(workload for workload in drawings if 0 < turn_of(workload)[0] < 9)
    turns, rows = turn_of(workload), segments(workload.chains)
    mine = [row for row, [(key, _)] in enumerate(rows) if key == rows[0][0][0]]
    assert len(mine) > 1
    assert [rows[row][0][1] for row in mine] == (150 + 75 * turns[mine]).tolist()


def test_the_first_instant_sees_as_many_requests_as_any_other():
    """Poisson sessions of 10 turns, 0.5 of them a second: 5 requests a second from the start on,
    a tenth of them of each turn."""
    periods = [drawn(chat("0.5/s"), replication=i, horizon="20s") for i in range(200)]
    early = [period.arrival_ns < 10 * S for period in periods]
    for turn in range(10):
        counts = [
            np.count_nonzero(turn_of(p)[first] == turn)
            for p, first in zip(periods, early, strict=True)
        ]
        low, high = stats.poisson.interval(1 - FALSE_ALARM / 10, 0.5 * 10 * 200)
        assert low <= sum(counts) <= high


def test_sessions_begin_before_the_start_for_as_long_as_they_last():
    """Nine pauses of 8 s and nine answers of 2 s before the last turn; a day at most."""
    scenario = small_scenario(traffic=[chat()])

    def rng_of(*purpose):
        return np.random.Generator(np.random.PCG64(len(purpose)))

    assert lookback_s(scenario.traffic[0], rng_of) == 90.0
    long = small_scenario(traffic=[chat(think="10h")])
    assert lookback_s(long.traffic[0], rng_of) == 24 * 3600.0
    alone = small_scenario(traffic=[chat(turns=1)])
    assert lookback_s(alone.traffic[0], rng_of) == 0.0


def test_requests_that_could_never_come_in_time_are_left_out():
    """If answers took no time, turns would follow every 8 s: each session has all turns up to the
    end, so counted, and no later one."""
    workload = drawn(chat("0.1/s", "constant"))
    nothing = np.zeros(len(workload), dtype=np.int64)
    earliest = arrivals_ns(workload.follow_ups, workload.arrival_ns, nothing)
    assert earliest.max() < 60 * S <= workload.arrival_ns.max()
    keys = workload.chains.keys  # one segment each
    for key in np.unique(keys):
        mine = np.flatnonzero(keys == key)
        turns = turn_of(workload)[mine]
        assert np.all(np.diff(turns) == 1)
        assert turns[-1] == 9 or earliest[mine[-1]] + 8 * S >= 60 * S


def test_who_waits_for_work_under_way_waits_for_the_rest_of_it():
    """A fork at -10 s: one request arrives at -8 s and nominally ends 21 s later; it is left out.
    The other arrives at 0.02 s and takes 1.02 s; the join 2 s later waits for it alone."""
    none = np.empty(0, dtype=np.int64)
    pause_ns = np.array([0, 1 * S, 9 * S, 2 * S])
    sessions = SessionRows(
        first=np.array([0, 4]),
        input_tokens=np.array([10, 20, 30, 40]),
        output_tokens=np.array([1, 1000, 1, 1]),
        follow_ups=linked(np.array([0, 0, 1, 2]), np.array([1, 2, 3, 3]), pause_ns),
        front=Chains(np.array([0, 0]), none, none),
        own=Chains(np.array([0, 0]), none, none),
        own_row=np.array([0, 0, 0, 0]),
    )
    known_ns, period = np.array([-10 * S, 0, 0, 0]), Period(0.0, 60.0, 60.0)
    rows, graph, arrival_ns = from_the_start(sessions, sessions.follow_ups, known_ns, period)
    assert rows.tolist() == [2, 3]
    drawing = drawing_of(sessions, rows, graph, arrival_ns, np.array([0, 1]))
    assert drawing.input_tokens.tolist() == [30, 40]
    assert drawing.arrival_s.tolist() == [0.02, 0.02 + 1.02 + 2]
    assert edges(drawing.follow_ups) == [(0, 1)]
    assert drawing.follow_ups.waits.tolist() == [0, 1]


def test_the_same_seed_and_replication_are_the_same_sessions():
    one, same, other = (drawn(chat(), replication=i) for i in (0, 0, 1))
    assert np.array_equal(one.arrival_ns, same.arrival_ns)
    assert np.array_equal(one.follow_ups.rows, same.follow_ups.rows)
    assert not np.intersect1d(one.arrival_ns, other.arrival_ns).size


def test_groups_with_and_without_sessions_stand_together():
    """Each is as it is alone; only the places of its rows are others."""
    plain = {
        "name": "plain",
        "arrivals": {"kind": "poisson", "rate": "5/s"},
        "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
        "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200},
        "prefixes": [{"tokens": 9, "variants": 2}],
    }
    twin = chat() | {"name": "twin"}
    both = drawn(plain, chat(), twin)
    assert_sound_workload(both)
    assert drawn(plain).follow_ups is None
    for index, group in enumerate((plain, chat(), twin)):
        rows, alone = np.flatnonzero(both.group == index), drawn(group)
        for column in ("arrival_ns", "input_tokens", "output_tokens"):
            assert np.array_equal(getattr(both, column)[rows], getattr(alone, column))
        part = chosen(both.follow_ups, rows)
        if index:
            for column in ("first", "rows", "waits", "pause_ns", "otherwise"):
                assert np.array_equal(getattr(part, column), getattr(alone.follow_ups, column))
        else:
            assert not part.emerges.any()
    keys = [{key for i in np.flatnonzero(both.group == g) for key, _ in segments(both.chains)[i]}
            for g in range(3)]  # fmt: skip
    assert not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])


lengths = st.builds(
    lambda a: {"kind": "table", "tokens": a}, st.lists(st.integers(1, 90), min_size=1)
)
times = st.sampled_from(
    [{"kind": "exponential", "mean": "5s"}, {"kind": "constant", "time": "0s"},
     {"kind": "lognormal", "median": "3s", "p95": "30s"}]
)  # fmt: skip
counts = st.builds(
    lambda mean: {"kind": "geometric", "mean": mean, "least": 0}, st.floats(0.2, 4.0)
)
agents = st.fixed_dictionaries(
    {"share": st.floats(0.1, 1.0), "number": counts, "requests": counts, "input_tokens": lengths,
     "follow_up_tokens": lengths, "time": times, "report_tokens": lengths}
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    turns=counts, think=times, more=st.fixed_dictionaries({}, optional={"agents": agents}),
    preroll=st.sampled_from(["0s", "30s"]), replication=st.integers(0, 3),
)  # fmt: skip
def test_any_workload_of_sessions_is_sound(turns, think, more, preroll, replication):
    """Rows in nominal order, which is what the graph says, within the period."""
    sessions = {"kind": "drawn", "turns": turns, "follow_up_tokens": tokens(9), "think": think}
    group = chat("0.5/s", sessions=sessions | more, prefixes=[{"tokens": 7, "variants": 2}])
    workload = drawn(group, preroll=preroll, replication=replication)
    assert_sound_workload(workload)
    graph = workload.follow_ups
    start_ns = 0 if preroll == "0s" else -30 * S
    assert workload.arrival_ns.min(initial=0) >= start_ns
    if graph is None:
        return
    nominal = arrivals_ns(graph, workload.arrival_ns, response_ns(workload.output_tokens))
    assert np.array_equal(nominal, workload.arrival_ns)
    assert workload.arrival_ns[~graph.emerges].max(initial=0) < 60 * S


@pytest.mark.parametrize("when", ["Tue 09:30", "random"])
def test_a_period_begins_at_an_instant_of_the_week(when, monkeypatch):
    """The same for all groups, and anew in every replication where it is random."""
    seen = []

    def look(traffic, period, rng_of):
        seen.append(period.week_s)
        return real(traffic, period, rng_of)

    real = workload_module.draw_open
    monkeypatch.setattr(workload_module, "draw_open", look)
    plain = {key: value for key, value in chat().items() if key != "sessions"}
    for replication in (0, 1, 0):
        drawn(plain, plain | {"name": "twin"}, starts_at=when, replication=replication)
    assert seen[0::2] == seen[1::2]
    if when == "random":
        assert seen[0] == seen[4] != seen[2]
        assert all(0 <= week_s < 7 * 86400 for week_s in seen)
    else:
        assert set(seen) == {86400 + 9.5 * 3600}
