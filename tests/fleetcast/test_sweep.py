"""Sweeps from end to end: interrupted, in shards, as a gate; always the same bytes."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

import reports.sweep_page
from fleetcast.__main__ import main
from planner.search import Promise
from scenarios.lines import variant
from scenarios.loading import load, restore
from tests.fleetcast.test_warm import TINY

SHORT = TINY.replace("horizon: 8s", "horizon: 2s").replace("drain: 5s", "drain: 2s")
SIXTY = (
    "--set", "fleet.replicas=1..5", "--set", "traffic.chat.arrivals.rate=3/s,5/s,8/s",
    "--set", "replica.engine.max_num_seqs=1..4", "--replications", "1", "--workers", "1",
)  # fmt: skip
SIX = ("--set", "fleet.replicas=2..4", "--set", "traffic.chat.arrivals.rate=3/s,9/s")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast ARGUMENTS` in an empty folder that holds tiny.yaml; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        reports.sweep_page, "write_sweep_page", lambda folder: folder / "report.html"
    )
    Path("tiny.yaml").write_text(SHORT)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def content(folder):
    """Every file below a folder, by its place there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def swept(command, out, runs, *arguments):
    """The files of a sweep, and what it said of its periods."""
    code, _, errors = command("sweep", "tiny.yaml", *arguments, "--out", out, "--runs", runs)
    assert code == 0, errors
    return content(Path(out)), errors.splitlines()[-1]


KILLED = """\
import os, signal, sys
import fleetcast.sweep_runs
import simulator.monte_carlo as at
from fleetcast.__main__ import main
simulate = at.simulate
def killed(after):
    left = [after]
    def until_killed(*arguments):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return simulate(*arguments)
    child = os.fork()
    if child == 0:
        at.simulate = until_killed
        main()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
ends = [killed(after) for after in map(int, sys.argv.pop(1).split(","))]
sys.exit(any(end != -signal.SIGKILL for end in ends))
"""


def killed(after, *arguments):
    """The same command in processes, each of which is killed after so many periods."""
    words = ("sweep", "tiny.yaml", *arguments, "--out", "killed", "--runs", "killed-runs")
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, after, *words],
        check=False, capture_output=True, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr.decode()


def test_sixty_cells_killed_twice_and_in_three_shards_are_the_same_bytes(command):
    whole, told = swept(command, "whole", "runs", *SIXTY)
    assert told.startswith("60 periods: 60 simulated")
    assert len([name for name in whole if name.endswith("part-0.parquet")]) == 60

    killed("15,25", *SIXTY)
    again, told = swept(command, "killed", "killed-runs", *SIXTY)
    assert told.startswith("60 periods: 20 simulated") and again == whole

    for number in (1, 2, 3):
        shard = ("--shard", f"{number}/3", "--runs", f"shard-{number}")
        code, printed, errors = command("sweep", "tiny.yaml", *SIXTY, *shard)
        assert (code, "20 of 60 periods of 60 cells" in printed) == (0, True), errors
    assert command("merge", "merged", "shard-1", "shard-2", "shard-3")[0] == 0
    united, told = swept(command, "united", "merged", *SIXTY)
    assert told.startswith("60 periods: 0 simulated") and united == whole


def test_the_result_set_is_what_simulate_says_of_each_cell(command):
    """The manifest's scenario with a cell's values is the cell, and its rows are those of the
    command that --set writes."""
    swept(command, "out/six", "runs", *SIX, "--replications", 3, "--workers", 1)
    manifest = json.loads(Path("out/six/manifest.json").read_text())
    assert manifest["command"] == "sweep" and len(manifest["files"]) == 7
    assert manifest["asked"] == (
        "fleetcast sweep tiny.yaml --set fleet.replicas=2..4 "
        "--set traffic.chat.arrivals.rate=3/s,9/s --replications 3"
    )
    base = restore(manifest["scenario"])
    for cell in manifest["cells"]:
        assert variant(base, cell["values"]).hash == cell["scenario_hash"]
    rows = pd.read_parquet("out/six/replications")
    assert rows["fleet.replicas"].tolist() == [n for n in (2, 3, 4) for _ in range(6)]
    assert rows["traffic.chat.arrivals.rate"].unique().tolist() == [3.0, 9.0]
    assert rows["cell"].astype(int).tolist() == [n for n in range(1, 7) for _ in range(3)]

    last = ("--set", "fleet.replicas=4", "--set", "traffic.chat.arrivals.rate=9/s")
    options = ("--replications", 3, "--workers", 1, "--runs", "runs", "--out", "alone")
    _, _, errors = command("simulate", "tiny.yaml", *last, *options)
    assert "3 periods: 0 simulated" in errors
    alone = pd.read_parquet("alone/replications.parquet")
    ours = rows[rows["cell"].astype(int) == 6].reset_index(drop=True)
    for name in ("requests", "ttft_s_p95", "kept", "steps"):
        assert ours[name].tolist() == alone[name].tolist()


def test_a_smaller_sweep_leaves_nothing_of_a_larger_one(command):
    """And a file of the user's, in a folder of that name, stays."""
    options = ("--replications", 1, "--workers", 1)
    swept(command, "out/s", "runs", *SIX, *options)
    Path("out/s/replications/mine.txt").write_text("keep")
    files, _ = swept(command, "out/s", "runs", "--set", "fleet.replicas=2,3", *options)
    parts = sorted(name for name in files if name.startswith("replications/"))
    assert parts == [
        "replications/cell=0001/part-0.parquet", "replications/cell=0002/part-0.parquet",
        "replications/mine.txt",
    ]  # fmt: skip


def test_a_drawn_design_is_another_with_another_seed(command):
    drawn = ("--set", "traffic.chat.arrivals.rate=3/s..9/s", "--design", "latin", "--cells", 3)
    options = (*drawn, "--replications", 1, "--workers", 1, "-o", "json", "--runs", "runs")
    rates = []
    for more in ((), ("--seed", "5")):
        code, printed, errors = command("sweep", "tiny.yaml", *options, *more)
        assert code == 0, errors
        cells = json.loads(printed)["cells"]
        rates.append([cell["values"]["traffic.chat.arrivals.rate"] for cell in cells])
    assert rates[0] != rates[1] and all(3 <= rate <= 9 for pair in rates for rate in pair)


def test_cells_that_cannot_be_say_why_and_the_others_run(command):
    arguments = ("--set", "replica.precision=bf16,nvfp4", "--replications", 1, "--workers", 1)
    code, printed, errors = command("sweep", "tiny.yaml", *arguments)
    assert code == 0, errors
    assert "cannot be: replica: precision the GPU does not compute in" in printed
    assert "(cell 2)" in printed and "1 cell cannot be." in printed


# --- the gate -------------------------------------------------------------------------------------


def test_the_gate_is_red_when_a_cell_does_not_hold_and_says_which(command):
    values = ("--set", "fleet.replicas=1,8", "--set", "traffic.chat.arrivals.rate=20/s,3/s")
    options = ("--design", "list", "--check", "--junit", "junit.xml", "--workers", 1)
    code, printed, errors = command("sweep", "tiny.yaml", *values, *options)
    assert code == 99, errors
    assert printed.startswith("tiny: not every cell holds (1 of 2 cells)")
    suite = ElementTree.parse("junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    bad, good = suite
    assert bad.get("name") == "fleet.replicas=1, traffic.chat.arrivals.rate=20/s"
    assert bad[0].tag == "failure" and bad[0].get("type") == "does not hold"
    assert "periods failed" in bad[0].get("message")
    assert "broken: ttft p95 <= 500ms in" in bad[0].text and "P(SLA) in [0." in bad[0].text
    assert len(good) == 0
    again = Path("junit.xml").read_bytes()
    command("sweep", "tiny.yaml", *values, *options)
    assert Path("junit.xml").read_bytes() == again


def test_the_gate_is_green_when_all_hold(command):
    arguments = ("--set", "fleet.replicas=7,8", "--check", "-o", "json", "--workers", 1)
    code, printed, errors = command("sweep", "tiny.yaml", *arguments)
    assert code == 0, errors
    data = json.loads(printed)
    assert data["verdict"] == "holds" and len(data["cells"]) == 2


def test_the_gate_is_neither_when_the_budget_ends(command, monkeypatch):
    monkeypatch.setattr(Promise, "runs_max", 3)
    arguments = ("--set", "fleet.replicas=7,8", "--check", "--junit", "new/j.xml", "--workers", 1)
    code, printed, errors = command("sweep", "tiny.yaml", *arguments)
    assert code == 4, errors
    assert printed.startswith("tiny: undecided within the budget (0 of 2 cells)")
    suite = ElementTree.parse("new/j.xml").getroot()[0]
    assert [case[0].tag for case in suite] == ["error", "error"]


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, told",
    [
        ((), "--set: nothing varies"),
        (("--set", "fleet.replicas=2,3", "--junit", "x.xml"), "--junit: goes with --check"),
        (("--set", "fleet.replicas=2,3", "--shard", "1/2", "--check"), "--shard: is about"),
        (("--set", "fleet.replicas=2,3", "--shard", "3/2"), "--shard: got '3/2'"),
        (("--set", "fleet.replicas=2,3", "--check", "--replications", 3), "--replications: not"),
        (("--set", "fleet.replicas=2,3", "--check", "--out", "x"), "--out: not with --check"),
        (("--set", "fleet.replicas=0..2"), "fleet.replicas: got 0\n    allowed: greater than"),
        (("--set", "fleet.replicas=2,3", "--set", "seed=x"), "--set seed=x: seed: got 'x'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_and_nothing_is_run(command, arguments, told):
    code, printed, errors = command("sweep", "tiny.yaml", *arguments)
    assert (code, printed) == (2, "") and told in errors
    assert not Path("out").exists()


def test_several_mistakes_are_told_at_once(command):
    arguments = ("--set", "fleet.replicas=2..2", "--set", "seed", "--junit", "x", "--cells", 3)
    code, _, errors = command("sweep", "tiny.yaml", *arguments)
    assert code == 2 and errors.startswith("Error: the sweep has 3 faults\n")


def test_a_sweep_needs_a_promise(command):
    Path("bare.yaml").write_text(SHORT.split("sla:")[0])
    code, _, errors = command("sweep", "bare.yaml", "--set", "fleet.replicas=2,3")
    assert code == 2 and "sla: missing\n    allowed: add, for example, `sla: {" in errors


def test_a_folder_with_a_plan_is_left_alone(command):
    Path("out").mkdir()
    Path("out/plan.json").write_text("{}")
    code, _, errors = command("sweep", "tiny.yaml", *SIX, "--out", "out")
    assert code == 2 and "holds a plan" in errors
    assert load("tiny.yaml").fleet.replicas == 3


def test_the_report_of_a_sweep_is_drawn_again(command):
    command(
        "sweep", "tiny.yaml", "--set", "fleet.replicas=2,3", "--replications", 1, "--workers", 1
    )
    code, printed, errors = command("report", "out/tiny-sweep")
    assert (code, printed) == (0, "out/tiny-sweep/report.html\n"), errors
