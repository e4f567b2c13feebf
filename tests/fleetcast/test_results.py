"""`fleetcast results`: what is in a result set, by SQL, and nothing else."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from reports.querying import table_at
from tests.fleetcast.test_commands import command, simulated

__all__ = ["command"]  # a fixture


@pytest.fixture
def ask(command):
    """Calls `fleetcast results query out SQL ...` of three periods."""
    simulated(command, "out")
    return lambda sql, *more: command("results", "query", "out", sql, *more)


def test_answers_are_those_of_the_tables(ask):
    code, printed, told = ask(
        "SELECT replication, requests FROM replications ORDER BY 1", "-o", "json"
    )
    periods = pd.read_parquet("out/replications.parquet")
    assert (code, told) == (0, "")
    assert json.loads(printed) == periods[["replication", "requests"]].to_dict("records")
    _, printed, _ = ask("FROM requests ORDER BY replication, arrival_s", "-o", "csv")
    Path("answer.csv").write_text(printed)
    rows = pd.read_parquet("out/requests.parquet")
    assert len(pd.read_csv("answer.csv")) == len(rows)
    _, printed, _ = ask("SELECT metric, sum(count) AS n FROM latencies GROUP BY metric ORDER BY 1")
    lines = printed.splitlines()
    assert [line.split() for line in lines[:2]] == [["metric", "n"], ["e2e", str(len(rows))]]
    assert len({len(line) for line in lines}) == 1, "numbers end at the right"


def test_a_long_answer_says_that_it_is_cut(ask):
    _, printed, told = ask("SELECT arrival_s FROM requests", "--limit", 2)
    assert len(printed.splitlines()) == 3
    assert told == "Only the first 2 rows; --limit prints more\n"
    _, printed, told = ask("SELECT arrival_s FROM requests LIMIT 2", "--limit", 2)
    assert (len(printed.splitlines()), told) == (3, "")
    assert ask("SELECT down_s, NULL AS none FROM replications LIMIT 1")[1].splitlines()[1] == (
        "  [8]     null"
    )


@pytest.mark.parametrize(
    "sql, message",
    [
        ("SELECT ttft FROM requests", 'Referenced column "ttft" not found'),
        ("SELECT * FROM request", 'Did you mean "requests"?'),
        ("SELEC", "syntax error"),
        ("SELECT CAST('x' AS int)", "Could not convert"),
        ("", "allowed: one SELECT"),
        ("SELECT 1; SELECT 2", "allowed: one SELECT"),
        ("CREATE TABLE t AS SELECT 1", "allowed: one SELECT"),
        ("COPY requests TO 'x.csv'", "allowed: one SELECT"),
        ("SET enable_external_access = true", "allowed: one SELECT"),
        ("SELECT * FROM 'out/plan.json'", "file system operations are disabled"),
        ("SELECT * FROM read_text('tiny.yaml')", "file system operations are disabled"),
        ("SELECT * FROM tables", "Table with name tables does not exist"),
    ],
)
def test_what_cannot_be_answered_is_one_message(ask, sql, message):
    code, printed, told = ask(sql)
    assert (code, printed) == (2, "")
    assert told.startswith("Error: ") and message in told
    assert "Traceback" not in told
    if "Error: got" not in told:
        assert "  timeline: replication, time_s, replicas_up" in told


def test_show_lists_the_tables(ask, command):
    code, printed, _ = command("results", "show", "out", "-o", "json")
    tables = {table["table"]: table for table in json.loads(printed)}
    assert code == 0 and list(tables) == [
        "replications", "requests", "latencies", "timeline", "incidents",
    ]  # fmt: skip
    timeline = tables["timeline"]
    assert timeline["rows"] == len(pd.read_parquet("out/timeline.parquet"))
    assert timeline["bytes"] == Path("out/timeline.parquet").stat().st_size
    assert timeline["columns"]["arrivals"] == "int32"
    plain = command("results", "show", "out")[1]
    assert f"timeline: {timeline['rows']} rows, {timeline['bytes']:,} bytes\n" in plain
    assert "  metric       string\n" in plain


def test_other_folders_are_refused(command, tmp_path):
    Path("empty").mkdir()
    code, _, told = command("results", "show", "empty")
    assert (code, told) == (
        2, "Error: empty holds no result set: no manifest.json of plan, simulate or sweep\n",
    )  # fmt: skip
    Path("empty/manifest.json").write_text('{"files": [], "results_version": 0}')
    for arguments in (("results", "query", "empty", "SELECT 1"), ("results", "show", "empty")):
        code, _, told = command(*arguments)
        assert code == 2 and "results of version 0; this fleetcast reads version 1" in told


def test_a_table_in_parts_is_one(tmp_path):
    """As a sweep leaves it: a partition per cell, and columns that not all of them have."""
    for cell, frame in enumerate((pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2], "b": [0.5]}))):
        part = tmp_path / "replications" / f"cell={cell:04d}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        frame.to_parquet(part)
    table = table_at(tmp_path / "replications").to_table().to_pandas()
    assert table["a"].tolist() == [1, 2] and table["cell"].tolist() == [0, 1]
    assert table["b"].isna().tolist() == [True, False]
    assert pq.read_table(tmp_path / "replications").num_rows == 2
