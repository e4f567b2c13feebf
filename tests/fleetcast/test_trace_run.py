"""`fleetcast trace-run`: what it prints and writes, of a scenario and of results; its mistakes."""

import gzip
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from fleetcast import trace_source
from fleetcast.__main__ import main
from reports.folder import Results
from scenarios.loading import load
from simulator.simulate import simulate

SCENARIO = """
version: 1
name: looked-at
horizon: 30s
preroll: 0s
seed: 3
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm, max_num_seqs: 16, max_num_batched_tokens: 512}}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 5/s}
    input_tokens: {kind: constant, tokens: 400}
    output_tokens: {kind: constant, tokens: 100}
fleet: {replicas: 2}
clients: {timeout: 60s, retries: 1}
sla:
  probability: 0.95
  objectives: [ttft p95 <= 300ms, error_rate <= 0.1%]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("trace-run")
    (made / "one.yaml").write_text(SCENARIO)
    return made


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """Calls `fleetcast ARGUMENTS` beside the scenario; (code, out, err)."""

    def run(*arguments):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["fleetcast", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_the_worst_of_a_period_that_was_judged(call, folder):
    code, out, err = call("trace-run", "one.yaml", "--replication", "2", "-o", "json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    scenario = load(folder / "one.yaml")
    run = simulate(scenario, scenario.fleet, 3, 2)
    assert data["kept"] is True and data["trace"]["requests"] >= len(run)
    assert [one["request"] for one in data["worst"]] == run.ttft_s.argsort()[::-1][:10].tolist()
    for one in data["worst"]:
        assert one["ttft_s"] == run.ttft_s[one["request"]]
        assert one["used"] == one["ttft_s"] / 0.3
        assert one["happened"][0]["at_s"] == run.arrival_s[one["request"]]
    trace = folder / data["trace"]["file"]
    assert data["trace"]["file"] == str(Path("out") / "looked-at-2.trace.json.gz")
    about = json.loads(gzip.decompress(trace.read_bytes()))["otherData"]
    assert (about["replication"], about["scenario_hash"]) == (2, scenario.hash)
    assert trace.stat().st_size == data["trace"]["size_bytes"]


def test_lines_and_a_window_and_a_small_file(call, folder):
    code, out, err = call("trace-run", "one.yaml", "--size", "3", "--from", "5s", "--to", "20s",
                          "--max-size", "4kB", "--out", "deep/er/t.json.gz")  # fmt: skip
    assert code == 0
    first, *_ = lines = out.splitlines()
    assert first == "looked-at: replication 0 on 3 replicas, SLA kept"
    assert lines[3].startswith("  trace: deep/er/t.json.gz (0.0")
    assert "10 worst requests, by the share of the tightest limit they used" in lines[4]
    assert err.startswith("Note: ") and "so that it takes at most 4kB" in err
    assert (folder / "deep/er/t.json.gz").stat().st_size <= 4000


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--replication", "-1"],
            "got '-1'\n    allowed: a whole number from 0 up, worst or median",
        ),
        (["--replication", "worst"], "allowed: a number, or a folder of results such as out/NAME"),
        (["--from", "3"], "--from: got '3'\n    allowed: a time with its unit"),
        (["--from", "30s"], "--from: got 30s\n    allowed: below the period of 30s"),
        (["--from", "3s", "--to", "2s"], "--to: got 2s\n    allowed: above --from, 3s"),
        (["--max-size", "20"], "--max-size: got '20'\n    allowed: a size with its unit"),
        (["--max-size", "1kB"], "--max-size: 10 requests (the worst"),
    ],
)
def test_mistakes_are_one_message(call, arguments, message):
    code, out, err = call("trace-run", "one.yaml", *arguments)
    assert code == 2 and out == "" and message in err and err.startswith("Error: ")


def test_what_is_no_result(call, folder):
    (folder / "empty").mkdir(exist_ok=True)
    code, _, err = call("trace-run", "empty")
    assert code == 2 and "empty holds no finished results\n    allowed: a scenario file" in err
    (folder / "empty" / "manifest.json").write_text('{"command": "fit"}')
    assert "this reads results of plan and simulate" in call("trace-run", "empty")[2]
    assert call("trace-run", "nowhere")[0] == 2


def test_the_worst_period_of_results(call, folder):
    """By the fleet and the scenario of the results, with the same figures."""
    code, _, err = call("simulate", "one.yaml", "--workers", "1", "--replications", "3",
                        "--out", "done", "--set", "fleet.replicas=1")  # fmt: skip
    assert code == 0, err
    answers = [
        json.loads(call("trace-run", "done/manifest.json", "--replication", which, "-o", "json")[1])
        for which in ("worst", "median", "0", "1", "2")
    ]
    worst, median, *all_of_them = answers
    assert {data["replicas"] for data in answers} == {1}
    by_ttft = sorted(all_of_them, key=lambda data: data["objectives"][0]["value"])
    assert (worst, median) == (by_ttft[2], by_ttft[1])
    code, _, err = call("trace-run", "done", "--replication", "worst", "--seed", "4")
    assert code == 2 and "it is known of done as it is" in err


def test_an_autoscaled_plan_is_traced_with_the_fleet_that_was_judged(folder, monkeypatch):
    """A plan counts the fewest replicas; its periods began with those of the scenario."""
    scaling = 'fleet: {replicas: 3, autoscaling: {replicas: "1..6", target_outstanding: 4}}'
    (folder / "scaled.yaml").write_text(SCENARIO.replace("fleet: {replicas: 2}", scaling))
    answer = {"scenario": load(folder / "scaled.yaml").as_yaml_data(), "figures_of": 2}
    results = Results(answer, {"command": "plan"}, *[pd.DataFrame()] * 4)
    monkeypatch.setattr(trace_source, "results_of", lambda _: results)
    asked = trace_source.asked_of(folder, "7", None, (), None)
    scaling = asked.scenario.fleet.autoscaling
    assert (asked.replicas, asked.replication, scaling.replicas) == (3, 7, (2, 6))
