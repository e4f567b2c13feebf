"""`fleetcast drill`: with and without an incident, what differs, and how it is told."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fleetcast.__main__ import main
from planner.drill import (
    CALM_S,
    STEP_S,
    Drill,
    back_after_s,
    pair,
    percentile,
    rolling_s,
    without_failures,
)
from planner.drill_summary import as_json, extra, spread
from reports.drill_lines import drill_lines, kill_text
from scenarios.loading import load
from simulator.control.drill import Kill

SCENARIO = """
version: 1
name: drilled
horizon: 8min
preroll: 10s
seed: 3
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm, max_num_seqs: 16, max_num_batched_tokens: 512}}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 5/s}
    input_tokens: {kind: constant, tokens: 400}
    output_tokens: {kind: constant, tokens: 100}
fleet:
  replicas: 4
  topology: {zones: 2, gpus_per_node: 1}
  cold_start: 30s
clients: {timeout: 60s, retries: 0}
sla:
  probability: 0.95
  objectives: [ttft p95 <= 300ms, error_rate <= 0.1%]
"""
FAILING = SCENARIO + "failures: {replica: {mtbf: 1h, detection: 5s, repair: {median: 1min, p95: 2min}}}\n"  # noqa: E501  # fmt: skip


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "drilled.yaml"
    path.write_text(SCENARIO)
    return load(path)


@pytest.fixture
def failing(tmp_path):
    path = tmp_path / "failing.yaml"
    path.write_text(FAILING)
    return load(path)


@pytest.fixture
def drill(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast drill ARGUMENTS` beside the scenario; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    Path("drilled.yaml").write_text(SCENARIO)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "drill", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


# --- what differs --------------------------------------------------------------------------------


def test_a_zone_takes_its_replicas_and_nothing_before_it_differs(scenario):
    found = pair(Drill(scenario, (Kill("zone-a", 120.0, 60.0, noticed_s=10.0),)), 0)
    assert found.hit == 2 and found.noticed_s == 10.0
    without, drilled = found.samples["replicas_up"]
    up = dict(zip(found.sample_s.tolist(), zip(without, drilled, strict=True), strict=True))
    assert up[100.0] == (4, 4) and up[160.0] == (4, 2)
    # Repaired after a minute, then a start of 30 s.
    assert found.over_s == pytest.approx(92.0, abs=4.0)
    assert up[204.0] == (4, 2) and up[216.0] == (4, 4)
    # Who arrived a while before the kill has its first token by then.
    before = found.times_s < 110.0
    same = np.isclose(found.ttft_s_p95[0], found.ttft_s_p95[1], equal_nan=True)
    assert same[before].all() and not same.all()
    assert found.without.counts["lost"] == 0 and found.without.kept
    assert found.drilled.counts["lost"] > 0 and not found.drilled.kept
    assert found.drilled.counts["tokens_lost"] > 0 == found.without.counts["tokens_lost"]


def test_nobody_is_lost_who_may_try_again(scenario):
    clients = scenario.clients.model_copy(update={"retries": 3})
    patient = scenario.model_copy(update={"clients": clients})
    kill = Kill("zone-a", 120.0, 60.0, "crash")
    found = pair(Drill(patient, (kill,)), 0)
    assert found.drilled.counts["lost"] == 0 < found.drilled.counts["retried"]
    assert found.noticed_s == 0.0


def test_the_last_replica_gone_for_ever_is_not_got_over(scenario):
    fleet = scenario.fleet.model_copy(update={"replicas": 1})
    lone = scenario.model_copy(update={"fleet": fleet})
    drill = Drill(lone, (Kill("replica-0", 240.0, None, "crash"),))
    found = pair(drill, 0)
    assert found.over_s == found.near_s == found.within_s == float("inf")
    assert found.drilled.ttft_s["95"] == float("inf") > found.without.ttft_s["95"]
    assert found.drilled.counts["timed_out"] > 0
    data = as_json(drill, [found])
    assert data["ttft_s"]["p95"]["extra"]["median"] == float("inf")
    text = "\n".join(drill_lines(data))
    assert "not repaired" in text and "not in the period" in text and "never" in text


def test_a_component_may_break_again_while_it_is_broken(scenario):
    """The second incident is not over when the first one is: replicas are back after the last."""
    kills = (Kill("zone-a", 60.0, 60.0, "crash"), Kill("zone-a", 100.0, 60.0, "crash"))
    found = pair(Drill(scenario, kills), 0)
    up = dict(zip(found.sample_s.tolist(), found.samples["replicas_up"][1], strict=True))
    assert up[156.0] == 2 and up[180.0] == 2 and up[196.0] == 4  # 160 s, and a start of 30 s


def test_slowness_beyond_the_period_is_not_got_over(scenario):
    found = pair(Drill(scenario, (Kill("zone-b", 120.0, 1e6, "slow", speed=0.9),)), 0)
    assert found.over_s == float("inf")


def test_a_slow_zone_stays_up(scenario):
    found = pair(Drill(scenario, (Kill("zone-b", 120.0, 60.0, "slow", speed=0.25),)), 0)
    assert (found.samples["replicas_up"][1] == 4).all()
    assert found.drilled.ttft_s["50"] > found.without.ttft_s["50"]
    assert found.drilled.counts["lost"] == 0


def test_own_failures_stay_as_they_are_and_calm_leaves_them_out(failing):
    kills = (Kill("replica-0", 120.0, 60.0, "crash"),)
    down = [
        pair(Drill(each, kills), number).samples["replicas_up"][0].min()
        for each in (failing, without_failures(failing))
        for number in range(3)
    ]
    assert min(down[:3]) < 4 and min(down[3:]) == 4
    assert without_failures(failing).cold_start == failing.cold_start


# --- figures -------------------------------------------------------------------------------------


def test_percentiles_are_those_of_promises():
    values = np.sort(np.arange(100.0))
    assert percentile(values, Fraction(95, 100)) == 94.0
    assert percentile(values[:19], Fraction(95, 100)) == 18.0
    assert np.isnan(percentile(values[:0], Fraction(1, 2)))


def test_latest_requests_are_those_of_the_window(scenario):
    run = type("Run", (), {"arrival_s": np.array([10.0, 70.0, 75.0]),
                           "ttft_s": np.array([1.0, 2.0, np.inf])})  # fmt: skip
    found = rolling_s(run, np.array([5.0, 10.0, 70.0, 74.0, 75.0, 200.0]), 60.0, Fraction(1, 2))
    assert found.tolist()[1:5] == [1.0, 2.0, 2.0, 2.0]
    assert np.isnan(found[[0, 5]]).all()


@pytest.mark.parametrize(
    "bad, over_s, expected",
    [
        ([], 100.0, 0.0),
        # Before the kill at 60 s, or long after it was over: of another cause.
        ([30.0, 500.0], 100.0, 0.0),
        ([65.0, 70.0, 75.0], 100.0, 20.0),
        # It began before it was over, and goes on.
        ([90.0, 150.0, 250.0], 100.0, 195.0),
        # CALM_S and more without anything bad: what follows is another matter.
        ([90.0, 90.0 + CALM_S + STEP_S], 100.0, 35.0),
        ([90.0, 200.0, 300.0, 400.0, 500.0, 600.0], 100.0, float("inf")),
    ],
)
def test_back_is_after_the_last_bad_instant_of_the_incident(scenario, bad, over_s, expected):
    drill = Drill(scenario, (Kill("zone-a", 60.0, 30.0),))
    times_s = np.arange(STEP_S, 600.0 + STEP_S / 2, STEP_S)
    assert back_after_s(drill, times_s, ~np.isin(times_s, bad), over_s) == expected


def test_spreads_and_differences():
    assert spread([1.0, np.nan, 4.0, np.inf]) == (4.0, 1.0, np.inf)
    assert spread([1.0, 2.0]) == (1.5, 1.0, 2.0)
    assert extra(np.inf, np.inf) == 0.0 and extra(np.inf, 1.0) == np.inf and extra(3.0, 1.0) == 2.0


def test_a_kill_in_words():
    kill = Kill("node-3", 300.0, None, "hang", 90.0)
    assert kill_text(kill._asdict()) == (
        "node-3 hangs, /health answering at 5 min, not repaired; noticed after 90 s"
    )


# --- the command ---------------------------------------------------------------------------------


def test_a_drill_is_told_drawn_and_kept(drill):
    arguments = ("drilled.yaml", "--kill", "zone-a@2min", "--for", "1min", "--replications", "2",
                 "--workers", "1", "--out", "here")  # fmt: skip
    code, out, err = drill(*arguments)
    assert code == 0 and err == ""
    lines = out.splitlines()
    # The period is long enough for the way back: 3 min, a start of 30 s, and 10 min.
    assert lines[0] == "drilled: 4 replicas, 2 replications of 14 min"
    assert lines[1] == (
        "  zone-a goes silent at 2 min, for 60 s; a cold start follows; noticed after 30 s"
    )
    assert "requests lost" in out and "TTFT p99 during it" in out
    assert "SLA kept in 2 of 2 periods without it, in 0 with it" in out
    page = Path("here/drill.html").read_bytes()
    assert Path("here/drill.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in page and b"src=" not in page and b'href="http' not in page
    code, out, _ = drill(*arguments, "-o", "json")
    assert Path("here/drill.html").read_bytes() == page
    data = json.loads(out)
    assert data == json.loads(Path("here/drill.json").read_text())
    assert data["replicas_hit"] == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert set(data["ttft_s"]) == {"p50", "p95", "p99"}
    assert data["counts"]["lost"]["extra"]["low"] > 0
    assert data["recovery"]["objective"] == "ttft p95 <= 300ms"
    assert set(data["series"]) == {"ttft_p95", "replicas_up", "waiting", "running"}
    line = data["series"]["ttft_p95"]
    assert len(line["time_s"]) == len(line["with"]["median"]) == len(line["without"]["high"])
    assert pd.Series(line["time_s"]).is_monotonic_increasing


@pytest.mark.slow
def test_results_do_not_depend_on_workers(drill):
    found = []
    for workers in ("1", "2"):
        code, out, _ = drill(
            "drilled.yaml", "--kill", "replica-1@2min", "--effect", "crash", "--for", "1min",
            "--period", "4min", "--replications", "2", "--workers", workers, "-o", "json",
        )  # fmt: skip
        assert code == 0
        found.append(json.loads(out))
    assert found[0] == found[1] and found[0]["period_s"] == 240.0


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("--kill", "zone-c@2min"), "no 'zone-c' in this fleet"),
        (("--kill", "rack-0@2min"), "There are: zone-a, zone-b, node-0"),
        (("--kill", "zone-a"), "no instant"),
        (("--kill", "zone-a@soon"), "allowed: a time with its unit"),
        (("--kill", "zone-a@-2s"), "0s or more"),
        (("--kill", "zone-a@20min", "--period", "10min"), "the period ends before that"),
        (("--kill", "zone-a@1min", "--for", "0s"), "1s or more"),
        (("--kill", "zone-a@1min", "--for", "long"), "--for: got 'long'"),
        (("--kill", "replica-4@1min", "--replicas", "4"), "no 'replica-4' in this fleet"),
    ],
)
def test_what_cannot_be_drilled_is_a_usage_error(drill, arguments, told):
    code, out, err = drill("drilled.yaml", *arguments)
    assert code == 2 and out == ""
    assert told in err and "Traceback" not in err
    assert not Path("out").exists()


def test_health_checks_notice_where_there_are_some(drill):
    code, out, _ = drill(
        "drilled.yaml", "--kill", "replica-0@1min", "--for", "5min", "--replications", "1",
        "--set", "fleet.health_checks.period=10s", "-o", "json",
    )  # fmt: skip
    assert code == 0
    data = json.loads(out)
    assert data["kills"][0]["noticed_s"] is None
    assert 10.0 < data["noticed_s"]["median"] < 35.0
