"""Asked again, or something else of the same fleet: the same bytes as if nothing had been known,
and nothing simulated twice, wherever it is computed and whoever is killed meanwhile."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import reports.page
import simulator.monte_carlo
from fleetcast.__main__ import main

TINY = """\
version: 1
name: tiny
horizon: 8s
preroll: 1s
drain: 5s
seed: 2
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {name: vllm, max_num_seqs: 1}
latency: {per_step: 40ms}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 5/s}
    input_tokens: {kind: constant, tokens: 100}
    output_tokens: {kind: lognormal, median: 8, p95: 20, max: 30}
fleet: {replicas: 3}
failures:
  replica: {mtbf: 1h, detection: 1s, repair: {median: 2s, p95: 5s}, cold_start: 1s}
sla: {probability: 0.7, objectives: [ttft p95 <= 500ms, error_rate <= 5%]}
plan: {replicas: 1..8}
price: {h100-sxm-80gb: 2 USD/h}
"""
needs_dask, needs_ray = (
    pytest.mark.skipif(
        importlib.util.find_spec(package) is None,
        reason=f"{package} is not installed: pip install 'fleetcast[{extra}]'",
    )
    for package, extra in (("distributed", "dask"), ("ray", "ray"))
)


@pytest.fixture
def planned(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast plan` without its page: (its files, how many were simulated, reused)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")
    Path("tiny.yaml").write_text(TINY)

    def call(out, *changes, command="plan", runs=".runs"):
        sets = [word for change in changes for word in ("--set", change)]
        arguments = ["tiny.yaml", "--workers", "1", "--out", out, "--runs", runs, *sets]
        short = ["--no-explain"] if command == "plan" else []
        monkeypatch.setattr(sys, "argv", ["fleetcast", command, *arguments, *short])
        with pytest.raises(SystemExit) as exit:
            main()
        errors = capsys.readouterr().err
        assert not exit.value.code, errors
        asked, simulated, reused = map(int, re.findall(r"\d+", errors.split(" from ")[0]))
        assert errors == f"{asked} periods: {simulated} simulated, {reused} from {runs}\n"
        assert asked == simulated + reused > 0
        return content(Path(out)), simulated, reused

    return call


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_changed_price_or_name_is_answered_without_a_simulation(planned):
    cold, simulated, reused = planned("cold")
    assert simulated > 20 and reused == 0
    again, *counts = planned("again")
    assert counts == [0, simulated]
    assert again == cold
    changes = ("price.h100-sxm-80gb=3 USD/h", "name=other", "description=dear")
    warm, *counts = planned("warm", *changes)
    assert counts == [0, simulated]
    assert warm == planned("cold-other", *changes, runs=".others")[0]
    one, other = (json.loads(files["plan.json"]) for files in (cold, warm))
    assert other["cost"]["usd_per_month"] == 1.5 * one["cost"]["usd_per_month"]
    assert other["certificate"] == one["certificate"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "sla.objectives=[ttft p95 <= 480ms, error_rate <= 5%]",
        "sla.objectives=[ttft p95 <= 1s]",
        "sla.probability=0.8",
        "plan.replicas=3..6",
        "fleet.replicas=7",
    ],
)
def test_a_changed_promise_reuses_what_applies_and_answers_as_if_cold(planned, change, monkeypatch):
    """Which is every whole run, except broken ones in place of runs that may stop."""
    simulate, again = simulator.monte_carlo.simulate, []

    def count(scenario, fleet, seed, replication, may_stop):
        again.append((fleet.replicas, replication, may_stop is None))
        return simulate(scenario, fleet, seed, replication, may_stop)

    first, *_ = planned("first")
    known = set(pd.read_parquet("first/requests.parquet")["replication"])
    size = json.loads(first["plan.json"])["fleet"]["replicas"]
    monkeypatch.setattr(simulator.monte_carlo, "simulate", count)
    warm, simulated, reused = planned("warm", change)
    assert not [trial for trial in again if trial[0] == size and trial[1] in known and trial[2]]
    assert len(again) >= simulated
    assert reused > 20
    assert warm == planned("cold", change, runs=".others")[0]


@pytest.mark.slow
def test_what_was_simulated_before_leaves_no_trace_in_a_plan(planned):
    """`simulate` leaves whole runs of a size whose periods a plan may stop."""
    planned("simulated", command="simulate")
    warm, _, reused = planned("warm")
    assert reused > 0
    assert warm == planned("cold", runs=".others")[0]


def test_a_plan_removes_runs_of_other_versions(planned):
    old = Path(".runs/0123456789abcdef/0123456789abcdef0123456789abcdef/0001-0000000.parquet")
    old.parent.mkdir(parents=True)
    old.write_text("")
    planned("out")
    assert not old.parent.parent.exists()


# --- processes of their own -----------------------------------------------------------------------

LONGER = ("--set", "sla.probability=0.9", "--set", "horizon=30s")


WITHOUT_PAGE = """\
import reports.page
from fleetcast.__main__ import main
reports.page.write_report = lambda folder: folder / "report.html"
main()
"""
"""It takes seconds; test_commands.py has one of a plan that was killed."""


def start(folder, out, *arguments):
    command = [sys.executable, "-c", WITHOUT_PAGE, "plan", "tiny.yaml", "--no-explain", *LONGER,
               "--out", out]  # fmt: skip
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process):
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return printed, errors


def descendants(process):
    """Command lines of the processes that a process started, and those that they did, by id."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = re.sub(r"\(.*\)", "()", (folder / "stat").read_text())
            lines[int(folder.name)] = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        parents[int(folder.name)] = int(stat.split()[3])

    def is_below(pid):
        return pid == process.pid or (pid in parents and is_below(parents[pid]))

    return {pid: line for pid, line in lines.items() if pid != process.pid and is_below(pid)}


def kill_a_worker(process):
    """kill -9 for one that computes runs; False when there is none yet."""
    for pid, line in descendants(process).items():
        if "spawn_main" in line or line.startswith("ray::called"):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The files of a plan that one process made."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "tiny.yaml").write_text(TINY)
    finished(start(folder, "out", "--workers", 1))
    return content(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "local",
        pytest.param("dask", marks=needs_dask),
        pytest.param("ray", marks=needs_ray),
    ],
)
def test_a_killed_worker_changes_nothing(tmp_path, alone, name):
    """The same files, from any executor."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    process = start(tmp_path, "out", "--workers", 2, "--executor", name, "--runs", "runs")
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("runs/*/*/*.parquet"))) < 5 or not kill_a_worker(process):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert not (tmp_path / "out" / "manifest.json").exists(), "killed too late"
    _, errors = finished(process)
    assert re.search(r"^\d+ periods: \d+ simulated, 0 from runs$", errors, re.M), errors
    assert "Traceback" not in errors
    assert content(tmp_path / "out") == alone


@pytest.mark.slow
def test_two_commands_at_once_share_a_store(tmp_path, alone):
    (tmp_path / "tiny.yaml").write_text(TINY)
    both = [start(tmp_path, out, "--workers", 1) for out in ("one", "two")]
    for process in both:
        finished(process)
    assert content(tmp_path / "one") == content(tmp_path / "two") == alone
    assert not list(tmp_path.rglob("*.tmp"))
