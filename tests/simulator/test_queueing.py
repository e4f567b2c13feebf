"""The simulator against queueing theory: mean waits, Little's law, utilisation.

First path by path: every single wait must be Lindley's, to the nanosecond. Then against the
formulas: the exact mean must lie in the 99.995 % t-interval of independent runs, so a right
simulator fails one of these tests with probability 5e-5 (approximately: means of thousands of
waits are close to normal). Seeds are fixed.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from scenarios.model import Scenario
from simulator.run import Run
from simulator.simulate import serve
from simulator.streams import stream
from simulator.traffic import Workload
from tests.oracles.queues import (
    erlang_c_wait_s,
    pollaczek_khinchine_wait_s,
    round_robin_wait_s,
)
from tests.oracles.small import small_scenario, workload

pytestmark = pytest.mark.slow

LEVEL = 0.99995
RUNS = 24
MEAN_TOKENS = 10_000
WARM_UP_S = 500.0


def assert_mean_is(values: list[float], exact: float) -> None:
    low, high = stats.t.interval(LEVEL, len(values) - 1, np.mean(values), stats.sem(values))
    assert low <= exact <= high
    # A test that any answer passes proves nothing: the interval must be narrow.
    assert (high - low) / 2 < 0.4 * exact


def one_at_a_time(horizon_s: float, **parts: object) -> Scenario:
    """A scenario whose replicas serve one request at a time, 0.1 ms per prompt token."""
    huge = {"max_num_seqs": 1, "max_num_batched_tokens": 10**9, "max_model_len": 10**9,
            "num_gpu_blocks": 10**9}  # fmt: skip
    given = {"horizon": f"{horizon_s}s", "preroll": f"{WARM_UP_S}s", "clients": {"timeout": "100d"}}
    return small_scenario(huge, {"per_prefill_token": "100us"}, **(given | parts))


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


@cache
def queue_runs(kind: str, rate: float, replicas: int, router: str) -> tuple[Run, ...]:
    horizon_s = 4_000.0 / rate
    scenario = one_at_a_time(horizon_s, fleet={"replicas": replicas, "router": router})
    runs = []
    for run in range(RUNS):
        times = poisson_arrivals(rate, horizon_s, run)
        demand = workload(times, service_tokens(kind, times.size, run), 1)
        runs.append(serve(scenario, scenario.fleet, demand, 0, run))
    return tuple(runs)


def waits_s(runs: tuple[Run, ...]) -> list[float]:
    return [float(np.mean(run.ttft_s - run.input_tokens * 1e-4)) for run in runs]


def test_every_wait_is_lindley_s():
    """wait[i+1] = max(wait[i] + service[i] - gap[i], 0), request by request."""
    scenario = one_at_a_time(5_000.0, preroll="0s", fleet={"replicas": 1})
    times = poisson_arrivals(0.8, 5_000.0, 0)
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
    assert len(run) > 3_000
    assert np.max(waits) > 5e9
    measured_ns = (run.first_token_s - run.arrival_s) * 1e9 - services_ns
    assert np.abs(measured_ns - waits).max() < 1e3  # a microsecond: seconds as floats


@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_mean_wait_is_m_m_1(rate):
    assert_mean_is(waits_s(queue_runs("exponential", rate, 1, "round-robin")),
                   erlang_c_wait_s(rate, 1.0, 1))  # fmt: skip


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_mean_wait_is_m_d_1(rate):
    assert_mean_is(waits_s(queue_runs("constant", rate, 1, "round-robin")),
                   pollaczek_khinchine_wait_s(rate, 1.0, 0.0))  # fmt: skip


def test_mean_wait_is_m_g_1():
    variance = np.exp(0.6**2) - 1
    assert_mean_is(waits_s(queue_runs("lognormal", 0.6, 1, "least-outstanding")),
                   pollaczek_khinchine_wait_s(0.6, 1.0, variance))  # fmt: skip


def test_round_robin_is_e_c_m_1():
    """Dealing in turn to three replicas makes each an E_3/M/1 queue."""
    runs = queue_runs("exponential", 2.4, 3, "round-robin")
    assert_mean_is(waits_s(runs), round_robin_wait_s(2.4, 1.0, 3))


def test_least_outstanding_beats_round_robin_and_not_the_central_queue():
    """Joining the shortest queue lies between the two exact answers around it."""
    means = np.mean(waits_s(queue_runs("exponential", 2.4, 3, "least-outstanding")))
    assert erlang_c_wait_s(2.4, 1.0, 3) < means < round_robin_wait_s(2.4, 1.0, 3)


def test_little_s_law():
    """Requests seen by the probe = rate x time in the system."""
    runs = queue_runs("exponential", 0.7, 1, "round-robin")
    seen = [float((run.timeline["waiting"] + run.timeline["running"]).mean()) for run in runs]
    assert_mean_is(seen, 0.7 * (erlang_c_wait_s(0.7, 1.0, 1) + 1.0))


def test_utilisation_is_load_per_replica():
    busy = [run.busy_share for run in queue_runs("exponential", 2.4, 3, "round-robin")]
    assert_mean_is(busy, 2.4 / 3)


def seats_workload(rate: float, horizon_s: float, mean_steps: float, run: int) -> Workload:
    times = poisson_arrivals(rate, horizon_s, run)
    steps = stream(2026, "test", run, "steps").geometric(1 / mean_steps, times.size)
    return workload(times, 1, steps)


@pytest.mark.parametrize("seats, rate", [(2, 1.4), (4, 3.2)])
def test_mean_wait_for_a_seat_is_erlang_c(seats, rate):
    """One replica with c seats whose step time does not depend on the batch is M/M/c.

    Service is a geometric number of 20 ms steps (mean 1 s). Two known offsets of the steps: a
    request that waits starts at a boundary anyway, one that does not wait up to a step when others
    run. Half a step bounds their mean, 10 ms, and is given to the exact value as tolerance.
    """
    horizon_s, step_s = 1_500.0 / rate, 0.02
    scenario = small_scenario(
        engine={"max_num_seqs": seats, "max_num_batched_tokens": 64, "num_gpu_blocks": 10**6},
        latency={"per_step": "20ms"},
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
    low, high = stats.t.interval(LEVEL, RUNS - 1, np.mean(waits), stats.sem(waits))
    assert low - step_s / 2 <= exact <= high
    assert (high - low) / 2 < 0.5 * exact
