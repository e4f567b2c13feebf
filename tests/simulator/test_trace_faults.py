"""Files that cannot be used, or not wholly: each is one message that says where and why."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from scenarios.demand import TOKENS_MAX
from simulator.traffic.formats.reading import open_trace
from simulator.traffic.recordings.conversion import convert
from simulator.traffic.recordings.traces import TraceError, read_trace
from tests.simulator.dialects import (
    DIALECTS,
    json_lines,
    otel_span,
    same,
    weka_request,
    weka_session,
)

by_name = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
ROWS = [(0, 4808, 10), (3, 600, 1), (3, 7, 2048), (90, 1, 1), (91, 12, 9)]
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = "2023-11-16 18:17:03.1,10,10\n"
MOONCAKE = '{"timestamp": %d, "input_length": %d, "output_length": %d}\n'
PARQUET = {"arrival_s": [0.0, 1.0], "input_tokens": [5, 5], "output_tokens": [5, 5]}


def message(path):
    read_trace.cache_clear()
    with pytest.raises(TraceError) as caught:
        read_trace(str(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text


def written(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        pd.DataFrame(content).to_parquet(path)
    return path


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("zero.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,10,0\n" + GOOD,
         "1 row: a request without output tokens: it failed (line 3)"),
        ("two.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,0,1\n" * 2,
         "2 rows: a request without prompt tokens (line 3, 4)"),
        ("negative.csv", AZURE + "2023-11-16 18:17:04.1,-3,7\n" + GOOD,
         "1 row: ContextTokens is negative (line 2)"),
        ("gap.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,,7\n",
         "1 row: ContextTokens is not a number (line 3)"),
        ("words.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,many,7\n",
         "ContextTokens is not a number (line 3)"),
        ("half.csv", AZURE + GOOD + "2024-01-01 00:00:01,10.5,5\n",
         "ContextTokens has a fraction of a token (line 3)"),
        ("huge.csv", AZURE + GOOD + f"2024-01-01 00:00:01,10,{TOKENS_MAX + 1}\n",
         "GeneratedTokens is more than 268,435,456 tokens (line 3)"),
        ("short.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,7\n",
         "1 row: 2 fields, where the header has 3 (line 3)"),
        ("long.csv", AZURE + GOOD + "2023-11-16 18:17:04.1,7,7,7\n",
         "1 row: 4 fields, where the header has 3 (line 3)"),
        ("quoted.csv", AZURE + '"2023-11-16 18:17:03.1",10,10\n' + "2023-11-16 18:17:04.1,7\n",
         "1 row: 2 fields, where the header has 3 (line 3)"),
        ("again.csv", AZURE + GOOD + AZURE + GOOD, "1 row: the header once more (line 3)"),
        ("untimed.csv", AZURE + GOOD + ",7,7\n", "1 row: TIMESTAMP is no time (line 3)"),
        ("yesterday.csv", AZURE + GOOD + "yesterday,7,7\n", "TIMESTAMP is no time (line 3)"),
        ("part.jsonl", MOONCAKE % (0, 1, 1) + '{"timestamp": 5, "input_length": 3}\n',
         "output_length is not a number (line 2)"),
        ("list.jsonl", MOONCAKE % (0, 1, 1) + '{"timestamp": 5, "input_length": [3], '
         '"output_length": 3}\n', "input_length is not a number (line 2)"),
        ("early.jsonl", MOONCAKE % (0, 1, 1) + MOONCAKE % (-5, 1, 1),
         "1 row: timestamp is negative (line 2)"),
        ("number.jsonl", MOONCAKE % (0, 1, 1) + "17\n", "1 row: not a JSON object (line 2)"),
        ("broken.jsonl", MOONCAKE % (0, 1, 1) + "{a\n" + MOONCAKE % (0, 1, 1),
         "1 row: unreadable JSON (line 2)"),
        ("cut.jsonl", MOONCAKE % (0, 1, 1) * 2 + '{"timestamp": 5, "inp',
         "1 row: unreadable JSON: the file breaks off (line 3)"),
        ("nan.parquet", PARQUET | {"arrival_s": [0.0, np.nan]},
         "1 row: arrival_s is no time (row 2)"),
        ("infinite.parquet", PARQUET | {"arrival_s": [np.inf, 0.0]},
         "1 row: arrival_s is not finite (row 1)"),
        ("zero.parquet", PARQUET | {"output_tokens": [0, 5]}, "without output tokens: it failed"),
        ("text.parquet", PARQUET | {"input_tokens": ["5", "five"]},
         "1 row: input_tokens is not a number (row 2)"),
        ("gap.parquet", PARQUET | {"input_tokens": [5, None]}, "input_tokens is not a number"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_told_with_their_lines(tmp_path, name, content, reason):
    told = message(written(tmp_path, name, content))
    assert reason in told
    assert "rows of this" in told
    assert told.endswith(f"fleetcast trace convert {name} -o clean.parquet")


def test_every_reason_is_told_once_with_its_first_lines(tmp_path):
    """A row counts once, for the first thing that is wrong with it."""
    bad = "2023-11-16 18:17:04.1,0,0\n" * 9 + "never,many,0\n"
    path = written(tmp_path, "many.csv", AZURE + GOOD + bad + GOOD)
    told = message(path).splitlines()
    assert told[0] == f"{path}: 10 of 12 rows of this Azure LLM CSV cannot be used:"
    assert told[1:3] == [
        "  1 row: TIMESTAMP is no time (line 12)",
        "  9 rows: a request without prompt tokens (line 3, 4, 5, 6, 7 ...)",
    ]


def test_lines_are_counted_through_quoted_fields_that_hold_ends_of_lines(tmp_path):
    """BLIS writes error messages as they come."""
    header = "request_id,round_index,input_tokens,output_tokens,arrival_time_us,error_message\n"
    text = header + '0,0,5,5,0,"one\ntwo"\n1,0,5,5,9,\n2,0,5,,9,\n'
    assert "output_tokens is not a number (line 5)" in message(written(tmp_path, "b.csv", text))


def test_a_quote_that_never_ends_is_told(tmp_path):
    text = AZURE + GOOD + '"2023-11-16' + "x" * 200_000
    assert "line" in message(written(tmp_path, "q.csv", text))


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("one.csv", AZURE + GOOD, "at least two rows at different times"),
        ("instant.csv", AZURE + GOOD + GOOD, "at least two rows at different times"),
        ("header.csv", AZURE, "Azure LLM CSV without a single row"),
        ("empty.csv", "", "an empty file"),
        ("blank.csv", "\n \n", "an empty file"),
        ("other.csv", "a,b\n1,2\n", "unknown trace format, with a, b; known are: "),
        ("other.jsonl", '{"a": 1}\n', "unknown trace format, with a; known are: "),
        ("words.txt", "Dear diary\n", "unknown trace format"),
        ("lengths.parquet", {"input_tokens": [1, 2], "output_tokens": [1, 2]}, "no arrival_s says"),
        ("demand.parquet", {"timestamp": [1, 2], "value": [1, 2]}, "a demand series"),
        ("other.parquet", {"a": [1]}, "unknown trace format, with a; known are: "),
    ],
)
def test_files_that_are_no_trace_are_told_what_they_are(tmp_path, name, content, reason):
    assert reason in message(written(tmp_path, name, content))


@pytest.mark.parametrize(
    "document, what",
    [
        ({"benchmarks": [], "metadata": {}}, "a result of GuideLLM"),
        ({"duration": 1, "request_throughput": 2, "total_input_tokens": 5, "input_lens": [5]},
         "a result of vllm bench serve"),
        ({"load_summary": {}, "successes": {}}, "a result of inference-perf"),
        ({"metadata": {"x": 1}, "metrics": {}}, "a result of AIPerf"),
        ({"metadata": {"gap_seconds": 300}, "data": [0, 1]}, "spot instances"),
    ],
)  # fmt: skip
def test_results_of_benchmarks_are_sent_where_they_belong(tmp_path, document, what):
    told = message(written(tmp_path, "result.json", json.dumps(document, indent=1)))
    assert what in told
    assert "spot" in what or "`fleetcast calibrate` or `fleetcast validate`" in told


def test_the_header_of_a_blis_trace_names_its_csv(tmp_path):
    told = message(written(tmp_path, "t.yaml", "trace_version: 3\ntime_unit: us\nmode: real\n"))
    assert "name the CSV" in told


# --- every format: cut off, shuffled, binary, empty ---------------------------------------------


def session_file(path):
    requests = [weka_request(t, 640 + t, 5, list(range(10))) for t in range(6)]
    path.write_text(json.dumps(weka_session(requests)))


def chain_file(path):
    spans = [otel_span(i, 2 * i, 2 * i + 1, [{"content": "x" * 40}], "yes") for i in range(3)]
    path.write_text(json.dumps({"spans": spans}, indent=1))


def agent_file(path):
    columns = {"arrival_s": [0.0, 9.0], "input_tokens": [640, 704], "output_tokens": [3, 4]}
    columns |= {"session_id": 1, "row": [0, 1], "n_blocks": [10, 11], "hit_blocks": [0, 10]}
    pd.DataFrame(columns | {"prefix_parent": [-1, 0]}).to_parquet(path)


FILES = [
    *((dialect.name, lambda path, d=dialect: d.write(ROWS, path)) for dialect in DIALECTS),
    ("weka", session_file), ("otel", chain_file), ("agents", agent_file),
]  # fmt: skip
any_file = pytest.mark.parametrize("write", [w for _, w in FILES], ids=[name for name, _ in FILES])


@any_file
def test_a_file_that_is_cut_off_is_one_message(write, tmp_path):
    """At a fifth and at four: a JSON document or Parquet breaks, lines lose one row."""
    path = tmp_path / "cut"
    write(path)
    content = path.read_bytes()
    read_trace.cache_clear()
    whole = read_trace(str(path)).arrival_s.size
    for end in (len(content) // 5, 4 * len(content) // 5):
        path.write_bytes(content[:end])
        read_trace.cache_clear()
        try:
            assert read_trace(str(path)).arrival_s.size < whole
        except TraceError as error:
            assert str(error).startswith(f"{path}: ")


@any_file
def test_a_packed_file_that_is_cut_off_is_one_message(write, tmp_path):

    path = tmp_path / "cut.gz"
    write(path)
    path.write_bytes(gzip.compress(path.read_bytes() + b"\n" * 99_999 + b"  ")[:-12])
    assert len(message(path)) < 1000


@any_file
def test_a_binary_file_is_told_so(write, tmp_path):
    """The first half of the file, then noise: never a traceback."""
    path = tmp_path / "noise"
    write(path)
    content = path.read_bytes()
    noise = np.random.Generator(np.random.PCG64(1)).bytes(20_000)
    path.write_bytes(noise)
    assert "binary" in message(path) or "unknown" in message(path)
    path.write_bytes(content[: len(content) // 2] + noise)
    message(path)


@by_name
def test_a_shuffled_file_is_sorted_and_told(dialect, tmp_path):
    rows = [(10 * i, 100 + i, 1 + i) for i in range(300)]
    straight, mixed = tmp_path / "straight", tmp_path / "mixed"
    dialect.write(rows, straight)
    order = np.random.Generator(np.random.PCG64(2)).permutation(300)
    dialect.write([rows[i] for i in order], mixed)
    read_trace.cache_clear()
    one, other = read_trace(str(straight)), read_trace(str(mixed))
    assert np.allclose(one.arrival_s, other.arrival_s, rtol=0, atol=1e-9)
    assert np.array_equal(one.input_tokens, other.input_tokens)
    latest = np.maximum.accumulate(order)
    done = convert(mixed, tmp_path / "sorted.parquet")
    assert done.out_of_order == int((order < latest).sum())
    assert same(read_trace(str(tmp_path / "sorted.parquet")), other)


@pytest.mark.parametrize(
    "content, what",
    [
        (b"PK\x03\x04rest", "a zip archive; unpack it first"),
        (b"BZh91AY", "a bzip2 file; unpack it first"),
        (b"PAR1" + b"x" * 99, "a Parquet file that is broken"),
        ("timestamp,value\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\x00", "a packed file that breaks off"),
        (b"a,b\n\0\0", "a binary file"),
        (b'[{"a": 1},\n{"a": 2', "JSON that breaks off or is broken at line 2"),
        (b"[" * 100_000, "JSON that"),
    ],
)
def test_files_of_other_kinds_are_told_what_they_are(tmp_path, content, what):
    path = tmp_path / "strange"
    path.write_bytes(content)
    assert what in message(path)


def test_a_folder_without_sessions_is_told_so(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    assert "a folder without a .json file" in message(tmp_path)


def test_bytes_that_are_no_utf_8_harm_only_their_own_row(tmp_path):
    """A name in Latin-1 in a column that nobody reads."""
    path = tmp_path / "latin.csv"
    text = "arrival_s,input_tokens,output_tokens,user\n0,5,6,Ren\xe9\n1,7,8,Bo\n"
    path.write_bytes(text.encode("latin-1"))
    read_trace.cache_clear()
    assert read_trace(str(path)).input_tokens.tolist() == [5, 7]


def test_faults_are_found_while_rows_are_read(tmp_path):
    """The reader gives sound rows and goes on."""
    lines = [MOONCAKE % (i, 5, i % 3) for i in range(9)]
    file = open_trace(written(tmp_path, "m.jsonl", "".join(lines)))
    assert sum(len(rows) for rows in file.rows()) == 6
    assert file.faults.counts == {"a request without output tokens: it failed": 3}
    assert list(file.faults.first.values()) == [[1, 4, 7]]


def test_a_broken_file_in_a_folder_of_sessions_is_a_fault_of_its_own(tmp_path):
    session_file(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"id": "cut", "requests": [')
    (tmp_path / "c.json").write_text(json_lines([{"no": "session"}]))
    told = message(tmp_path)
    assert "1 row: a file that is no JSON object (file 2)" in told
    assert "1 row: no session: it has no block_size and requests (file 3)" in told
