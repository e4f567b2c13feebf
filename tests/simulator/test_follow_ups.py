"""Requests that wait for others: instants by hand, what holds of any graph, and the run they are
part of. That plane and twin agree on random graphs is for test_equality.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.data_plane import Allowance, Limits, Pool, Reply, Setup
from simulator.kernel.state import NEVER_NS
from simulator.kernel.step_time import StepTime
from simulator.plane import Plane
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.simulate import serve, set_up
from simulator.traffic import Workload
from simulator.traffic.follow_ups import NOBODY, FollowUps
from simulator.traffic.prefixes import take
from tests.oracles.fuzz_cases import differences, play, random_case
from tests.oracles.fuzz_fleet import Action
from tests.oracles.small import small_scenario, workload
from tests.oracles.twin import Twin

MS = 1_000_000
TOO_LONG = 5_000
"""Tokens of a prompt that no replica of these tests can hold."""

both_planes = pytest.mark.parametrize("plane", [Plane, Twin])


def graph(rows, pauses_ms, otherwise=(), **waits_for):
    """Row 3 waits for 1 and 2: `r3=[1, 2]`. pauses_ms, otherwise: by row."""
    earlier = [waits_for.get(f"r{row}", []) for row in range(rows)]
    followers = [[row for row in range(rows) if one in earlier[row]] for one in range(rows)]
    pause_ns, instead = np.zeros(rows, dtype=np.int64), np.full(rows, NOBODY, dtype=np.int32)
    for row, pause_ms in pauses_ms.items():
        pause_ns[row] = round(pause_ms * MS)
    for row, other in dict(otherwise).items():
        instead[row] = other
    return FollowUps(
        first=np.cumsum([0, *map(len, followers)], dtype=np.int64),
        rows=np.array([row for later in followers for row in later], dtype=np.int32),
        waits=np.array([len(one) for one in earlier], dtype=np.int32),
        pause_ns=pause_ns,
        otherwise=instead,
    )


def setup(arrivals_ms, outputs, follow_ups, prompts=5, reply=(0, 0), replicas=1, **changed):
    """A fleet whose every step takes 10 ms; it serves one second."""
    rows = len(arrivals_ms)
    arrival_ns = np.array([round(ms * MS) for ms in arrivals_ms], dtype=np.int64)
    seats, asynchronous = changed.pop("seats", 8), changed.pop("asynchronous", False)
    limits = Limits(seats, 64, True, 100, 16, 1_000, asynchronous)
    clockwork = StepTime(0.01, 0, 0, 0, 0, 0)
    given = {
        "workload": Workload(
            arrival_ns,
            np.broadcast_to(prompts, rows).astype(np.int32),
            np.broadcast_to(outputs, rows).astype(np.int32),
            np.zeros(rows, dtype=np.int16),
            follow_ups=follow_ups,
        ),
        "counted": ~follow_ups.emerges,
        "start_ns": 0,
        "horizon_ns": 1_000 * MS,
        "priority": np.zeros(rows, dtype=np.int64),
        "pools": [Pool(replicas, limits, clockwork, Reply(*(ms * MS for ms in reply)))],
        "router": "round-robin",
        "routing_rule": None,
        "admission_rule": None,
        "queue_limit": None,
        "salt": 0,
        "timeout_ns": 1 << 60,
        "retries": 0,
        "allowances": (),
        "sample_interval_ns": 100 * MS,
    }
    return Setup(**(given | changed))


def in_ms(instants_ns):
    return [None if instant == NEVER_NS else instant / MS for instant in instants_ns.tolist()]


CHAIN = graph(3, {1: 25, 2: 40}, r1=[0], r2=[1])


@both_planes
def test_turns_follow_each_other_after_their_pauses(plane):
    """Three tokens each; the workload's own arrivals of rows 1 and 2 play no part."""
    outcome = plane(setup([0, 1, 2], 3, CHAIN)).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 55, 125]
    assert in_ms(outcome.first_token_ns) == [10, 65, 135]
    assert in_ms(outcome.finish_ns) == [30, 85, 155]


@both_planes
def test_a_pause_begins_when_the_client_has_read_the_answer(plane):
    """The reply takes 2 ms and 1 ms for the one request."""
    outcome = plane(setup([0, 1, 2], 3, CHAIN, reply=(2, 1))).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 33 + 25, 91 + 40]
    assert in_ms(outcome.finish_ns) == [33, 91, 164]


@both_planes
def test_branches_run_side_by_side_and_a_report_waits_for_all(plane):
    """Row 1 is there from 15 to 35, row 2 from 17, in steps from 25 on, to 75."""
    agents = graph(4, {1: 5, 2: 7, 3: 1}, r1=[0], r2=[0], r3=[1, 2])
    outcome = plane(setup([0] * 4, [1, 2, 5, 1], agents)).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 15, 17, 76]
    assert in_ms(outcome.finish_ns) == [10, 35, 75, 86]


@both_planes
def test_a_report_waits_for_the_last_answer_read_not_the_last_step(plane):
    """20 ms for each running request: row 0 ends at 40, read at 80; row 1 at 50, read at 70."""
    report = graph(3, {2: 3}, r2=[0, 1])
    outcome = plane(setup([0, 0, 0], [4, 5, 1], report, reply=(0, 20))).run(1_000 * MS)
    assert in_ms(outcome.finish_ns)[:2] == [80, 70]
    assert in_ms(outcome.arrival_ns) == [0, 0, 83]


@both_planes
def test_a_pause_of_a_nanosecond_misses_the_boundary(plane):
    """While row 1 decodes: row 2 arrives just after 10 ms and is in the step from 20 on."""
    least = graph(3, {2: 1e-6}, r2=[0])
    outcome = plane(setup([0, 0, 0], [1, 5, 1], least)).run(1_000 * MS)
    assert outcome.arrival_ns[2] == 10 * MS + 1
    assert in_ms(outcome.finish_ns) == [10, 50, 30]


@both_planes
def test_at_equal_instants_rows_arrive_in_their_order(plane):
    """Rows 1 to 3 arrive at 30, row 2 by itself; with one seat they are served in turn."""
    tie = graph(4, {1: 20, 3: 20}, r1=[0], r3=[0])
    outcome = plane(setup([0, 90, 30, 90], 1, tie, seats=1)).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 30, 30, 30]
    assert in_ms(outcome.finish_ns) == [10, 40, 50, 60]


@both_planes
def test_nobody_passes_an_instant_at_which_an_end_elsewhere_brings_an_arrival(plane):
    """Two replicas decode rows 0 and 1 until 500. Row 2 joins the first at 5 and ends at 20; row 3
    arrives just after at the second, long before row 4 makes anybody look there."""
    brought = graph(5, {3: 1e-6}, r3=[2])
    outcome = plane(setup([0, 0, 5, 5, 200], [50, 50, 1, 1, 1], brought, replicas=2)).run(
        1_000 * MS
    )
    assert outcome.replica.tolist() == [0, 1, 0, 1, 0]
    assert in_ms(outcome.finish_ns) == [500, 500, 20, 40, 210]


# --- when a request fails -------------------------------------------------------------------------


@both_planes
def test_what_waits_for_a_request_that_fails_never_arrives(plane):
    outcome = plane(setup([0, 1, 2], 3, CHAIN, prompts=[5, TOO_LONG, 5])).run(1_000 * MS)
    assert outcome.outcome.tolist() == [COMPLETED, REJECTED, UNFINISHED]
    assert in_ms(outcome.arrival_ns) == [0, 55, None]
    assert in_ms(outcome.finish_ns) == [30, 55, None]
    assert (outcome.replica[2], outcome.retries[2]) == (-1, 0)


SESSIONS = graph(3, {1: 25, 2: 40}, {0: 2, 1: 2}.items(), r1=[0], r2=[1])
"""A session of rows 0 and 1, after which, or after it broke off, the user begins another."""


@both_planes
def test_after_a_session_that_broke_off_the_user_goes_on(plane):
    case = setup([0, 1, 2], 3, SESSIONS, prompts=[TOO_LONG, 5, 5])
    outcome = plane(case).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, None, 40]
    assert in_ms(outcome.finish_ns) == [0, None, 70]


@both_planes
def test_a_hang_up_is_noticed_at_a_boundary(plane):
    """The client of row 0 hangs up at 24; the boundary at 30 notices; row 2 arrives 40 later."""
    outcome = plane(setup([0, 1, 2], [9, 3, 1], SESSIONS, timeout_ns=24 * MS)).run(1_000 * MS)
    assert outcome.outcome.tolist() == [TIMED_OUT, UNFINISHED, COMPLETED]
    assert in_ms(outcome.finish_ns) == [24, None, 80]
    assert in_ms(outcome.arrival_ns) == [0, None, 70]


@both_planes
def test_a_request_that_is_lost_brings_the_other_when_that_is_noticed(plane):
    script = [Action(15 * MS, "stop", 0), Action(22 * MS, "close", 0), Action(22 * MS, "drain", 0)]
    script += [Action(50 * MS, "start", 0), Action(50 * MS, "open", 0)]
    outcome = play(plane(setup([0, 1, 2], [9, 3, 1], SESSIONS)), script, 1_000 * MS)
    assert outcome.outcome.tolist() == [LOST, UNFINISHED, COMPLETED]
    assert in_ms(outcome.arrival_ns) == [0, None, 62]


@both_planes
def test_who_is_brought_twice_arrives_once_at_the_first_of_the_instants(plane):
    """Row 1 is turned away at 0, which brings row 2 at 20; row 0 ends at 30 or at 10."""
    twice = graph(3, {2: 20}, {1: 2}.items(), r2=[0])
    prompts = [5, TOO_LONG, 5]
    outcome = plane(setup([0, 0, 0], [3, 1, 1], twice, prompts)).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 0, 20]
    outcome = plane(setup([0, 12, 0], [1, 1, 1], twice, prompts)).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 12, 30]


@both_planes
def test_the_first_instant_counts_whoever_was_looked_at_first(plane):
    """On two replicas: row 0 ends at 10 and is read at 60; the client of row 1 hangs up at 12, and
    the boundary at 20 notices. Row 2 arrives at 21, not at 61."""
    twice = graph(3, {2: 1}, {1: 2}.items(), r2=[0])
    case = setup([0, 0, 0], [1, 9, 1], twice, reply=(50, 0), replicas=2, timeout_ns=12 * MS)
    outcome = plane(case).run(1_000 * MS)
    assert in_ms(outcome.finish_ns)[:2] == [60, 12]
    assert in_ms(outcome.arrival_ns) == [0, 0, 21]


@both_planes
def test_who_has_arrived_waits_for_nobody_any_more(plane):
    """Row 3 is turned away at 24 and brings row 4, which is in the inbox behind row 2 when row 0,
    for which it waited, completes; that is read at 130."""
    twice = graph(5, {4: 1}, {3: 4}.items(), r4=[0])
    prompts, outputs = [5, 5, 5, TOO_LONG, 5], [3, 9, 1, 1, 1]
    case = setup([0, 0, 22, 24, 90], outputs, twice, prompts, (100, 0), asynchronous=True)
    outcome = plane(case).run(1_000 * MS)
    assert in_ms(outcome.arrival_ns) == [0, 0, 22, 24, 25]
    assert in_ms(outcome.finish_ns) == [130, 190, 150, 24, 150]


# --- any graph on any fleet -----------------------------------------------------------------------

SEEDS = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_every_row_arrives_its_pause_after_the_last_it_waited_for(seed):
    """Or after a failure that brings it instead; and if it does not arrive, nothing else of it is
    known."""
    case = random_case(seed, follow_ups=True, allowances=False)
    demand = case.setup.workload
    before = demand.arrival_ns.copy(), demand.follow_ups.waits.copy()
    outcome, follow_ups = case.play(Plane), demand.follow_ups
    assert (before[0] == demand.arrival_ns).all() and (before[1] == follow_ups.waits).all()
    arrived, emerges = outcome.arrival_ns < NEVER_NS, follow_ups.emerges
    assert (outcome.arrival_ns == demand.arrival_ns)[~emerges].all()
    for row in np.flatnonzero(emerges).tolist():
        pause_ns = follow_ups.pause_ns[row]
        earlier = predecessors(follow_ups, row)
        done = (outcome.outcome[earlier] == COMPLETED).all()
        due_ns = outcome.finish_ns[earlier].max() + pause_ns if done else NEVER_NS
        failed = (follow_ups.otherwise == row) & ~np.isin(outcome.outcome, (COMPLETED, UNFINISHED))
        failed_ns = outcome.finish_ns[failed].min(initial=NEVER_NS) + pause_ns
        if arrived[row]:
            assert outcome.arrival_ns[row] <= due_ns
            assert outcome.arrival_ns[row] == due_ns or outcome.arrival_ns[row] >= failed_ns
        elif case.end_ns == case.setup.horizon_ns:  # else the run may end earlier
            assert due_ns >= case.end_ns
    never = outcome.arrival_ns == NEVER_NS
    assert (outcome.outcome[never] == UNFINISHED).all()
    assert (outcome.replica[never] == -1).all()
    assert not (outcome.preemptions[never].any() or outcome.retries[never].any())
    for instants_ns in (outcome.first_token_ns, outcome.finish_ns):
        assert (instants_ns[never] == NEVER_NS).all()


def predecessors(follow_ups, row):
    edges = np.flatnonzero(follow_ups.rows == row)
    return np.searchsorted(follow_ups.first, edges, side="right") - 1


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from(["round-robin", "least-outstanding", "least-kv"]))
def test_the_open_loop_of_the_emerged_arrivals_is_the_same(seed, router):
    """On any fleet, but for rules, routers and clients that look at row numbers: those who come
    back after a wait do so in row order."""
    case = random_case(
        seed, follow_ups=True, allowances=False, routing_rule=False, to_the_end=True, router=router,
        attempts=False, hedging=False,
    )  # fmt: skip
    outcome = case.play(Plane)
    rows = np.flatnonzero(outcome.arrival_ns < NEVER_NS)
    rows = rows[np.argsort(outcome.arrival_ns[rows], kind="stable")]
    again = replace(case, setup=opened(case.setup, outcome.arrival_ns, rows)).play(Plane)
    columns = ("arrival_ns", "first_token_ns", "finish_ns", "replica", "preemptions", "retries",
               "outcome", "cached_tokens", "fault")  # fmt: skip
    expected = replace(outcome, **{name: getattr(outcome, name)[rows] for name in columns})
    assert differences(again, expected) == []


def opened(setup, arrival_ns, rows):
    """The setup whose `rows` arrive at known instants, in that order."""
    demand = setup.workload
    known = Workload(
        arrival_ns[rows],
        *(column[rows] for column in (demand.input_tokens, demand.output_tokens, demand.group)),
        take(demand.chains, rows) if demand.chains is not None else None,
    )
    counted = (known.arrival_ns >= 0) & (known.arrival_ns < setup.horizon_ns)
    gate_of = setup.gate_of[rows] if setup.gates else None
    priority = setup.priority[rows]
    return replace(setup, workload=known, counted=counted, priority=priority, gate_of=gate_of)


# --- the run --------------------------------------------------------------------------------------


def sessions_of_two(begins_s, pause_s, outputs):
    """Rows 0, 1, ...: first turns; behind them their second turns, as if these came at once."""
    count = len(begins_s)
    pauses = dict.fromkeys(range(count, 2 * count), pause_s * 1_000)
    follow_ups = graph(
        2 * count, pauses, **{f"r{row}": [row - count] for row in range(count, 2 * count)}
    )
    demand = workload([*begins_s, *[max(begins_s)] * count], 10, outputs)
    return replace(demand, follow_ups=follow_ups)


def test_a_run_has_the_requests_that_arrived_in_its_period_in_that_order():
    """A second for each token. Second turns arrive at 6 (a first turn of the pre-roll), 9 and 13;
    the last one after the period."""
    scenario = small_scenario({"max_num_seqs": 8}, {"per_step": "1s"}, horizon="12s", preroll="5s",
                              fleet={"replicas": 1})  # fmt: skip
    demand = sessions_of_two([-1, 2, 6], 3, [4, 4, 4, 1, 2, 3])
    setup = set_up(scenario, scenario.fleet, demand, 0, 0)
    assert setup.counted.tolist() == [False, True, True, False, False, False]
    run = serve(scenario, scenario.fleet, demand, 0, 0)
    assert run.arrival_s.tolist() == [2, 6, 6, 9]
    assert run.output_tokens.tolist() == [4, 4, 1, 2]
    assert run.finish_s.tolist() == [6, 10, 7, 11]
    assert run.completed.all()


def test_allowances_are_those_of_the_most_requests_there_can_be():
    """How many arrive in the period is not known; what is exceeded even if all do is lost."""
    scenario = small_scenario(latency={"per_step": "1s"}, horizon="12s", preroll="5s")
    asked = []

    def allowances_for(requests):
        asked.append(requests)
        return [Allowance("e2e", 3.5, 2)]

    demand = sessions_of_two([-1, 2, 6], 3, [4, 4, 4, 4, 3, 4])
    run = serve(scenario, scenario.fleet, demand, 0, 0, allowances_for)
    assert asked == [2 + 3]
    assert run.stopped_early
    demand = sessions_of_two([-1, 2, 6], 3, [4, 4, 4, 3, 3, 4])
    assert not serve(scenario, scenario.fleet, demand, 0, 0, allowances_for).stopped_early
