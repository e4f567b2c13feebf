"""Drawn samples against exact laws, and the closed forms of those laws.

Statistical tests compare draws of a fixed seed with exact laws; a right program fails any one
assertion with a probability of at most FALSE_ALARM, were its seed drawn anew.
"""

import numpy as np
from scipy import special, stats

from simulator.streams import stream
from simulator.traffic.drawing import Period

FALSE_ALARM = 1e-5


def streams(name, replication=0):
    """The random streams of one drawing, by purpose."""
    return lambda *purpose: stream(11, name, replication, *purpose)


def span(start_s, end_s, week_s=0.0, horizon_s=None):
    """A period of which [0, end_s) is counted, unless `horizon_s` says less."""
    return Period(start_s, end_s, end_s if horizon_s is None else horizon_s, week_s)


def assert_poisson(total, expected, alarm=FALSE_ALARM):
    low, high = stats.poisson.interval(1 - alarm, expected)
    assert low <= total <= high


def assert_binomial(hits, size, chance, alarm=FALSE_ALARM):
    low, high = stats.binom.interval(1 - alarm, size, chance)
    assert low <= hits <= high


def assert_mean(samples, exact, alarm=FALSE_ALARM):
    """The exact mean lies in the t-interval of independent samples."""
    low, high = stats.t.interval(1 - alarm, len(samples) - 1, np.mean(samples), stats.sem(samples))
    assert low <= exact <= high


def assert_law(samples, cdf, alarm=FALSE_ALARM):
    """Kolmogorov and Smirnov's test of independent samples of a continuous law."""
    assert stats.kstest(samples, cdf).pvalue > alarm


def residual_weibull(shape, mean):
    """The law of the wait for the next of Weibull gaps, at any instant: their integrated tail."""
    scale = mean / special.gamma(1 + 1 / shape)
    return lambda wait: special.gammainc(1 / shape, (np.asarray(wait) / scale) ** shape)


def mmpp_dispersion(levels, lasts_s, follow, rate_per_s, t_s):
    """Variance over mean of the arrivals within t_s of a stationary MMPP.

    Var N(t) = m t + 2 t (m^2 - pi L D l) + 2 pi L (e^(Q t) - I) D^2 l with D = (Q + e pi)^-1, m the
    mean rate, l the rates and L = diag(l): Fischer and Meier-Hellstern 1993, 'The Markov-modulated
    Poisson process (MMPP) cookbook', section 2.
    """
    generator = (np.asarray(follow) - np.eye(len(levels))) / np.asarray(lasts_s)[:, None]
    pi = stationary(generator)
    rates = np.asarray(levels, dtype=float)
    rates = rates * rate_per_s / (pi @ rates)
    deviation = np.linalg.inv(generator + np.outer(np.ones(len(pi)), pi))
    values, vectors = np.linalg.eig(generator * t_s)
    power = np.real(vectors @ np.diag(np.exp(values)) @ np.linalg.inv(vectors))
    weighted = pi * rates
    mean = rate_per_s * t_s
    variance = mean + 2 * t_s * (rate_per_s**2 - weighted @ deviation @ rates)
    variance += 2 * weighted @ (power - np.eye(len(pi))) @ deviation @ deviation @ rates
    return variance / mean


def stationary(generator):
    """pi with pi Q = 0."""
    states = len(generator)
    system = np.vstack([generator.T, np.ones(states)])
    return np.linalg.lstsq(system, np.append(np.zeros(states), 1.0), rcond=None)[0]


def on_off_dispersion(on_s, off_s, rate_per_s, t_s):
    """The same for two states, one of them silent, in one line."""
    on = on_s / (on_s + off_s)
    leaving = 1 / on_s + 1 / off_s
    excess = 2 * rate_per_s * (1 - on) / on / leaving
    return 1 + excess * (1 + np.expm1(-leaving * t_s) / (leaving * t_s))
