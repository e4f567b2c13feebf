"""The simulator against queueing theory: mean waits, Little's law, utilisation, blocking.

First path by path: every single wait must be Lindley's, to the nanosecond. Then against the
formulas: the exact mean must lie in the 99.999 % t-interval of independent runs, so a right
simulator fails one of these tests with probability 1e-5 (approximately: means of tens of thousands
of waits are close to normal). Seeds are fixed.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from scenarios.model import Scenario
from simulator.run import COMPLETED, REJECTED
from simulator.simulate import serve
from simulator.streams import stream
from simulator.traffic import Workload
from tests.oracles.queues import (
    blocked_share,
    erlang_c_wait_s,
    pollaczek_khinchine_wait_s,
    priority_waits_s,
    round_robin_wait_s,
)
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, small_traffic, workload

LEVEL = 0.99999
RUNS = 100
ARRIVALS = 30_000
"""Of one run, on average."""
MEAN_TOKENS = 10_000
WARM_UP_S = 500.0


def interval_of(values: Sequence[float]) -> tuple[float, float]:
    return stats.t.interval(LEVEL, len(values) - 1, np.mean(values), stats.sem(values))


def assert_mean_is(values: Sequence[float], exact: float, narrow: float = 0.05) -> None:
    low, high = interval_of(values)
    assert low <= exact <= high
    # A test that any answer passes proves nothing: the interval must be narrow.
    assert (high - low) / 2 < narrow * exact


HUGE = {"max_num_seqs": 1, "max_num_batched_tokens": 10**8, "max_model_len": 10**7,
        "num_gpu_blocks": 10**6}  # fmt: skip


def one_at_a_time(horizon_s: float, engine: dict | None = None, **parts: object) -> Scenario:
    """A scenario whose replicas serve one request at a time, 0.1 ms per prompt token."""
    given = {"horizon": f"{horizon_s}s", "preroll": f"{WARM_UP_S}s", "clients": {"timeout": "100d"}}
    return small_scenario(HUGE | (engine or {}), {"per_prefill_token": "100us"}, **(given | parts))


def poisson_arrivals(rate: float, horizon_s: float, run: int) -> np.ndarray:
    rng = stream(2026, "test", run, "gaps")
    count = int(rate * (WARM_UP_S + horizon_s) * 1.3) + 100
    times = np.cumsum(rng.exponential(1 / rate, count)) - WARM_UP_S
    return times[times < horizon_s + 100.0]


def service_tokens(kind: str, size: int, run: int) -> np.ndarray:
    rng = stream(2026, "test", run, "service")
    drawn = {
        "exponential": lambda: rng.exponential(MEAN_TOKENS, size),
        "constant": lambda: np.full(size, MEAN_TOKENS),
        "lognormal": lambda: rng.lognormal(np.log(MEAN_TOKENS) - 0.5 * 0.6**2, 0.6, size),
    }[kind]()
    return np.maximum(np.rint(drawn), 1).astype(np.int64)


class Means(NamedTuple):
    """Of one run."""

    wait_s: float
    in_system: float
    busy_share: float


@cache
def queue_runs(kind: str, rate: float, replicas: int, router: str) -> tuple[Means, ...]:
    horizon_s = ARRIVALS / rate
    scenario = one_at_a_time(horizon_s, fleet={"replicas": replicas, "router": router})
    means = []
    for run in range(RUNS):
        times = poisson_arrivals(rate, horizon_s, run)
        demand = workload(times, service_tokens(kind, times.size, run), 1)
        served = serve(scenario, scenario.fleet, demand, 0, run)
        waits_s = served.ttft_s - served.input_tokens * 1e-4
        in_system = served.timeline["waiting"] + served.timeline["running"]
        means.append(Means(float(waits_s.mean()), float(in_system.mean()), served.busy_share))
    return tuple(means)


def waits_s(runs: Sequence[Means]) -> list[float]:
    return [run.wait_s for run in runs]


@pytest.mark.parametrize("engine", [{}, DEFAULT_ENGINE], ids=["plain", "default"])
def test_every_wait_is_lindley_s(engine):
    """wait[i+1] = max(wait[i] + service[i] - gap[i], 0), request by request. Asynchronous
    scheduling delays nobody where every step ends with an empty seat."""
    scenario = one_at_a_time(20_000.0, engine, preroll="0s", fleet={"replicas": 1})
    times = poisson_arrivals(0.8, 20_000.0, 0)
    times = times[times >= 0]
    tokens = service_tokens("exponential", times.size, 0)
    run = serve(scenario, scenario.fleet, workload(times, tokens, 1), 0, 0)
    arrivals_ns = np.rint(times * 1e9).astype(np.int64)[: len(run)]
    services_ns = (tokens * 100_000)[: len(run)]
    wait_ns, waits = 0, []
    for arrival, service, after in zip(
        arrivals_ns, services_ns, [*arrivals_ns[1:], 0], strict=True
    ):
        waits.append(wait_ns)
        wait_ns = max(wait_ns + service - (after - arrival), 0)
    assert len(run) > 15_000
    assert np.max(waits) > 5e9
    measured_ns = (run.first_token_s - run.arrival_s) * 1e9 - services_ns
    assert np.abs(measured_ns - waits).max() < 1e3  # a microsecond: seconds as floats


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_mean_wait_is_m_m_1(rate):
    assert_mean_is(waits_s(queue_runs("exponential", rate, 1, "round-robin")),
                   erlang_c_wait_s(rate, 1.0, 1))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_mean_wait_is_m_d_1(rate):
    assert_mean_is(waits_s(queue_runs("constant", rate, 1, "round-robin")),
                   pollaczek_khinchine_wait_s(rate, 1.0, 0.0))  # fmt: skip


def test_mean_wait_is_m_g_1():
    variance = np.exp(0.6**2) - 1
    assert_mean_is(waits_s(queue_runs("lognormal", 0.6, 1, "least-outstanding")),
                   pollaczek_khinchine_wait_s(0.6, 1.0, variance))  # fmt: skip


@pytest.mark.slow
def test_round_robin_is_e_c_m_1():
    """Dealing in turn to three replicas makes each an E_3/M/1 queue."""
    runs = queue_runs("exponential", 2.4, 3, "round-robin")
    assert_mean_is(waits_s(runs), round_robin_wait_s(2.4, 1.0, 3))


@pytest.mark.slow
def test_the_random_router_makes_independent_m_m_1_queues():
    """A Poisson stream split by fair dice is as many Poisson streams."""
    runs = queue_runs("exponential", 2.1, 3, "random")
    assert_mean_is(waits_s(runs), erlang_c_wait_s(0.7, 1.0, 1))


@pytest.mark.slow
def test_power_of_two_lies_between_random_and_least_outstanding():
    """The same arrivals and services; run by run the means differ by far more than they vary."""
    random, two, least = (
        np.array(waits_s(queue_runs("exponential", 2.1, 3, router)))
        for router in ("random", "power-of-two", "least-outstanding")
    )
    assert (random > 1.5 * two).all()
    assert (two > 1.1 * least).all()


@pytest.mark.slow
def test_least_outstanding_beats_round_robin_and_not_the_central_queue():
    """Joining the shortest queue lies between the two exact answers around it."""
    means = np.mean(waits_s(queue_runs("exponential", 2.4, 3, "least-outstanding")))
    assert erlang_c_wait_s(2.4, 1.0, 3) < means < 0.8 * round_robin_wait_s(2.4, 1.0, 3)


def test_little_s_law():
    """Requests seen by the probe = rate x time in the system. 121 looks a run see less than
    all of its requests do."""
    seen = [run.in_system for run in queue_runs("exponential", 0.7, 1, "round-robin")]
    assert_mean_is(seen, 0.7 * (erlang_c_wait_s(0.7, 1.0, 1) + 1.0), narrow=0.1)


def test_utilisation_is_load_per_replica():
    busy = [run.busy_share for run in queue_runs("exponential", 2.4, 3, "round-robin")]
    assert_mean_is(busy, 2.4 / 3, narrow=0.005)


def test_priority_classes_wait_as_cobham_says():
    """Two classes of the same service: the running request is never interrupted, and the next one
    is the first of the better class."""
    rates = [0.3, 0.5]
    horizon_s = ARRIVALS / sum(rates)
    scenario = one_at_a_time(
        horizon_s,
        {"scheduling_policy": "priority"},
        fleet={"replicas": 1},
        traffic=[small_traffic(name="later", priority=7), small_traffic(name="first")],
    )
    waits: list[list[float]] = [[], []]
    for run in range(RUNS):
        times = poisson_arrivals(sum(rates), horizon_s, run)
        first = stream(2026, "test", run, "class").random(times.size) < rates[0] / sum(rates)
        demand = workload(times, service_tokens("exponential", times.size, run), 1, first * 1)
        served = serve(scenario, scenario.fleet, demand, 0, run)
        wait_s = served.ttft_s - served.input_tokens * 1e-4
        for index, group in enumerate((1, 0)):
            waits[index].append(float(wait_s[served.group == group].mean()))
    for measured, exact in zip(waits, priority_waits_s(rates, 1.0, 2.0), strict=True):
        assert_mean_is(measured, exact)


@pytest.mark.slow
@pytest.mark.parametrize("rate, limit", [(0.8, 1), (1.3, 4)])
def test_a_queue_limit_rejects_as_in_m_m_1_k(rate, limit):
    horizon_s = ARRIVALS / rate
    scenario = one_at_a_time(horizon_s, fleet={"replicas": 1, "queue_limit": limit})
    rejected = []
    for run in range(RUNS):
        times = poisson_arrivals(rate, horizon_s, run)
        demand = workload(times, service_tokens("exponential", times.size, run), 1)
        outcome = serve(scenario, scenario.fleet, demand, 0, run).outcome
        assert set(outcome) == {COMPLETED, REJECTED}
        rejected.append(float((outcome == REJECTED).mean()))
    assert_mean_is(rejected, blocked_share(rate, limit + 1), narrow=0.02)


def seats_workload(rate: float, horizon_s: float, mean_steps: float, run: int) -> Workload:
    times = poisson_arrivals(rate, horizon_s, run)
    steps = stream(2026, "test", run, "steps").geometric(1 / mean_steps, times.size)
    return workload(times, 1, steps)


@pytest.mark.slow
@pytest.mark.parametrize("seats, rate", [(2, 1.4), (4, 3.2)])
def test_mean_wait_for_a_seat_is_erlang_c(seats, rate):
    """One replica with c seats whose step time does not depend on the batch is M/M/c.

    Service is a geometric number of 10 ms steps (mean 1 s). Two known offsets of steps are given
    to the exact value as tolerance. A request that waits starts at a boundary anyway, one that does
    not waits up to a step when others run: half a step more at most. And a geometric number of n
    steps on average varies less than an exponential time, by 1/n of its variance: as in M/G/1, half
    of that part of the wait less.
    """
    horizon_s, step_s = ARRIVALS / rate, 0.01
    scenario = small_scenario(
        engine={"max_num_seqs": seats, "max_num_batched_tokens": 64, "num_gpu_blocks": 10**6},
        latency={"per_step": f"{step_s}s"},
        horizon=f"{horizon_s}s",
        preroll=f"{WARM_UP_S}s",
        clients={"timeout": "100d"},
    )
    fleet = scenario.fleet.model_copy(update={"replicas": 1})
    waits = []
    for run in range(RUNS):
        demand = seats_workload(rate, horizon_s, 1.0 / step_s, run)
        waits.append(float(np.mean(serve(scenario, fleet, demand, 0, run).ttft_s)) - step_s)
    exact = erlang_c_wait_s(rate, 1.0, seats)
    low, high = interval_of(waits)
    assert low - step_s / 2 <= exact <= high + exact * step_s / 2
    assert (high - low) / 2 < 0.05 * exact
