"""How many are up: against binomial and birth-death chains, and right from the start.

Control alone, on a plane without requests. The intervals are so wide that a right program fails
with probability below 1e-4 in each test.
"""

import numpy as np
import pytest
from scipy import stats

from simulator.control.availability import unavailability
from simulator.control.history import MOST_S, history_s
from tests.oracles.idle_plane import control, time_with, up_at
from tests.oracles.small import small_scenario

HOUR_S = 3600.0
WIDE = 5.0
"""Half the width of an interval, in standard errors: 6e-7 of either side."""


def broken(fault, replicas=5, horizon="120h", fleet=None, **failures):
    """A scenario in which one kind of fault takes replicas, and no start follows."""
    base = {"name": "test", "scope": "replica", "effect": "crash", "mtbf": "1h"}
    repairs = fault.pop("repair")
    listed = [{"start": "none"} | each for each in repairs]
    return small_scenario(
        horizon=horizon, drain="0s",
        fleet={"replicas": replicas, "topology": {"gpus_per_node": 1}} | (fleet or {}),
        failures={"faults": [base | fault | {"repair": listed}]} | failures,
    )  # fmt: skip


def shares(scenario, runs=16):
    """float[run, n + 1]: share of time with 0 ... n replicas up."""
    replicas, end_s = scenario.fleet.replicas, scenario.horizon_s
    return np.array(
        [
            time_with(control(scenario, replication=run)[1], replicas, 0.0, end_s)
            for run in range(runs)
        ]
    )


def agree(found, expected):
    """Means over independent runs, against exact values: 99.9999 % intervals of Student's t."""
    error = stats.sem(found) * stats.t.ppf(1 - 5e-7, len(found) - 1) + 1e-12
    assert np.all(np.abs(found.mean(axis=0) - expected) <= error), (found.mean(axis=0), expected)


def birth_death(machines, spares, crews, failure_per_h, repair_per_h):
    """P(k of `machines` work), k = 0 ..., in the machine-repair model with spares."""
    total = machines + spares
    states = total + 1
    rates = np.zeros((states, states))
    for down in range(states):
        if down < total:
            rates[down, down + 1] = min(machines, total - down) * failure_per_h
        if down:
            rates[down, down - 1] = min(down, crews) * repair_per_h
    rates -= np.diag(rates.sum(axis=1))
    balance = np.vstack([rates.T, np.ones(states)])
    share = np.linalg.lstsq(balance, np.append(np.zeros(states), 1.0), rcond=None)[0]
    up = np.zeros(machines + 1)
    for down in range(states):
        up[min(machines, total - down)] += share[down]
    return up


# --- how many are up, in the long run -------------------------------------------------------------


@pytest.mark.parametrize("effect", ["crash", "silence", "hang"])
def test_without_limits_the_number_up_is_binomial(effect):
    scenario = broken({"repair": [{"time": {"exponential": "30min"}}], "effect": effect})
    agree(shares(scenario), stats.binom.pmf(np.arange(6), 5, 2 / 3))


@pytest.mark.parametrize(
    "crews, spares",
    [(1, 0), (2, 0), (1, 2), (2, 1), (None, 2)],
    ids=["1-crew", "2-crews", "1-crew-2-spares", "2-crews-1-spare", "2-spares"],
)
def test_limited_crews_and_spares_are_the_machine_repair_model(crews, spares):
    """M = 5 components, each broken once an hour, half an hour of work by one crew each."""
    limits = {"repair_crews": crews} if crews else {}
    if spares:
        limits["spares"] = {"nodes": spares, "swap": "0s"}
    repair = {"time": {"exponential": "30min"}, "hands_on": True}
    scenario = broken({"repair": [repair]}, **limits)
    agree(shares(scenario), birth_death(5, spares, crews or 99, 1.0, 2.0))


def test_a_swap_takes_its_time_and_the_spare_is_refilled():
    """With many spares an outage is the swap alone: 6 minutes after an hour on average."""
    repair = {"time": {"exponential": "30min"}, "hands_on": True, "swap": "6min"}
    scenario = broken({"repair": [repair]}, spares={"nodes": 100})
    agree(shares(scenario)[:, 5:], stats.binom.pmf([5], 5, 10 / 11))


def test_what_needs_no_hands_waits_for_nobody():
    """One crew for a tenth of the repairs; the others do not wait for it."""
    repairs = [
        {"time": {"exponential": "30min"}, "share": 0.9},
        {"time": {"exponential": "30min"}, "share": 0.1, "hands_on": True},
    ]
    alone = broken({"repair": repairs}, replicas=1, repair_crews=1)
    agree(shares(alone)[:, 1:], np.array([2 / 3]))


@pytest.mark.parametrize(
    "every, repair",
    [
        ({"weibull": "3h", "shape": 0.7}, {"median": "20min", "p95": "2h"}),
        ({"weibull": "3h", "shape": 3.0}, {"weibull": "1h", "shape": 0.5}),
        ({"empirical": ["1h", "2h", "6h"]}, {"uniform": ["10min", "90min"]}),
        ({"median": "2h", "p95": "8h"}, {"exponential": "40min"}),
        ({"fixed": "2h"}, {"fixed": "30min"}),
    ],
    ids=["weibull-lognormal", "wearing-out", "empirical", "lognormal", "fixed"],
)
def test_availability_is_uptime_over_all_from_the_first_instant_on(every, repair):
    """1,200 replicas: at instant 0 and at any later one the same share of them is up."""
    fault = {"every": every, "mtbf": None, "repair": [{"time": repair}]}
    scenario = broken(fault, replicas=1_200, horizon="3h")
    one = scenario.failures.all[0]
    share = one.every.mean_s / (one.every.mean_s + one.mean_repair_s)
    _, books = control(scenario)
    up = up_at(books, 1_200, np.array([0.0, 1.0, 600.0, 3000.0, 10_700.0])).mean(axis=1)
    assert np.abs(up - share).max() < WIDE * np.sqrt(share * (1 - share) / 1_200)


def test_detection_health_checks_and_starts_are_part_of_it_from_the_first_instant_on():
    """1,200 replicas. Time of work runs from the repair on, so that a start falls into it: a
    replica is up with E max(U - start, 0) / (E U + E down), for exponential U and a start s:
    U e^(-s / U) / (U + down)."""
    fault = {
        "effect": "silence", "detection": {"exponential": "10min"}, "mtbf": "2h",
        "repair": [{"time": {"median": "10min", "p95": "40min"}, "start": "cold"}],
    }  # fmt: skip
    checks = {"period": "2min", "threshold": 2, "timeout": "30s"}
    fleet = {"cold_start": "15min", "health_checks": checks}
    scenario = broken(fault, replicas=1_200, horizon="2h", fleet=fleet)
    one = scenario.failures.all[0]
    checked_s = 150 + 120 * (np.arange(1000) + 0.5) / 1000  # E min(detection, a check's instant)
    down_s = np.mean(600 * (1 - np.exp(-checked_s / 600))) + one.mean_repair_s
    share = 7200 * np.exp(-900 / 7200) / (7200 + down_s)
    _, books = control(scenario)
    up = up_at(books, 1_200, np.array([0.0, 5.0, 400.0, 3000.0, 7100.0])).mean(axis=1)
    assert np.abs(up - share).max() < WIDE * np.sqrt(share * (1 - share) / 1_200)


def test_two_kinds_of_fault_are_independent():
    scenario = broken({"repair": [{"time": {"exponential": "30min"}}]}, replicas=1_200,
                      horizon="1h")  # fmt: skip
    second = scenario.failures.faults[0].model_copy(update={"name": "other", "scope": "node"})
    both = scenario.failures.model_copy(update={"faults": (*scenario.failures.faults, second)})
    _, books = control(scenario.model_copy(update={"failures": both}))
    up = up_at(books, 1_200, np.array([0.0, 1800.0])).mean(axis=1)
    assert np.abs(up - 4 / 9).max() < WIDE * np.sqrt(4 / 9 * 5 / 9 / 1_200)


# --- how many spares ------------------------------------------------------------------------------


def test_twenty_of_twenty_one_are_not_up_all_the_time():
    """Availability 0.9871 each and 20 needed: 21 replicas keep 20 up 97.0 % of the time, 22
    99.7 %, 23 99.98 %. 3,000 instants so far apart that they are independent."""
    up_h = 0.9871 / (1 - 0.9871)
    fault = {"mtbf": f"{up_h}h", "repair": [{"time": {"exponential": "1h"}}]}
    scenario = broken(fault, replicas=23, horizon="45000h")
    instants_s = np.arange(3_000) * 15 * HOUR_S
    up = up_at(control(scenario)[1], 23, instants_s)
    for size, told in ((21, 0.970), (22, 0.997), (23, 0.9998)):
        exact = stats.binom.sf(19, size, 0.9871)
        assert exact == pytest.approx(told, abs=6e-4)
        kept = int((up[:, :size].sum(axis=1) >= 20).sum())
        low, high = stats.binom.ppf([1e-5, 1 - 1e-5], 3_000, exact)
        assert low <= kept <= high


def test_the_first_guess_of_the_planner_is_that_availability():
    fault = {"mtbf": "10h", "detection": "6min", "repair": [{"time": "30min", "start": "cold"}]}
    scenario = broken(fault, fleet={"cold_start": "24min"})
    assert unavailability(scenario, scenario.fleet) == pytest.approx(1 / 11)
    assert unavailability(small_scenario(), small_scenario().fleet) == 0.0


def test_a_replica_on_two_nodes_fails_with_either():
    fault = {"scope": "node", "mtbf": "9h", "repair": [{"time": "1h"}]}
    scenario = broken(fault)
    wide = scenario.replica.model_copy(update={"tensor_parallel": 2})
    two = scenario.model_copy(update={"replica": wide})
    assert unavailability(two, two.fleet) == pytest.approx(1 - 0.9**2)


# --- before the traffic ---------------------------------------------------------------------------


def test_only_what_waits_for_others_begins_early():
    hands = {"time": {"exponential": "30min"}, "hands_on": True}
    assert history_s(None) == 0.0
    assert history_s(broken({"repair": [hands]}).failures) == 0.0
    assert history_s(broken({"repair": [hands]}, repair_crews=2).failures) == 5 * 1800
    spared = broken({"repair": [hands | {"time": "200d"}], "mtbf": "1000d"},
                    spares={"nodes": 1})  # fmt: skip
    assert history_s(spared.failures) == MOST_S
    spot = {"scope": "node", "repair": [{"time": "1h"}], "burst": {"share": 0.5, "within": "1min"}}
    assert history_s(broken(spot).failures) == 5 * 3660
