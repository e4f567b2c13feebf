"""Graphs of follow-ups and chains of segments as plain Python; what the data plane relies on."""

import numpy as np

from simulator.traffic import NOBODY, Chains, FollowUps, Workload


def edges(graph: FollowUps) -> list[tuple[int, int]]:
    """Who is waited for, and who waits."""
    return sorted(zip(graph.parents.tolist(), graph.rows.tolist(), strict=True))


def segments(chains: Chains) -> list[list[tuple[int, int]]]:
    """Per row its (key, end) pairs."""
    bounds = zip(chains.first[:-1].tolist(), chains.first[1:].tolist(), strict=True)
    pairs = list(zip(chains.keys.tolist(), chains.ends.tolist(), strict=True))
    return [pairs[begin:end] for begin, end in bounds]


def assert_sound_graph(graph: FollowUps) -> None:
    """As simulator/traffic/follow_ups.py has it."""
    rows = graph.waits.size
    assert (graph.first.dtype, graph.pause_ns.dtype) == (np.int64, np.int64)
    assert graph.rows.dtype == graph.waits.dtype == graph.otherwise.dtype == np.int32
    assert graph.first.size == rows + 1
    assert (graph.first[0], graph.first[-1]) == (0, graph.rows.size)
    assert np.all(np.diff(graph.first) >= 0)
    assert np.array_equal(graph.waits, np.bincount(graph.rows, minlength=rows))
    assert np.all(graph.parents < graph.rows)
    assert np.array_equal(graph.pause_ns > 0, graph.waits > 0)
    goes_on = np.flatnonzero(graph.otherwise != NOBODY)
    assert np.all(graph.otherwise[goes_on] > goes_on)
    assert np.all(graph.waits[graph.otherwise[goes_on]] > 0)


def assert_sound_workload(workload: Workload) -> None:
    """Sorted rows of 32 bits; chains whose ends increase within a row and within the request, and
    whose equal keys stand behind equal ones, from the same token on."""
    assert np.all(np.diff(workload.arrival_ns) >= 0)
    assert workload.input_tokens.dtype == workload.output_tokens.dtype == np.int32
    assert workload.input_tokens.min(initial=1) >= 1
    assert workload.output_tokens.min(initial=1) >= 1
    if workload.follow_ups is not None:
        assert workload.follow_ups.waits.size == len(workload)
        assert_sound_graph(workload.follow_ups)
    if workload.chains is None:
        return
    assert len(workload.chains) == len(workload)
    before: dict[int, tuple[int, int]] = {}
    most = (workload.input_tokens + workload.output_tokens).tolist()
    for row, tokens in zip(segments(workload.chains), most, strict=True):
        parent, begin = -1, 0
        for key, end in row:
            assert begin < end <= tokens
            assert before.setdefault(key, (parent, begin)) == (parent, begin)
            parent, begin = key, end
