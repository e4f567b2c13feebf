"""The commands from end to end, on a scenario so small that a run takes milliseconds.

Fast tests call `main` in this process; slow ones start processes, and kill them.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

import reports.page
import simulator.monte_carlo
from fleetcast.__main__ import COMMANDS, main
from fleetcast.price_age import old_prices
from planner.plan_file import PlanFile
from planner.search import Promise
from scenarios.catalogue import load_catalogue
from scenarios.loading import load, restore
from scenarios.part import misfits

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
TABLES = {
    "requests.parquet", "replications.parquet", "timeline.parquet", "latencies.parquet",
    "incidents.parquet",
}  # fmt: skip
HOURS_PER_MONTH = 720
ACCOUNT = r"(\d+) periods: (\d+) simulated, (\d+) from (\S+)\n"


class Killed(BaseException):
    """Stands for kill -9 in this process: nothing below the test catches it."""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast ARGUMENTS` in an empty folder that holds tiny.yaml; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def no_page(monkeypatch):
    """Plans without drawing: the page takes seconds and has its own tests."""
    monkeypatch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")


def simulated(command, out, *arguments):
    """What `simulate -o json` prints."""
    arguments = ("--workers", 1, "--replications", 3, "-o", "json", "--out", out, *arguments)
    code, printed, errors = command("simulate", "tiny.yaml", *arguments)
    assert code == 0, errors
    assert re.fullmatch(ACCOUNT, errors)
    return json.loads(printed)


def planned(command, out, *arguments, code=0):
    """What `plan -o json` prints."""
    arguments = ("--workers", 1, "-o", "json", "--out", out, *arguments)
    got, printed, errors = command("plan", "tiny.yaml", "--no-explain", *arguments)
    assert got == code, errors
    data = json.loads(printed)
    assert misfits(PlanFile, data) == []
    return data


def content(folder):
    """Every file below a folder, by its place there; not the runs in it."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if not name.startswith(".runs/")}


def counting(monkeypatch):
    """The trials that are simulated from now on."""
    simulated, simulate = [], simulator.monte_carlo.simulate

    def count(scenario, fleet, seed, replication, *rest):
        simulated.append((fleet.replicas, replication))
        return simulate(scenario, fleet, seed, replication, *rest)

    monkeypatch.setattr(simulator.monte_carlo, "simulate", count)
    return simulated


# --- simulate -----------------------------------------------------------------------------------


def test_simulate_prints_figures_and_writes_their_evidence(command):
    data = simulated(command, "out")
    assert set(content("out")) == TABLES | {"manifest.json", "simulation.json"}
    scenario = load("tiny.yaml")
    assert data["scenario_hash"] == scenario.hash
    assert (data["name"], data["seed"], data["replicas"], data["replications"]) == (
        "tiny", 2, 3, 3,
    )  # fmt: skip
    periods = pd.read_parquet("out/replications.parquet")
    requests = pd.read_parquet("out/requests.parquet")
    assert data["kept"] == periods["kept"].sum()
    assert periods["replication"].tolist() == [0, 1, 2]
    assert periods["requests"].tolist() == requests.groupby("replication").size().tolist()
    assert data["metrics"]["requests_per_s"]["value"] == periods["requests"].median() / 8
    assert set(requests["group"]) == {"chat"}
    assert set(requests["outcome"]) <= {"completed", "rejected", "timed_out", "lost", "unfinished"}


def test_the_manifest_alone_is_enough_to_run_again(command):
    simulated(command, "out", "--set", "clients.retries=1")
    manifest = json.loads(Path("out/manifest.json").read_text())
    again = restore(manifest["scenario"])
    assert again == load("tiny.yaml", ("clients.retries=1",))
    assert again.hash == manifest["scenario_hash"]
    assert (manifest["seed"], manifest["replications"]) == (2, 3)
    assert set(manifest["files"]) == TABLES
    assert {"fleetcast", "python", "numpy"} <= set(manifest["versions"])


def test_simulate_prints_a_table_for_people(command):
    code, printed, errors = command("simulate", "tiny.yaml", "--workers", 1, "--replications", 20)
    assert (code, errors) == (0, "20 periods: 20 simulated, 0 from out/.runs\n")
    assert printed.startswith("tiny: 3 replicas, 20 periods\n")
    assert re.search(r"ttft p95 +\d.* \[.*, .*\]", printed)
    assert printed.endswith("results: out/tiny-simulate\n")


def test_same_seed_same_bytes(command):
    assert simulated(command, "one") == simulated(command, "two", "--runs", "others")
    assert content("one") == content("two")
    assert content("others") == content("out/.runs")


def test_another_seed_is_another_result(command):
    one, other = simulated(command, "one"), simulated(command, "two", "--seed", 4)
    assert (one["seed"], other["seed"]) == (2, 4)
    assert one["metrics"] != other["metrics"]
    assert simulated(command, "three", "--set", "seed=4") == other
    two, three = content("two"), content("three")
    assert two.pop("manifest.json") != three.pop("manifest.json"), "it tells the command as given"
    assert two == three


def test_more_replications_go_on_where_fewer_ended(command):
    """The first periods of ten are those of three."""
    simulated(command, "three")
    simulated(command, "ten", "--replications", 10)
    three, ten = (pd.read_parquet(f"{name}/requests.parquet") for name in ("three", "ten"))
    pd.testing.assert_frame_equal(three, ten[ten["replication"] < 3].reset_index(drop=True))


def test_a_page_of_an_earlier_simulation_does_not_stay(command, monkeypatch):
    drawn = []
    monkeypatch.setattr(reports.page, "write_report", drawn.append)
    simulated(command, "out")
    assert drawn == [], "the page takes seconds, and nobody asked for it"
    Path("out/report.html").write_text("of an earlier question")
    simulated(command, "out", "--seed", 4)
    assert drawn == [Path("out")]


WRITES = 16
"""Of a simulation of three periods: their rows, records and figures, five tables, the manifest and
the answer."""


@pytest.mark.parametrize("survived", range(WRITES))
def test_simulate_killed_at_any_write_goes_on_to_the_same_bytes(command, monkeypatch, survived):
    """Each file is moved into place when it is whole; it dies before each of these moves."""
    move, moved = os.replace, []

    def move_or_die(source, target):
        if len(moved) == survived and Path(target).is_relative_to("killed"):
            raise Killed
        moved.append(target)
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", move_or_die)
        expected = simulated(command, "whole", "--runs", "whole/.runs")
        assert len(moved) == WRITES
        moved.clear()
        with pytest.raises(Killed):
            simulated(command, "killed", "--runs", "killed/.runs")
    run_again = counting(monkeypatch)
    assert simulated(command, "killed", "--runs", "killed/.runs") == expected
    kept = min((survived + 1) // 3, 3)  # a run may be judged whose figures were not written
    assert len(run_again) == 3 - kept, "finished runs are read, not run again"
    assert content("killed") == content("whole")


def test_interrupting_says_how_to_go_on(command, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulator.monte_carlo, "simulate", interrupt)
    code, printed, errors = command("simulate", "tiny.yaml", "--workers", 1)
    assert (code, printed) == (130, "")
    assert errors.strip() == "Interrupted. The same command goes on where this one stopped."


# --- plan ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan_of_tiny(tmp_path_factory):
    """The folder of a finished plan and what it printed; for tests that only look at them."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "tiny.yaml").write_text(TINY)
    arguments = ["plan", str(folder / "tiny.yaml"), "--workers", "1", "-o", "json", "--no-explain"]
    arguments += ["--runs", str(folder / "runs")]
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")
        patch.setattr(sys, "argv", ["fleetcast", *arguments, "--out", str(folder / "out")])
        with pytest.raises(SystemExit, match="0"):
            main()
    return folder / "out", json.loads(printed.getvalue())


@pytest.fixture
def finished(plan_of_tiny, tmp_path):
    """A copy of that folder as `out`, beside tiny.yaml; the printed plan."""
    folder, data = plan_of_tiny
    shutil.copytree(folder, tmp_path / "out")
    return data


@pytest.fixture
def no_run(monkeypatch):
    """Whoever starts a run is Killed."""

    def die(*_):
        raise Killed

    monkeypatch.setattr(simulator.monte_carlo, "simulate", die)


def test_a_plan_has_the_keys_that_others_build_on(plan_of_tiny):
    folder, data = plan_of_tiny
    fleet, certificate, fewer, cost = (
        data[key] for key in ("fleet", "certificate", "one_fewer", "cost")
    )
    assert data["scenario_hash"] == load(folder.parent / "tiny.yaml").hash
    assert 1 < fleet["replicas"] <= 8
    assert fleet["gpus"] == fleet["replicas"]
    assert certificate["status"] == "certified"
    assert (certificate["probability"], certificate["confidence"]) == (0.7, 0.95)
    assert certificate["failed"] < 0.3 * certificate["replications"]
    assert fewer["replicas"] == fleet["replicas"] - 1
    assert fewer["status"] in ("rejected", "undecided", "not tried")
    assert cost["usd_per_hour"] == 2 * fleet["gpus"]
    assert cost["usd_per_month"] == cost["usd_per_hour"] * HOURS_PER_MONTH
    assert cost["usd_per_million_tokens"] > 0
    for metric in ("ttft_s_p95", "tpot_s_p50", "e2e_s_p99", "error_rate", "requests_per_s"):
        estimate = data["metrics"][metric]
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert [entry["objective"] for entry in data["objectives"]] == [
        "ttft p95 <= 500ms", "error_rate <= 5%",
    ]  # fmt: skip
    assert f"certified for {fleet['replicas']} replicas" in data["statement"]
    assert json.loads((folder / "plan.json").read_text()) == data
    assert set(content(folder)) == TABLES | {"manifest.json", "plan.json"}


def test_a_plan_is_what_its_tables_say(plan_of_tiny):
    folder, data = plan_of_tiny
    trials = pd.read_parquet(folder / "replications.parquet")
    own = trials[(trials["phase"] == "certify") & (trials["replicas"] == data["fleet"]["replicas"])]
    assert (~own["kept"]).sum() == data["certificate"]["failed"]
    assert len(own) == own["replication"].nunique() == data["certificate"]["replications"]
    requests = pd.read_parquet(folder / "requests.parquet")
    served = requests[requests["outcome"] == "completed"]
    tokens = (served["input_tokens"] + served["output_tokens"]).sum()
    spent_usd = data["cost"]["usd_per_hour"] * requests["replication"].nunique() * 8 / 3600
    assert data["cost"]["usd_per_million_tokens"] == pytest.approx(spent_usd / tokens * 1e6)


def test_a_plan_made_again_is_the_same_to_the_byte(command, no_page, plan_of_tiny):
    folder, data = plan_of_tiny
    assert planned(command, "again") == data
    assert content("again") == content(folder)


def test_a_finished_plan_is_shown_again_without_a_run(command, no_page, finished, no_run):
    files = content("out")
    assert planned(command, "out") == finished
    assert content("out") == files


@pytest.mark.parametrize("change", ["seed=4", "plan.replicas=2..8", "clients.retries=2"])
def test_another_question_is_another_plan(command, no_page, finished, no_run, change):
    with pytest.raises(Killed):
        planned(command, "out", "--set", change)
    assert not Path("out/plan.json").exists(), "it would be about something else"


def test_a_plan_over_lines_is_shown_again_and_explained_when_asked(command, no_page):
    """Of the chosen line, not of the file's own replica; what was left out is made up for."""
    choices = "plan.choices={replica.engine.max_num_seqs: [8, 16]}"
    asked = ("plan", "tiny.yaml", "--set", choices, "--workers", 1)
    code, short, _ = command(*asked, "--no-explain")
    assert code == 0 and "  why " not in short
    code, whole, told = command(*asked)
    assert code == 0 and "\n  why " in whole and " simulated, " in told
    assert [line for line in whole.splitlines() if line in short] == short.splitlines()
    assert command(*asked) == (0, whole, "")


def test_a_plan_of_another_version_is_made_anew(command, no_page, finished, no_run):
    manifest = json.loads(Path("out/manifest.json").read_text())
    manifest["versions"]["fleetcast"] = "0.0.1"
    Path("out/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Killed):
        planned(command, "out")


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", None])
@pytest.mark.parametrize("file", ["plan.json", "manifest.json"])
def test_a_damaged_plan_is_made_anew(command, no_page, finished, no_run, file, damage):
    Path("out", file).unlink()
    if damage is not None:
        Path("out", file).write_text(damage)
    with pytest.raises(Killed):
        planned(command, "out")


def test_a_simulation_leaves_the_evidence_of_a_plan_alone(command, no_page, finished):
    files = content("out")
    code, printed, errors = command("simulate", "tiny.yaml", "--workers", 1, "--out", "out")
    assert (code, printed) == (2, "")
    assert "holds a plan" in errors
    assert content("out") == files


def test_a_plan_does_not_take_the_tables_of_a_simulation_for_its_own(command, no_page, finished):
    files = content("out")
    manifest = json.loads(Path("out/manifest.json").read_text())
    Path("out/manifest.json").write_text(json.dumps(manifest | {"command": "simulate"}))
    assert planned(command, "out") == finished
    assert content("out") == files


@pytest.mark.slow
def test_a_plan_killed_at_any_write_goes_on_to_the_same_bytes(
    command, no_page, monkeypatch, plan_of_tiny
):
    """Killed after every fifteen files of runs, then before each table, the manifest, the plan."""
    move, moved, killed_at = os.replace, [], []

    def move_or_die(source, target):
        name = Path(target).name
        if ".runs" in Path(target).parts:
            moved.append(name)
            if len(moved) % 15 == 0:
                raise Killed
        elif name not in killed_at:
            killed_at.append(name)
            raise Killed
        move(source, target)

    kills = 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", move_or_die)
        while True:
            try:
                data = planned(command, "killed")
                break
            except Killed:
                kills += 1
    assert set(killed_at) == TABLES | {"manifest.json", "plan.json"}
    assert kills > len(killed_at)
    assert data == plan_of_tiny[1]
    assert content("killed") == content(plan_of_tiny[0])


def test_no_feasible_fleet_is_exit_code_3(command, no_page):
    data = planned(command, "out", "--set", "plan.replicas=1..2", code=3)
    assert data["certificate"]["status"] == "infeasible"
    assert data["fleet"]["replicas"] is data["fleet"]["gpus"] is data["one_fewer"] is None
    assert "rejected for up to 2 replicas" in data["statement"]
    assert Path("out/plan.json").exists()


def test_no_verdict_within_the_budget_is_exit_code_4(command, no_page, monkeypatch):
    monkeypatch.setattr(Promise, "runs_max", property(lambda promise: 2))
    data = planned(command, "out", code=4)
    assert data["certificate"]["status"] == "not certified"
    assert data["fleet"]["replicas"] is None


def test_plan_prints_the_answer_for_people(command, no_page, finished):
    code, printed, _ = command("plan", "tiny.yaml", "--out", "out", "--no-explain")
    assert code == 0
    assert re.match(r"tiny: \d replicas of 1 h100-sxm-80gb = \d GPUs, [\d,]+ USD/month", printed)
    assert "certified: P(SLA) >= 0.7 at 95% confidence" in printed
    assert printed.endswith("report: out/report.html\n")


def test_gpus_and_price_only_multiply_the_cost(command, no_page, plan_of_tiny):
    """With an explicit latency, more GPUs per replica are more memory and nothing else."""
    _, one = plan_of_tiny
    two = planned(
        command, "two", "--set", "replica.tensor_parallel=2", "--set", "price.h100-sxm-80gb=3 USD/h"
    )
    assert two["fleet"]["replicas"] == one["fleet"]["replicas"]
    assert two["fleet"]["gpus"] == 2 * one["fleet"]["gpus"]
    assert two["certificate"] == one["certificate"]
    assert two["objectives"] == one["objectives"]
    for key in ("usd_per_hour", "usd_per_month", "usd_per_million_tokens"):
        assert two["cost"][key] == pytest.approx(3 * one["cost"][key])


@pytest.mark.slow
def test_the_plan_follows_physics(command, no_page):
    """Changes from the command line, on common random numbers: what costs more never needs fewer
    replicas, what costs less never more, and twice the rate of a busy fleet needs more."""

    def replicas(*changes):
        light = ("sla.probability=0.6", "traffic.0.arrivals.rate=3/s", *changes)
        sets = [part for change in light for part in ("--set", change)]
        return planned(command, f"out{len(list(Path().iterdir()))}", *sets)["fleet"]["replicas"]

    base = replicas()
    assert replicas("traffic.0.arrivals.rate=6/s") > base
    assert replicas("latency.per_step=60ms") >= base
    assert replicas("traffic.0.output_tokens.median=12") >= base
    assert replicas("sla.objectives=[ttft p95 <= 100ms, error_rate <= 5%]") >= base
    assert replicas("replica.engine.max_num_seqs=8") <= base
    assert replicas("sla.objectives=[ttft p95 <= 5s]") <= base


# --- check, init, schema, report ----------------------------------------------------------------


def test_check_says_what_a_sound_scenario_amounts_to(command):
    code, printed, errors = command("check", "tiny.yaml")
    assert (code, errors) == (0, "")
    assert f"tiny.yaml: sound (scenario {load('tiny.yaml').hash[:12]})\n" in printed
    assert "100 tokens in" in printed
    assert "KV blocks" in printed
    assert "40.00 ms for one decode" in printed
    rate = float(re.search(r"traffic +([\d.]+) requests/s", printed)[1])
    assert 3.5 < rate < 6.5  # twelve periods of eight seconds at 5/s: six standard deviations


@pytest.mark.parametrize("name", ["check", "simulate", "plan"])
def test_a_trace_that_cannot_be_used_is_one_message(command, no_page, name):
    """Found when the trace is read, so by every command that draws traffic."""
    Path("rows.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9,4808,10\n2023-11-16 18:17:04.1,3180,0\n"
    )
    change = "traffic.0.arrivals={kind: trace, file: rows.csv}"
    workers = () if name == "check" else ("--workers", 1)
    code, printed, errors = command(name, "tiny.yaml", "--set", change, *workers)
    assert (code, printed) == (2, "")
    assert errors.startswith("Error: ")
    assert "rows.csv: 1 of 2 rows of this Azure LLM CSV cannot be used:" in errors
    assert "1 row: a request without output tokens: it failed (line 3)" in errors
    assert "fleetcast trace convert rows.csv -o clean.parquet" in errors


def test_init_writes_a_scenario_that_check_accepts(command):
    code, printed, errors = command("init", "chat")
    assert (code, errors) == (0, "")
    assert "chat.yaml" in printed
    code, printed, errors = command("check", "chat.yaml")
    assert (code, errors) == (0, "")
    assert printed.startswith("chat.yaml: sound")
    load("chat.yaml", needs=("sla", "plan", "price"))
    header = Path("chat.yaml").read_text().splitlines()[0]
    schema = Path(re.search(r"\$schema=(\S+)", header)[1])
    _, printed, _ = command("schema")
    assert json.loads(schema.read_text()) == json.loads(printed)


def test_init_overwrites_nothing(command):
    Path("chat.yaml").write_text("mine")
    code, printed, errors = command("init", "chat")
    assert (code, printed) == (2, "")
    assert "chat.yaml exists already; --out FILE names another place" in errors
    assert Path("chat.yaml").read_text() == "mine"
    assert command("init", "chat", "--out", "other.yaml")[0] == 0
    assert command("check", "other.yaml")[0] == 0


def test_the_schema_is_one_that_editors_understand(command):
    code, printed, errors = command("schema")
    assert (code, errors) == (0, "")
    schema = json.loads(printed)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert {"version", "name", "horizon", "model", "replica", "traffic", "fleet"} == set(
        schema["required"]
    )
    horizon = schema["properties"]["horizon"]
    assert re.fullmatch(horizon["pattern"], "5min")
    assert not re.fullmatch(horizon["pattern"], "300")
    assert schema["properties"]["preroll"]["default"] == "60s"
    replica = schema["$defs"]["Replica"]["properties"]
    assert set(replica["gpu"]["anyOf"][0]["enum"]) == set(load_catalogue().gpus)
    assert set(schema["properties"]["model"]["anyOf"][0]["enum"]) == set(load_catalogue().models)
    references = re.findall(r'"\$ref": "#/\$defs/(\w+)"', printed)
    assert references
    assert set(references) <= set(schema["$defs"])


def test_every_quantity_in_the_schema_tells_its_pattern(command):
    schema = json.loads(command("schema")[1])
    fields = [
        (name, key, field)
        for name, part in [("Scenario", schema), *schema["$defs"].items()]
        for key, whole in part.get("properties", {}).items()
        for field in [whole, *whole.get("anyOf", [])]
        if "x-base-unit" in field
    ]
    assert len(fields) >= 40
    for name, key, field in fields:
        assert re.fullmatch(field["pattern"], f"1.5 {field['x-base-unit']}"), (name, key)
        assert not re.fullmatch(field["pattern"], "1.5"), (name, key)


def test_report_needs_finished_results(command):
    Path("empty").mkdir()
    code, printed, errors = command("report", "empty")
    assert (code, printed) == (2, "")
    assert errors == "Error: empty holds no finished results\n"


# --- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["plans"], "No such command 'plans'"),
        (["plan"], "Missing argument 'FILE'"),
        (["plan", "gone.yaml"], "'gone.yaml' does not exist"),
        (["plan", "."], "'.' is a directory"),
        (["plan", "tiny.yaml", "--workers", "0"], "--workers"),
        (["plan", "tiny.yaml", "--shard", "0/4"], "--shard: got '0/4'"),
        (["plan", "tiny.yaml", "--shard", "5/4"], "I/N with I from 1 to N, such as 2/8"),
        (["plan", "tiny.yaml", "--shard", "1/0"], "--shard: got '1/0'"),
        (["plan", "tiny.yaml", "--shard", "-1/4"], "--shard: got '-1/4'"),
        (["plan", "tiny.yaml", "--shard", "x"], "--shard: got 'x'"),
        (["plan", "--check", "tiny.yaml", "--shard", "1/2"], "--shard: is about plans"),
        (["merge", "all"], "Missing argument 'DIR...'"),
        (["merge", "all", "gone"], "'gone' does not exist"),
        (["merge", "all", "."], ".: no folder of runs, as --runs names them"),
        (["plan", "tiny.yaml", "--seed", "-1"], "--seed"),
        (["plan", "tiny.yaml", "-o", "csv"], "'csv' is not one of 'table', 'json'"),
        (["plan", "tiny.yaml", "--fast"], "No such option"),
        (["plan", "tiny.yaml", "--out", "tiny.yaml"], "--out tiny.yaml is a file"),
        (["plan", "tiny.yaml", "--runs", "tiny.yaml"], "'tiny.yaml' is a file"),
        (
            ["plan", "tiny.yaml", "--executor", "spark"],
            "'spark' is not one of 'local', 'dask', 'ra",
        ),
        (["simulate", "tiny.yaml", "--scheduler", "tcp://here:1"], "--scheduler: goes with --exec"),
        (["plan", "tiny.yaml", "--set", "seed"], "--set seed: got no value"),
        (["plan", "tiny.yaml", "--set", "sla="], "sla: missing"),
        (["simulate", "tiny.yaml", "--replications", "0"], "--replications"),
        (["simulate", "tiny.yaml", "--set", "horizon=10"], "horizon: got 10"),
        (["init"], "Missing argument"),
        (["init", "chats"], "'chats' is not"),
        (["report"], "Missing argument 'DIR...'"),
        (["report", "gone"], "gone: no such folder"),
        (["check", "binary.yaml"], "binary.yaml is not UTF-8 text"),
    ],
)
def test_bad_usage_is_exit_code_2_and_a_message(command, arguments, message):
    Path("binary.yaml").write_bytes(b"name: \xff\xfe")
    code, printed, errors = command(*arguments)
    assert (code, printed) == (2, "")
    assert message in errors
    assert "Traceback" not in errors
    assert not Path("out").exists()


def test_plan_says_which_parts_it_needs(command):
    Path("tiny.yaml").write_text(TINY[: TINY.index("sla:")])
    code, _, errors = command("plan", "tiny.yaml")
    assert code == 2
    for key in ("sla", "plan", "price"):
        assert f"tiny.yaml:1:1: {key}: missing\n    allowed: add, for example, `{key}: {{" in errors


@pytest.mark.parametrize("option", ["--out", "--runs"])
def test_a_folder_that_cannot_be_written_is_exit_code_2(command, option):
    Path("file").write_text("")
    code, printed, errors = command("simulate", "tiny.yaml", "--workers", 1, option, "file/out")
    assert (code, printed) == (2, "")
    assert errors.startswith(f"Error: {option} file/out: ")


def test_an_executor_whose_package_is_missing_is_exit_code_2(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, printed, errors = command("simulate", "tiny.yaml", "--executor", "ray")
    assert (code, printed) == (2, "")
    assert errors.endswith("pip install 'fleetcast[ray]'\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command, name):
    code, printed, errors = command(name, "--help")
    assert (code, errors) == (0, "")
    assert re.match(rf"Usage: .* {name} ", printed)


# --- processes of their own ---------------------------------------------------------------------


def start(folder, *arguments):
    """The command in a process group of its own, so that a test can end it with its workers."""
    return subprocess.Popen(
        [sys.executable, "-m", "fleetcast", *map(str, arguments)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(folder, *arguments):
    """Code, stdout and stderr of a command that is left alone."""
    process = start(folder, *arguments)
    printed, errors = process.communicate(timeout=120)
    return process.returncode, printed, errors


def kill_in_the_middle(folder, *arguments, runs=5):
    """kill -9 for the whole group once some runs are on disk; returns the files left behind."""
    process = start(folder, *arguments)
    try:
        wait_for_runs(folder, process, runs)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
    return runs_in(folder)


def runs_in(folder):
    return list(folder.glob("**/.runs/*/*/*.parquet"))


def wait_for_runs(folder, process, runs, seconds=120):
    deadline = time.monotonic() + seconds
    while len(runs_in(folder)) < runs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no run was written"
        time.sleep(0.005)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="module")
def whole_plan(tmp_path_factory):
    """The folder of a plan with its page, made by one process that was left alone; its stdout."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.yaml").write_text(TINY)
    code, printed, _ = finish(
        folder, "plan", "tiny.yaml", "-o", "json", "--workers", 1, "--out", "out", "--no-explain"
    )
    assert code == 0
    return folder / "out", printed


@pytest.mark.slow
def test_simulate_goes_on_after_kill_9(folder):
    """Killed on two workers, ended on one, against one that was left alone: the runs of all of them
    are the same bytes."""
    arguments = ("simulate", "tiny.yaml", "--replications", 60, "-o", "json")
    left = kill_in_the_middle(folder, *arguments, "--workers", 2, "--out", "killed")
    assert 5 <= len(left) < 60
    assert not (folder / "killed" / "manifest.json").exists()
    again = finish(folder, *arguments, "--workers", 1, "--out", "killed")
    known = len(left)
    assert again[2] == f"60 periods: {60 - known} simulated, {known} from out/.runs\n"
    whole = finish(folder, *arguments, "--workers", 1, "--out", "whole", "--runs", "others")
    assert again[:2] == whole[:2]
    assert again[0] == 0
    assert content(folder / "killed") == content(folder / "whole")
    one, two = ({run.name: run.read_bytes() for run in (folder / store).rglob("*.parquet")}
                for store in ("out/.runs", "others"))  # fmt: skip
    assert one == two


@pytest.mark.slow
def test_plan_goes_on_after_kill_9(folder, whole_plan):
    """Killed on two workers, ended on one; the same bytes down to the page. That it may end on two
    is shown where only a worker is killed (test_warm.py)."""
    arguments = ("plan", "tiny.yaml", "-o", "json", "--out", "killed", "--no-explain", "--workers")
    assert len(kill_in_the_middle(folder, *arguments, 2)) >= 5
    assert not (folder / "killed" / "plan.json").exists()
    code, printed, errors = finish(folder, *arguments, 1)
    whole, expected = whole_plan
    assert (code, printed) == (0, expected), errors
    assert json.loads(printed)["certificate"]["status"] == "certified"
    assert content(folder / "killed") == content(whole)
    assert {"plan.json", "manifest.json", "report.html"} | TABLES <= set(content(whole))


@pytest.mark.slow
def test_report_draws_the_same_page_again(folder, whole_plan):
    shutil.copytree(whole_plan[0], folder / "out")
    files = content(folder / "out")
    drawings = [name for name in files if name.endswith((".html", ".png"))]
    assert len(drawings) > 1
    for name in drawings:
        (folder / "out" / name).unlink()
    assert finish(folder, "report", "out")[:2] == (0, "out/report.html\n")
    assert content(folder / "out") == files


@pytest.fixture
def two_workers(folder):
    """A simulation whose two workers have written runs; ended with the test."""
    process = start(folder, "simulate", "tiny.yaml", "--replications", 2000, "--workers", 2)
    wait_for_runs(folder, process, 50)
    yield process
    if running(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def running(group):
    """The processes of a group that have not ended; those nobody has waited for have."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, state, _, process_group, *_ = re.sub(r"\(.*\)", "()", stat.read_text()).split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if process_group == str(group) and state != "Z":
            found.append(stat.parent.name)
    return found


def assert_ends(group, seconds=10):
    """Every process of the group ends in that time."""
    deadline = time.monotonic() + seconds
    while running(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(group)


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_too(two_workers):
    os.killpg(two_workers.pid, signal.SIGINT)
    printed, errors = two_workers.communicate(timeout=60)
    assert (two_workers.returncode, printed) == (130, "")
    assert errors.strip() == "Interrupted. The same command goes on where this one stopped."
    assert_ends(two_workers.pid)


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(two_workers):
    """kill -9 of the one process that a user sees: it cannot tell its workers to stop."""
    two_workers.kill()
    two_workers.wait()
    assert_ends(two_workers.pid)


# --- prices --------------------------------------------------------------------------------------

OF_A_DAY = "price={source: ours, date: 2026-08-31, gpus: {h100-sxm-80gb: 2 USD/h}}"


@pytest.mark.parametrize(
    "today, said",
    [
        ("2026-11-29", None),
        ("2026-11-30", "Warning: the prices are of 2026-08-31, 91 days ago; look whether they"),
    ],
)
@pytest.mark.usefixtures("command")
def test_prices_of_more_than_90_days_ago_bring_a_warning(today, said):
    found = old_prices(load("tiny.yaml", (OF_A_DAY,)), date.fromisoformat(today))
    assert (found is None) if said is None else found.startswith(said)
    assert old_prices(load("tiny.yaml"), date.fromisoformat(today)) is None


def test_the_warning_is_for_people_and_not_in_the_answer(command):
    long_ago = OF_A_DAY.replace("2026", "2020")
    code, printed, errors = command("check", "tiny.yaml", "--set", long_ago)
    assert code == 0
    assert "2020" not in printed
    assert errors.startswith("Warning: the prices are of 2020-08-31, ")
