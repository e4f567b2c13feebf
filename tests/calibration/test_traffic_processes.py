"""Closed forms of arrival processes against exact answers, and against arrivals that are drawn."""

import numpy as np
import pytest

from calibration.traffic.processes import MarkovProcess, RenewalProcess
from simulator.streams import stream

ONE = np.ones(1)


def drawn(process, size, rng):
    """Gaps of a renewal process, as instants."""
    if process.family == "gamma":
        gaps = rng.gamma(1 / process.cv**2, process.cv**2, size)
    else:
        gaps = rng.weibull(1.0, size)  # cv 1: exponential
    return np.cumsum(gaps) / process.rate_per_s


# --- exact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bin_s", [0.1, 1.0, 60.0])
def test_poisson_is_one_at_every_scale(bin_s):
    process = RenewalProcess(3.0)
    assert process.dispersion(bin_s) == 1.0
    assert process.empty_share(bin_s, ONE)[0] == pytest.approx(np.exp(-3.0 * bin_s))
    assert process.squared_gap_s2(ONE)[0] == pytest.approx(2 / 9)


@pytest.mark.parametrize("rates", [(10.0, 0.0), (12.0, 3.0), (0.5, 40.0)])
@pytest.mark.parametrize("bin_s", [0.01, 1.0, 30.0])
def test_two_states_have_the_closed_form_of_the_cookbook(rates, bin_s):
    """Fischer and Meier-Hellstern 1993, for two states: an exponential in the bin's length."""
    lasts = (2.0, 8.0)
    share = 0.2
    rate = share * rates[0] + (1 - share) * rates[1]
    q = 1 / 2.0 + 1 / 8.0
    limit = 2 * (rates[0] - rates[1]) ** 2 * share * (1 - share) / (rate * q)
    exact = 1 + limit * (1 - (1 - np.exp(-q * bin_s)) / (q * bin_s))
    assert MarkovProcess(rates, lasts).dispersion(bin_s) == pytest.approx(exact, rel=1e-9)


def test_an_interrupted_poisson_process_has_hyperexponential_gaps():
    """Kuczura 1973: on 1/a, off 1/b, rate r while on: gaps of mean (a + b) / (r b)."""
    on_s, off_s, rate = 2.0, 8.0, 10.0
    process = MarkovProcess((rate, 0.0), (on_s, off_s))
    a, b = 1 / on_s, 1 / off_s
    mean_s = (a + b) / (rate * b)
    assert process.rate_per_s == pytest.approx(1 / mean_s)
    # Moments of a gap from the first one on while on: E = (1 + a / b) / r, and by renewal.
    second = 2 * ((1 + a / b) / rate) ** 2 + 2 * a / (rate * b**2)
    assert process.squared_gap_s2(ONE)[0] == pytest.approx(second)


def test_states_of_one_rate_are_poisson():
    process = MarkovProcess((4.0, 4.0, 4.0), (1.0, 5.0, 9.0))
    assert process.dispersion(10.0) == pytest.approx(1.0)
    assert process.empty_share(0.5, ONE)[0] == pytest.approx(np.exp(-2.0))
    assert process.squared_gap_s2(ONE)[0] == pytest.approx(2 / 16)


@pytest.mark.parametrize("family", ["gamma", "weibull"])
@pytest.mark.parametrize("cv", [0.5, 1.7, 3.0])
def test_renewal_dispersion_goes_from_one_to_the_squared_cv(family, cv):
    process = RenewalProcess(1.0, family, cv)
    found = [process.dispersion(bin_s) for bin_s in (0.01, 0.1, 1.0, 10.0, 100.0)]
    assert found == sorted(found, reverse=cv < 1)
    assert min(1.0, cv**2) < min(found) and max(found) < max(1.0, cv**2)
    assert process.dispersion(2e4) == pytest.approx(cv**2, rel=0.03)


@pytest.mark.parametrize("process", [RenewalProcess(2.0, "gamma", 2.5),
                                     RenewalProcess(2.0, "weibull", 2.5),
                                     MarkovProcess((9.0, 0.5), (3.0, 12.0))])  # fmt: skip
def test_a_factor_is_another_rate(process):
    """Of empty bins and gaps: a rate twice as high is the same as the process at that rate."""
    if isinstance(process, RenewalProcess):
        other = RenewalProcess(4.0, process.family, process.cv)
    else:
        other = MarkovProcess((18.0, 1.0), process.lasts_s)
    assert process.empty_share(0.7, 2 * ONE) == pytest.approx(other.empty_share(0.7, ONE))
    assert process.squared_gap_s2(2 * ONE) == pytest.approx(other.squared_gap_s2(ONE))


# --- against draws -------------------------------------------------------------------------------


@pytest.mark.parametrize("cv", [0.5, 2.5, 8.0])
@pytest.mark.parametrize("bin_s", [1.0, 20.0])
def test_gamma_gaps_show_what_was_expected(cv, bin_s):
    """Two million gaps: the error of the variance is below 2 %, of empty bins below 1 point; the
    limits lie five standard errors out (a false alarm in 10^6 seeds)."""
    process = RenewalProcess(2.0, "gamma", cv)
    instants = drawn(process, 2_000_000, stream(7, "gaps", int(cv * 10)))
    counts = np.bincount((instants / bin_s).astype(int))[1:-1]
    assert process.dispersion(bin_s) == pytest.approx(counts.var() / counts.mean(), rel=0.08)
    assert process.empty_share(bin_s, ONE)[0] == pytest.approx(np.mean(counts == 0), abs=0.01)
    gaps = np.diff(instants)
    assert process.squared_gap_s2(ONE)[0] == pytest.approx(np.mean(gaps**2), rel=0.08)
