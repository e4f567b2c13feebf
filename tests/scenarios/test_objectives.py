"""Objectives: what each text promises, exactly, and what is said about a wrong one."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from scenarios.objectives import (
    LATENCIES,
    METRICS,
    SHARES_AT_LEAST,
    SHARES_AT_MOST,
    ObjectiveText,
    allowed_violations,
    parse_objective,
)

ADAPTER = TypeAdapter(ObjectiveText)


def refusal(text):
    """What is allowed instead, and the suggestion if there is one."""
    with pytest.raises(PydanticCustomError) as caught:
        parse_objective(text)
    return caught.value.context["allowed"], caught.value.context.get("suggestion")


@pytest.mark.parametrize(
    "text, metric, share, relation, limit",
    [
        ("ttft p95 <= 500ms", "ttft", Fraction(19, 20), "<=", 0.5),
        ("ttft p99.9 <= 2s", "ttft", Fraction(999, 1000), "<=", 2.0),
        ("tpot p50 <= 40 ms", "tpot", Fraction(1, 2), "<=", 0.04),
        ("itl mean <= 40ms", "itl", None, "<=", 0.04),
        ("  e2e   p90<=1min ", "e2e", Fraction(9, 10), "<=", 60.0),
        ("error_rate <= 0.1%", "error_rate", None, "<=", 0.001),
        ("error_rate <= 0%", "error_rate", None, "<=", 0.0),
        ("goodput >= 99%", "goodput", None, ">=", 0.99),
        ("availability >= 99.9 %", "availability", None, ">=", 0.999),
    ],
)
def test_an_objective_says_exactly_this(text, metric, share, relation, limit):
    """Shares of percentiles are fractions: 0.999 as a float is not 999/1000."""
    objective = parse_objective(text)
    assert objective == (metric, share, relation, limit, text.strip(), None, None)
    assert objective.is_latency == (metric in ("ttft", "tpot", "itl", "e2e"))


def test_an_objective_may_speak_of_one_class():
    objective = parse_objective("ttft p95 <= 500ms  for interactive ")
    assert objective.sla_class == "interactive"
    assert objective.text == "ttft p95 <= 500ms  for interactive"
    assert objective[:4] == parse_objective("ttft p95 <= 500ms")[:4]
    assert "itl of all requests" in refusal("itl p95 <= 50ms for interactive")[0]


@given(st.integers(0, 10**6), st.fractions(0, 1).filter(lambda share: 0 < share < 1))
def test_violations_are_the_most_that_keep_the_share(requests, share):
    """floor((1 - share) N) by its definition: one more would leave less than the share."""
    most = allowed_violations(requests, share)
    assert isinstance(most, int)
    assert requests - most >= share * requests > requests - most - 1


@pytest.mark.parametrize(
    "requests, percentile, most",
    [(100, "95", 5), (99, "95", 4), (20, "95", 1), (19, "95", 0), (0, "95", 0), (1000, "99.9", 1),
     (999, "99.9", 0), (10, "90", 1)],
)  # fmt: skip
def test_violations_do_not_suffer_from_floats(requests, percentile, most):
    """With floats, (1 - 0.9) * 10 is 0.9999999999999998 and its floor 0."""
    assert allowed_violations(requests, parse_objective(f"ttft p{percentile} <= 1s").share) == most


numbers = st.decimals("0.001", 100, places=3).map(lambda number: f"{number:f}")
latency_texts = st.builds(
    "{} {} <= {}{}".format,
    st.sampled_from(LATENCIES),
    st.one_of(st.just("mean"), st.decimals("0.1", "99.9", places=1).map(lambda p: f"p{p}")),
    numbers,
    st.sampled_from(["us", "ms", "s", "min"]),
)
share_texts = st.one_of(
    st.builds("{} <= {}%".format, st.sampled_from(SHARES_AT_MOST), numbers),
    st.builds("{} >= {}%".format, st.sampled_from(SHARES_AT_LEAST), numbers),
)


@given(st.one_of(latency_texts, share_texts))
def test_an_objective_is_read_back(text):
    objective = ADAPTER.validate_python(text)
    assert ADAPTER.validate_python(ADAPTER.dump_python(objective, mode="json")) == objective
    assert parse_objective(objective) is objective


@given(st.text())
def test_any_other_text_is_refused_with_an_example(text):
    allowed, _ = refusal(text)
    assert allowed


@pytest.mark.parametrize("value", [None, 3, True, ["ttft p95 <= 1s"], {"ttft": "1s"}])
def test_what_is_no_text_is_refused(value):
    assert "ttft p95 <= 500ms" in refusal(value)[0]


@pytest.mark.parametrize(
    "text, allowed, suggestion",
    [
        ("tft p95 <= 1s", ", ".join(METRICS), "ttft"),
        ("goodputs >= 99%", ", ".join(METRICS), "goodput"),
        ("latency p95 <= 1s", ", ".join(METRICS), None),
        ("ttft <= 500ms", "`ttft p95 <= 500ms` or `ttft mean <= ...`", None),
        ("ttft p95 >= 500ms", "from above: `ttft p95 <= 500ms`", None),
        ("ttft p95 < 500ms", "METRIC [pNN | mean] <= LIMIT", None),
        ("ttft 95 <= 500ms", "METRIC [pNN | mean] <= LIMIT", None),
        ("p95 ttft <= 500ms", "METRIC [pNN | mean] <= LIMIT", None),
        ("ttft p95 <=", "METRIC [pNN | mean] <= LIMIT", None),
        ("ttft p95 <= 500", "a time such as 500ms", None),
        ("ttft p95 <= 5%", "a time such as 500ms", None),
        ("ttft p100 <= 500ms", "below p100", None),
        ("ttft p0 <= 500ms", "above p0", None),
        ("ttft p95 <= 0ms", "a time above zero", None),
        ("ttft p95 <= -1s", "a time above zero", None),
        ("error_rate <= 0.001", "a share such as 0.1%", None),
        ("error_rate <= 1s", "a share such as 0.1%", None),
        ("error_rate >= 1%", "`error_rate <= 0.1%`", None),
        ("error_rate p95 <= 1%", "`error_rate <= 0.1%`", None),
        ("goodput <= 99%", "`goodput >= 99%`", None),
        ("goodput mean >= 99%", "`goodput >= 99%`", None),
        ("availability >= 101%", "a share from 0% to 100%", None),
        ("error_rate <= -1%", "a share from 0% to 100%", None),
    ],
)
def test_a_wrong_objective_is_told_what_is_allowed_there(text, allowed, suggestion):
    said, suggested = refusal(text)
    assert allowed in said
    assert suggested == suggestion
