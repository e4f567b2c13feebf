"""Every dialect read back equal, whatever its rows; recognised by content, packed or not."""

import gzip
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.traffic.formats import json_lines as json_lines_module
from simulator.traffic.formats import own_parquet as own_parquet_module
from simulator.traffic.formats import tables
from simulator.traffic.formats.reading import open_trace
from simulator.traffic.formats.rows import joined
from simulator.traffic.recordings.traces import TraceError, read_lengths, read_trace
from tests.simulator.dialects import DIALECTS, azure, csv_text, json_lines, mooncake, own_parquet

by_name = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
ROWS = [(0, 4808, 10), (3, 600, 1), (3, 7, 2048), (90, 1, 1)]

rows_of_a_trace = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 300_000), st.integers(1, 5000)),
    min_size=2, max_size=40,
).filter(lambda rows: len({tick for tick, _, _ in rows}) > 1)  # fmt: skip


def read(path):
    """Afresh: the reader remembers files by their path."""
    read_trace.cache_clear()
    return read_trace(str(path))


@by_name
@settings(max_examples=25, deadline=None)
@given(rows=rows_of_a_trace)
def test_what_is_written_is_read_back(dialect, rows, tmp_path_factory):
    """In any order: sorted by arrival, rows of one instant as they stood, from the first on."""
    path = tmp_path_factory.getbasetemp() / f"{dialect.name}.trace"
    dialect.write(rows, path)
    trace = read(path)
    expected = sorted(rows, key=lambda row: row[0])
    since = np.array([tick - expected[0][0] for tick, _, _ in expected]) * dialect.tick_s
    assert np.allclose(trace.arrival_s, since, rtol=0, atol=1e-9)
    assert trace.arrival_s[0] == 0.0
    assert trace.input_tokens.tolist() == [a for _, a, _ in expected]
    assert trace.output_tokens.tolist() == [b for _, _, b in expected]
    assert trace.input_tokens.dtype == trace.output_tokens.dtype == np.int64


@by_name
def test_a_format_is_known_by_its_content(dialect, tmp_path):
    """Names tell nothing: all are called the same here."""
    path = tmp_path / "rows.txt"
    dialect.write(ROWS, path)
    assert open_trace(path).format == dialect.format


@by_name
@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_files_are_unpacked(dialect, packing, tmp_path):
    if dialect.name == "own-parquet":
        pytest.skip("Parquet is packed inside")
    path = tmp_path / "rows"
    dialect.write(ROWS, path)
    plain = read(path)
    content = path.read_bytes()
    pack = gzip.compress if packing == "gzip" else lambda b: pa.compress(b, "zstd", asbytes=True)
    path.write_bytes(pack(content))
    assert np.array_equal(read(path).input_tokens, plain.input_tokens)


@by_name
def test_other_ends_of_lines_and_marks_are_no_matter(dialect, tmp_path):
    """Windows' line ends, a byte order mark, empty lines."""
    if dialect.name == "own-parquet":
        pytest.skip("no text")
    path = tmp_path / "rows"
    dialect.write(ROWS, path)
    plain = read(path)
    text = path.read_text()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert np.array_equal(read(path).arrival_s, plain.arrival_s)


def test_chunks_do_not_show(tmp_path, monkeypatch):
    """A file that is read in many chunks is the file."""
    rows = [(3 * i + i % 2, 10 + i, 5) for i in range(1000)]
    for dialect in DIALECTS:
        path = tmp_path / dialect.name
        dialect.write(rows, path)
        whole = read(path)
        for module in (tables, json_lines_module):
            monkeypatch.setattr(module, "CHUNK_ROWS", 7)
        monkeypatch.setattr(own_parquet_module, "BATCH_ROWS", 7)
        assert len(list(open_trace(path).rows())) > 100
        parts = read(path)
        monkeypatch.undo()
        assert np.array_equal(parts.arrival_s, whole.arrival_s)
        assert np.array_equal(parts.input_tokens, whole.input_tokens)


def test_azure_keeps_tenths_of_microseconds(tmp_path):
    azure([(0, 4808, 10), (520_001, 3180, 8)], tmp_path / "a.csv")
    assert read(tmp_path / "a.csv").arrival_s.tolist() == [0.0, 0.0520001]


def test_azure_takes_zones_together(tmp_path):
    path = tmp_path / "zones.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 23:59:59.5+00:00,1,2\n"
        "2024-05-11 01:00:01+01:00,3,4\n"
    )
    assert read(path).arrival_s.tolist() == [0.0, 1.5]


def test_rows_before_the_first_of_a_calendar_are_no_fault(tmp_path):
    azure([(50_000_000, 1, 1), (0, 2, 2), (70_000_000, 3, 3)], tmp_path / "a.csv")
    trace = read(tmp_path / "a.csv")
    assert trace.arrival_s.tolist() == [0.0, 5.0, 7.0]
    assert trace.input_tokens.tolist() == [2, 1, 3]


def test_measured_requests_of_llmservingsim_are_in_seconds(tmp_path):
    path = tmp_path / "bench.jsonl"
    rows = [{"input_toks": 5, "output_toks": 6, "arrival_time": 1787267980.25 + i} for i in (0, 2)]
    path.write_text(json_lines(rows))
    assert read(path).arrival_s.tolist() == [0.0, 2.0]


def test_token_ids_of_llmservingsim_tell_what_prompts_share(tmp_path):
    path = tmp_path / "ids.jsonl"
    ids = [list(range(40)), list(range(32)) + [9] * 8, [7] * 40]
    rows = [
        {"input_toks": 40, "output_toks": 1, "arrival_time_ns": 10**9 * i, "input_tok_ids": row}
        for i, row in enumerate(ids)
    ]
    path.write_text(json_lines(rows))
    trace = read(path)
    assert trace.block_tokens == 16
    keys = [set(part) for part in np.split(trace.chains.keys, trace.chains.first[1:-1])]
    assert keys[0] == keys[1] and not keys[0] & keys[2]
    assert trace.chains.ends[0] == 32


@pytest.mark.parametrize("ids", [[2**63, 2**64 - 1], [-1, -5]])
def test_hash_ids_may_have_all_64_bits(ids, tmp_path):
    path = tmp_path / "big.jsonl"
    rows = [
        {"timestamp": i, "input_length": 1024, "output_length": 1, "hash_ids": ids} for i in (0, 9)
    ]
    path.write_text(json_lines(rows))
    chains = read(path).chains
    assert chains.keys.tolist() == [0, 1, 0, 1] or chains.keys.tolist() == [1, 0, 1, 0]


def test_blocks_of_sixteen_tokens_are_laid_together(tmp_path):
    """Bailian: two prompts share 40 blocks, and go apart; each is two segments."""
    path = tmp_path / "b.jsonl"
    shared = list(range(40))
    rows = [
        {"chat_id": i, "parent_chat_id": -1, "timestamp": i, "input_length": 1600,
         "output_length": 1, "hash_ids": shared + [100 * (i + 1) + k for k in range(60)]}
        for i in range(2)
    ]  # fmt: skip
    path.write_text(json_lines(rows))
    trace = read(path)
    assert trace.block_tokens == 16
    assert trace.chains.counts.tolist() == [2, 2]
    assert trace.chains.ends.tolist() == [640, 1600] * 2
    assert trace.chains.keys[0] == trace.chains.keys[2]
    assert trace.chains.keys[1] != trace.chains.keys[3]


def test_blis_prompts_are_behind_their_prefix(tmp_path):
    """input_tokens are those behind it; what a server counted is the whole prompt."""
    path = tmp_path / "t.csv"
    header = (
        "request_id,session_id,round_index,prefix_group,prefix_length,input_tokens,"
        "output_tokens,server_input_tokens,arrival_time_us"
    )
    lines = [
        (0, "", 0, "sys", 100, 50, 5, 0, 0), (1, "", 0, "sys", 100, 50, 5, 170, 10**6),
        (2, "", 0, "", 0, 50, 5, 0, 2 * 10**6),
    ]  # fmt: skip
    path.write_text(csv_text(header, lines))
    trace = read(path)
    assert trace.input_tokens.tolist() == [150, 170, 50]
    assert trace.chains.counts.tolist() == [1, 1, 0]
    assert trace.chains.ends.tolist() == [100, 100]
    assert trace.chains.keys[0] == trace.chains.keys[1]


@pytest.mark.parametrize("beside", ["t.yaml", "header.yaml", None])
def test_blis_sessions_that_accumulate_grow(beside, tmp_path):
    """The header, beside the CSV or above it, says that inputs are what a round adds."""
    about = "trace_version: 3\ntime_unit: us\nsession_context_growth: accumulate\n"
    header = "request_id,session_id,round_index,input_tokens,output_tokens,arrival_time_us"
    lines = [(i, "a", i, 100, 10, i * 10**6) for i in range(3)]
    text = csv_text(header, lines)
    if beside:
        (tmp_path / beside).write_text(about)
    path = tmp_path / "t.csv"
    path.write_text(text if beside else about + text)
    trace = read(path)
    assert trace.input_tokens.tolist() == [100, 210, 320]
    assert trace.sessions.parent.tolist() == [-1, 0, 1]


def test_aiperf_gives_texts_and_delays(tmp_path):
    """Four characters a token; a turn comes `delay` after the one before."""
    path = tmp_path / "aiperf.jsonl"
    rows = [
        {"session_id": "a", "timestamp": 1000, "text_input": "x" * 41, "output_length": 4},
        {"session_id": "b", "timestamp": 1500, "input_length": 10, "output_length": 4},
        {"session_id": "a", "delay": 2000, "input_length": 30, "output_length": 4},
        {"session_id": "a", "timestamp": 9000, "output_length": 4,
         "messages": [{"role": "user", "content": "x" * 8}, {"role": "user", "content": "y" * 5}]},
    ]  # fmt: skip
    path.write_text(json_lines(rows))
    trace = read(path)
    assert trace.arrival_s.tolist() == [0.0, 0.5, 2.0, 8.0]
    assert trace.input_tokens.tolist() == [11, 10, 30, 4]
    assert trace.sessions.parent.tolist() == [-1, -1, 0, 2]
    assert trace.sessions.pause_s[2] == 2.0 and np.isnan(trace.sessions.pause_s[3])
    file = open_trace(path)
    joined(list(file.rows()))
    assert list(file.faults.notes.values()) == [2]


def test_a_list_of_objects_is_as_good_as_lines(tmp_path):
    rows = [{"timestamp": i, "input_length": 5, "output_length": 6} for i in (0, 1000)]
    for text in (json.dumps(rows), json.dumps(rows, indent=1)):
        path = tmp_path / "rows.json"
        path.write_text(text)
        assert read(path).arrival_s.tolist() == [0.0, 1.0]


# --- lengths without arrivals -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "vidur.csv", "rows.jsonl"])
def test_lengths_alone_are_lengths_and_no_trace(name, tmp_path):
    path = tmp_path / name
    if name == "rows.parquet":
        pd.DataFrame({"input_tokens": [5, 6], "output_tokens": [7, 8]}).to_parquet(path)
    elif name == "rows.jsonl":
        path.write_text(json_lines({"input_length": a, "output_length": a + 2} for a in (5, 6)))
    else:
        vidur = name == "vidur.csv"
        names = "num_prefill_tokens,num_decode_tokens" if vidur else "input_tokens,output_tokens"
        path.write_text(csv_text(names, [(5, 7), (6, 8)]))
    inputs, outputs = read_lengths(str(path))
    assert (inputs.tolist(), outputs.tolist()) == ([5, 6], [7, 8])
    with pytest.raises(TraceError, match=r"lengths only: no .* says when requests arrived"):
        read(path)


def test_lengths_of_a_trace_are_its_rows(tmp_path):
    mooncake(ROWS, tmp_path / "m.jsonl")
    inputs, outputs = read_lengths(str(tmp_path / "m.jsonl"))
    assert inputs.tolist() == [4808, 600, 7, 1]
    assert outputs.tolist() == [10, 1, 2048, 1]


# --- the clock -----------------------------------------------------------------------------------


def test_the_step_of_a_coarse_clock_is_found(tmp_path):
    """Mooncake's clock ticks every 3 s and lumps what comes between."""
    mooncake([(3000 * (i // 5), 10, 10) for i in range(50)], tmp_path / "lumps")
    assert read(tmp_path / "lumps").step_s == 3.0


def test_whole_seconds_of_a_slow_service_are_a_step(tmp_path):
    """BurstGPT's: fewer than half of the requests share their second, and still none is finer."""
    rows = [(i + i // 4, 10, 10) for i in range(0, 400)] + [(7 * i, 5, 5) for i in range(60)]
    DIALECTS[4].write(rows, tmp_path / "seconds")
    assert read(tmp_path / "seconds").step_s == 1.0


def test_a_few_requests_at_one_instant_are_no_coarse_clock(tmp_path):
    mooncake([(at, 10, 10) for at in [0, 0, 700, 1500, 1500, 2600, 4000]], tmp_path / "fine")
    assert read(tmp_path / "fine").step_s == 0.0


def test_one_request_a_second_is_no_coarse_clock(tmp_path):
    """Nothing is lumped, so there is nothing to spread."""
    mooncake([(1000 * i, 10, 10) for i in range(200)], tmp_path / "even")
    assert read(tmp_path / "even").step_s == 0.0


def test_the_span_is_the_last_arrival_and_a_mean_gap(tmp_path):
    own_parquet([(0, 1, 1), (1000, 1, 1), (4000, 1, 1), (9000, 1, 1)], tmp_path / "rows")
    assert read(tmp_path / "rows").span_s == 12.0


def test_a_trace_that_is_gone_is_told_so(tmp_path):
    with pytest.raises(TraceError, match=r"gone\.csv: .*No such file"):
        read_trace(os.fspath(tmp_path / "gone.csv"))


def test_a_first_line_may_be_longer_than_what_is_looked_at(tmp_path):
    """Sessions of agents are lines of megabytes."""
    path = tmp_path / "long.jsonl"
    rows = [
        {"note": "x" * 2_000_000, "timestamp": i, "input_length": 5, "output_length": 6}
        for i in (0, 1000)
    ]
    path.write_text(json_lines(rows))
    assert read(path).arrival_s.tolist() == [0.0, 1.0]


def test_session_ids_of_our_parquet_may_be_numbers_names_or_missing(tmp_path):
    columns = {"arrival_s": [0.0, 1.0, 5.0, 6.0], "input_tokens": 5, "output_tokens": 6}
    for ids in ([3, 4, 3, 3], ["a", "b", "a", "a"], [1.0, np.nan, 1.0, 1.0], ["a", None, "a", "a"]):
        path = tmp_path / "rows.parquet"
        pd.DataFrame(columns | {"session_id": ids}).to_parquet(path)
        sessions = read(path).sessions
        assert sessions.parent.tolist() == [-1, -1, 0, 2]
        assert sessions.session[0] != sessions.session[1]
