"""Rate tables, and the noise that is taken out of them."""

import numpy as np
import pytest

from calibration.traffic.windows import (
    RateTable,
    rate_table,
    shrinkage,
    variance_over,
    window_counts,
)
from simulator.streams import stream


@pytest.mark.parametrize("recorded, own, kept", [(4.0, 3.0, 0.5), (4.0, 0.0, 1.0), (2.0, 2.0, 0.0),
                                                 (1.0, 5.0, 0.0), (0.0, 0.0, 0.0)])  # fmt: skip
def test_shrinkage_is_the_root_of_the_share_that_is_left(recorded, own, kept):
    assert shrinkage(recorded, own) == kept


def test_shrunk_factors_and_the_process_vary_together_as_recorded():
    factors = np.array([0.2, 1.8, 1.0, 0.5, 1.5])
    table = RateTable(60.0, factors)
    for own in (0.0, 0.1, 0.29):
        shrunk = table.shrunk(own)
        assert shrunk.mean() == pytest.approx(1.0)
        assert shrunk.var() + own == pytest.approx(factors.var())
        assert np.all(shrunk >= 0)
        assert np.corrcoef(shrunk, factors)[0, 1] == pytest.approx(1.0)


def test_a_table_of_pure_chance_is_flat():
    """Poisson at a constant rate: of the variance of 400 windows next to nothing is the rate's.
    The limit is four standard errors of a variance ratio (2 / 400) out: 1 seed in 10^4 fails."""
    arrivals = np.sort(stream(5, "flat").random(40_000)) * 24_000.0
    table = rate_table(arrivals, 24_000.0, 60.0)
    own = 1 / (40_000 / 400)
    assert table.recorded.size == 400
    assert table.shrunk(own).var() < 4 * np.sqrt(2 / 400) * own


def test_windows_are_a_minute_and_longer_where_that_is_more_than_a_hundred():
    arrivals = np.linspace(0, 9_000, 50_000, endpoint=False)
    assert rate_table(arrivals[arrivals < 2_400], 2_400.0).every_s == 60.0
    assert rate_table(arrivals, 9_000.0).every_s == 120.0
    assert rate_table(arrivals, 86_400.0).every_s == 900.0


def test_an_incomplete_last_window_is_left_out():
    counts = window_counts(np.array([0.0, 1.0, 9.0, 20.5]), 21.0, 10.0)
    assert counts.tolist() == [3.0, 0.0]


def test_variance_of_factors_over_bins_that_are_longer_than_windows():
    factors = np.array([1.0, 3.0, 5.0, 7.0])
    assert variance_over(factors, 60.0, 10.0) == factors.var()
    assert variance_over(factors, 60.0, 120.0) == 4.0
    assert variance_over(factors, 60.0, 300.0) == 0.0  # less than two bins
