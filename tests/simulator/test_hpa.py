"""The autoscaler's rules against what Kubernetes documents and tests.

DOCS is https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale (2026). KEP is
https://github.com/kubernetes/enhancements/tree/master/keps/sig-autoscaling/853-configurable-hpa-scale-velocity.
UNIT is the numbers of Kubernetes' own tests, replica_calculator_test.go and horizontal_test.go in
pkg/controller/podautoscaler (commits a769d588 and 060da168).
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.fleet import Autoscaling
from simulator.control.scaling.hpa import (
    History,
    Noted,
    decide,
    limited,
    recommended,
    stabilised,
)
from simulator.control.scaling.proposals import (
    Each,
    Observed,
    Total,
    Value,
    from_each,
    from_total,
    from_value,
    propose,
)

SECONDS_15, MINUTE = 15.0, 60.0
PODS_4 = {"kind": "pods", "value": 4, "period": "60s"}
PODS_5 = {"kind": "pods", "value": 5, "period": "60s"}
PERCENT_10 = {"kind": "percent", "value": 10, "period": "60s"}


def scaling(replicas="1..1000", **parts):
    return Autoscaling.model_validate({"replicas": replicas, "target_outstanding": 1} | parts)


def sizes(autoscaling, current, proposals, every_s=SECONDS_15, history=None):
    """The number of replicas after each decision, when the metrics ask for these numbers."""
    history, path = history or History(), []
    for count, proposal in enumerate(proposals, start=1):
        # A metric without tolerance that asks for exactly `proposal`.
        wish = Value("wish", 1, proposal / current)
        history, current, _ = decide(
            history, count * every_s, current, Observed(current, [wish]), autoscaling
        )
        path.append(current)
    return path


def at_once(**parts):
    """Without tolerance, so that the metrics get their say, and without stabilisation."""
    return {"tolerance": 0, "scale_down": {"stabilisation": "0s"}} | parts


# --- the algorithm ------------------------------------------------------------------------------


def test_twice_the_target_doubles_and_half_of_it_halves():
    """DOCS, Algorithm details: 200m against 100m, 50m against 100m."""
    assert from_value(200, 100, current=3, ready=3, tolerance=0.1) == 6
    assert from_value(50, 100, current=4, ready=4, tolerance=0.1) == 2


@pytest.mark.parametrize(
    "total, target, current, tolerance, expected",
    [
        (8600, 2150, 3, 0.1, 4),
        (8600, 2867, 5, 0.1, 3),
        (8600, 2900, 3, 0.1, 3),
        (8600, 2800, 3, 0.01, 4),
        (20000, 5000, 3, 0.1, 4),
        (6000, 2000, 5, 0.1, 3),
        (20166, 5000, 4, 0.1, 4),
        (20208, 5000, 4, 0.01, 5),
        (8600, 2200, 4, 0.1, 4),
    ],
)
def test_average_values(total, target, current, tolerance, expected):
    """UNIT: TestReplicaCalc{External,Object}PerPodMetric, TestTolerance; in thousandths."""
    assert from_total(total, target, current, tolerance) == expected


@pytest.mark.parametrize(
    "value, target, current, ready, tolerance, expected",
    [
        (8600, 4400, 3, 1, 0.1, 2),  # "would be 6 if we didn't ignore unready pods"
        (8600, 14334, 5, 5, 0.1, 3),
        (8600, 8888, 3, 3, 0.1, 3),
        (8900, 8800, 3, 3, 0.01, 4),
        (20000, 15000, 3, 3, 0.1, 4),
        (50000, 10000, 3, 1, 0.1, 5),
        (12000, 20000, 5, 5, 0.1, 3),
        (20666, 20000, 3, 3, 0.1, 3),
        (20666, 20000, 3, 3, 0.01, 4),
    ],
)
def test_values(value, target, current, ready, tolerance, expected):
    """UNIT: TestReplicaCalc{External,Object}Metric."""
    assert from_value(value, target, current, ready, tolerance) == expected


@pytest.mark.parametrize(
    "values, starting, missing, target, current, tolerance, expected",
    [
        ((20, 10, 30), 0, 0, 15, 3, 0.1, 4),
        ((50, 10, 30), 0, 0, 15, 3, 0.1, 6),
        ((50, 15, 30), 0, 0, 15, 3, 0.1, 7),
        ((12,) * 5, 0, 0, 20, 5, 0.1, 3),
        ((20, 21, 21), 0, 0, 20, 3, 0.1, 3),
        ((20, 21, 21), 0, 0, 20, 3, 0.01, 4),
        ((20, 19, 21), 0, 2, 20, 5, 0.1, 5),
        ((10, 10), 0, 1, 17, 2, 0.1, 2),  # a surge pod without metrics
        # CPU as a share of the request. Not where the share counts that a missing pod is taken for:
        # all of its request there, the target here, as for all metrics but resources.
        ((0.3, 0.5, 0.7), 0, 0, 0.3, 3, 0.1, 5),
        ((0.5, 0.7), 1, 0, 0.3, 3, 0.1, 4),
        ((0.4,), 2, 0, 0.3, 3, 0.1, 3),
        ((0.5, 0.7), 0, 0, 0.3, 2, 0.1, 4),
        ((0.1, 0.3, 0.5, 0.25, 0.25), 0, 0, 0.5, 5, 0.1, 3),
        ((0.1, 0.3, 0.5), 2, 0, 0.5, 5, 0.1, 2),
        ((0.1,), 4, 0, 0.5, 5, 0.1, 1),
        ((0.4, 0.095), 0, 2, 1.0, 4, 0.1, 3),
        ((1.0,), 0, 1, 1.0, 2, 0.1, 2),
        ((1.9,), 0, 1, 1.0, 2, 0.1, 2),
        ((0.6,), 0, 1, 1.0, 2, 0.1, 2),
        ((0.45,), 1, 1, 0.5, 3, 0.1, 3),
        ((2.0,), 1, 1, 0.5, 3, 0.1, 4),
        ((0.1, 0.1), 0, 1, 0.5, 2, 0.1, 2),
    ],
)  # fmt: skip
def test_metrics_of_each_replica(values, starting, missing, target, current, tolerance, expected):
    """UNIT: TestReplicaCalcPodMetric, TestReplicaCalcResource{Scale,MissingMetrics}."""
    assert from_each(Each("x", target, values, starting, missing), current, tolerance) == expected


def test_without_a_single_value_there_is_no_proposal():
    """UNIT: "no metrics returned from metrics API", "empty metrics from all pods"."""
    assert from_each(Each("x", 1, (), 2, 2), 4, 0.1) is None
    assert propose(4, Observed(0, [Each("x", 1, (), 2, 2)]), 0.1) == (None, "no data")


def test_the_largest_proposal_counts():
    """DOCS, Scaling on multiple metrics."""
    readings = [Total("queue", 5, 40), Total("running", 30, 90), Each("kv", 0.7, (0.35,) * 4, 0, 0)]
    assert propose(4, Observed(4, readings), 0.1) == (8, "queue")


def test_a_metric_without_data_stops_scaling_down_only():
    """DOCS, Algorithm details: "a scale down is suggested ... scaling is skipped"; UNIT:
    TestScaleUpOneMetricEmpty and TestScaleDownOneMetricEmpty."""
    nothing = Value("ttft", 0.5, None)
    assert propose(4, Observed(4, [nothing, Total("queue", 5, 10)]), 0.1) == (None, "not all data")
    assert propose(4, Observed(4, [nothing, Total("queue", 5, 40)]), 0.1) == (8, "queue")


def test_a_schedule_within_tolerance_is_not_met():
    """KEDA's cron trigger is a metric like others: 88 of 89 replicas are near enough
    (kedacore/keda #5263), and so are 11 of 10 (#5820)."""
    assert from_total(89_000, 1_000, current=88, tolerance=0.1) == 88
    assert from_total(10_000, 1_000, current=11, tolerance=0.1) == 11
    assert from_total(10_000, 1_000, current=12, tolerance=0.1) == 10


# --- policies -----------------------------------------------------------------------------------


def test_eighty_down_to_ten():
    """DOCS, Scaling policies: first 8 of 80, then 8 of 72 as 7.2 is rounded up; from 40 on 4 at a
    time."""
    rules = scaling(**at_once(scale_down={"stabilisation": "0s", "policies": [PODS_4, PERCENT_10]}))
    path = sizes(rules, 80, [10] * 14, every_s=MINUTE)
    assert path == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]


def test_within_a_period_a_policy_allows_no_more():
    """The same, looked at every 15 s: one step a minute."""
    rules = scaling(**at_once(scale_down={"stabilisation": "0s", "policies": [PODS_4, PERCENT_10]}))
    assert sizes(rules, 80, [10] * 9) == [72, 72, 72, 72, 64, 64, 64, 64, 57]


def test_default_behaviour_up():
    """DOCS, Default Behavior: 4 pods or 100 % every 15 s, whatever is more, at once."""
    assert sizes(scaling(), 1, [100] * 6) == [5, 10, 20, 40, 80, 100]
    assert sizes(scaling("1..30"), 1, [100] * 5) == [5, 10, 20, 30, 30]


def test_default_behaviour_down():
    """DOCS, Default Behavior: after 300 s, to the least at once. The number that there was at first
    counts as recommended at the first decision, at 15 s."""
    path = sizes(scaling("2..100"), 40, [0] * 22)
    assert path == [40] * 20 + [2] * 2


def test_a_shorter_window_down():
    """DOCS, Example: change downscale stabilization window, to 1 minute."""
    assert sizes(scaling(scale_down={"stabilisation": "60s"}), 10, [4] * 6) == [10] * 4 + [4] * 2


def test_limit_scale_down_rate():
    """DOCS, Example: limit scale down rate: 10 % a minute; with at most 5 pods a minute besides."""
    ten_percent = {"stabilisation": "0s", "policies": [PERCENT_10]}
    rules = scaling(**at_once(scale_down=ten_percent))
    assert sizes(rules, 100, [1] * 4, every_s=MINUTE) == [90, 81, 72, 64]
    rules = scaling(
        **at_once(scale_down=ten_percent | {"policies": [PERCENT_10, PODS_5], "select": "min"})
    )
    assert sizes(rules, 100, [1] * 13, every_s=MINUTE)[-4:] == [50, 45, 40, 36]


def test_disable_scale_down():
    """DOCS, Example: disable scale down; KEP, story 4."""
    rules = scaling(**at_once(scale_down={"select": "disabled", "stabilisation": "0s"}))
    assert sizes(rules, 10, [1, 12, 1]) == [10, 12, 12]


def test_story_1_as_fast_as_possible():
    """KEP: 1 -> 10 -> 100 -> 1000."""
    rules = scaling(scale_up={"policies": [{"kind": "percent", "value": 900, "period": "60s"}]})
    assert sizes(rules, 1, [5000] * 3, every_s=MINUTE) == [10, 100, 1000]


def test_story_2_down_by_one_every_ten_minutes():
    """KEP: 1000 -> 1000 -> ... -> 999, one pod within 10 minutes."""
    slowly = {"stabilisation": "0s", "policies": [{"kind": "pods", "value": 1, "period": "600s"}]}
    path = sizes(scaling(**at_once(scale_down=slowly)), 1000, [1] * 21, every_s=MINUTE)
    assert path == [999] * 10 + [998] * 10 + [997]


def test_story_3_up_by_one_every_five_minutes():
    """KEP: 1 -> 2 -> 3 -> 4."""
    rules = scaling(scale_up={"policies": [{"kind": "pods", "value": 1, "period": "300s"}]})
    assert sizes(rules, 1, [50] * 16, every_s=MINUTE)[::5] == [2, 3, 4, 5]


def test_story_5_stabilisation_before_scaling_down():
    """KEP: ten recommendations in the 600 s, the largest is 10 until the 11th minute, then 9."""
    rules = scaling(tolerance=0, scale_down={"stabilisation": "600s", "policies": [PODS_5]})
    asked = [10, 9, 8, 9, 9, 8, 9, 8, 9, 8, 7]
    assert sizes(rules, 10, asked, every_s=MINUTE) == [10] * 10 + [9]


def test_story_6_stabilisation_before_scaling_up():
    """KEP: 2 until the 6th minute, in the 7th the smallest is 3. There the window of 300 s holds
    six recommendations, in story 5 that of 600 s holds ten: with cycles a hair shorter than a
    minute it does hold six."""
    rules = scaling(
        tolerance=0,
        scale_up={
            "stabilisation": "300s",
            "policies": [{"kind": "pods", "value": 20, "period": "60s"}],
        },
    )
    asked = [2, 3, 19, 10, 3, 4, 7]
    assert sizes(rules, 2, asked, every_s=59.9) == [2] * 6 + [3]


def rules_of(pods, pods_period_s, percent, percent_period_s):
    policies = [
        {"kind": kind, "value": value, "period": f"{period_s}s"}
        for kind, value, period_s in (
            ("pods", pods, pods_period_s),
            ("percent", percent, percent_period_s),
        )
        if value
    ]
    return {"policies": policies} if policies else {}


def spread(changes):
    """Changes of the last 120 s, each in the middle of its share of them."""
    share_s = 120 / max(len(changes), 1)
    return tuple(Noted(-120 + share_s * (i + 0.5), change) for i, change in enumerate(changes))


@pytest.mark.parametrize(
    "bounds, ups, downs, rules, current, desired, expected",
    [
        ("3..8", [], [], (), 5, 7, 7),
        ("2..8", [], [], (), 3, 1, 2),
        ("1..10", [], [], (), 20, 1000, 10),
        ("100..150", [], [], (), 100, 1000, 150),
        ("1..2000", [], [], (0, 0, 1, 60), 3, 1000, 4),
        ("1..1000", [], [], (), 10, 50, 20),
        ("1..1000", [], [], (100, 60, 100, 60), 10, 500, 110),
        ("1..1000", [], [], (2, 60, 100, 60), 10, 500, 20),
        ("1..1000", [], [], (100, 60, 0, 0), 10, 50, 50),
        ("1..1000", [], [], (30, 60, 0, 0), 10, 50, 40),
        ("1..1000", [], [], (0, 0, 200, 60), 10, 50, 30),
        ("1..1000", [], [], (20, 60, 1, 60), 100, 2, 80),
        ("1..1000", [], [], (2, 60, 1, 60), 100, 2, 98),
        ("1..1000", [], [], (100, 60, 0, 0), 10, 0, 1),
        ("5..1000", [], [], (0, 0, 100, 60), 10, 2, 5),
        ("1..1000", [], [], (5, 60, 0, 0), 10, 2, 5),
        ("1..1000", [], [], (0, 0, 50, 60), 10, 5, 5),
        ("1..200", [1, 5, 9], [], (300, 60, 0, 0), 100, 500, 200),
        ("1..1000", [1, 5, 9], [], (5, 120, 0, 0), 100, 500, 100),
        ("1..1000", [1, 5, 9], [], (150, 120, 0, 0), 100, 500, 235),
        ("1..1000", [1, 5, 9], [], (0, 0, 200, 120), 100, 500, 255),
        ("1..1000", [4], [2], (0, 0, 300, 300), 6, 24, 16),
        ("1..1000", [], [1, 5, 9], (), 10, 5, 5),
        ("1..1000", [], [1, 5, 9], (115, 120, 0, 0), 100, 0, 1),
        ("5..1000", [], [1, 5, 9], (130, 120, 0, 0), 100, 0, 5),
        ("1..1000", [], [1, 5, 9], (5, 120, 0, 0), 100, 2, 100),
        ("1..1000", [], [2, 4, 6], (0, 0, 50, 120), 100, 0, 56),
        ("1..1000", [2], [4], (0, 0, 50, 180), 10, 1, 6),
        ("1..1000", [], [10, 10, 10], (0, 0, 10, 120), 100, 0, 100),
        ("1..1000", [], [10, 10, 10], (0, 0, 1000, 120), 10, 5, 5),
        ("1..1000", [8, 12, 9, 11], [], (1000, 120, 100, 60), 100, 200, 200),
        ("1..1000", [], [8, 12, 9, 11], (1000, 30, 100, 60), 100, 5, 5),
    ],
)
def test_policies_with_earlier_changes(bounds, ups, downs, rules, current, desired, expected):
    """UNIT: TestScalingWithRules."""
    given_rules = rules_of(*rules) if rules else {}
    direction = "scale_up" if desired > current else "scale_down"
    autoscaling = scaling(bounds, **{direction: given_rules})
    history = History((), spread(ups), spread(downs))
    found = limited(history, 0.0, current, desired, autoscaling, autoscaling.replicas)
    assert found == expected


@pytest.mark.parametrize(
    "direction, current, desired, expected", [("up", 1, 9, 2), ("down", 5, 1, 3)]
)
def test_the_policy_that_allows_least(direction, current, desired, expected):
    """UNIT: TestCalculateScale{UpLimitWithScalingRules,DownLimitWithBehaviors}: 2 pods or 50 %."""
    rules = rules_of(2, 60, 50, 60) | {"select": "min"}
    autoscaling = scaling(**{f"scale_{direction}": rules})
    assert limited(History(), 0.0, current, desired, autoscaling, (1, 1000)) == expected


@pytest.mark.parametrize(
    "known, current, proposal, up_s, down_s, expected",
    [
        ([], 100, 5, 0, 0, 5),
        ([(4, 120), (5, 60)], 100, 3, 0, 180, 5),
        ([(4, 120), (5, 60)], 1, 7, 300, 0, 4),
        ([(1, 120), (2, 60)], 100, 3, 300, 0, 3),
        ([(4, 120), (5, 60)], 1, 3, 0, 300, 3),
        ([(10, 600), (9, 540)], 100, 3, 0, 0, 3),
        ([(10, 600), (9, 540)], 1, 100, 0, 0, 100),
        ([(10, 600), (4, 60), (5, 120), (9, 540)], 100, 3, 0, 180, 5),
        ([(10, 6000), (6, 60), (5, 120), (9, 180)], 1, 100, 300, 0, 5),
        ([(2, 6000), (3, 180)], 2, 1, 300, 300, 2),
        ([(2, 6000), (1, 180)], 2, 3, 300, 300, 2),
    ],
)
def test_stabilisation_windows(known, current, proposal, up_s, down_s, expected):
    """UNIT: TestNormalizeDesiredReplicasWithBehavior; (recommended, seconds ago)."""
    autoscaling = scaling(
        scale_up={"stabilisation": f"{up_s}s"}, scale_down={"stabilisation": f"{down_s}s"}
    )
    history = History(tuple(Noted(-ago_s, replicas) for replicas, ago_s in known))
    assert stabilised(history, 0.0, current, proposal, autoscaling) == expected
    kept = recommended(history, 0.0, proposal, autoscaling).recommendations
    assert kept[-1] == Noted(0.0, proposal)
    assert all(note.at_s > -max(up_s, down_s) for note in kept[:-1])


@pytest.mark.parametrize(
    "current, bounds, expected", [(2, "3..5", 3), (10, "3..5", 5), (1, "2..6", 2), (6, "2..5", 5)]
)
def test_a_number_out_of_range_is_brought_back_without_asking(current, bounds, expected):
    """UNIT: TestReplicaLimits, TestScaleRCImmediately."""
    _, desired, why = decide(History(), 0.0, current, Observed(0, []), scaling(bounds))
    assert (desired, why) == (expected, "range")


def test_why():
    history, rules = History(), scaling("1..30", scale_up={"stabilisation": "20s"})
    told = []
    for now_s in (15.0, 30.0, 45.0):
        queue = Observed(2, [Total("queue", 1, 200), Value("ttft", 1, 1)])
        history, size, why = decide(history, now_s, 2, queue, rules)
        told.append((size, why))
    assert told == [(2, "queue, stabilised"), (2, "queue, stabilised"), (6, "queue, limited")]


# --- whatever happens ---------------------------------------------------------------------------

PERIODS = st.sampled_from([15, 30, 60, 90])
POLICIES = st.lists(
    st.tuples(st.sampled_from(["pods", "percent"]), st.integers(1, 150), PERIODS),
    min_size=1, max_size=3,
).map(lambda them: [{"kind": k, "value": v, "period": f"{p}s"} for k, v, p in them])  # fmt: skip
BEHAVIOURS = st.fixed_dictionaries(
    {
        "policies": POLICIES,
        "select": st.sampled_from(["max", "min", "disabled"]),
        "stabilisation": st.sampled_from(["0s", "15s", "40s", "120s"]),
    }
)


@st.composite
def autoscalings(draw, **fixed):
    least = draw(st.integers(0, 5))
    return scaling(
        f"{least}..{least + draw(st.integers(1, 60))}",
        tolerance=draw(st.sampled_from([0, 0.1, 0.3])),
        scale_up=draw(BEHAVIOURS),
        scale_down=draw(BEHAVIOURS),
        **fixed,
    )


READINGS = st.one_of(
    st.builds(Total, st.just("a"), st.floats(0.5, 20), st.none() | st.floats(0, 500)),
    st.builds(Value, st.just("b"), st.floats(0.5, 20), st.none() | st.floats(0, 60)),
    st.builds(
        Each, st.just("c"), st.floats(0.1, 1), st.lists(st.floats(0, 2), max_size=8).map(tuple),
        st.integers(0, 4), st.integers(0, 4),
    ),
)  # fmt: skip
OBSERVED = st.builds(Observed, st.integers(0, 40), st.lists(READINGS, min_size=1, max_size=3))


def played(autoscaling, start, seen):
    """(second, size before, size after) of each decision."""
    history, current, path = History(), start, []
    for count, observed in enumerate(seen, start=1):
        history, desired, _ = decide(history, 15.0 * count, current, observed, autoscaling)
        path.append((15.0 * count, current, desired))
        current = desired
    return path


@settings(max_examples=300)
@given(autoscalings(), st.integers(1, 70), st.lists(OBSERVED, max_size=25))
def test_never_out_of_range(autoscaling, start, seen):
    fewest, most = max(autoscaling.replicas[0], 1), autoscaling.replicas[1]
    assert all(fewest <= after <= most for _, _, after in played(autoscaling, start, seen))


@settings(max_examples=300)
@given(autoscalings(), st.integers(1, 70), st.lists(OBSERVED, max_size=25))
def test_within_any_period_no_further_than_the_policies_allow(autoscaling, start, seen):
    """For each direction: the net change over the last period of some policy (of all, with "min")
    is within that policy, counted from the size at the start of the period."""
    fewest, most = max(autoscaling.replicas[0], 1), autoscaling.replicas[1]
    start = min(max(start, fewest), most)
    path = played(autoscaling, start, seen)
    for index, (now_s, before, after) in enumerate(path):
        if after == before:
            continue
        behaviour = autoscaling.scale_up if after > before else autoscaling.scale_down
        assert behaviour.select != "disabled"
        kept = []
        for policy in behaviour.policies:
            then = next(
                size for at_s, size, _ in path[: index + 1] if at_s > now_s - policy.period_s
            )
            room = policy.value if policy.kind == "pods" else then * policy.value / 100 + 1
            kept.append(abs(after - then) <= room or (after - then) * (after - before) < 0)
        assert any(kept) if behaviour.select == "max" else all(kept)


@given(
    autoscalings(),
    st.integers(1, 60),
    st.integers(0, 40),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0.5, 20)), min_size=1, max_size=3),
)
def test_within_tolerance_nothing_changes(autoscaling, current, ready, wobbles):
    """All metrics near their targets; a thousandth is lost to rounding."""
    fewest, most = max(autoscaling.replicas[0], 1), autoscaling.replicas[1]
    current = min(max(current, fewest), most)
    near = [(target, 1 + wobble * autoscaling.tolerance * 0.9) for wobble, target in wobbles]
    if autoscaling.tolerance == 0:
        near = [(round(target), 1) for target, _ in near if round(target)]
    readings = [Total("a", target, target * share * current) for target, share in near]
    readings += [Value("b", target, target * share) for target, share in near]
    readings += [Each("c", target, (target * share,) * 3, 0, 0) for target, share in near]
    history, desired, _ = decide(History(), 15.0, current, Observed(ready, readings), autoscaling)
    assert desired == current
    assert not (history.ups or history.downs)


@st.composite
def complete(draw):
    """(replicas wanted, what is known of them all): all serve, or are accounted for."""
    current = draw(st.integers(1, 12))
    serving = draw(st.integers(1, current))
    missing = draw(st.integers(0, current - serving))
    values = draw(st.lists(st.floats(0.3, 1.2), min_size=serving, max_size=serving))
    each = Each("kv", 0.7, tuple(values), current - serving - missing, missing)
    near = st.floats(0.3, 3)
    total = Total("queue", 5, 5 * current * draw(near))
    value = Value("ttft", 0.5, 0.5 * draw(near))
    return current, draw(st.sampled_from([[each], [total], [value], [each, total, value]]))


def louder(reading, times):
    if isinstance(reading, Each):
        return reading._replace(values=tuple(value * times for value in reading.values))
    return reading._replace(value=reading.value * times)


@settings(max_examples=500)
@given(autoscalings(), complete(), st.floats(1, 2), st.data())
def test_more_load_never_means_fewer_replicas(autoscaling, pool, times, data):
    """From the same state, where `current` replicas are ready or accounted for."""
    current, quiet = pool
    known = data.draw(st.lists(st.tuples(st.floats(-200, -1), st.integers(1, 60)), max_size=5))
    history = History(tuple(Noted(*note) for note in known))
    loud = [louder(reading, times) for reading in quiet]
    less, more = (
        decide(history, 0.0, current, Observed(current, readings), autoscaling)[1]
        for readings in (quiet, loud)
    )
    assert less <= more
