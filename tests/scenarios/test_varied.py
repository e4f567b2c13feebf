"""The values that a `--set` of a sweep gives: lists, ranges, steps, and what is a mistake."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.varied import Span, parse_varied


def values(text):
    faults = []
    varied = parse_varied(f"key={text}", faults)
    assert not faults
    return varied.values


def fault(text):
    faults = []
    assert parse_varied(text, faults) is None
    (only,) = faults
    return str(only)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("4..7", ("4", "5", "6", "7")),
        ("4..12..3", ("4", "7", "10")),
        ("20/s, 30/s,40/s", ("20/s", "30/s", "40/s")),
        ("20/s..40/s..10/s", ("20/s", "30/s", "40/s")),
        ("0.1..0.4..0.1", ("0.1", "0.2", "0.3", "0.4")),
        ("1 USD/h..2 USD/h..0.5 USD/h", ("1 USD/h", "1.5 USD/h", "2 USD/h")),
        ("1..3,8,10%..30%..10%", ("1", "2", "3", "8", "10%", "20%", "30%")),
        ("{a: 1, b: [2, 3]},{a: 4}", ("{a: 1, b: [2, 3]}", "{a: 4}")),
        ("[ttft p95 <= 500ms, error_rate <= 1%]", ("[ttft p95 <= 500ms, error_rate <= 1%]",)),
        ("'1..16'", ("'1..16'",)),
        ("'a, b',it's,c", ("'a, b'", "it's", "c")),
        ("../log.csv", ("../log.csv",)),
        ("", ("",)),
    ],
)
def test_values_are_those_of_the_text(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    "text, told",
    [
        ("key", "--set key: got no value"),
        ("=4..5", "--set =4..5: got no value"),
        ("key=4,4", "--set key=4,4: key: 4 twice"),
        ("key=1..3,2", "2 twice"),
        ("key=4,,5", "an empty value"),
        ("key=5..4", "got 5..4\n    allowed: two ends that differ, in one unit"),
        ("key=4..4", "got 4..4"),
        ("key=30s..2min..30s", "got 30s..2min"),
        ("key=20/s..60/s..10", "got 20/s..60/s..10\n    allowed: a step above 0, in /s"),
        ("key=4..8..0", "a step above 0"),
        ("key=4..x", "got 4..x\n    allowed: LOW..HIGH"),
        ("key=1/s..3/s,9/s", "in a list, a range with a step, such as 1/s..3/s..0.5/s"),
        ("key=1..1000000..1", "1,000,000 values\n    allowed: up to 9,999"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(text, told):
    assert told in fault(text)


@given(st.integers(0, 50), st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_whole_numbers_have_equal_parts_of_the_way(low, width, share):
    span = Span(Decimal(low), Decimal(low + width))
    assert int(span.at(share)) == low + int(share * (width + 1))


@given(st.decimals(0, 1000, places=2), st.decimals("0.01", 1000, places=2), st.floats(0, 0.9999))
def test_a_number_between_is_within_and_where_it_should_be(low, width, share):
    span = Span(low, low + width, "/s")
    number = Decimal(span.at(share).removesuffix("/s"))
    assert low <= number <= low + width
    assert abs(float((number - low) / width) - share) < 1e-3
