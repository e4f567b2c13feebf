"""`fleetcast trace describe` and `convert` from end to end."""

import json
import sys
from pathlib import Path

import pytest

from fleetcast.__main__ import main
from simulator.traffic.recordings.traces import read_trace

MOONCAKE = '{"timestamp": %d, "input_length": %d, "output_length": %d, "hash_ids": [1, 2]}\n'


@pytest.fixture
def trace(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast trace ARGUMENTS` in a folder with some traces; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    lines = [MOONCAKE % (400 * (i ^ 1), 900 + i % 7, 1 + i % 90) for i in range(400)]
    Path("chat.jsonl").write_text("".join(lines))
    Path("failed.jsonl").write_text("".join(lines) + MOONCAKE % (999, 900, 0) + "{\n")
    Path("lengths.csv").write_text("input_tokens,output_tokens\n" + "5,7\n9,3\n" * 30)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "trace", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def test_describe_says_what_a_trace_is_like(trace):
    code, printed, errors = trace("describe", "chat.jsonl")
    assert (code, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "chat.jsonl: Mooncake JSONL, 400 requests over 2.67 min"
    told = [line[2:16].strip() for line in lines[1:]]
    assert told == ["arrivals", "gaps", "dispersion", "tokens", "input", "output", "most frequent",
                    "correlation", "prefixes", "new tokens", "out of order"]  # fmt: skip
    assert "2.5/s on average" in printed
    assert "200 rows: sorted" in printed


def test_describe_tells_what_was_left_out(trace):
    code, printed, _ = trace("describe", "failed.jsonl")
    assert code == 0
    assert "left out       1 row: a request without output tokens: it failed (line 401)" in printed
    assert "left out       1 row: unreadable JSON (line 402)" in printed


def test_describe_as_json_is_json_alone(trace):
    code, printed, errors = trace("describe", "failed.jsonl", "-o", "json", "--picture", "p/p.png")
    assert code == 0
    data = json.loads(printed)
    assert (data["requests"], data["format"], data["clock"]) == (400, "Mooncake JSONL", "common")
    assert [each["rows"] for each in data["left_out"]] == [1, 1]
    assert data["prefixes"]["hit_block_share"] > 0.9
    assert "picture: p/p.png" in errors
    assert Path("p/p.png").read_bytes().startswith(b"\x89PNG")


def test_lengths_alone_are_described(trace):
    code, printed, _ = trace("describe", "lengths.csv", "--picture", "p.png")
    assert code == 0
    assert "arrivals       not told: lengths only" in printed
    assert "most frequent  input 5 (50%), 9 (50%)" in printed
    assert Path("p.png").exists()


def test_clients_are_described(trace):
    Path("clients").mkdir()
    Path("clients/chunk-1-trace.csv").write_text("0,2,1.5,Gamma,0.5,1\n600,1,1,,0,0\n")
    Path("clients/chunk-1-dataset.json").write_text('{"0": {"input_tokens": "{5: 1.0}"}}')
    code, printed, errors = trace("describe", "clients")
    assert (code, errors) == (0, "")
    assert printed.splitlines()[0] == (
        "clients: ServeGen, 1 client with demand, windows of 10 min over 20 min"
    )
    assert "input_tokens   p50 5" in printed
    code, printed, _ = trace("describe", "clients", "-o", "json")
    assert json.loads(printed)["families"] == {"Gamma": 2 / 3, "unknown": 1 / 3}
    code, _, errors = trace("describe", "clients", "--picture", "p.png")
    assert code == 2 and "no picture" in errors


def test_convert_writes_what_reads_the_same(trace):
    code, printed, errors = trace("convert", "chat.jsonl", "-o", "new/chat.parquet")
    assert code == 0
    assert printed == "new/chat.parquet: 400 of 400 rows of chat.jsonl (Mooncake JSONL)\n"
    assert errors == "  200 rows were out of order: sorted\n"
    one, other = read_trace("chat.jsonl"), read_trace("new/chat.parquet")
    assert one.input_tokens.tolist() == other.input_tokens.tolist()
    assert one.chains.keys.tolist() == other.chains.keys.tolist()


def test_convert_tells_what_it_left_out(trace):
    code, printed, errors = trace("convert", "failed.jsonl", "-o", "clean.parquet")
    assert code == 0
    assert printed == "clean.parquet: 400 of 402 rows of failed.jsonl (Mooncake JSONL)\n"
    assert "left out: 1 row: unreadable JSON (line 402)" in errors
    code, printed, _ = trace("describe", "clean.parquet")
    assert "left out" not in printed


def test_a_file_is_not_converted_onto_itself(trace):
    trace("convert", "chat.jsonl", "-o", "chat.parquet")
    code, _, errors = trace("convert", "chat.parquet", "-o", "chat.parquet")
    assert code == 2 and "is the file itself" in errors


@pytest.mark.parametrize("name", ["describe", "convert"])
@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "an empty file"),
        ("a,b\n1,2\n", "unknown trace format"),
        ('{"benchmarks": [1]}', "`fleetcast calibrate` or `fleetcast validate`"),
        ('{"timestamp": 0, "input_length": 5, "output_length": 0}\n', "without a single row"),
    ],
)
def test_a_file_that_is_no_trace_is_one_message(trace, name, content, reason):
    Path("odd").write_text(content)
    out = ("-o", "out.parquet") if name == "convert" else ()
    code, printed, errors = trace(name, "odd", *out)
    assert (code, printed) == (2, "")
    assert errors.startswith("Error: odd: ")
    assert reason in errors
    assert not Path("out.parquet").exists()


def test_help_lists_the_commands(trace):
    code, printed, _ = trace("--help")
    assert code == 0
    assert "convert" in printed and "describe" in printed
