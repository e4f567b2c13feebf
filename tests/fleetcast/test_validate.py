"""`fleetcast validate` on a data set of three rows, one of which cannot be simulated."""

import json
import sys
from pathlib import Path

import pytest

from calibration.prediction import SEEDS
from fleetcast.__main__ import main
from fleetcast.validate import command as validate_command

COLUMNS = (
    "case_id,model,gpu,tp,pp,precision,batch_size,isl_tokens,osl_tokens,"
    "first_token_latency_ms,token_to_token_latency_ms,batch_latency_ms,split"
)
ROWS = (
    "one,LLaMA v2 7B,H100 80GB HBM3,1,1,fp16,1,128,128,9.09,6.7616,867.8,dev",
    "two,LLaMA v2 7B,H100 80GB HBM3,1,1,fp16,8,128,128,30.0,7.0,900.0,test",
    "odd,LLaMA v2 7B,Abacus 9000,1,1,fp16,8,128,128,30.0,7.0,900.0,dev",
)


@pytest.fixture
def validate(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast validate ARGUMENTS` where `data/made` is a data set; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    Path("data/made").mkdir(parents=True)
    Path("data/made/cases.csv").write_text("\n".join([COLUMNS, *ROWS]) + "\n")

    def call(*arguments):
        arguments = ["fleetcast", "validate", "--workers", "1", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def read(validate, *arguments):
    code, out, err = validate(*arguments, "-o", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("folder", ["data", "data/made"])
def test_json_has_every_row(validate, folder):
    data = read(validate, folder)
    rows = {(row["case_id"], row["metric"]): row for row in data["cases"]}
    assert set(rows) == {(case, metric) for case in ("one", "two") for metric in
                         ("prefill", "decode")}  # fmt: skip
    decode = rows["one", "decode"]
    assert (decode["dataset"], decode["measured"], decode["unit"]) == ("made", 6.7616, "ms")
    assert decode["error_pct"] == pytest.approx(100 * (decode["predicted"] / 6.7616 - 1))
    assert decode["overloaded"] is False and decode["suspect"] is None
    assert data["summary"]["decode"]["cases"] == 2
    assert data["datasets"]["made"] == data["summary"]
    (refused,) = data["refused"]
    assert refused["case_id"] == "odd" and "Abacus 9000" in refused["reason"]
    assert data["coverage"]["rows"] == 3 and data["coverage"]["refused"] == 1
    assert data["asked"]["seeds"] == SEEDS
    assert "fleetcast" in data["versions"]


def test_split_and_cases_narrow_it(validate):
    assert {row["case_id"] for row in read(validate, "data", "--split", "test")["cases"]} == {"two"}
    narrowed = read(validate, "data", "--cases", "o*", "--cases", "nothing")
    assert {row["case_id"] for row in narrowed["cases"]} == {"one"}
    assert [row["case_id"] for row in narrowed["refused"]] == ["odd"]


def test_table_is_for_reading(validate):
    code, out, _ = validate("data")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("data: 2 of 3 cases simulated")
    assert any(line.split()[:3] == ["Decode", "step", "2"] for line in lines)
    assert any("Abacus 9000" in line for line in lines)
    assert max(map(len, lines)) < 120


def test_page_and_files(validate):
    assert validate("data", "-o", "html")[:2] == (0, "accuracy.html\n")
    assert Path("accuracy.html").read_text().startswith("<!doctype html>")
    assert validate("data", "-o", "json", "--out", "new/a.json")[:2] == (0, "new/a.json\n")
    assert json.loads(Path("new/a.json").read_text())["summary"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["data", "--split", "nope"], ["--split nope", "dev, test"]),
        (["data", "--cases", "zz*"], ["zz*", "no case has such an id", "one, two"]),
        (["empty"], ["no data set in empty", "first_token_latency_ms", "stage_rates_rps"]),
        (["other"], ["no data set in other", "notes.csv"]),
        (["missing"], ["missing"]),
    ],
)
def test_a_wrong_question_is_answered_with_what_there_is(validate, arguments, said):
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/notes.csv").write_text("day,note\n1,nothing\n")
    code, out, err = validate(*arguments)
    assert (code, out) == (2, "")
    for words in said:
        assert words in err


def test_nothing_simulated_is_a_failure_with_reasons(validate):
    code, out, err = validate("data", "--cases", "odd")
    assert code == 1
    assert "Abacus 9000" in out and "none of 1 cases could be simulated" in err


def test_default_seeds_are_those_of_the_fit():
    (seeds,) = (option for option in validate_command.params if option.name == "seeds")
    assert seeds.default == SEEDS
