"""The graph of requests that wait for others, as arrays; and nominal arrivals along it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.traffic import NOBODY
from simulator.traffic.follow_ups import chosen, linked, side_by_side
from simulator.traffic.sessions.nominal import (
    FAR_NS,
    FIRST_TOKEN_NS,
    PAUSE_MAX_NS,
    TOKEN_NS,
    arrivals_ns,
    pauses_ns,
    response_ns,
)
from tests.oracles.graphs import assert_sound_graph, edges


def ints(*numbers):
    return np.array(numbers, dtype=np.int64)


def test_edges_are_kept_by_the_row_that_is_waited_for():
    """A fork and a join: 1 and 2 wait for 0, 3 for both. 0 waits for nobody: it has no pause."""
    graph = linked(ints(1, 0, 2, 0), ints(3, 1, 3, 2), ints(7, 5, 6, 9))
    assert_sound_graph(graph)
    assert graph.first.tolist() == [0, 2, 3, 4, 4]
    assert edges(graph) == [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert graph.waits.tolist() == [0, 1, 1, 2]
    assert graph.pause_ns.tolist() == [0, 5, 6, 9]
    assert graph.emerges.tolist() == [False, True, True, True]
    assert graph.otherwise.tolist() == [NOBODY] * 4


def test_rows_chosen_keep_their_links_and_lose_those_to_others():
    otherwise = ints(4, 4, NOBODY, NOBODY, NOBODY)
    graph = linked(ints(0, 0, 1, 2, 3), ints(1, 2, 3, 3, 4), ints(0, 5, 6, 9, 4), otherwise)
    part = chosen(graph, ints(2, 3, 4))
    assert_sound_graph(part)
    assert edges(part) == [(0, 1), (1, 2)]
    assert part.waits.tolist() == [0, 1, 1]
    assert part.pause_ns.tolist() == [0, 9, 4]
    assert part.otherwise.tolist() == [NOBODY] * 3
    assert chosen(graph, ints(0, 2, 4)).otherwise.tolist() == [2, NOBODY, NOBODY]


def test_groups_side_by_side_know_nothing_of_each_other():
    chain = linked(ints(0, 1), ints(1, 2), ints(0, 3, 4), ints(2, NOBODY, NOBODY))
    both = side_by_side([chain, None, chain], [3, 2, 3])
    assert_sound_graph(both)
    assert edges(both) == [(0, 1), (1, 2), (5, 6), (6, 7)]
    assert both.pause_ns.tolist() == [0, 3, 4, 0, 0, 0, 3, 4]
    assert both.otherwise.tolist() == [2, -1, -1, -1, -1, 7, -1, -1]


@st.composite
def graphs(draw):
    """Up to a dozen rows, each of which waits for some of those before it."""
    size = draw(st.integers(1, 12))
    parents, children = [], []
    for child in range(1, size):
        for parent in draw(st.sets(st.integers(0, child - 1), max_size=3)):
            parents.append(parent)
            children.append(child)
    pauses = draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))
    return linked(ints(*parents), ints(*children), ints(*pauses))


@given(graph=graphs(), data=st.data())
def test_any_graph_reordered_and_back_is_itself(graph, data):
    size = graph.waits.size
    order = np.array(data.draw(st.permutations(range(size))), dtype=np.int64)
    back = np.argsort(order)
    there_and_back = chosen(chosen(graph, order), back)
    assert edges(there_and_back) == edges(graph)
    assert np.array_equal(there_and_back.waits, graph.waits)
    assert np.array_equal(there_and_back.pause_ns, graph.pause_ns)
    assert edges(chosen(graph, order)) == sorted((back[a], back[b]) for a, b in edges(graph))


# --- nominal arrivals ---------------------------------------------------------------------------


def test_a_request_takes_its_nominal_time():
    assert response_ns(ints(1, 100)).tolist() == [
        FIRST_TOKEN_NS + TOKEN_NS, FIRST_TOKEN_NS + 100 * TOKEN_NS,
    ]  # fmt: skip


def test_pauses_are_whole_nanoseconds_and_at_least_one():
    assert pauses_ns(np.array([0.0, 1e-12, 1.5, 1e300])).tolist() == [
        1, 1, 1_500_000_000, PAUSE_MAX_NS,
    ]  # fmt: skip


def test_who_waits_arrives_a_pause_after_the_last_end():
    """0 forks to 1 and 2, which join in 3; 4 is on its own."""
    graph = linked(ints(0, 0, 1, 2), ints(1, 2, 3, 3), ints(0, 5, 6, 9, 0))
    found = arrivals_ns(graph, ints(1000, 0, 0, 0, 77), ints(100, 10, 20, 30, 40))
    assert found.tolist() == [1000, 1105, 1106, 1106 + 20 + 9, 77]


@given(graph=graphs(), data=st.data())
def test_nominal_arrivals_of_any_graph(graph, data):
    size = graph.waits.size
    numbers = st.lists(st.integers(1, 100), min_size=size, max_size=size)
    known, lasts = ints(*data.draw(numbers)), ints(*data.draw(numbers))
    found = arrivals_ns(graph, known, lasts)
    for row in range(size):
        before = graph.parents[graph.rows == row]
        expected = known[row]
        if before.size:
            expected = max(found[before] + lasts[before]) + graph.pause_ns[row]
        assert found[row] == expected


def test_long_pauses_one_after_the_other_stay_within_64_bits():
    size = 40
    graph = linked(np.arange(size - 1), np.arange(1, size), np.full(size, PAUSE_MAX_NS))
    found = arrivals_ns(graph, np.zeros(size, dtype=np.int64), np.full(size, 10**16))
    assert np.all(np.diff(found) >= 0)
    assert found[-1] == FAR_NS


@pytest.mark.parametrize("size", [0, 3])
def test_a_graph_without_edges(size):
    none = np.empty(0, dtype=np.int64)
    graph = linked(none, none, np.full(size, 5))
    assert_sound_graph(graph)
    known = np.arange(size)
    assert arrivals_ns(graph, known, np.ones(size, dtype=np.int64)).tolist() == known.tolist()
    assert chosen(graph, none).waits.size == 0
