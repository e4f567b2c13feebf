"""Times as they are drawn, and as they are found at a random instant. By quadrature: no luck."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from scenarios.failures import Fault
from scenarios.fleet import HealthChecks
from scenarios.times import Time
from simulator.control.openings import openings
from simulator.control.outages import (
    Noticing,
    draw_outage,
    draw_outage_under_way,
    mean_outage_s,
    noticing,
)
from simulator.control.placement import Component, Group
from simulator.control.times import (
    age_and_rest_s,
    biased_quantile_s,
    draw_biased_s,
    draw_residual_s,
    draw_s,
    quantile_s,
)
from simulator.streams import stream

FORMS = {
    "fixed": "30s",
    "lognormal": {"median": "15min", "p95": "40min"},
    "exponential": {"exponential": "2h"},
    "weibull-wearing-out": {"weibull": "100h", "shape": 2.5},
    "weibull-infant": {"weibull": "100h", "shape": 0.7},
    "uniform": {"uniform": ["10s", "2min"]},
    "empirical": {"empirical": ["12min", "3h", "1min", "1min", "0s"]},
}
GRID = (np.arange(200_000) + 0.5) / 200_000


def time_of(form):
    return TypeAdapter(Time).validate_python(form)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_times_have_their_mean(form):
    assert np.mean(quantile_s(time_of(form), GRID)) == pytest.approx(time_of(form).mean_s, rel=2e-3)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_time_found_under_way_is_biased_by_its_length(form):
    """E g(biased) = E x g(x) / E x, for indicators and for x itself."""
    plain_s = np.asarray(quantile_s(time_of(form), GRID))
    biased_s = np.asarray(biased_quantile_s(time_of(form), GRID))
    expected_s = np.mean(plain_s**2) / np.mean(plain_s)
    assert np.mean(biased_s) == pytest.approx(expected_s, rel=5e-3)
    for level in np.quantile(plain_s, (0.1, 0.4, 0.7, 0.95)):
        share = np.sum(plain_s[plain_s <= level]) / np.sum(plain_s)
        assert np.mean(biased_s <= level) == pytest.approx(share, abs=2e-3)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_draws_are_the_quantiles_of_their_stream(form):
    time, luck = time_of(form), stream(1, "test").random(3)
    assert draw_s(time, stream(1, "test")) == quantile_s(time, luck[0])
    assert draw_biased_s(time, stream(1, "test")) == biased_quantile_s(time, luck[0])
    residual_s = draw_residual_s(time, stream(1, "test"))
    assert residual_s == age_and_rest_s(time, luck[0], luck[1])[1]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_age_and_rest_of_what_is_under_way_follow_the_equilibrium(form):
    """P(rest > t) = integral of P(time > x) from t on / mean, and the same of the age; together
    they are the whole, biased by its length."""
    u, v = np.meshgrid(GRID[200::400], GRID[200::400])
    age_s, rest_s = age_and_rest_s(time_of(form), u, v)
    plain_s = np.asarray(quantile_s(time_of(form), GRID))
    whole_s = np.asarray(biased_quantile_s(time_of(form), GRID))
    for level in (0.1, 0.5, 0.9):
        t = np.quantile(whole_s, level) * 0.7
        beyond = np.mean(np.clip(plain_s - t, 0.0, None)) / np.mean(plain_s)
        assert np.mean(age_s > t) == pytest.approx(beyond, abs=3e-3)
        assert np.mean(rest_s > t) == pytest.approx(beyond, abs=3e-3)
        assert np.mean(age_s + rest_s > t) == pytest.approx(np.mean(whole_s > t), abs=3e-3)


# --- who notices ---------------------------------------------------------------------------------

CHECKS = HealthChecks(period="10s", threshold=3, timeout="1s")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_health_checks_notice_between_two_and_three_periods_later(form):
    known = Noticing(time_of(form), CHECKS)
    detected_s = quantile_s(known.detection, (np.arange(1000) + 0.5) / 1000)
    checked_s = 21 + 10 * (np.arange(1000) + 0.5) / 1000
    soonest_s = np.minimum(detected_s[:, None], checked_s[None, :])
    assert known.mean_s == pytest.approx(np.mean(soonest_s), rel=2e-3)


def test_noticing_is_biased_by_its_length_too():
    """20,000 draws; a right program fails with probability below 1e-5."""
    known, rng = Noticing(time_of({"exponential": "20s"}), CHECKS), stream(5, "noticing")
    plain_s = np.array([known.draw_s(rng) for _ in range(20_000)])
    biased_s = np.array([known.draw_biased_s(rng) for _ in range(20_000)])
    expected_s = np.mean(plain_s**2) / np.mean(plain_s)
    error_s = 4.5 * np.hypot(biased_s.std(), plain_s.std()) / np.sqrt(20_000)
    assert abs(np.mean(biased_s) - expected_s) < error_s
    assert plain_s.max() <= 31 and biased_s.max() <= 31


def test_a_hang_is_not_seen_by_health_checks():
    hang = fault(effect="hang", detection="2min")
    assert noticing(hang, CHECKS).mean_s == 120
    assert noticing(fault(detection="2min"), CHECKS).mean_s == pytest.approx(26)


# --- outages -------------------------------------------------------------------------------------


def fault(**parts):
    base = {"name": "test", "scope": "replica", "mtbf": "1h", "repair": "10min"}
    return Fault.model_validate(base | parts)


MIXED = {
    "detection": {"median": "1min", "p95": "5min"},
    "repair": [
        {"share": 0.7, "time": {"exponential": "10min"}},
        {"share": 0.3, "time": {"uniform": ["1h", "3h"]}, "start": "warm"},
    ],
}


def test_outages_have_their_parts_and_mean():
    """20,000 draws; a right program fails with probability below 1e-5 for each check."""
    mixed, rng = fault(**MIXED), stream(2, "outages")
    drawn = [draw_outage(mixed, rng) for _ in range(20_000)]
    lengths_s = np.array([one.undetected_s + one.repair_s for one in drawn])
    error_s = 4.5 * lengths_s.std() / np.sqrt(20_000)
    assert abs(lengths_s.mean() - mean_outage_s(mixed, None)) < error_s
    warm = np.mean([one.repair.start == "warm" for one in drawn])
    assert abs(warm - 0.3) < 4.5 * np.sqrt(0.3 * 0.7 / 20_000)


def test_an_outage_found_under_way_has_the_residual_of_renewal_theory():
    """What is left of it has the mean E T^2 / 2 E T, whatever its parts; so has its age. 20,000
    draws; a right program fails with probability below 1e-5 for each check."""
    mixed, rng = fault(**MIXED), stream(3, "outages")
    detection_s = quantile_s(mixed.detection, GRID)
    squared_s2 = sum(
        repair.share
        * (
            np.mean(detection_s**2)
            + 2 * np.mean(detection_s) * repair.time.mean_s
            + np.mean(quantile_s(repair.time, GRID) ** 2)
        )
        for repair in mixed.repairs
    )
    expected_s = squared_s2 / 2 / mean_outage_s(mixed, None)
    found = [draw_outage_under_way(mixed, None, rng) for _ in range(20_000)]
    left_s = np.array([one.undetected_s + one.repair_s for one in found])
    age_s = np.array([one.age_s for one in found])
    for seen_s in (left_s, age_s):
        assert abs(seen_s.mean() - expected_s) < 4.5 * seen_s.std() / np.sqrt(20_000)
    undetected = np.mean([one.undetected_s > 0 for one in found])
    share = mixed.detection.mean_s / mean_outage_s(mixed, None)
    assert abs(undetected - share) < 4.5 * np.sqrt(share * (1 - share) / 20_000)


@pytest.mark.parametrize(
    "every",
    [{"exponential": "2h"}, {"weibull": "2h", "shape": 0.7}, {"median": "2h", "p95": "8h"}],
    ids=["exponential", "weibull", "lognormal"],
)
def test_components_are_found_in_their_steady_state(every):
    """200,000 of them; a right program fails with probability below 1e-5 for each check."""
    count = 200_000
    one = fault(**MIXED, every=every, mtbf=None)
    part = Component("node-0", "", 0, 0, (0,), {"node": 1})
    group = Group("", (part,) * count, np.arange(count), {"node": np.ones(count)})
    found = openings(one, [group], None, 1800.0, 0.0, lambda pool: stream(6, "found"))
    up_s, down_s = one.every.mean_s, mean_outage_s(one, None)
    broken = np.mean([each.broken for each in found]) * len(found) / count
    share = down_s / (up_s + down_s)
    assert abs(broken - share) < 4.5 * np.sqrt(share * (1 - share) / count)
    # Within half an hour a working one breaks with probability E min(U, half an hour) / E U.
    soon = np.mean(np.minimum(quantile_s(one.every, GRID), 1800.0)) / up_s
    breaking = sum(not each.broken for each in found) / (count * (1 - broken))
    assert abs(breaking - soon) < 4.5 * np.sqrt(soon * (1 - soon) / (count * (1 - share)))


def test_health_checks_make_fewer_of_them_broken():
    checked, count = fault(detection="1h", repair="10min", mtbf="1h"), 100_000
    part = Component("replica-0", "", 0, 0, (0,), {"replica": 1})
    group = Group("", (part,) * count, np.arange(count), {"replica": np.ones(count)})
    found = openings(checked, [group], CHECKS, 0.0, 0.0, lambda pool: stream(7, "found"))
    share = 626 / (3600 + 626)
    assert abs(len(found) / count - share) < 4.5 * np.sqrt(share * (1 - share) / count)


def test_a_slow_component_keeps_a_share_of_its_speed():
    slow = fault(effect="slow", speed=[0.5, 0.8])
    drawn = [draw_outage(slow, stream(4, "slow", i)).slowness for i in range(200)]
    assert 1 / 0.8 <= min(drawn) < max(drawn) <= 2.0
    assert draw_outage(fault(), stream(4, "slow")).slowness == 1.0
