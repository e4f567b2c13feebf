"""`fleetcast fit` on a folder of a few measured rows, every number invented."""

import json
import math
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calibration.bands import CLASSES
from calibration.left_out import IN_SAMPLE, SCHEMES
from fleetcast.__main__ import main
from scenarios import catalogue
from tests.calibration.conftest import ROWS, Folder

# Batch -> ms of prefill and of a decode step: about what an H100 does with Llama 2 7B in fp8.
STATIC = {1: (7.0, 4.1), 4: (13.0, 4.3), 16: (44.0, 4.9), 64: (170.0, 7.2)}
CLOSED = {1: 5.6, 5: 6.0, 20: 6.8}
"""Users -> ms per token of NIM."""


def static_rows():
    return [
        ROWS["trtllm"] | {"case_id": f"trt-{batch}", "batch_size": batch,
                          "first_token_latency_ms": prefill_ms,
                          "token_to_token_latency_ms": decode_ms}
        for batch, (prefill_ms, decode_ms) in STATIC.items()
    ]  # fmt: skip


def closed_rows():
    return [
        ROWS["nim"] | {"case_id": f"nim-{users}", "concurrency": users, "itl_mean_ms": ms}
        for users, ms in CLOSED.items()
    ]


@pytest.fixture
def fit(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast fit ARGUMENTS` beside a folder `data` of three data sets; (code, out, err).

    One row stands there twice, one is too fast for any memory, one is of an unknown GPU.
    """
    monkeypatch.chdir(tmp_path)
    odd = ROWS["trtllm"] | {"case_id": "odd", "gpu": "Abacus 9000"}
    fast = ROWS["trtllm"] | {"case_id": "fast", "token_to_token_latency_ms": 0.1}
    twice = static_rows()[0] | {"case_id": "twice"}
    Folder(Path("data/static")).table("cases.csv", [*static_rows(), odd, fast, twice])
    Folder(Path("data/nim")).table("cases.csv", closed_rows())
    slow = [ROWS["splitwise"] | {"case_id": f"spw-{b}", "batch_size": b} for b in (1, 2)]
    Folder(Path("data/splitwise")).table("cases.csv", slow)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "fit", "--workers", "1", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def as_data(fit, *arguments):
    code, out, err = fit(*arguments, "-o", "json")
    assert code == 0
    return json.loads(out), err


def test_json_has_every_figure_under_every_scheme(fit):
    data, err = as_data(fit, "data")
    assert err == ""
    in_sample = {(r["case_id"], r["metric"]) for r in data["rows"] if r["scheme"] == IN_SAMPLE}
    static = {name for name, _ in in_sample if name.startswith(("trt", "twice"))}
    assert in_sample == {
        *((name, metric) for name in [*static, "spw-1", "spw-2"]
          for metric in ("prefill", "decode")),
        *((f"nim-{users}", "tpot_mean") for users in CLOSED),
    }  # fmt: skip
    assert len(static) == len(STATIC), "a row that stands there twice counts once"
    for scheme in SCHEMES:
        mine = [row for row in data["rows"] if row["scheme"] == scheme]
        assert len(mine) == len(in_sample), scheme
    assert all(math.isfinite(row["error_pct"]) for row in data["rows"])
    assert set(data["bands"]) == {f"{name}_{kind}" for name in CLASSES for kind in ("dense", "moe")}


def test_the_fit_comes_nearer_than_the_fits_that_never_saw(fit):
    data, _ = as_data(fit, "data")
    known = data["coefficients"]
    assert known["trtllm-0.9.layer_overhead_s"]["relative_error"] < 0.5
    assert 0.7 < known["h100.achieved_bandwidth"]["value"] < 1.2

    def worst(scheme):
        return max(
            abs(row["error_pct"]) for row in data["rows"]
            if row["scheme"] == scheme and row["dataset"] == "static"
        )  # fmt: skip

    assert worst(IN_SAMPLE) < worst("data set")


def test_the_table_has_a_line_for_each_kind_of_figure_and_each_coefficient(fit):
    data, _ = as_data(fit, "data")
    code, out, _ = fit("data")
    assert code == 0
    errors, coefficients = out.split("\n\n")
    heading, *lines = errors.splitlines()
    assert heading.split("figures")[1].split() == " ".join([IN_SAMPLE, *SCHEMES]).split()
    labels = [line[:44].strip() for line in lines]
    assert labels == [
        "nim dense tpot_mean", "splitwise dense decode", "splitwise dense prefill",
        "static dense decode", "static dense prefill",
    ]  # fmt: skip
    assert [int(line[44:52]) for line in lines] == [3, 2, 2, 4, 4]
    assert max(map(len, errors.splitlines())) <= 110
    named = [line.split()[0] for line in coefficients.splitlines()[1:]]
    assert named == list(data["coefficients"])


@pytest.mark.parametrize("output", ["table", "json"])
def test_the_file_of_coefficients_is_written_where_asked(fit, output, monkeypatch):
    code, out, err = fit("data", "--out", "step_time.yaml", "-o", output)
    assert code == 0
    assert "written: step_time.yaml" in (err if output == "json" else out)
    text = Path("step_time.yaml").read_text()
    assert "#   nim: 3\n#   splitwise: 2\n#   static: 4\n" in text
    loaded = YAML(typ="safe", pure=True).load(text)
    assert set(loaded["silicon"]) == {"a100", "h100", "h200", "unknown"}
    assert set(loaded["engines"]) == {"nim", "splitwise", "trtllm-0.9", "unknown"}
    # The catalogue reads it in place of its own.
    monkeypatch.setattr(catalogue, "coefficients", lambda: loaded)
    gpus = catalogue.read_catalogue_file(Path(catalogue.__file__).parent / "gpus.yaml").gpus
    h100 = gpus["h100-sxm-80gb"]
    assert h100.achieved_flops == loaded["silicon"]["h100"]["achieved_flops"]
    if output == "json":
        fitted = json.loads(out)["coefficients"]["h100.achieved_flops"]["value"]
        assert h100.achieved_flops == pytest.approx(fitted, rel=1e-3)


@pytest.mark.slow
def test_workers_change_nothing(fit):
    assert as_data(fit, "data", "--workers", "2") == as_data(fit, "data")


@pytest.mark.parametrize("folder", ["empty", "refused"])
def test_a_folder_without_cases_is_a_usage_error(fit, folder):
    Path("empty").mkdir()
    odd = ROWS["trtllm"] | {"gpu": "Abacus 9000"}
    Folder(Path("refused/static")).table("cases.csv", [odd])
    code, out, err = fit(folder, "--out", "step_time.yaml")
    assert (code, out) == (2, "")
    assert f"{folder} has no measured case that can be simulated" in err
    assert not Path("step_time.yaml").exists()


def test_a_folder_that_is_not_there(fit):
    code, _, err = fit("nowhere")
    assert code == 2 and "nowhere" in err
