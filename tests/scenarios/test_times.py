"""Times: how they are written, and what they are on average."""

import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from scenarios.times import EmpiricalTime, FixedTime, LognormalTime, Time, UniformTime, WeibullTime

TIME = TypeAdapter(Time)
WRITTEN = [
    ("30s", FixedTime, 30.0),
    ({"fixed": "2min"}, FixedTime, 120.0),
    ({"median": "15min", "p95": "15min"}, LognormalTime, 900.0),
    ({"exponential": "2h"}, None, 7200.0),
    ({"weibull": "100h", "shape": 0.7}, WeibullTime, 360000.0),
    ({"uniform": ["10s", "2min"]}, UniformTime, 65.0),
    ({"empirical": ["12min", "3h", "0s"]}, EmpiricalTime, 3840.0),
]


@pytest.mark.parametrize("data, family, mean_s", WRITTEN)
def test_the_keys_say_the_family(data, family, mean_s):
    time = TIME.validate_python(data)
    assert family is None or type(time) is family
    assert time.mean_s == mean_s
    written = TIME.dump_python(time, mode="json", by_alias=True)
    assert TIME.validate_python(written) == time


@pytest.mark.parametrize("data, family, mean_s", WRITTEN)
def test_a_time_can_be_stretched(data, family, mean_s):
    assert TIME.validate_python(data).times(2.5).mean_s == pytest.approx(2.5 * mean_s)


def test_a_lognormal_has_the_quantiles_it_is_written_with():
    time = TIME.validate_python({"median": "15min", "p95": "2h"})
    exact = stats.lognorm(time.sigma, scale=900.0)
    assert exact.ppf(0.95) == pytest.approx(7200.0)
    assert exact.mean() == pytest.approx(time.mean_s)


def test_a_weibull_has_the_mean_it_is_written_with():
    time = TIME.validate_python({"weibull": "100h", "shape": 0.7})
    assert stats.weibull_min(0.7, scale=time.scale_s).mean() == pytest.approx(360000.0)


@pytest.mark.parametrize(
    "data", [30, None, {}, {"mean": "3s"}, [], "3", {"median": "3s"}, {"fixed": "3s", "p95": "4s"}]
)
def test_what_is_no_time_is_refused(data):
    with pytest.raises(ValidationError):
        TIME.validate_python(data)
