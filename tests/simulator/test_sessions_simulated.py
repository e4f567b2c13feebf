"""Sessions and closed loops end to end: drawn, served, and looked at afterwards."""

import numpy as np
import pytest

from simulator.control.begin import start_control
from simulator.control.lives import nanoseconds
from simulator.kernel.state import NEVER_NS
from simulator.plane import Plane
from simulator.run import COMPLETED, UNFINISHED
from simulator.simulate import set_up, simulate
from simulator.traffic import NOBODY, NS_PER_S, DemandError, draw_workload
from simulator.traffic.sessions.closed import ran_out
from tests.oracles.small import small_scenario
from tests.oracles.twin import Twin

S = NS_PER_S


def lognormal(median, p95, **more):
    return {"kind": "lognormal", "median": median, "p95": p95} | more


def geometric(mean, least=1):
    return {"kind": "geometric", "mean": mean, "least": least}


TOOL_TIME = {"kind": "lognormal", "median": "3s", "p95": "10s"}
AGENT = {
    "name": "agent",
    "arrivals": {"kind": "poisson", "rate": "0.05/s"},
    "prefixes": [{"tokens": 2000}],
    "input_tokens": lognormal(1000, 4000, max=8000),
    "output_tokens": lognormal(60, 300, max=2000),
    "sessions": {
        "kind": "drawn",
        "turns": geometric(5.0),
        "follow_up_tokens": lognormal(50, 300, max=1000),
        "think": {"kind": "exponential", "mean": "20s"},
        "tools": {"calls": geometric(4.0, 0), "result_tokens": lognormal(200, 1000, max=4000),
                  "time": TOOL_TIME},
        "agents": {"share": 0.1, "number": geometric(2.0), "requests": geometric(4.0),
                   "input_tokens": lognormal(500, 900), "time": TOOL_TIME,
                   "follow_up_tokens": lognormal(200, 1000), "report_tokens": lognormal(100, 200)},
        "compaction": {"above": 30_000, "to": 3000},
    },
}  # fmt: skip
CLOSED = {
    "name": "bench",
    "arrivals": {"kind": "closed", "clients": 12},
    "input_tokens": lognormal(500, 1500, max=4000),
    "output_tokens": lognormal(60, 300, max=2000),
}


def served(group, replication=0, preroll="30s", plane_of=Plane, haste=1.0, **parts):
    """The workload, and what became of it until the end of the drain."""
    scenario = small_scenario(
        traffic=[group], preroll=preroll, horizon="120s", drain="30s", **parts
    )
    workload = draw_workload(scenario, 5, replication, haste)
    setup = set_up(scenario, scenario.fleet, workload, 5, replication)
    plane = plane_of(setup)
    start_control(plane, scenario, scenario.fleet, 5, replication)
    return workload, plane.run(nanoseconds(scenario.horizon_s + scenario.drain_s))


def in_flight(outcome, edges_ns):
    """How many requests are there just before each instant."""
    arrived = np.sort(outcome.arrival_ns[outcome.arrival_ns < NEVER_NS])
    left = np.sort(outcome.finish_ns[outcome.outcome != UNFINISHED])
    return np.searchsorted(arrived, edges_ns) - np.searchsorted(left, edges_ns)


@pytest.mark.parametrize("blocks", [20_000, 1200])
def test_plane_and_twin_serve_drawn_sessions_alike(blocks):
    """Forks, joins, compaction and growing segments, in ample and in tight memory."""
    engine = {"prefix_caching": True, "num_gpu_blocks": blocks}
    closed = AGENT | {"arrivals": {"kind": "closed", "clients": 9}}
    for group in (AGENT, closed):
        (_, one), (_, other) = (served(group, engine=engine, plane_of=p) for p in (Plane, Twin))
        for column in ("arrival_ns", "first_token_ns", "finish_ns", "outcome", "cached_tokens"):
            assert np.array_equal(getattr(one, column), getattr(other, column))


@pytest.mark.parametrize("caching", [True, False])
def test_each_request_comes_a_pause_after_the_last_that_it_waits_for(caching):
    workload, outcome = served(AGENT, engine={"prefix_caching": caching})
    graph, arrival_ns = workload.follow_ups, outcome.arrival_ns
    arrived = np.flatnonzero(graph.emerges & (arrival_ns < NEVER_NS))
    assert arrived.size > 200
    assert np.any(graph.waits[arrived] > 1)
    last_ns = np.full(len(workload), -NEVER_NS)
    np.maximum.at(last_ns, graph.rows, outcome.finish_ns[graph.parents])
    assert np.array_equal(arrival_ns[arrived], last_ns[arrived] + graph.pause_ns[arrived])
    # Who did not arrive waits for somebody who did not complete, or whose pause has not passed.
    silent = np.flatnonzero(graph.emerges & (arrival_ns == NEVER_NS))
    completed = np.bincount(
        graph.rows, outcome.outcome[graph.parents] == COMPLETED, minlength=len(workload)
    )
    late = completed[silent] == graph.waits[silent]
    assert np.all(last_ns[silent[late]] + graph.pause_ns[silent[late]] >= 120 * S)


def test_a_closed_loop_keeps_all_its_clients_at_it():
    """Without pauses: from the moment on when all have begun never more than 12, and never fewer
    but for the nanosecond between an end and the next arrival."""
    workload, outcome = served(CLOSED)
    assert not ran_out(workload.follow_ups, outcome.arrival_ns)
    instants = np.unique(np.concatenate([outcome.arrival_ns, outcome.finish_ns]))
    seen = in_flight(outcome, instants[(instants > 0) & (instants < 120 * S)])
    assert seen.max() == 12
    ticks = np.linspace(1, 120 * S, 5001).astype(np.int64)
    assert np.all(in_flight(outcome, ticks) == 12)


def test_a_closed_loop_with_pauses_never_has_more_than_its_clients():
    pause = {"kind": "exponential", "mean": "3s"}
    group = CLOSED | {"arrivals": {"kind": "closed", "clients": 12, "pause": pause}}
    workload, outcome = served(group)
    assert not ran_out(workload.follow_ups, outcome.arrival_ns)
    instants = np.unique(np.concatenate([outcome.arrival_ns, outcome.finish_ns]))
    seen = in_flight(outcome, instants[instants < 120 * S])
    assert 6 < seen.max() <= 12


def test_a_client_goes_on_after_a_session_that_broke_off():
    """Prompts that outgrow the model end their session; the client begins the next one."""
    sessions = AGENT["sessions"] | {"turns": {"kind": "constant", "count": 50}}
    sessions = {key: value for key, value in sessions.items() if key != "compaction"}
    group = AGENT | {"arrivals": {"kind": "closed", "clients": 20}, "sessions": sessions}
    workload, outcome = served(group, engine={"max_model_len": 6000})
    rejected = np.flatnonzero(outcome.outcome == 1)
    assert rejected.size > 5
    then = workload.follow_ups.otherwise[rejected]
    assert np.all(outcome.arrival_ns[then[then >= 0]] < NEVER_NS)


def test_clients_that_run_out_of_requests_are_told_of():
    """Everything is turned away at once: nobody can be drawn as many requests as that takes."""
    workload, outcome = served(CLOSED, engine={"max_model_len": 100})
    assert ran_out(workload.follow_ups, outcome.arrival_ns)


def test_simulate_draws_further_where_a_loop_goes_round_faster():
    group = CLOSED | {"arrivals": {"kind": "closed", "clients": 2}}
    scenario = small_scenario(
        traffic=[group], preroll="0s", horizon="10s", drain="5s", latency={"per_step": "100us"}
    )
    run = simulate(scenario, scenario.fleet, 1, 0)
    workload = draw_workload(scenario, 1, 0)
    assert len(run) > len(workload)
    assert run.arrival_s[-1] > 9.9, "the loop did not fall silent"


def test_a_loop_that_never_rests_is_refused():
    """Every request is turned away at once, and its client has the next one ready."""
    scenario = small_scenario(
        traffic=[CLOSED], horizon="1s", drain="1s", engine={"max_model_len": 100}
    )
    with pytest.raises(DemandError, match="give its clients a pause"):
        simulate(scenario, scenario.fleet, 1, 0)


def test_with_longer_chains_a_run_is_the_same_and_goes_on():
    """An engine of 10,000 tokens/s: the shorter chains run out, and all they served stays as it
    was."""
    latency = {"per_step": "100us"}
    group = CLOSED | {"arrivals": {"kind": "closed", "clients": 2}}
    (short, one), (long, other) = (
        served(group, preroll="0s", latency=latency, haste=haste) for haste in (1.0, 30.0)
    )
    assert ran_out(short.follow_ups, one.arrival_ns)
    assert not ran_out(long.follow_ups, other.arrival_ns)
    assert len(long) > 10 * len(short)
    last = short.follow_ups.otherwise == NOBODY
    all_at_it_ns = one.arrival_ns[last].min()
    assert all_at_it_ns < 10 * S
    for column in ("arrival_ns", "finish_ns"):
        first, again = (np.sort(getattr(o, column)) for o in (one, other))
        seen = first[first < all_at_it_ns]
        assert seen.size > 500
        assert np.array_equal(seen, again[: seen.size])


def hit_share(blocks):
    """Of prompt tokens, those found in the cache, in the counted period."""
    scenario = small_scenario(
        traffic=[AGENT], preroll="60s", horizon="300s", fleet={"replicas": 1},
        engine={"prefix_caching": True, "num_gpu_blocks": blocks},
        latency={"per_step": "5ms", "per_prefill_token": "2us"},
    )  # fmt: skip
    run = simulate(scenario, scenario.fleet, 5, 0)
    assert run.completed.mean() > 0.98
    return run.cached_tokens.sum() / run.input_tokens.sum()


def test_agents_find_nearly_all_of_their_context_in_an_ample_cache():
    shares = [hit_share(blocks) for blocks in (200_000, 12_000, 6_000)]
    assert shares[0] > 0.9
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.7
