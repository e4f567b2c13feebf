"""Which cells a design has, and what does not go together."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.sweep_design import faults_of_design, rows
from scenarios.varied import parse_varied


def varied(*texts):
    return [parse_varied(text, []) for text in texts]


REPLICAS, RATE, GPU, ONE = varied("n=2..4", "rate=20/s..60/s", "gpu=a,b", "one=1")


def test_a_grid_has_every_combination_in_order():
    assert rows("grid", [REPLICAS, GPU, ONE], None, 1) == [
        ("2", "a", "1"), ("2", "b", "1"), ("3", "a", "1"), ("3", "b", "1"), ("4", "a", "1"),
        ("4", "b", "1"),
    ]  # fmt: skip


def test_a_list_takes_the_first_values_then_the_second_ones():
    pairs = rows("list", [*varied("n=2..4", "gpu=a,b,c"), ONE], None, 1)
    assert pairs == [("2", "a", "1"), ("3", "b", "1"), ("4", "c", "1")]


@given(st.integers(1, 60), st.integers(0, 2**63 - 1))
def test_a_latin_design_is_even_in_every_key(cells, seed):
    """One rate in each of as many parts of its range (but for the last digit, which is rounded);
    each of a few values as often as any other, give or take one."""
    chosen = rows("latin", [REPLICAS, RATE, GPU], cells, seed)
    shares = sorted((float(row[1].removesuffix("/s")) - 20.0) / 40.0 for row in chosen)
    for part, share in enumerate(shares):
        assert part / cells - 1e-3 <= share <= (part + 1) / cells + 1e-3
    for key, names in ((0, "234"), (2, "ab")):
        counts = [Counter(row[key] for row in chosen)[name] for name in names]
        assert max(counts) - min(counts) <= 1


@given(st.integers(0, 2**63 - 1))
def test_what_is_drawn_depends_on_the_seed_and_the_key_alone(seed):
    """More cells leave those of a random design as they are, and one key more leaves the others."""
    few = rows("random", [REPLICAS, RATE], 5, seed)
    more = rows("random", [GPU, REPLICAS, RATE], 9, seed)
    assert [row[1:] for row in more[:5]] == few
    assert few != rows("random", [REPLICAS, RATE], 5, seed + 1)


def test_random_values_are_spread_over_the_whole_range():
    """300 draws of three values: that one comes less than 60 times has probability below 1e-6."""
    counts = Counter(row[0] for row in rows("random", [REPLICAS], 300, 5))
    assert set(counts) == {"2", "3", "4"} and min(counts.values()) >= 60


@pytest.mark.parametrize(
    "design, texts, cells, told",
    [
        ("grid", ["one=1"], None, "nothing varies"),
        ("grid", ["n=2..4"], 5, "--cells: got 5, with --design grid"),
        ("grid", ["rate=20/s..60/s"], None, "with a step, as 20/s..60/s..10/s, or drawn: --design"),
        ("list", ["n=2..4", "gpu=a,b"], None, "--design list: got 3 of n, 2 of gpu"),
        ("latin", ["n=2..4"], None, "--design latin: how many cells?"),
        ("grid", ["n=1..1000", "m=1..1000"], None, "1,000,000 cells\n    allowed: up to 9,999"),
        ("grid", ["n=1..1000000000"], None, "1,000,000,000 cells"),
    ],
)
def test_what_does_not_go_together_is_told(design, texts, cells, told):
    (fault,) = map(str, faults_of_design(design, varied(*texts), cells))
    assert told in fault


def test_all_of_it_is_told_at_once():
    faults = list(faults_of_design("list", varied("n=2..4", "gpu=a,b", "r=1/s..2/s"), 3))
    assert len(faults) == 3
