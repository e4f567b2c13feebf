"""`fleetcast failures`: presets shown, logs and spot traces fitted, faults of both told."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from fleetcast.__main__ import main
from reports.failure_lines import per_gpu_hour
from scenarios.catalogue import load_catalogue
from scenarios.failures import Fault
from scenarios.loading import load, restore
from simulator.streams import stream

PRESETS = {
    "none", "h100-mature", "a100-rsc1", "a100-rsc2", "neocloud-pessimistic", "spot-moderate",
    "spot-hostile", "planned-maintenance",
}  # fmt: skip
REST = """
version: 1
name: fitted
horizon: 5min
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
fleet: {replicas: 2, topology: {nodes_per_rack: 2}}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 1/s}
    input_tokens: {kind: constant, tokens: 100}
    output_tokens: {kind: constant, tokens: 10}
"""
DAY_S = 86_400.0


@pytest.fixture
def failures(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast failures ARGUMENTS` beside made files; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    rng = stream(3, "made")
    rows = ["start,end,kind,scope,component,detected,effect,ticket"]
    for at_s in np.sort(rng.uniform(0, 100 * DAY_S, 60)):
        lasts_s = rng.lognormal(7, 1)
        stamps = [np.datetime64("2026-01-01") + np.timedelta64(round(s), "s")
                  for s in (at_s, at_s + lasts_s, at_s + 30)]  # fmt: skip
        gpu = rng.integers(64)
        rows.append(f"{stamps[0]}Z,{stamps[1]}Z,gpu-lost,gpu,gpu-{gpu},{stamps[2]}Z,silence,T1")
    rows.append("2026-03-01T00:00:00Z,,switch,rack,rack-0,,slow,T2")
    Path("log.csv").write_text("\n".join(rows) + "\n")
    counts = [4, 4, 2, 2, 4, 4, 3, 4] * 30
    Path("spot.json").write_text(json.dumps({"metadata": {"gap_seconds": 300}, "data": counts}))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "failures", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def as_data(failures, *arguments):
    code, out, err = failures(*arguments, "-o", "json")
    assert code == 0, err
    return json.loads(out)


WATCHED = ("--gpus", "64", "--racks", "2", "--from", "2026-01-01", "--to", "2026-04-11")


# --- show ----------------------------------------------------------------------------------------


def test_all_presets_are_listed(failures):
    code, out, err = failures("show")
    assert code == 0 and err == ""
    assert {line.split()[0] for line in out.splitlines()[1 : len(PRESETS) + 1]} == PRESETS
    listed = as_data(failures, "show")["presets"]
    assert {preset["name"] for preset in listed} == PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_fault_of_a_preset_is_told_with_its_source(failures, name):
    data = as_data(failures, "show", name)
    code, out, _ = failures("show", name)
    assert code == 0 and data["name"] == name
    for fault in data["faults"]:
        assert {"name", "scope", "effect", "rate", "detection", "repair", "source",
                "confidence"} <= set(fault)  # fmt: skip
        assert fault["source"] and fault["confidence"]
        assert fault["name"] in out and fault["source"] in out
    known = [fault["per_million_gpu_hours"] for fault in data["faults"]]
    assert data["total_per_million_gpu_hours"] == pytest.approx(sum(known))


def test_the_total_of_mature_h100_is_what_the_paper_counts(failures):
    """19.7 per 1e6 GPU-hours, one 8-GPU node every 264 days; stragglers come on top."""
    data = as_data(failures, "show", "h100-mature")
    rates = {fault["name"]: fault["per_million_gpu_hours"] for fault in data["faults"]}
    interruptions = sum(rate for name, rate in rates.items() if not name.startswith("straggler"))
    assert interruptions == pytest.approx(19.7, abs=0.15)


def test_an_unknown_preset_is_a_usage_error_with_the_nearest(failures):
    code, out, err = failures("show", "h100_matur")
    assert code == 2 and out == ""
    assert "no preset of failures is called 'h100_matur'" in err
    assert "did you mean `h100-mature`?" in err and "spot-hostile" in err


def test_rates_of_any_form_are_told_per_gpu_hour():
    def fault(**occurs):
        return Fault.model_validate({"name": "x", "scope": "node", "repair": "1h"} | occurs)

    assert per_gpu_hour(fault(rate="8 per 1e6 node-hours")) == pytest.approx(1e-6)
    assert per_gpu_hour(fault(rate="3 per 1e6 GPU-hours")) == pytest.approx(3e-6)
    assert per_gpu_hour(fault(mtbf="100h")) == pytest.approx(1 / 800)
    # Up for 99 hours, then an hour of repair.
    assert per_gpu_hour(fault(every="99h")) == pytest.approx(1 / 800)
    assert per_gpu_hour(fault(scope="zone", rate="1 per zone-year")) is None
    assert len(load_catalogue().failures) == len(PRESETS)


# --- fit -----------------------------------------------------------------------------------------


def test_a_log_becomes_a_section_that_loads(failures):
    code, out, err = failures("fit", "log.csv", *WATCHED, "--out", "block/failures.yaml")
    assert code == 0 and err == ""
    text = Path("block/failures.yaml").read_text()
    assert text in out and "written: block/failures.yaml" in out
    assert text.startswith("# Fitted to 61 incidents in 100 days of 64 GPUs, 2 racks (2026-01-01")
    assert "# Beware: switch: 1 incident:" in text
    Path("whole.yaml").write_text(text + REST)
    scenario = load("whole.yaml")
    assert restore(scenario.as_yaml_data()) == scenario
    gpu, switch = scenario.failures.all
    assert (gpu.name, gpu.scope, gpu.probed) == ("gpu-lost", "gpu", True)
    assert gpu.rate.per_hour == pytest.approx(60 / (64 * 2400), rel=1e-3)
    assert gpu.detection.mean_s == pytest.approx(30.0)
    assert gpu.repairs[0].start == "none"
    assert gpu.source == "fitted to log.csv" and "60 incidents" in gpu.confidence
    assert (switch.scope, switch.effect, switch.speed) == ("rack", "slow", (0.5, 0.9))
    data = as_data(failures, "fit", "log.csv", *WATCHED)
    assert [fault["name"] for fault in data["failures"]["faults"]] == ["gpu-lost", "switch"]


def test_json_has_every_figure_with_its_interval(failures):
    data = as_data(failures, "fit", "log.csv", *WATCHED)
    assert data["kind"] == "incidents" and data["files"] == ["log.csv"]
    gpu, switch = data["faults"]
    assert gpu["rate"]["unit"] == "per 1e6 GPU-hours"
    assert gpu["rate"]["low"] < gpu["rate"]["value"] < gpu["rate"]["high"]
    assert gpu["rate"]["gpu_hours"] == pytest.approx(64 * 2400)
    repair = gpu["repair"]
    assert repair["family"] in ("lognormal", "weibull", "exponential")
    assert repair["median_s"]["low"] <= math.exp(7) <= repair["median_s"]["high"]
    assert gpu["shape"]["low"] <= 1.0 <= gpu["shape"]["high"]
    assert gpu["shape"]["between"] == "failures of one component"
    assert switch["repair"]["family"] == "unknown" and switch["open"] == 1
    assert switch["repair"]["median_s"]["high"] is None
    assert any("column `ticket` is not used" in note for note in data["notes"])


def test_the_table_says_what_to_beware_of(failures):
    code, out, _ = failures("fit", "log.csv", "--gpus", "64")
    assert code == 0
    table = out[out.index("incidents: 61 incidents in") :]
    assert "beware: --from and --to not given" in table
    assert "391 [" not in table and "per 1e6 GPU-hours" in table
    assert "0 incidents" not in table


def test_a_spot_trace_becomes_a_section_that_loads(failures):
    code, out, err = failures("fit", "spot.json", "--out", "spot.yaml")
    assert code == 0 and err == ""
    Path("whole.yaml").write_text(Path("spot.yaml").read_text() + REST)
    (fault,) = load("whole.yaml").failures.all
    assert (fault.name, fault.scope, fault.paid) == ("spot-preempt", "node", False)
    hours = 27 * 30 * 300 / 3600
    assert fault.rate.per_hour == pytest.approx(90 / hours, rel=1e-3)
    assert fault.burst.share == pytest.approx(2 * 1 / (2 * 3 + 3), rel=1e-3)
    assert "when one goes, each other instance of its zone follows" in out
    data = as_data(failures, "fit", "spot.json")
    assert data["kind"] == "spot" and data["faults"][0]["bursts"]["losses"] == 90


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("log.csv",), "how many were watched? Incidents of scope gpu, rack need --gpus N"),
        (("log.csv", "--gpus", "64", "--from", "noon"), "--from noon: no instant"),
        (("log.csv", "--gpus", "64", "--within", "5"), "--within 5: no time"),
        (("spot.json", "--within", "-5s"), "--within -5s: below 0"),
        (("spot.json", "--gpus", "64"), "a spot trace says itself how much was watched"),
        (("gone.csv",), "gone.csv"),
        (("whole.yaml", "--gpus", "3"), "no such column"),
    ],
)
def test_what_cannot_be_fitted_is_a_usage_error(failures, arguments, told):
    Path("whole.yaml").write_text(REST)
    code, out, err = failures("fit", *arguments)
    assert code == 2 and out == ""
    assert told in err and "Traceback" not in err
