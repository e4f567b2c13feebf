"""Exact answers of queueing theory. Times in seconds, rates per second."""

from itertools import pairwise
from math import factorial

from scipy.optimize import brentq


def erlang_c_wait_s(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Mean wait in M/M/c (Erlang 1917).

    >>> erlang_c_wait_s(0.5, 1.0, 1)
    1.0
    """
    load = arrival_rate / service_rate
    top = load**servers / factorial(servers) * servers / (servers - load)
    waiting = top / (sum(load**k / factorial(k) for k in range(servers)) + top)
    return waiting / (servers * service_rate - arrival_rate)


def pollaczek_khinchine_wait_s(arrival_rate: float, mean_s: float, variance_s2: float) -> float:
    """Mean wait in M/G/1.

    >>> pollaczek_khinchine_wait_s(0.5, 1.0, 1.0), pollaczek_khinchine_wait_s(0.5, 1.0, 0.0)
    (1.0, 0.5)
    """
    second_moment = variance_s2 + mean_s**2
    return arrival_rate * second_moment / (2 * (1 - arrival_rate * mean_s))


def round_robin_wait_s(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Mean wait in E_c/M/1: a Poisson stream dealt in turn to c servers (Kleinrock 1975, 6.4).

    >>> round(round_robin_wait_s(0.5, 1.0, 1), 9)
    1.0
    """

    def excess(sigma: float) -> float:
        rate = service_rate * (1 - sigma)
        return (arrival_rate / (arrival_rate + rate)) ** servers - sigma

    sigma = brentq(excess, 0.0, 1.0 - 1e-9)
    return sigma / (service_rate * (1 - sigma))


def priority_waits_s(rates: list[float], mean_s: float, second_moment_s2: float) -> list[float]:
    """Mean wait of each class in M/G/1 with non-preemptive priorities, the first class before all
    others, all with the same service (Cobham 1954).

    >>> priority_waits_s([0.5], 1.0, 2.0)
    [1.0]
    """
    residual_s = sum(rates) * second_moment_s2 / 2
    loads = [sum(rates[:count]) * mean_s for count in range(len(rates) + 1)]
    return [residual_s / ((1 - before) * (1 - up_to)) for before, up_to in pairwise(loads)]


def blocked_share(load: float, places: int) -> float:
    """Share of arrivals that find M/M/1/K full: one in service, places - 1 waiting.

    >>> blocked_share(1.0, 4), round(blocked_share(0.5, 1), 6)
    (0.2, 0.333333)
    """
    return load**places / sum(load**k for k in range(places + 1))
