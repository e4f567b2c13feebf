"""`fleetcast calibrate` from results of every tool to a profile that the other commands use."""

import json
import os
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

import calibration.aic
from calibration.aic_database import AicMissing, AicUnknown
from fleetcast.__main__ import main
from scenarios.latency import Profile, read_profile

SAMPLES = Path(__file__).parents[1] / "calibration" / "samples"
SCENARIO = """\
version: 1
name: measured
horizon: 10s
preroll: 1s
drain: 10s
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {name: vllm}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 2/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 20}
fleet: {replicas: 1}
"""
RUNS = """\
concurrency,input_tokens,output_tokens,ttft_mean_ms,tpot_mean_ms,requests
1,500,100,40,8.2,60
16,500,100,120,10.6,200
64,500,100,260,14.9,400
16,4000,100,700,22,100
"""


@pytest.fixture
def fleetcast(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast ARGUMENTS` in a folder with a scenario and a CSV of runs."""
    monkeypatch.chdir(tmp_path)
    Path("measured.yaml").write_text(SCENARIO)
    Path("runs.csv").write_text(RUNS)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def calibrate(fleetcast):
    return lambda *arguments: fleetcast("calibrate", "--scenario", "measured.yaml", *arguments)


def test_from_a_csv_to_a_plan_that_uses_the_profile(fleetcast, calibrate):
    code, out, err = calibrate("runs.csv")
    assert (code, err) == (0, "")
    assert out.startswith(
        "meta-llama/Llama-3.1-8B-Instruct on 1 x h100-sxm-80gb, vllm, bf16: 4 runs"
    )
    profile = read_profile(Path("ours.yaml"))
    assert profile.date == date.today().isoformat()
    assert profile.source == "4 runs of runs.csv (csv)"
    assert profile.measured_on.gpu == "h100-sxm-80gb"
    assert 0.06 < profile.uncertainty["step_factor"] < 0.12

    before = fleetcast("check", "measured.yaml")[1]
    Path("measured.yaml").write_text(SCENARIO + "latency: {profile: ours.yaml}\n")
    code, after, err = fleetcast("check", "measured.yaml")
    assert (code, err) == (0, "")
    step = profile.step
    lone_ms = 1e3 * (
        step.per_step_s
        + step.per_decode_token_s
        + step.per_sequence_s
        + 500 * (step.per_kv_token_s + step.per_attention_pair_s)
    )
    assert f"{lone_ms:.2f} ms for one decode" in after
    assert after != before
    assert fleetcast("simulate", "measured.yaml", "--replications", 1, "--workers", 1)[0] == 0
    manifest = next(Path("out").rglob("manifest.json")).read_text()
    assert '"source": "4 runs of runs.csv (csv)"' in manifest


def test_json_has_everything(calibrate):
    code, out, err = calibrate("runs.csv", "-o", "json", "--out", "new/folder/p.yaml")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert Path(data["written"]) == Path("new/folder/p.yaml")
    assert Profile.model_validate(data["profile"]) == read_profile(Path("new/folder/p.yaml"))
    assert len(data["points"]) == 8
    point = data["points"][0]
    assert (point["case_id"], point["metric"], point["measured"]) == ("1 at once", "tpot_mean", 8.2)
    assert point["error_before"] == pytest.approx(point["before"] / 8.2 - 1)
    assert abs(point["error_after"]) < abs(point["error_before"])
    assert {part["name"] for part in data["parts"]} == set(data["profile"]["learned"])
    assert data["left_out"] == data["doubts"] == data["warnings"] == []
    assert any("num_gpu_blocks" in wish for wish in data["measure_next"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "sample, runs, tool",
    [
        ("vllm_plain.json", 1, "vllm-bench"),
        ("vllm_appended.json", 3, "vllm-bench"),
        ("vllm_detailed.json", 1, "vllm-bench"),
        ("guidellm_v2.json", 3, "guidellm"),
        ("aiperf.json", 1, "aiperf"),
        ("aiperf_records.jsonl", 1, "aiperf"),
        ("genai_perf.json", 1, "aiperf"),
        ("inference_perf_concurrent.json", 1, "inference-perf"),
        ("inference_perf_stage.json", 1, "inference-perf"),
        ("runs.csv", 1, "csv"),
    ],
)
def test_results_of_every_tool(calibrate, sample, runs, tool):
    """Their numbers are invented, and so some are suspicious."""
    code, out, err = calibrate(SAMPLES / sample, "--keep-suspicious", "-o", "json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    plural = "s" if runs > 1 else ""
    assert data["profile"]["source"] == f"{runs} run{plural} of {sample} ({tool})"
    read_profile(Path("ours.yaml"))


def test_several_files_are_learned_from_together(calibrate):
    Path("more.csv").write_text(RUNS.splitlines()[0] + "\n8,1000,200,90,9.4,100\n")
    code, out, _ = calibrate("runs.csv", "more.csv", "-o", "json")
    assert code == 0
    data = json.loads(out)
    assert data["profile"]["source"] == "5 runs of runs.csv (csv), more.csv (csv)"
    assert {point["case_id"] for point in data["points"]} >= {"more.csv: 8 at once"}


def test_suspicious_runs_are_left_out_unless_kept(calibrate):
    Path("bad.csv").write_text(
        RUNS.splitlines()[0] + ",failed\n8,500,100,90,9.4,100,0\n16,500,100,90,30,100,40\n"
    )
    code, out, _ = calibrate("bad.csv")
    assert code == 0
    assert "Left out:\n  - 16 at once: 40 of 140 requests failed" in out
    assert "1 run of bad.csv" in out
    code, out, _ = calibrate("bad.csv", "--keep-suspicious")
    assert "2 runs of bad.csv" in out
    assert "Suspicious:\n  - 16 at once: 40 of 140 requests failed" in out
    assert "Doubtful:\n" in out


def test_another_model_is_warned_of(calibrate):
    code, out, _ = calibrate(SAMPLES / "genai_perf.json")
    assert code == 0
    assert "Is it the same model?\n  - the results name the model 'example/tiny-8b'" in out


def test_num_gpu_blocks_of_the_log(calibrate):
    code, out, _ = calibrate("runs.csv", "--num-gpu-blocks", 27000)
    assert code == 0
    assert "`num_gpu_blocks: 27000` in its engine" in out
    assert "the pool is only computed" not in out


def test_overrides_say_what_was_measured(calibrate):
    code, out, _ = calibrate("runs.csv", "--set", "replica.gpu=h200-sxm-141gb", "-o", "json")
    assert code == 0
    assert json.loads(out)["profile"]["measured_on"]["gpu"] == "h200-sxm-141gb"


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        ([], 2, "name the RESULT files of a load test, or --tables aiconfigurator"),
        (["nowhere.csv"], 2, "'nowhere.csv' does not exist"),
        (["measured.yaml"], 2, "measured.yaml: text that is no JSON and no CSV of ours"),
        (["runs.csv", "--tables-version", "1.0"], 2, "--tables-version needs --tables"),
        (["runs.csv", "--set", "latency={per_step: 9ms}"], 2, "has a `latency:` of its own"),
        (["runs.csv", "--set", "replica.gpu=h1000"], 2, "did you mean"),
        (["runs.csv", "--num-gpu-blocks", "0"], 2, "--num-gpu-blocks"),
        ([SAMPLES / "aiperf.json"], 1, "no usable run (--keep-suspicious"),
        (
            [SAMPLES / "inference_perf_requests.json", "--keep-suspicious"],
            1,
            "nothing like the scenario's replica was measured",
        ),
        ([SAMPLES / "inference_perf_summary.json"], 1, "a CSV with a column `concurrency`"),
    ],
)
def test_what_cannot_be_used_is_refused(calibrate, arguments, code, said):
    got, out, err = calibrate(*arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert not Path("ours.yaml").exists()


def test_every_unreadable_file_is_named(calibrate):
    Path("a.json").write_text("{")
    Path("b.json").write_text("{}")
    code, _, err = calibrate("a.json", "b.json", "runs.csv")
    assert code == 2
    assert "a.json" in err and "b.json" in err


def test_a_crash_while_writing_leaves_the_old_profile(calibrate, monkeypatch):
    Path("ours.yaml").write_text("the old one")

    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = calibrate("runs.csv")
    assert (code, Path("ours.yaml").read_text()) == (1, "the old one")
    assert "disk full" in err


@pytest.fixture
def tables(monkeypatch):
    """Operator tables that know one step time."""
    made = {
        "measured_on": {
            "model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "h100-sxm-80gb", "engine": "vllm",
        },
        "step": {"per_step": "7ms", "per_prefill_token": "25us", "per_sequence": "60us"},
        "uncertainty": {"step_factor": 0.11},
        "source": "tables 0.12",
    }  # fmt: skip
    asked = SimpleNamespace(version="never asked")

    def profile_from_aic(model, replica, date, version):
        asked.version = version
        return Profile.model_validate(made | {"date": date}), None

    monkeypatch.setattr(calibration.aic, "profile_from_aic", profile_from_aic)
    return asked


def test_tables_alone(calibrate, tables):
    code, out, _ = calibrate("--tables", "aiconfigurator", "--tables-version", "0.9")
    assert (code, tables.version) == (0, "0.9")
    assert "tables 0.12" in out and "within 11 %" in out.replace("11%", "11 %")
    profile = read_profile(Path("ours.yaml"))
    assert (profile.step.per_step_s, profile.uncertainty) == (7e-3, {"step_factor": 0.11})


def test_tables_are_the_start_of_a_calibration(calibrate, tables):
    code, out, _ = calibrate("runs.csv", "--tables", "aiconfigurator", "-o", "json")
    assert code == 0
    profile = json.loads(out)["profile"]
    assert profile["source"] == "4 runs of runs.csv (csv), on tables 0.12"
    assert profile["learned"]["overhead"] == 1.0  # no table tells them apart
    assert read_profile(Path("ours.yaml")).step.per_attention_pair_s == 0.0


@pytest.mark.parametrize(
    "error", [AicMissing("pip install 'fleetcast[aic]'"), AicUnknown("its GPUs are h100")]
)
def test_tables_that_cannot_be_asked(calibrate, monkeypatch, error):
    def profile_from_aic(*asked):
        raise error

    monkeypatch.setattr(calibration.aic, "profile_from_aic", profile_from_aic)
    code, out, err = calibrate("--tables", "aiconfigurator")
    assert (code, out) == (2, "")
    assert str(error) in err
