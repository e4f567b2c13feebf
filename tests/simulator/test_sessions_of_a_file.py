"""Recorded sessions, drawn anew: their requests and links, their pauses, what they share."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scenarios.demand import Traffic
from simulator.streams import stream
from simulator.traffic import Chains, TraceError, draw_workload
from simulator.traffic.recordings.conversion import convert
from simulator.traffic.sessions.nominal import response_ns
from simulator.traffic.sessions.recorded import recorded
from simulator.traffic.sessions.whole import draw_sessions
from tests.oracles.graphs import assert_sound_workload, edges, segments
from tests.oracles.small import small_scenario
from tests.recordings import TRACES, needs_traces

FALSE_ALARM = 1e-4
AGENTS = TRACES / "agent_claudecode_sessions_a.parquet"

ROWS = pd.DataFrame(
    {
        "session_id": [5, 9, 5, 5, 9, 5],
        "arrival_s": [0.0, 1.0, 10.0, 30.0, 31.0, 50.0],
        "input_tokens": [600, 700, 1100, 520, 1300, 1600],
        "output_tokens": [50, 20, 50, 100, 5, 1],
        "turn": [0, 0, 1, 2, 1, 3],
        "parent": [-1, -1, 0, 0, 0, 1],
        "pause_s": [np.nan, np.nan, 3.5, np.nan, 0.0, np.nan],
        "hash_ids": [[1], [1], [1, 2], [7], [1, 3], [1, 2, 4]],
    }
)
"""Two sessions, 5 and 9, whose requests alternate. In the first one requests 1 and 2 follow 0."""


def group(path, **parts):
    return {
        "name": "all",
        "arrivals": {"kind": "poisson", "rate": "1/s"},
        "input_tokens": {"kind": "trace"},
        "output_tokens": {"kind": "trace"},
        "sessions": {"kind": "recorded", "file": str(path)},
    } | parts


def drawn(path, size=1, **parts):
    traffic = Traffic.model_validate(group(path, **parts))
    return draw_sessions(traffic, size, lambda *purpose: stream(19, "sessions", *purpose))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.parquet"
    ROWS.to_parquet(path)
    return str(path)


def test_sessions_are_told_apart_and_keep_their_links(file):
    sessions = recorded(file)
    assert sessions.first.tolist() == [0, 4, 6]
    assert sessions.input_tokens.tolist() == [600, 1100, 520, 1600, 700, 1300]
    assert sessions.output_tokens.tolist() == [50, 50, 100, 1, 20, 5]
    assert edges(sessions.follow_ups) == [(0, 1), (0, 2), (1, 3), (4, 5)]


def test_a_pause_is_the_recorded_one_or_what_nominal_answers_leave(file):
    """Row 1 says 3.5 s; row 2 came 30 s after row 0, row 3 40 s after row 1, both of which take
    2 s. One that says 0 comes a nanosecond later."""
    pause_ns = recorded(file).follow_ups.pause_ns
    assert response_ns(np.array([50])).tolist() == [2_000_000_000]
    assert pause_ns.tolist() == [0, 3_500_000_000, 28_000_000_000, 38_000_000_000, 0, 1]


def test_a_pause_is_never_less_than_nothing(tmp_path):
    """The answer of 500 tokens nominally takes longer than the recorded gap of a second."""
    rows = ROWS.assign(pause_s=np.nan, output_tokens=500, arrival_s=np.arange(6.0))
    rows.to_parquet(tmp_path / "rows.parquet")
    pause_ns = recorded(str(tmp_path / "rows.parquet")).follow_ups.pause_ns
    assert pause_ns.tolist() == [0, 1, 1, 1, 0, 1]


def test_a_second_beginning_follows_the_first(tmp_path):
    """Row 2 follows nobody: it comes 30 s after the session's first request has come."""
    rows = ROWS.assign(parent=[-1, -1, 0, -1, 0, 1])
    rows.to_parquet(tmp_path / "rows.parquet")
    sessions = recorded(str(tmp_path / "rows.parquet"))
    assert edges(sessions.follow_ups) == [(0, 1), (0, 2), (1, 3), (4, 5)]
    assert sessions.follow_ups.pause_ns[2] == 28_000_000_000


def test_drawn_sessions_share_inside_and_not_with_each_other(file):
    sessions = drawn(file, size=8)
    sizes = np.diff(sessions.first)
    assert set(sizes) == {2, 4}
    rows = segments(sessions.chains(np.arange(sessions.input_tokens.size)))
    heads = [row[0][0] for row in rows]
    for begin, size in zip(sessions.first, sizes, strict=False):
        if size == 4:
            one, two, three, four = rows[begin : begin + 4]
            assert four[:2] == two[:2]
            assert one[0] == two[0]
            assert three[0][0] != one[0][0]
    firsts = {heads[begin] for begin in sessions.first[:-1]}
    assert len(firsts) == 8


def test_prefixes_stand_in_front_of_recorded_prompts(file):
    plain, longer = drawn(file, 6), drawn(file, 6, prefixes=[{"tokens": 40, "variants": 2}])
    rows = np.arange(plain.input_tokens.size)
    assert np.array_equal(longer.input_tokens, plain.input_tokens + 40)
    before, after = segments(plain.chains(rows)), segments(longer.chains(rows))
    assert len({row[0][0] for row in after}) == 2
    for one, other in zip(before, after, strict=True):
        assert [end for _, end in other] == [40, *(end + 40 for _, end in one)]
    session = longer.session
    for i in range(6):
        assert len({row[0][0] for row, s in zip(after, session, strict=True) if s == i}) == 1


def test_every_session_is_drawn_as_often_as_every_other(file):
    sizes = np.diff(drawn(file, 4000).first)
    low, high = stats.binom.interval(1 - FALSE_ALARM, 4000, 0.5)
    assert low <= np.count_nonzero(sizes == 4) <= high


def test_a_file_without_sessions_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    ROWS[["arrival_s", "input_tokens", "output_tokens"]].to_parquet(path)
    with pytest.raises(TraceError, match=r"rows\.parquet: says of no request which one it follows"):
        recorded(str(path))


def test_a_file_that_says_nothing_of_prefixes_shares_nothing(tmp_path):
    path = tmp_path / "rows.parquet"
    ROWS.drop(columns="hash_ids").to_parquet(path)
    sessions = drawn(path, 5)
    chains = sessions.chains(np.arange(sessions.input_tokens.size))
    assert isinstance(chains, Chains)
    assert not chains.keys.size


@pytest.mark.parametrize("closed", [False, True])
def test_workloads_of_recorded_sessions_are_sound(file, closed):
    arrivals = {"kind": "closed", "clients": 7} if closed else {"kind": "poisson", "rate": "0.2/s"}
    parts = {"arrivals": arrivals, "prefixes": [{"tokens": 40, "variants": 2}]}
    scenario = small_scenario(traffic=[group(file, **parts)], horizon="300s")
    workload = draw_workload(scenario, 3, 0)
    assert len(workload) > 50
    assert_sound_workload(workload)


@pytest.mark.slow
@needs_traces
def test_recorded_agents_are_drawn_whole(tmp_path):
    """Rows and sessions as the README of the traces has them, less 14 requests that failed."""
    path = tmp_path / "agents.parquet"
    convert(AGENTS, path)
    sessions = recorded(str(path))
    assert (len(sessions), sessions.input_tokens.size) == (416, 27_913)
    graph = sessions.follow_ups
    waiting = graph.pause_ns[graph.emerges] / 1e9
    assert np.median(waiting) == pytest.approx(10.0, abs=1.0)  # its think times
    scenario = small_scenario(
        traffic=[group(path, arrivals={"kind": "poisson", "rate": "0.02/s"})], horizon="600s",
        drain="0s",
    )  # fmt: skip
    workloads = [draw_workload(scenario, 3, replication) for replication in range(30)]
    for workload in workloads[:3]:
        assert_sound_workload(workload)
    # 0.02 sessions of 67 requests a second, but for 1.6 % that come more than a day after the
    # beginning: all of it from the start on.
    early = [np.count_nonzero(w.arrival_ns < 300 * 10**9) for w in workloads]
    low, high = stats.t.interval(1 - FALSE_ALARM, 29, np.mean(early), stats.sem(early))
    assert low <= 0.984 * 0.02 * 27_913 / 416 * 300 <= high
    assert high - low < 200
