"""Sorting beyond memory against a plain sort; conversion against reading; nothing half written."""

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator.traffic.recordings.conversion as conversion
from simulator.traffic.formats import batches, spool, tables
from simulator.traffic.formats import json_lines as json_lines_module
from simulator.traffic.formats.own_parquet import ABOUT
from simulator.traffic.formats.rows import Links, Rows, joined, take
from simulator.traffic.formats.spool import Spool
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.conversion import convert, sorted_rows
from simulator.traffic.recordings.traces import TraceError, read_trace
from tests.simulator.dialects import DIALECTS, json_lines, mooncake, same

MOONCAKE = '{"timestamp": %d, "input_length": %d, "output_length": %d}\n'


def some_rows(arrivals, sessions=None, lists=None, block=None):
    """Rows that are told apart by their prompts; with chains of blocks or of runs."""
    size = len(arrivals)
    inputs, outputs = 1000 + np.arange(size), np.arange(size) + 1
    chains = links = None
    if lists is not None:
        counts = np.array([min(n, 9) for n in lists])
        first = np.concatenate([[0], np.cumsum(counts)])
        keys = np.arange(first[-1]) * 7 - 5
        place = np.concatenate([np.arange(n) for n in counts]) if size else np.empty(0)
        ends = ((place + 1) * (block or 13)).astype(np.int64)
        chains = Chains(first, keys, ends)
    if sessions is not None:
        unknown = np.full(size, np.nan)
        links = Links(np.array(sessions), np.arange(size), np.full(size, -2), unknown, unknown + 1)
    return Rows(np.array(arrivals, dtype=float), inputs, outputs, chains, links)


chunk_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data(), sizes=chunk_sizes, kind=st.sampled_from(["plain", "blocks", "sessions"]),
       nearly=st.booleans())  # fmt: skip
def test_a_spool_sorts_as_a_plain_sort_does(data, sizes, kind, nearly):
    """Stable, whatever the chunks, batches and runs; and as often as asked."""
    total = sum(sizes)
    jitter = 3 if nearly else 1000
    drawn = data.draw(st.lists(st.integers(0, jitter), min_size=total, max_size=total))
    arrivals = [2 * i * nearly + x for i, x in enumerate(drawn)]
    lists = drawn if kind != "plain" else None
    sessions = [x % 4 for x in drawn] if kind == "sessions" else None
    rows = some_rows(arrivals, sessions, lists, block=16 if kind == "blocks" else None)
    key = rows.links.session if sessions else np.zeros(total)
    expected = take(rows, np.lexsort((rows.arrival_s, key)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "BATCH_ROWS", 3)
        patch.setattr(batches, "BATCH_SEGMENTS", 5)
        patch.setattr(spool, "CHUNK_ROWS", 4)
        with Spool(kind == "sessions", 16 if kind == "blocks" else None) as found:
            begin = 0
            for size in sizes:
                found.add(take(rows, np.arange(begin, begin + size)))
                begin += size
            for _ in range(2):
                assert same(joined(list(found.rows())), expected)
            assert found.count == total
            ranks = np.argsort(np.lexsort((rows.arrival_s, key)))
            assert found.out_of_order == int((ranks < np.maximum.accumulate(ranks)).sum())
        assert not os.path.exists(found.folder.name)


def test_a_file_in_order_is_one_run():
    with Spool(False, None) as found:
        for begin in range(0, 1000, 100):
            found.add(some_rows(np.arange(begin, begin + 100.0)))
        assert len(found.runs) == 1
        assert sum(len(rows) for rows in found.rows()) == 1000


def test_chains_that_come_late_are_kept():
    """Rows without any before them have none."""
    with Spool(False, 16) as found:
        found.add(some_rows([5.0, 6.0]))
        found.add(some_rows([1.0, 9.0], lists=[2, 1], block=16))
        rows = joined(list(found.rows()))
    assert rows.arrival_s.tolist() == [1.0, 5.0, 6.0, 9.0]
    assert rows.chains.counts.tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 9999), st.integers(1, 99)),
        min_size=2,
        max_size=30,
    ).filter(lambda r: len({t for t, _, _ in r}) > 1)
)
def test_what_is_converted_reads_the_same(dialect, rows, tmp_path_factory):
    """Bit by bit: arrivals, lengths, the step of the clock, chains, sessions."""
    folder = tmp_path_factory.getbasetemp()
    path, out = folder / f"{dialect.name}.in", folder / f"{dialect.name}.parquet"
    dialect.write(rows, path)
    read_trace.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for module in (tables, json_lines_module):
            patch.setattr(module, "CHUNK_ROWS", 5)
        done = convert(path, out)
    assert (done.format, done.rows, done.faults.rows) == (dialect.format, len(rows), 0)
    assert same(read_trace(str(path)), read_trace(str(out)))


def test_rows_that_cannot_be_used_are_left_out_and_told(tmp_path):
    path, out = tmp_path / "m.jsonl", tmp_path / "out.parquet"
    path.write_text("".join(MOONCAKE % (1000 * i, 5 + i, i % 3) for i in range(9)) + "{\n")
    done = convert(path, out)
    assert (done.rows, done.faults.rows) == (6, 4)
    trace = read_trace(str(out))
    assert trace.input_tokens.tolist() == [6, 7, 9, 10, 12, 13]
    assert trace.arrival_s.tolist() == [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]
    about = json.loads(pq.read_schema(out).metadata[ABOUT])
    assert about["format"] == "Mooncake JSONL"
    assert about["left_out"] == {
        "unreadable JSON": 1, "a request without output tokens: it failed": 3,
    }  # fmt: skip
    assert pq.read_schema(out).names == ["arrival_s", "input_tokens", "output_tokens"]


def test_a_file_without_a_usable_row_is_told_and_nothing_is_written(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(MOONCAKE % (0, 5, 0) * 3)
    with pytest.raises(TraceError, match=r"without a single row .*\n  3 rows: a request without"):
        convert(path, tmp_path / "out.parquet")
    assert os.listdir(tmp_path) == ["m.jsonl"]


def test_a_conversion_that_is_stopped_leaves_nothing_and_spoils_nothing(tmp_path, monkeypatch):
    """What was there under the name stays as it was."""
    path, out = tmp_path / "m.jsonl", tmp_path / "out.parquet"
    mooncake([(i, 5, 5) for i in range(0, 900, 9)], path)
    out.write_text("an older one")

    def broken(rows, schema):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "columns_of", broken)
    with pytest.raises(KeyboardInterrupt):
        convert(path, out)
    assert sorted(os.listdir(tmp_path)) == ["m.jsonl", "out.parquet"]
    assert out.read_text() == "an older one"


def test_progress_is_told(tmp_path, monkeypatch):
    path = tmp_path / "m.jsonl"
    path.write_text(json_lines({"timestamp": i, "input_length": 5, "output_length": 5}
                               for i in range(20)))  # fmt: skip
    monkeypatch.setattr(json_lines_module, "CHUNK_ROWS", 8)
    told = []
    with sorted_rows(path, told.append):
        assert told == [8, 16, 20]


def test_same_file_same_bytes(tmp_path):
    path = tmp_path / "m.jsonl"
    mooncake([(i % 7, 5 + i, 5) for i in range(100)], path)
    for name in ("a", "b"):
        convert(path, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
