"""Exact answers of queueing theory. Times in seconds, rates per second."""

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
