"""The accounts of a period: by hand, then identities that hold whatever the books say."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.control.accounts import (
    Hardware,
    hardware,
    restored,
    settle,
)
from simulator.control.books import (
    CLOSING,
    DOWN,
    GONE,
    OFF,
    PAID,
    SERVING,
    STARTING,
    STATES,
    Books,
    Change,
    Incident,
)
from simulator.control.spans import area_ns, spans, time_by_count_ns
from simulator.run import incidents_in_period
from simulator.simulate import simulate
from tests.made_sets import NO_ACCOUNTS
from tests.oracles.small import small_scenario

S = 10**9
NOBODY = (np.zeros(0, dtype=int), np.zeros(0, dtype=bool))
TWO_OF_TWO = Hardware(pools=((2, 2),))


def books(*changes, **more):
    """Of (second, replica, state[, wanted])."""
    return Books(changes=[Change(round(c[0] * S), *c[1:]) for c in changes], **more)


def settled(told, kinds=TWO_OF_TWO, horizon_s=100, busy_s=None, requests=NOBODY, tokens_lost=0):
    replicas = sum(count for count, _ in kinds.pools)
    busy_ns = [round(each * S) for each in busy_s or [0] * replicas]
    return settle(told, kinds, horizon_s * S, busy_ns, tokens_lost, *requests)


def gpu_s(accounts, pool=0):
    times = zip(PAID, accounts.gpu_ns[pool], strict=True)
    return {STATES[state]: time_ns / S for state, time_ns in times}


# --- by hand -------------------------------------------------------------------------------------


def test_a_fleet_of_which_nothing_is_told_serves_all_along():
    accounts = settled(books(), busy_s=[60, 20])
    assert gpu_s(accounts) == {"starting": 0, "serving": 400, "closing": 0, "down": 0}
    assert accounts.paid_gpu_hours == pytest.approx(400 / 3600)
    assert accounts.useful_gpu_hours == pytest.approx(160 / 3600)
    assert accounts.useful_share == 0.4
    assert accounts.down_s == [100.0]
    assert accounts.gpus_paid == [4.0]


def test_a_failure_is_down_until_it_serves_again():
    """Replica 0 serves before the period, breaks at 20 s, is repaired at 50 s, serves at 80 s."""
    told = books(
        (-10, 0, SERVING), (-10, 1, SERVING), (20, 0, DOWN), (50, 0, STARTING), (80, 0, SERVING)
    )
    accounts = settled(told)
    assert gpu_s(accounts) == {"starting": 60, "serving": 280, "closing": 0, "down": 60}
    assert accounts.down_s == [40.0, 60.0]
    assert accounts.cold_start_minutes == 0.5
    assert accounts.gpus_paid == [4.0], "broken hardware is paid for"


def test_a_replica_that_scaling_adds_starts_and_is_not_down():
    """Off before 30 s; paid from provisioning; closing at 90 s, off at 95 s."""
    told = books(
        (0, 0, SERVING), (0, 1, OFF, False),
        (30, 1, STARTING), (50, 1, SERVING), (90, 1, CLOSING, False), (95, 1, OFF, False),
    )  # fmt: skip
    accounts = settled(told)
    assert gpu_s(accounts) == {"starting": 40, "serving": 280, "closing": 10, "down": 0}
    assert accounts.down_s == [100.0]
    assert accounts.gpus_paid == [3.3]


def test_a_new_replica_that_breaks_while_it_starts_is_down_from_then_on():
    told = books(
        (0, 1, OFF, False), (10, 1, STARTING), (15, 1, DOWN), (35, 1, STARTING), (40, 1, SERVING)
    )
    assert settled(told).down_s == [75.0, 25.0]


def test_a_spot_node_that_is_gone_is_down_and_not_paid():
    accounts = settled(books((40, 1, GONE), (70, 1, STARTING), (75, 1, SERVING)))
    assert sum(gpu_s(accounts).values()) == 400 - 60
    assert accounts.down_s == [65.0, 35.0]


def test_who_is_not_wanted_is_not_missed():
    """Scaling gives it up at 60 s, while it is under repair, and asks for it again at 80 s."""
    told = books((40, 1, DOWN), (60, 1, DOWN, False), (80, 1, DOWN))
    assert settled(told).down_s == [60.0, 40.0]
    assert gpu_s(settled(told))["down"] == 120


def test_several_down_at_a_time_are_counted_at_each_instant():
    told = books((10, 0, DOWN), (30, 1, DOWN), (60, 0, SERVING), (90, 1, SERVING))
    assert settled(told).down_s == [20.0, 50.0, 30.0]
    assert time_by_count_ns([], 7) == (7,)
    assert time_by_count_ns([(0, 7), (0, 7)], 7) == (0, 0, 7)
    assert time_by_count_ns([(1, 3), (3, 5)], 7) == (3, 4)


def test_what_is_outside_the_period_does_not_count():
    told = books((-50, 0, DOWN), (-5, 0, SERVING), (100, 1, DOWN), (130, 1, SERVING))
    assert settled(told) == settled(books())


def test_pools_have_gpus_of_their_own():
    kinds = Hardware(pools=((1, 8), (2, 1)))
    accounts = settled(books((50, 2, DOWN)), kinds, busy_s=[10, 20, 30])
    assert gpu_s(accounts) == {"starting": 0, "serving": 800, "closing": 0, "down": 0}
    assert gpu_s(accounts, 1) == {"starting": 0, "serving": 150, "closing": 0, "down": 50}
    assert accounts.busy_gpu_ns == (80 * S, 50 * S)
    assert accounts.gpus_paid == [8.0, 2.0]


def test_spares_and_the_warm_pool_are_paid_for():
    kinds = TWO_OF_TWO._replace(ready_gpus=8, spare_gpus=16)
    told = books(ready_nodes=[(-5 * S, 2), (25 * S, 1), (75 * S, 2)])
    accounts = settled(told, kinds)
    assert accounts.ready_gpu_ns == (25 * 2 + 50 * 1 + 25 * 2) * 8 * S
    assert accounts.spare_gpu_ns == 1600 * S
    assert accounts.paid_gpu_ns == (400 + 1200 + 1600) * S
    assert accounts.gpus_paid == [32.0]
    assert area_ns([], 10) == 0
    assert area_ns([(12, 5)], 10) == 0


def test_the_hardware_is_that_of_the_scenario():
    scenario = small_scenario(
        fleet={
            "replicas": 3,
            "topology": {"gpus_per_node": 4},
            "others": [{"name": "b", "replicas": 2, "replica": {
                "gpu": "h100-sxm-80gb", "tensor_parallel": 2, "engine": {"name": "vllm"}}}],
        },
        failures={
            "spares": {"nodes": 2},
            "faults": [{"name": "host", "scope": "node", "mtbf": "100h",
                        "repair": {"time": "1h", "hands_on": True}}],
        },
    )  # fmt: skip
    assert hardware(scenario, scenario.fleet) == Hardware(((3, 1), (2, 2)), 1, 8)
    plain = small_scenario()
    assert hardware(plain, plain.fleet).spare_gpus == 0


def test_each_fault_has_its_toll():
    told = Books(
        faults=("gpu", "host", "nic"),
        incidents=[
            Incident(1, "node-0", (0, 1), -20 * S, -10 * S, 30 * S),
            Incident(0, "gpu-1", (1,), 10 * S, 14 * S, 60 * S),
            Incident(0, "gpu-0", (0,), 50 * S, 52 * S, None),
            Incident(0, "gpu-0", (0,), 90 * S, None, 120 * S),
            Incident(2, "node-1", (), -20 * S, -10 * S, 0),
            Incident(2, "node-1", (1,), 100 * S, None, None),
        ],
    )
    fault = np.array([0, 0, 0, 1, -1, -1])
    completed = np.array([True, True, False, False, True, False])
    accounts = settled(told, requests=(fault, completed), tokens_lost=123)
    gpu, host, nic = accounts.tolls
    assert gpu == ("gpu", 3, 3, 2, 3.0, 40.0, 2, 1)
    assert host == ("host", 1, 2, 0, None, None, 0, 1), "it began before: its times are cut"
    assert nic == ("nic", 0, 0, 0, None, None, 0, 0), "over before, or after it"
    assert accounts.tokens_lost == 123
    frame = incidents_in_period(told, 100 * S)
    assert frame["component"].tolist() == ["node-0", "gpu-1", "gpu-0", "gpu-0"]
    assert frame["fault"].tolist() == ["host", "gpu", "gpu", "gpu"]
    assert frame["replicas"].tolist() == [[0, 1], [1], [0], [0]]
    assert frame["begin_s"].tolist() == [-20, 10, 50, 90]
    assert frame["end_s"].isna().tolist() == [False, False, True, False]


def test_a_fault_at_the_very_start_is_noticed_at_once():
    told = Books(faults=("x",), incidents=[Incident(0, "replica-0", (0,), 0, 0, 0)])
    assert settled(told).tolls[0].incidents == 0, "it was over before the period"
    told.incidents[0].end_ns = 1
    assert settled(told).tolls[0].notice_s == 0.0


def test_no_accounts_are_none():
    assert NO_ACCOUNTS.paid_gpu_hours == NO_ACCOUNTS.useful_share == 0
    assert NO_ACCOUNTS.down_s == [0.0]
    assert NO_ACCOUNTS.gpus_paid == []


# --- whatever the books say ----------------------------------------------------------------------

HORIZON = 1_000
REPLICAS = 4
KINDS = Hardware(pools=((3, 2), (1, 5)), ready_gpus=8, spare_gpus=3)


@st.composite
def random_books(draw):
    """Any states in any order; faults and incidents of any times."""
    instants = st.integers(-300, 1_300)
    entries = st.tuples(
        instants, st.integers(0, REPLICAS - 1), st.integers(0, len(STATES) - 1), st.booleans()
    )
    changes = sorted(draw(st.lists(entries, max_size=30)), key=lambda entry: entry[0])
    nodes = draw(st.lists(st.tuples(instants, st.integers(0, 3)), max_size=5))
    late = st.none() | st.integers(0, 900)
    faults = draw(st.lists(st.tuples(st.integers(0, 1), instants, late, late), max_size=6))
    return Books(
        faults=("a", "b"),
        changes=[Change(*entry) for entry in changes],
        incidents=[
            Incident(
                code, "node-0", (0,), begin,
                None if notice is None else begin + notice,
                None if repair is None else begin + repair,
            )
            for code, begin, notice, repair in faults
        ],
        ready_nodes=sorted(nodes),
    )  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(told=random_books(), data=st.data())
def test_the_accounts_balance(told, data):
    pieces = list(spans(told.changes, REPLICAS, HORIZON))
    engine_ns = [0] * REPLICAS
    for piece in pieces:
        if piece.state in (SERVING, CLOSING):
            engine_ns[piece.replica] += piece.end_ns - piece.begin_ns
    busy_ns = [data.draw(st.integers(0, most)) for most in engine_ns]
    fault = np.array(data.draw(st.lists(st.integers(-1, 1), max_size=20)), dtype=int)
    completed = np.array(
        data.draw(st.lists(st.booleans(), min_size=fault.size, max_size=fault.size)), dtype=bool
    )
    accounts = settle(told, KINDS, HORIZON, busy_ns, 7, fault, completed)

    # Every replica is in one state at a time, all of the period.
    for replica in range(REPLICAS):
        own = sorted(piece[3:] for piece in pieces if piece.replica == replica)
        assert [begin for begin, _ in own] == [0, *(end for _, end in own[:-1])]
        assert own[-1][1] == HORIZON
    # Time with k down: of all of it, and as much as the sum of what each was down.
    assert sum(accounts.down_ns) == HORIZON
    missing = sum(piece.end_ns - piece.begin_ns for piece in pieces if piece.missing)
    assert sum(k * time_ns for k, time_ns in enumerate(accounts.down_ns)) == missing
    # GPU time: the sum over states is what is paid; with what is not, it is all there is.
    in_states = sum(sum(states) for states in accounts.gpu_ns)
    assert accounts.paid_gpu_ns == in_states + accounts.ready_gpu_ns + accounts.spare_gpu_ns
    gpus = [2, 2, 2, 5]
    unpaid = sum(
        (piece.end_ns - piece.begin_ns) * gpus[piece.replica]
        for piece in pieces
        if piece.state in (OFF, GONE)
    )
    assert in_states + unpaid == HORIZON * sum(gpus)
    for pool in range(2):
        serving, closing = (accounts.gpu_ns[pool][PAID.index(s)] for s in (SERVING, CLOSING))
        assert accounts.busy_gpu_ns[pool] <= serving + closing
    assert sum(accounts.gpus_paid) == pytest.approx(accounts.paid_gpu_ns / HORIZON)
    # Requests: each that was hit is in one toll.
    assert sum(t.retried + t.lost for t in accounts.tolls) == (fault >= 0).sum()
    assert sum(t.incidents for t in accounts.tolls) == len(incidents_in_period(told, HORIZON))
    assert all(t.open <= t.incidents for t in accounts.tolls)


@settings(deadline=None, max_examples=100)
@given(told=random_books())
def test_instant_by_instant_the_same(told):
    """Against the slow way: look at the state of each replica in every nanosecond."""
    state, wanted = [SERVING] * REPLICAS, [True] * REPLICAS
    broken = [False] * REPLICAS
    coming = list(told.changes)
    down_ns, starting_ns = np.zeros(REPLICAS + 1, dtype=int), 0
    for now_ns in range(-300, HORIZON):
        while coming and coming[0].at_ns == now_ns:
            _, replica, state[replica], wanted[replica] = coming.pop(0)
            if state[replica] != STARTING:
                broken[replica] = state[replica] in (DOWN, GONE)
        if now_ns >= 0:
            starting_ns += state.count(STARTING)
            down_ns[sum(b and w for b, w in zip(broken, wanted, strict=True))] += 1
    accounts = settle(told, KINDS, HORIZON, [0] * REPLICAS, 0, *NOBODY)
    assert list(accounts.down_ns) == down_ns[: len(accounts.down_ns)].tolist()
    assert down_ns.sum() == sum(accounts.down_ns)
    assert accounts.starting_ns == starting_ns


@settings(deadline=None, max_examples=50)
@given(told=random_books())
def test_accounts_survive_json(told):
    accounts = settle(told, KINDS, HORIZON, [1] * REPLICAS, 5, *NOBODY)
    assert restored(json.loads(json.dumps(asdict(accounts)))) == accounts
    assert restored(asdict(replace(accounts, tokens_lost=6))) != accounts


# --- real runs -----------------------------------------------------------------------------------

REPLICA = {"mtbf": "60s", "detection": "2s", "repair": {"median": "8s", "p95": "20s"},
           "cold_start": "5s"}  # fmt: skip
HOST = {"name": "host", "scope": "node", "mtbf": "90s", "effect": "crash", "repair": "10s"}
SPOT = HOST | {"name": "spot", "notice": "3s", "paid": False}
FLEETS = {
    "failing": {"failures": {"replica": REPLICA, "faults": [HOST]}},
    "spot": {"failures": {"faults": [SPOT]}, "fleet": {
        "replicas": 5, "topology": {"gpus_per_node": 2}}},
    "scaled": {"failures": {"replica": REPLICA}, "fleet": {"replicas": 2, "autoscaling": {
        "replicas": "1..5", "target_outstanding": 3, "interval": "2s", "startup": "4s",
        "scale_down": {"stabilisation": "4s", "policies": [
            {"kind": "percent", "value": 100, "period": "2s"}]}}}},
}  # fmt: skip


@pytest.mark.parametrize("name", FLEETS)
@pytest.mark.parametrize("seed", range(6))
def test_the_accounts_of_runs_balance(name, seed):
    scenario = small_scenario(horizon="90s", preroll="5s", **FLEETS[name])
    run = simulate(scenario, scenario.fleet, seed, 0)
    accounts = run.accounts
    assert sum(accounts.down_ns) == accounts.horizon_ns == 90 * S
    for pool, states in enumerate(accounts.gpu_ns):
        assert accounts.busy_gpu_ns[pool] <= sum(states[PAID.index(s)] for s in (SERVING, CLOSING))
    ((replicas, gpus),) = hardware(scenario, scenario.fleet).pools
    assert accounts.paid_gpu_ns <= 90 * S * replicas * gpus
    if name == "failing":
        assert accounts.paid_gpu_ns == 90 * S * replicas * gpus, "of a fixed fleet all is paid"
    assert run.busy_share == pytest.approx(
        sum(accounts.busy_gpu_ns) / (90 * S * replicas * gpus), rel=1e-12
    )
    # Every request that was hit, was so by a fault that there is, on a replica that it took.
    assert set(run.fault[run.hit]) <= set(range(len(run.faults)))
    assert (run.retries[~run.hit] == 0).all()
    told = sum(toll.retried + toll.lost for toll in accounts.tolls)
    assert told == run.hit.sum()
    assert sum(toll.incidents for toll in accounts.tolls) == len(run.incidents)
    assert (run.incidents["noticed_s"].dropna() >= run.incidents["begin_s"][
        run.incidents["noticed_s"].notna()]).all()  # fmt: skip
    assert (run.timeline["replicas_up"] <= replicas).all()


@pytest.mark.parametrize("name", FLEETS)
def test_the_timeline_shows_what_the_accounts_sum_up(name):
    """As many replicas up, on the mean over samples, as GPU time of serving and closing says."""
    scenario = small_scenario(horizon="600s", **FLEETS[name])
    run = simulate(scenario, scenario.fleet, 1, 0)
    states = run.accounts.gpu_ns[0]
    up = sum(states[PAID.index(state)] for state in (SERVING, CLOSING)) / run.accounts.horizon_ns
    assert run.timeline["replicas_up"].mean() == pytest.approx(up, abs=0.15)
    assert len(run.incidents) > 5
