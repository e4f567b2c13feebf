"""Closed loops: clients of which each has one request, or one session, at a time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand import Traffic
from simulator.kernel.state import NEVER_NS
from simulator.streams import stream
from simulator.traffic import NOBODY, NS_PER_S, Chains, draw_workload
from simulator.traffic.drawing import Period
from simulator.traffic.follow_ups import chosen, linked
from simulator.traffic.sessions.closed import (
    FASTEST_FIRST_TOKEN_NS,
    FASTEST_TOKEN_NS,
    draw_closed,
    one_after_another,
    ran_out,
)
from simulator.traffic.sessions.nominal import arrivals_ns, response_ns
from simulator.traffic.sessions.session_rows import SessionRows, copied
from tests.oracles.graphs import assert_sound_workload, edges, segments
from tests.oracles.small import small_scenario

FALSE_ALARM = 1e-4
S = NS_PER_S


def tokens(number):
    return {"kind": "constant", "tokens": number}


def time(text):
    return {"kind": "constant", "time": text}


SESSIONS = {
    "kind": "drawn", "turns": {"kind": "constant", "count": 3}, "follow_up_tokens": tokens(10),
    "think": time("4s"),
}  # fmt: skip
AGENTS = {
    "share": 1.0, "number": {"kind": "constant", "count": 2},
    "requests": {"kind": "geometric", "mean": 2.0}, "input_tokens": tokens(40),
    "follow_up_tokens": tokens(7), "time": time("1s"), "report_tokens": tokens(11),
}  # fmt: skip


def closed(clients=4, pause="8s", **parts):
    """Requests of 2 s, nominally, and pauses of 8 s."""
    return {
        "name": "all",
        "arrivals": {"kind": "closed", "clients": clients, "pause": time(pause)},
        "input_tokens": tokens(100),
        "output_tokens": tokens(50),
    } | parts


def drawn(group, replication=0, haste=1.0, preroll="0s", horizon="60s", drain="0s"):
    scenario = small_scenario(traffic=[group], preroll=preroll, horizon=horizon, drain=drain)
    return draw_workload(scenario, 7, replication, haste)


def clients_of(workload):
    """The rows of each client, in order: those that a fixed arrival leads to."""
    graph = workload.follow_ups
    owner = np.full(len(workload), -1)
    for row in range(len(workload)):
        if owner[row] < 0:
            owner[row] = row
        for child in graph.rows[graph.first[row] : graph.first[row + 1]]:
            owner[child] = owner[row]
        if graph.otherwise[row] != NOBODY:
            owner[graph.otherwise[row]] = owner[row]
    return [np.flatnonzero(owner == one) for one in np.unique(owner)]


# --- by hand ------------------------------------------------------------------------------------


def test_each_client_sends_one_request_after_the_other():
    """2 s and 8 s: nominally every 10 s, from anywhere in such a cycle on."""
    workload = drawn(closed())
    assert_sound_workload(workload)
    chains = clients_of(workload)
    assert len(chains) == 4
    graph = workload.follow_ups
    for rows in chains:
        assert np.all(np.diff(workload.arrival_ns[rows]) == 10 * S)
        assert 0 <= workload.arrival_ns[rows[0]] < 10 * S
        assert graph.waits[rows].tolist() == [0] + [1] * (rows.size - 1)
        assert graph.pause_ns[rows].tolist() == [0] + [8 * S] * (rows.size - 1)
        # However a request ends, the next one comes.
        assert graph.otherwise[rows].tolist() == [*rows[1:], NOBODY]
        assert edges(chosen(graph, rows)) == [(i, i + 1) for i in range(rows.size - 1)]


def test_the_fastest_engine_does_not_get_to_the_end_of_a_chain():
    """110 ms and no pause: of 60 s there are at most 546 and what stands at the end."""
    workload = drawn(closed(pause="0s"))
    least_ns = FASTEST_FIRST_TOKEN_NS + 50 * FASTEST_TOKEN_NS
    assert least_ns == 110_000_000
    lasts = np.full(len(workload), least_ns)
    fastest = arrivals_ns(workload.follow_ups, workload.arrival_ns, lasts)
    last = [fastest[rows[-1]] for rows in clients_of(workload)]
    assert min(last) >= 60 * S
    assert max(last) < 64 * S  # 2 s at the start, nominally; and no more than needed
    assert len(workload) < 4 * (60 / 0.11 + 5)


def test_haste_makes_longer_chains_and_leaves_the_rest_as_it_was():
    one, two = drawn(closed(pause="0s", clients=3)), drawn(closed(pause="0s", clients=3), haste=7.0)
    assert len(two) > 6 * len(one)
    for short, long in zip(clients_of(one), clients_of(two), strict=True):
        size = short.size
        for column in ("arrival_ns", "input_tokens", "output_tokens"):
            shorter, longer = getattr(one, column)[short], getattr(two, column)[long]
            assert np.array_equal(shorter, longer[:size])


def test_sessions_follow_each_other_however_they_end():
    """Three turns each; after the last one, or whichever fails, the next session."""
    workload = drawn(closed(sessions=SESSIONS))
    assert_sound_workload(workload)
    graph = workload.follow_ups
    for rows in clients_of(workload):
        turns = (workload.input_tokens[rows] - 100) // 60
        begins = np.flatnonzero(turns == 0)
        assert np.all((np.diff(turns) == 1) | (turns[1:] == 0))
        assert np.all(turns[begins[1:] - 1] == 2)
        for row, turn in enumerate(turns):
            later = begins[begins > row]
            assert graph.otherwise[rows[row]] == (rows[later[0]] if later.size else NOBODY)
            if row:
                assert graph.pause_ns[rows[row]] == (4 * S if turn else 8 * S)
        keys = workload.chains.keys[rows]
        assert np.array_equal(keys[1:] == keys[:-1], turns[1:] > 0)


def test_the_next_session_waits_for_all_of_the_one_before():
    """Sessions of three requests, the last two of which follow the first and nobody follows."""
    none = np.empty(0, dtype=np.int64)
    one = SessionRows(
        first=np.array([0, 3]),
        input_tokens=np.array([1, 2, 3]),
        output_tokens=np.array([1, 1, 1]),
        follow_ups=linked(np.array([0, 0]), np.array([1, 2]), np.array([0, 5, 6])),
        front=Chains(np.array([0, 0]), none, none),
        own=Chains(np.array([0, 0]), none, none),
        own_row=np.array([0, 0, 0]),
    )
    sessions, client = copied(one, np.array([0, 0, 0])), np.array([0, 0, 1])
    graph = one_after_another(sessions, client, np.array([70, 80, 90]))
    assert edges(graph) == [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (3, 5), (6, 7), (6, 8)]
    assert graph.waits.tolist() == [0, 1, 1, 2, 1, 1, 0, 1, 1]
    assert graph.pause_ns.tolist() == [0, 5, 6, 70, 5, 6, 0, 5, 6]
    assert graph.otherwise.tolist() == [3, 3, 3, *[NOBODY] * 6]


def test_prefixes_of_closed_requests_are_drawn_for_each():
    workload = drawn(closed(pause="0s", prefixes=[{"tokens": 30, "variants": 4}]))
    assert np.all(workload.input_tokens == 130)
    rows = segments(workload.chains)
    assert {len(row) for row in rows} == {1}
    counted = np.unique([row[0][0] for row in rows], return_counts=True)[1]
    assert counted.size == 4
    assert stats.chisquare(counted).pvalue > FALSE_ALARM


def test_who_runs_out_is_told():
    workload = drawn(closed())
    arrived = np.full(len(workload), NEVER_NS)
    assert not ran_out(workload.follow_ups, arrived)
    assert not ran_out(None, arrived)
    last = [rows[-1] for rows in clients_of(workload)]
    arrived[np.setdiff1d(np.arange(len(workload)), last)] = 0
    assert not ran_out(workload.follow_ups, arrived)
    arrived[last[0]] = 59 * S
    assert ran_out(workload.follow_ups, arrived)


def test_open_sessions_never_run_out():
    arrivals = {"kind": "poisson", "rate": "1/s"}
    workload = drawn(closed(arrivals=arrivals, sessions=SESSIONS))
    assert not ran_out(workload.follow_ups, np.zeros(len(workload), dtype=np.int64))


def test_a_pause_beyond_the_end_sends_nothing_in_time():
    """Cycles of ten hours: hardly anybody is heard of in a minute."""
    workload = drawn(closed(pause="10h", clients=20))
    assert_sound_workload(workload)
    assert np.count_nonzero(workload.arrival_ns < 60 * S) <= 2
    assert not ran_out(workload.follow_ups, np.full(len(workload), NEVER_NS))


# --- where clients are at the start -------------------------------------------------------------


def first_arrivals_s(group, replications):
    """Of every client, seconds after the start."""
    return np.concatenate(
        [
            workload.arrival_ns[~workload.follow_ups.emerges] / S
            for workload in (drawn(group, i, horizon="5s") for i in range(replications))
        ]
    )


def test_clients_are_anywhere_in_their_cycle_at_the_start():
    """Kolmogorov-Smirnov: the first arrival is uniform over a cycle of 10 s."""
    first_s = first_arrivals_s(closed(clients=50), 20)
    assert first_s.size == 1000
    assert stats.kstest(first_s / 10, "uniform").pvalue > FALSE_ALARM


def test_a_client_is_in_a_long_cycle_more_often_than_in_a_short_one():
    """Answers of 450 tokens take 10 s, those of 50 tokens 2 s; without pauses five sixths of
    clients are in a long one: from 2 s on only those are left to arrive for the first time."""
    table = {"kind": "table", "tokens": [50, 450]}
    first_s = first_arrivals_s(closed(clients=100, pause="0s", output_tokens=table), 40)
    beyond = np.count_nonzero(first_s > 2)
    low, high = stats.binom.interval(1 - FALSE_ALARM, first_s.size, 5 / 6 * 8 / 10)
    assert low <= beyond <= high


def test_the_rate_is_the_same_from_the_first_second_on():
    """100 clients, a cycle of 10 s on average: 10 a second, in the first second and in the tenth.

    A client's arrivals are a renewal process; its phase at the start has to be drawn for that.
    """
    pause = {"kind": "exponential", "mean": "8s"}
    group = closed(arrivals={"kind": "closed", "clients": 100, "pause": pause})
    seconds = [
        np.histogram(drawn(group, i, horizon="10s").arrival_ns / S, np.arange(11.0))[0]
        for i in range(100)
    ]
    for second in np.array(seconds).T:
        low, high = stats.t.interval(
            1 - FALSE_ALARM / 10, second.size - 1, second.mean(), stats.sem(second)
        )
        assert low <= 10 <= high


# --- of any loop --------------------------------------------------------------------------------

pauses = st.sampled_from(
    [time("0s"), time("3s"), {"kind": "exponential", "mean": "5s"},
     {"kind": "lognormal", "median": "2s", "p95": "60s"}]
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    clients=st.integers(1, 6),
    pause=pauses,
    sessions=st.sampled_from([None, SESSIONS, SESSIONS | {"agents": AGENTS}]),
    outputs=st.lists(st.integers(20, 400), min_size=1, max_size=4),
    replication=st.integers(0, 5),
)
def test_any_closed_loop_is_sound(clients, pause, sessions, outputs, replication):
    """Nominally, no client begins anything before all it did is over, and none of its requests
    ends the chain before the end."""
    group = closed(
        arrivals={"kind": "closed", "clients": clients, "pause": pause},
        output_tokens={"kind": "table", "tokens": outputs},
        sessions=sessions,
    )
    workload = drawn(group, replication)
    assert_sound_workload(workload)
    graph, lasts = workload.follow_ups, response_ns(workload.output_tokens.astype(np.int64))
    nominal = arrivals_ns(graph, workload.arrival_ns, lasts)
    assert np.array_equal(nominal, workload.arrival_ns)
    fastest_ns = FASTEST_FIRST_TOKEN_NS + FASTEST_TOKEN_NS * workload.output_tokens.astype(np.int64)
    fastest = arrivals_ns(graph, workload.arrival_ns, fastest_ns)
    for begins in np.unique(graph.otherwise[graph.otherwise != NOBODY]):
        before = np.flatnonzero(graph.otherwise == begins)
        assert (nominal[before] + lasts[before]).max() + graph.pause_ns[begins] == nominal[begins]
        if graph.otherwise[begins] == NOBODY:
            assert fastest[begins] >= 60 * S
    if sessions is None:
        for rows in clients_of(workload):
            assert np.all(nominal[rows[1:]] > (nominal + lasts)[rows[:-1]])


@pytest.mark.parametrize("haste", [1.0, 3.0])
def test_drawing_a_loop_again_is_the_same_loop(haste):
    traffic = Traffic.model_validate(closed(sessions=SESSIONS))
    period = replace(Period(-10.0, 60.0, 60.0), haste=haste)

    def draw():
        return draw_closed(traffic, traffic.arrivals, period, lambda *p: stream(5, *p))

    one, same = draw(), draw()
    assert np.array_equal(one.arrival_s, same.arrival_s)
    assert np.array_equal(one.follow_ups.otherwise, same.follow_ups.otherwise)
