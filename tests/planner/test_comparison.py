"""Which periods of two sets are compared, and what is found, on sets made by hand."""

from copy import deepcopy
from math import inf

import numpy as np
import pytest

from planner.comparison import KEPT, compare
from planner.sequential import confidence_sequence
from tests.made_sets import EXAMPLE, make_periods, make_set


def only(a, b):
    (comparison,) = compare([a, b])
    return comparison, {finding.name: finding for finding in comparison.findings}


def test_a_set_beside_itself_is_the_same_exactly():
    one = make_set(make_periods())
    comparison, found = only(one, one)
    assert comparison.paired and comparison.same_demand
    assert {finding.verdict for finding in found.values()} == {"same"}
    assert list(found)[:4] == [KEPT, "ttft p95", "tpot p95", "error_rate"]
    assert len(found) == 18, "objectives that are a metric are not told twice"


def test_pairs_show_what_independent_periods_cannot():
    """A millisecond, where periods spread over twenty."""
    before = make_periods()
    after = make_periods(ttft_s_p95=before["ttft_s_p95"].to_numpy() + 0.001)
    _, found = only(make_set(before), make_set(after))
    ttft = found.pop("ttft p95")
    assert (ttft.verdict, ttft.higher, ttft.lower) == ("differs", 20, 0)
    assert (ttft.difference, ttft.low, ttft.high) == pytest.approx((0.001, 0.001, 0.001))
    assert {finding.verdict for finding in found.values()} == {"same"}
    comparison, found = only(make_set(before), make_set(after, seed=8))
    assert not comparison.paired and not comparison.same_demand
    assert found["ttft p95"].verdict == "noise"
    assert found["ttft p95"].low < 0.001 < found["ttft p95"].high


def test_one_seed_pairs_other_demand_too():
    busier = make_set(make_periods(), traffic=[{"name": "other"}])
    comparison, _ = only(make_set(make_periods()), busier)
    assert comparison.paired and not comparison.same_demand


def test_pairs_are_periods_of_one_number_in_any_order():
    a, b = make_periods(30), make_periods(25, first=5).iloc[::-1]
    comparison, found = only(make_set(a), make_set(b))
    assert comparison.periods == (25, 25)
    assert {finding.verdict for finding in found.values()} == {"same"}


def test_one_seed_without_a_period_in_common_is_independent():
    later = make_set(make_periods(20, first=100))
    comparison, _ = only(make_set(make_periods()), later)
    assert not comparison.paired and comparison.periods == (20, 20)


def test_stopped_periods_count_as_broken_and_have_no_figures():
    lost = np.arange(20) < 8
    stopped = make_periods(kept=~lost, stopped_early=lost, ttft_s_p95=np.where(lost, 9.0, 0.1))
    comparison, found = only(make_set(make_periods(ttft_s_p95=0.1)), make_set(stopped))
    assert comparison.periods == (20, 20) and comparison.whole == (12, 12)
    assert found["ttft p95"].verdict == "same" and found["ttft p95"].a.replications == 12
    assert (found[KEPT].lower, found[KEPT].higher) == (8, 0)
    assert found[KEPT].p == 2 / 2**8 and found[KEPT].verdict == "noise", "one of 18 figures"


def test_stopped_everywhere_leaves_kept_alone():
    stopped = make_periods(kept=False, stopped_early=True)
    _, found = only(make_set(make_periods()), make_set(stopped))
    assert list(found) == [KEPT] and found[KEPT].verdict == "differs"


def test_never_is_slower_than_anything():
    _, found = only(make_set(make_periods()), make_set(make_periods(e2e_s_p99=inf)))
    assert found["e2e p99"].verdict == "differs" and found["e2e p99"].difference == inf


def test_few_periods_say_so():
    slower = make_periods(5, ttft_s_p95=1.0)
    _, found = only(make_set(make_periods(5)), make_set(slower))
    assert found["ttft p95"].verdict == "too few"


def test_all_sets_share_the_error():
    """Eight figures of 18 fall short at p = 2/2^10 once 36 are looked at."""
    ten = make_periods(10)
    slower = make_periods(10, ttft_s_p95=ten["ttft_s_p95"].to_numpy() + 0.001)
    one, other = make_set(ten), make_set(slower)
    assert compare([one, other])[0].findings[1].verdict == "differs"
    assert compare([one, one, other])[1].findings[1].verdict == "too few"


def test_without_a_promise_figures_are_compared_alone():
    no_sla = make_set(make_periods(), sla={"objectives": []})
    _, found = only(no_sla, make_set(make_periods()))
    assert KEPT not in found and "ttft p95" in found


def test_what_objectives_are_about_is_compared_whatever_they_promise():
    periods = make_periods()
    other = periods.rename(columns={"ttft p95 <= 500ms": "ttft p95 <= 1s"})
    promised = {"objectives": ["ttft p95 <= 1s"], "probability": 0.9}
    _, found = only(make_set(periods), make_set(other, sla=promised))
    assert found["ttft p95"].verdict == "same"


def test_a_plan_keeps_the_interval_of_its_certificate():
    one = make_set(make_periods())
    plan = {"scenario": one.manifest["scenario"], "figures_of": 5,
            "certificate": {"confidence": 0.9}}  # fmt: skip
    _, found = only(one, one._replace(plan=plan))
    assert found[KEPT].a.low == pytest.approx(0.832, abs=1e-3)
    assert (found[KEPT].b.low, found[KEPT].b.high) == confidence_sequence(20, 0, 1 - 0.9)


def test_an_autoscaled_plan_is_of_the_fleet_that_was_run():
    """A plan counts the fewest replicas; a simulation of the same fleet asks the same question."""
    fleet = deepcopy(EXAMPLE["fleet"])
    scaling = {"replicas": "1..6", "targets": [{"outstanding": 4.0}]}
    simulated = make_set(make_periods(), fleet=fleet | {"autoscaling": scaling}, replicas=3)
    plan = {"scenario": simulated.manifest["scenario"]}
    run = simulated._replace(plan=plan, replicas=2).scenario["fleet"]
    assert (run["replicas"], run["autoscaling"]["replicas"]) == (3, "2..6")
    assert simulated._replace(replicas=4).scenario["fleet"]["replicas"] == 4
