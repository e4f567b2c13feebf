"""`fleetcast report A B ...`, end to end on folders made by hand."""

import json
import sys

import pytest

import reports.comparison_page
from fleetcast.__main__ import main
from fleetcast.exits import EXIT_DIFFERENT, EXIT_UNDECIDED
from tests.made_sets import make_periods, make_set, write_set


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast report ARGUMENTS` beside the sets one and slower; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "one", make_set(make_periods(ttft_s_p95=0.1)))
    write_set(tmp_path / "slower", make_set(make_periods(ttft_s_p95=0.3), replicas=4))
    (tmp_path / "empty").mkdir()
    (tmp_path / "swept").mkdir()
    (tmp_path / "swept" / "manifest.json").write_text('{"command": "sweep"}')
    monkeypatch.setattr(
        reports.comparison_page, "write_comparison", lambda sets, found, folder: folder / "page"
    )

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def test_two_sets_are_compared(command, tmp_path):
    code, printed, errors = command("one", "slower")
    assert (code, errors) == (0, "")
    assert "  ✗ ttft p95  100 ms -> 300 ms  slower by 200 ms" in printed
    assert printed.endswith("page: out/comparison/page\n")
    assert command("one", "slower", "--out", "there")[1].endswith("page: there/page\n")


def test_the_exit_code_tells_when_asked(command):
    assert command("one", "slower", "--exit-code")[0] == EXIT_DIFFERENT
    code, printed, _ = command("one", "one", "--exit-code", "-o", "json")
    assert (code, json.loads(printed)["summary"]) == (0, "all 18 figures are the same, exactly")


def test_too_few_periods_are_no_sign_that_nothing_differs(command, tmp_path):
    write_set(tmp_path / "few", make_set(make_periods(3, ttft_s_p95=0.1)))
    write_set(tmp_path / "worse", make_set(make_periods(3, ttft_s_p95=50.0, kept=False)))
    code, printed, _ = command("few", "worse", "--exit-code")
    assert code == EXIT_UNDECIDED
    assert "\ntoo few periods to tell anything of 2 of 18 figures; " in printed
    found = json.loads(command("few", "worse", "-o", "json")[1])
    assert found["differ"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["one", "empty"], "empty holds no finished results"),
        (
            ["one", "swept"],
            "swept is of `fleetcast sweep`; this reads results of plan",
        ),
        (["one"] * 7, "got 7 folders; side by side go at most 6"),
        (["one", "gone"], "gone: no such folder"),
        (["one", "slower", "--out", "one/manifest.json"], "is a file"),
        (["one", "slower", "--out", "s3://ours/x"], "--out s3://ours/x: this goes to a folder"),
        (["one", "--exit-code"], "--out, --exit-code and -o: are for two folders or more"),
    ],
)
def test_mistakes_are_told(command, arguments, message):
    code, printed, errors = command(*arguments)
    assert (code, printed) == (2, "")
    assert message in errors and "Traceback" not in errors
