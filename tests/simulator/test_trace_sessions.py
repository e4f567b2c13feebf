"""Who follows whom in a recording, after how long, and what their prompts share."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.traffic.formats import agent_parquet as agent_parquet_module
from simulator.traffic.formats.agents import BLOCK_TOKENS, shared_blocks
from simulator.traffic.formats.names import Memory
from simulator.traffic.formats.reading import open_trace
from simulator.traffic.formats.rows import ALONE, NOBODY, PREVIOUS, Links
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.conversion import convert
from simulator.traffic.recordings.recorded_chains import in_runs, numbered, prefix_hashes
from simulator.traffic.recordings.recorded_sessions import resolved
from simulator.traffic.recordings.traces import TraceError, read_trace
from tests.simulator.dialects import csv_text, json_lines, otel_span, weka_request, weka_session

NAN = float("nan")


def read(path):
    read_trace.cache_clear()
    return read_trace(str(path))


def told(values):
    """As a list in which NaN is None."""
    return [None if np.isnan(value) else round(value, 6) for value in values.tolist()]


def links(session, parent, turn=None, pause_s=None, service_s=None):
    rows = len(session)
    turn = list(range(rows)) if turn is None else turn
    return Links(
        np.array(session), np.array(turn), np.array(parent),
        np.array(pause_s or [NAN] * rows), np.array(service_s or [NAN] * rows),
    )  # fmt: skip


# --- links -> sessions --------------------------------------------------------------------------


def test_rows_follow_the_previous_of_their_session():
    """Pauses from the recorded end of the one before, 0 where they overlap."""
    found = resolved(
        links([5, 9, 5, ALONE, 5], [PREVIOUS] * 3 + [NOBODY, PREVIOUS],
              service_s=[2.0, 1.0, 9.0, 1.0, NAN]),
        np.array([0.0, 1.0, 5.0, 6.0, 8.0]), relative=False,
    )  # fmt: skip
    assert found.session.tolist() == [0, 1, 0, 2, 0]
    assert found.parent.tolist() == [-1, -1, 0, -1, 2]
    assert told(found.pause_s) == [None, None, 3.0, None, 0.0]


def test_rows_follow_the_turn_that_they_name():
    """Turns count within their session; a pause that is told stands."""
    found = resolved(
        links([0, 1, 0, 0], [NOBODY, NOBODY, 7, 7], turn=[7, 7, 8, 9], pause_s=[NAN, NAN, 4.0, NAN],
              service_s=[1.0] * 4),
        np.arange(4.0), relative=False,
    )  # fmt: skip
    assert found.parent.tolist() == [-1, -1, 0, 0]
    assert told(found.pause_s) == [None, None, 4.0, 2.0]


def test_whoever_follows_a_lost_request_follows_the_one_before():
    """Its pause counted from an end that is not there: it is told anew, or not at all."""
    found = resolved(
        links([0, 0, 0], [NOBODY, 3, 99], turn=[1, 2, 3], pause_s=[NAN, 5.0, 6.0],
              service_s=[2.0, NAN, NAN]),
        np.array([0.0, 10.0, 20.0]), relative=False,
    )  # fmt: skip
    assert found.parent.tolist() == [-1, 0, 1], "3 stands later, 99 nowhere"
    assert told(found.pause_s) == [None, 8.0, None]


any_links = st.integers(1, 12).flatmap(
    lambda rows: st.tuples(
        st.lists(st.integers(-1, 3), min_size=rows, max_size=rows),
        st.lists(st.integers(-2, 15), min_size=rows, max_size=rows),
    )
)


@given(any_links, st.lists(st.floats(0, 100), min_size=12, max_size=12))
def test_parents_stand_before_their_rows_in_the_same_session(pairs, times):
    sessions, parents = pairs
    arrival_s = np.sort(np.array(times[: len(sessions)]))
    found = resolved(links(sessions, parents), arrival_s, relative=False)
    rows = np.arange(len(sessions))
    assert np.all(found.parent < rows)
    follows = found.parent >= 0
    assert np.array_equal(found.session[found.parent[follows]], found.session[follows])
    assert set(found.session.tolist()) == set(range(found.session.max() + 1))
    assert np.all(np.isnan(found.pause_s[~follows]))


# --- sessions of each format ---------------------------------------------------------------------


def test_burstgpt_sessions_are_those_of_its_third_part(tmp_path):
    path = tmp_path / "b.csv"
    header = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type"
    )
    rows = [(10.0, "u", 4, "m", 5, 6, 11, "c"), (11.0, "", 2, "m", 5, 6, 11, "a"),
            (30.0, "u", 1, "m", 15, 6, 21, "c"), (31.0, "", 2, "m", 5, 6, 11, "a")]  # fmt: skip
    path.write_text(csv_text(header, rows))
    sessions = read(path).sessions
    assert sessions.session.tolist() == [0, 1, 0, 2]
    assert sessions.parent.tolist() == [-1, -1, 0, -1]
    assert told(sessions.pause_s) == [None, None, 16.0, None]
    assert sessions.service_s.tolist() == [4.0, 2.0, 1.0, 2.0]
    assert not sessions.relative


def bailian_row(chat, parent, at_s):
    return {"chat_id": chat, "parent_chat_id": parent, "timestamp": at_s, "input_length": 9,
            "output_length": 9, "hash_ids": []}  # fmt: skip


def test_bailian_chats_follow_chats(tmp_path):
    """A tree: two chats follow the same one. A parent that is not in the file begins a session."""
    path = tmp_path / "b.jsonl"
    rows = [bailian_row(7, -1, 0), bailian_row(3, -1, 1), bailian_row(9, 7, 2),
            bailian_row(4, 7, 3), bailian_row(5, 9, 4), bailian_row(6, 77, 5)]  # fmt: skip
    path.write_text(json_lines(rows))
    sessions = read(path).sessions
    assert sessions.session.tolist() == [0, 1, 0, 0, 0, 2]
    assert sessions.parent.tolist() == [-1, -1, 0, 0, 2, -1]
    assert told(sessions.pause_s) == [None] * 6
    file = open_trace(path)
    list(file.rows())
    assert [rows for note, rows in file.faults.notes.items() if "follow-ups" in note] == [1]


def test_llmservingsim_sessions_come_after_their_tools(tmp_path):
    path = tmp_path / "s.jsonl"
    calls = [{"input_toks": 100 + i, "output_toks": 7, "tool_duration_ns": t * 10**9}
             for i, t in enumerate((5, 3, 0))]  # fmt: skip
    rows = [{"session_id": "a", "arrival_time_ns": 10**9, "sub_requests": calls},
            {"input_toks": 5, "output_toks": 6, "arrival_time_ns": 2 * 10**9}]  # fmt: skip
    path.write_text(json_lines(rows))
    trace = read(path)
    assert trace.arrival_s.tolist() == [0.0, 1.0, 5.0, 8.0]
    assert trace.input_tokens.tolist() == [100, 5, 101, 102]
    assert trace.sessions.parent.tolist() == [-1, -1, 0, 2]
    assert told(trace.sessions.pause_s) == [None, None, 5.0, 3.0]


def test_spans_follow_what_ended_last_before_them(tmp_path):
    """And share the messages with which both begin; tokens are estimated from the texts."""
    path = tmp_path / "o.json"
    ask, answer, more = (
        {"role": "user", "content": text} for text in ("q" * 40, "a" * 20, "m" * 8)
    )
    spans = [otel_span(0, 0.0, 2.0, [ask], "a" * 20), otel_span(1, 0.5, 1.0, [more], "b" * 4),
             otel_span(2, 3.0, 4.0, [ask, answer, more], "c" * 400)]  # fmt: skip
    path.write_text(json.dumps({"trace_id": "made", "spans": spans}, indent=2))
    trace = read(path)
    assert trace.input_tokens.tolist() == [10, 2, 17]
    assert trace.output_tokens.tolist() == [5, 1, 100]
    assert trace.sessions.parent.tolist() == [-1, -1, 0]
    assert told(trace.sessions.pause_s) == [None, None, 1.0]
    assert trace.sessions.service_s.tolist() == [2.0, 0.5, 1.0]
    assert trace.chains.counts.tolist() == [1, 1, 2]
    assert trace.chains.keys[0] == trace.chains.keys[2]
    assert trace.chains.ends.tolist() == [10, 2, 10, 17]


def test_counted_tokens_of_spans_are_not_estimated(tmp_path):
    path = tmp_path / "o.json"
    counted = {"gen_ai.usage.input_tokens": 33, "gen_ai.usage.completion_tokens": 44}
    spans = [otel_span(i, 5 * i, 5 * i + 1, [{"content": "x"}], "y", **counted) for i in range(2)]
    path.write_text(json.dumps({"spans": spans}))
    file = open_trace(path)
    (rows,) = list(file.rows())
    assert rows.input_tokens.tolist() == [33, 33]
    assert rows.output_tokens.tolist() == [44, 44]
    assert not file.faults.notes


def agent_trace(tmp_path, own_clock):
    """A main agent that starts a sub-agent at 10 s; its requests are at 10 s and 20 s."""
    shift = 10.0 if own_clock else 0.0
    inner = [
        weka_request(10.0 - shift, 128, 3, [50, 51], api_time=4.0, think_time=0.0),
        weka_request(20.0 - shift, 192, 3, [50, 51, 52], api_time=1.0, think_time=6.0),
    ]
    requests = [
        weka_request(0.0, 640, 9, list(range(10)), api_time=8.0, think_time=0.0),
        {"t": 10.0, "type": "subagent", "agent_id": "agent_001", "requests": inner},
        weka_request(30.0, 704, 9, list(range(11)), api_time=2.0, think_time=22.0),
    ]
    path = tmp_path / "session.json"
    path.write_text(json.dumps(weka_session(requests)))
    return path


@pytest.mark.parametrize("own_clock", [False, True])
def test_sub_agents_are_started_by_the_main_agent(tmp_path, own_clock):
    """Whether their requests count from the session's start or from their own."""
    trace = read(agent_trace(tmp_path, own_clock))
    assert trace.arrival_s.tolist() == [0.0, 10.0, 20.0, 30.0]
    assert trace.sessions.relative
    assert trace.sessions.parent.tolist() == [-1, 0, 1, 0]
    assert told(trace.sessions.pause_s) == [None, 2.0, 6.0, 22.0]
    assert trace.block_tokens == 64
    assert trace.chains.counts.tolist() == [1, 1, 2, 2]
    assert trace.chains.ends.tolist() == [640, 128, 128, 192, 640, 704]


def test_a_folder_of_sessions_is_one_trace(tmp_path):
    """Each with a clock of its own, and with nothing in common with the others."""
    for number in range(3):
        requests = [weka_request(5.0 * i, 640 + 64 * i, 9, list(range(10 + i))) for i in range(2)]
        (tmp_path / f"{number}.json").write_text(json.dumps(weka_session(requests)))
    trace = read(tmp_path)
    assert trace.arrival_s.tolist() == [0.0, 5.0] * 3
    assert trace.sessions.session.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.unique(trace.chains.keys[trace.chains.first[:-1]]).size == 3
    lines = tmp_path / "all.jsonl"
    lines.write_text("".join((tmp_path / f"{i}.json").read_text() + "\n" for i in range(3)))
    assert np.array_equal(read(lines).chains.ends, trace.chains.ends)


def agent_parquet(path, order=slice(None), **changes):
    columns = {
        "arrival_s": [0.0, 9.0, 3.0, 20.0, 0.0], "input_tokens": [640, 704, 130, 800, 64],
        "output_tokens": [3, 4, 5, 6, 7], "session_id": [4, 4, 4, 4, 8], "row": [0, 2, 1, 3, 0],
        "agent": ["", "", "a1", "", ""], "n_blocks": [10, 11, 2, 12, 1],
        "hit_blocks": [0, 9, 0, 11, 0], "prefix_parent": [-1, 0, -1, 2, -1],
        "api_time_s": [2.0, NAN, 1.0, 5.0, 1.0], "think_time_s": [0.0, 7.0, 0.0, 3.0, 0.0],
    } | changes  # fmt: skip
    pd.DataFrame(columns).iloc[order].to_parquet(path)
    return path


def test_agent_files_are_read_session_by_session(tmp_path):
    trace = read(agent_parquet(tmp_path / "a.parquet"))
    assert trace.arrival_s.tolist() == [0.0, 3.0, 9.0, 20.0, 0.0]
    assert trace.sessions.session.tolist() == [0, 0, 0, 0, 1]
    assert trace.sessions.parent.tolist() == [-1, 0, 0, 2, -1]
    assert told(trace.sessions.pause_s) == [None, 1.0, 7.0, 3.0, None]
    assert trace.sessions.relative
    # 9 blocks that rows 0, 2 and 3 share; then row 0 alone, and rows 2 and 3 two more.
    assert trace.chains.counts.tolist() == [2, 1, 2, 3, 1]
    assert trace.chains.ends.tolist() == [576, 640, 128, 576, 704, 576, 704, 768, 64]


def test_what_a_failed_request_brought_in_is_shared_all_the_same(tmp_path):
    """Row 2 has no output; row 3 has eleven of its blocks, nine of which were row 0's."""
    path = agent_parquet(tmp_path / "a.parquet", output_tokens=[3, 0, 5, 6, 7])
    with pytest.raises(TraceError, match="1 row: a request without output tokens"):
        read(path)
    convert(path, tmp_path / "clean.parquet")
    trace = read(tmp_path / "clean.parquet")
    assert trace.sessions.parent.tolist() == [-1, 0, 1, -1]
    assert trace.chains.keys[0] == trace.chains.keys[3]
    assert told(trace.sessions.pause_s)[2] == 16.0, "from the end of row 1, which stands in"


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"hit_blocks": [0, 12, 0, 11, 0]}, "hit_blocks that no earlier row of its session has"),
        ({"prefix_parent": [-1, 3, -1, 2, -1]}, "hit_blocks that no earlier row"),
        ({"n_blocks": [10, 13, 2, 12, 1]}, "more hash_ids than its prompt has blocks"),
    ],
)
def test_agent_rows_that_cannot_be_meant_so_are_told(tmp_path, changes, reason):
    with pytest.raises(TraceError, match=reason):
        read(agent_parquet(tmp_path / "a.parquet", **changes))


def test_a_session_that_is_torn_apart_is_put_together_or_told(tmp_path, monkeypatch):
    """A session has to be read as a whole: within a batch it is, beyond one it cannot be."""
    whole = read(agent_parquet(tmp_path / "a.parquet"))
    torn = agent_parquet(tmp_path / "b.parquet", order=[0, 4, 1, 2, 3])
    assert np.array_equal(read(torn).arrival_s, whole.arrival_s)
    monkeypatch.setattr(agent_parquet_module, "BATCH_ROWS", 2)
    assert np.array_equal(read(tmp_path / "a.parquet").chains.ends, whole.chains.ends)
    with pytest.raises(TraceError, match="rows of session 4 do not stand together"):
        read(torn)


# --- what prompts share -------------------------------------------------------------------------

blocks_of_a_session = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 6), st.integers(0, 20)), min_size=1, max_size=12
)


@settings(deadline=None)
@given(blocks_of_a_session)
def test_compact_chains_say_what_the_readme_of_the_agents_says(drawn):
    """Against the rule word by word: the first `hit` ids of a row before, then new ones."""
    ids, n_blocks, hits, parents = [], [], [], []
    for row, (before, wanted, new) in enumerate(drawn):
        parent = before % (row + 1) - 1
        known = ids[parent][:wanted] if parent >= 0 else []
        taken = sum(map(len, ids))
        ids.append([*known, *range(taken + 1000 * row, taken + 1000 * row + new)])
        n_blocks.append(len(ids[-1]))
        hits.append(len(known))
        parents.append(parent)
    chains, broken = shared_blocks(*(np.array(column) for column in (n_blocks, hits, parents)))
    assert not broken.any()
    for row, own in enumerate(ids):
        ends = chains.ends[chains.first[row] : chains.first[row + 1]]
        assert (ends[-1] if ends.size else 0) == len(own) * BLOCK_TOKENS
        assert np.all(np.diff(ends) > 0)
        for other in range(row):
            common = 0
            while common < min(len(own), len(ids[other])) and own[common] == ids[other][common]:
                common += 1
            assert shared_tokens(chains, row, other) == common * BLOCK_TOKENS


def shared_tokens(chains, one, other):
    """Tokens up to which two rows have equal keys."""
    pairs = [
        list(zip(chains.keys[a:b].tolist(), chains.ends[a:b].tolist(), strict=True))
        for a, b in ((chains.first[row], chains.first[row + 1]) for row in (one, other))
    ]
    tokens = 0
    for mine, theirs in zip(*pairs, strict=False):
        if mine != theirs:
            break
        tokens = mine[1]
    return tokens


lists_of_ids = st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=8)


@given(lists_of_ids)
def test_keys_are_equal_where_all_ids_up_to_there_are(rows):
    """For ids that tell content alone, too; laid together or not."""
    counts = np.array([len(row) for row in rows])
    first = np.concatenate([[0], np.cumsum(counts)])
    ids = np.array([i for row in rows for i in row], dtype=np.int64)
    ends = np.array([8 * (k + 1) for row in rows for k in range(len(row))], dtype=np.int64)
    plain = numbered(Chains(first, ids, ends), 8)
    hashes = prefix_hashes(Chains(first, ids, ends))
    for chains in (plain, in_runs(plain)):
        for i, one in enumerate(rows):
            for j, other in enumerate(rows[:i]):
                common = 0
                while common < min(len(one), len(other)) and one[common] == other[common]:
                    common += 1
                assert shared_tokens(chains, i, j) == 8 * common
    prefixes = [tuple(row[: k + 1]) for row in rows for k in range(len(row))]
    assert len(set(hashes.tolist())) == len(set(prefixes))


def test_memory_forgets_what_was_longest_untouched():
    memory = Memory(remembered=3)
    for name in "abcadab":
        memory.put(name, name)
    assert [memory.get(name) for name in "abcd"] == ["a", "b", None, "d"]


def test_sessions_without_requests_are_told(tmp_path):
    path = tmp_path / "odd.jsonl"
    good = weka_session([weka_request(1.0, 64, 5, [1]), "odd", weka_request(0.0, 64, 5, [1])])
    path.write_text(json_lines([good, weka_session([])]))
    with pytest.raises(TraceError) as caught:
        read(path)
    assert "1 row: a session without requests (line 2)" in str(caught.value)
    assert "1 row: t is no time (line 1)" in str(caught.value)
    calls = tmp_path / "calls.jsonl"
    call = {"input_toks": 1, "output_toks": 1, "tool_duration_ns": 0}
    calls.write_text(json_lines(
        {"arrival_time_ns": i, "sub_requests": subs} for i, subs in enumerate([[call], [], 3])
    ))  # fmt: skip
    with pytest.raises(TraceError, match=r"2 rows: sub_requests is no list of calls \(line 2, 3\)"):
        read(calls)
