"""`fleetcast trace fit`: what it prints, writes and refuses, on small made recordings."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from calibration.traffic.drawn import SERVED_BY
from fleetcast.__main__ import main
from scenarios.demand import Traffic
from scenarios.loading import load, restore
from simulator.streams import stream

FIGURE = {"measured", "synthetic", "low", "high", "error", "error_is", "limit", "within_limit"}
ROWS = 3000


@pytest.fixture
def fit(tmp_path, monkeypatch, capsys):
    """Calls `fleetcast trace fit ARGUMENTS` beside made files; (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    rng = stream(3, "made")
    arrival_s = np.cumsum(rng.exponential(0.2, ROWS))
    tokens = np.rint(rng.lognormal(6, 0.8, ROWS)), np.rint(rng.lognormal(4, 0.6, ROWS))
    requests = pd.DataFrame(
        {"arrival_s": arrival_s, "input_tokens": tokens[0].astype(int),
         "output_tokens": tokens[1].astype(int)}
    )  # fmt: skip
    requests.to_parquet("requests.parquet")
    with_failure = requests.copy()
    with_failure.loc[7, "output_tokens"] = 0
    with_failure.to_parquet("failed.parquet")
    requests[["input_tokens", "output_tokens"]].to_parquet("lengths.parquet")
    hours = pd.date_range("2024-01-01", periods=24 * 20, freq="h")
    daily = 1000 * (1 + 0.6 * np.sin(hours.hour.to_numpy() / 24 * 2 * np.pi))
    demand = pd.DataFrame({"timestamp": hours, "value": daily * rng.lognormal(0, 0.1, hours.size)})
    demand.to_csv("demand.csv", index=False)
    requests.head(49).to_parquet("few.parquet")
    Path("poem.txt").write_text("Shall I compare thee to a summer's day?\n")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fleetcast", "trace", "fit", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return call


def as_data(fit, *arguments):
    code, out, err = fit(*arguments, "-o", "json")
    assert code == 0, err
    return json.loads(out)


def test_json_has_the_block_and_every_figure_side_by_side(fit):
    data = as_data(fit, "requests.parquet", "--replications", "4")
    assert set(data) == {"file", "kind", "traffic", "notes", "match"}
    assert data["kind"] == "requests"
    (group,) = data["traffic"]
    assert Traffic.model_validate(group).arrivals.rate_per_s == pytest.approx(5.0, rel=0.1)
    assert group["arrivals"] == {"kind": "poisson", "rate": group["arrivals"]["rate"]}
    assert data["match"]["replications"] == 4
    figures = data["match"]["figures"]
    assert data["match"]["worst"] in figures
    for name in ("rate_per_s", "dispersion_1s", "dispersion_10s", "gap_cv", "empty_seconds_share",
                 "input_tokens_p50", "output_tokens_p99", "rank_correlation"):  # fmt: skip
        assert set(figures[name]) == FIGURE, name
        figure = figures[name]
        assert figure["low"] <= figure["synthetic"] <= figure["high"]
        difference = figure["synthetic"] - figure["measured"]
        scale = 1.0 if figure["error_is"] == "difference" else figure["measured"]
        assert figure["error"] == pytest.approx(difference / scale)
    assert figures["input_tokens_p90"]["limit"] == 0.1
    assert figures["input_tokens_p90"]["within_limit"] is True
    assert figures["rate_per_s"]["limit"] is None and figures["rate_per_s"]["within_limit"] is None


def test_the_same_file_fits_the_same(fit):
    assert as_data(fit, "requests.parquet") == as_data(fit, "requests.parquet")


def test_the_yaml_is_ready_for_a_scenario_and_names_no_file(fit):
    code, out, err = fit("requests.parquet", "--out", "block/traffic.yaml", "--name", "mine")
    assert code == 0 and err == ""
    text = Path("block/traffic.yaml").read_text()
    assert text in out and "written: block/traffic.yaml" in out
    assert text.startswith("# Fitted to requests.parquet (3,000 requests in ")
    assert "# Match: " in text and "# arrivals: Poisson" in text
    data = YAML(typ="safe", pure=True).load(text)
    assert [group["name"] for group in data["traffic"]] == ["mine"]
    rest = [f"{key}: {json.dumps(value)}\n" for key, value in SERVED_BY.items()]
    Path("whole.yaml").write_text("".join([text, *rest, "horizon: 5min\n"]))
    scenario = load("whole.yaml")
    assert restore(scenario.as_yaml_data()) == scenario
    as_json = as_data(fit, "requests.parquet", "--name", "mine")
    assert Traffic.model_validate(as_json["traffic"][0]) == scenario.traffic[0]


def test_the_table_names_the_worst_figure(fit):
    code, out, _ = fit("requests.parquet")
    assert code == 0
    table = out[out.index("requests: 3,000 requests") :]
    assert "measured   synthetic   10-90 %" in table
    assert "promised figures are within their limits" in table
    assert max(map(len, table.splitlines())) <= 110


def test_rows_that_cannot_be_used_are_told(fit):
    data = as_data(fit, "failed.parquet", "--replications", "2")
    assert any("1 row" in note and "output tokens" in note for note in data["notes"])


def test_lengths_alone_leave_the_rate_to_the_user(fit):
    data = as_data(fit, "lengths.parquet", "--replications", "2")
    assert data["kind"] == "lengths"
    assert any("`rate: 1/s` stands in for yours" in note for note in data["notes"])
    assert "rate_per_s" not in data["match"]["figures"]
    Traffic.model_validate(data["traffic"][0])


def test_demand_becomes_a_rate_and_its_modulation(fit):
    data = as_data(fit, "demand.csv", "--replications", "4")
    assert data["kind"] == "demand" and data["traffic"] == []
    kinds = [part["kind"] for part in data["arrivals"]["modulation"]]
    assert kinds == ["daily", "level"]
    assert set(data["match"]["figures"]) == {
        "cv", "peak_over_mean", "p99_over_mean", "correlation", "daily_share",
    }  # fmt: skip
    assert abs(data["match"]["figures"]["cv"]["error"]) < 0.1
    _, out, _ = fit("demand.csv")
    assert "arrivals:\n  kind: poisson\n" in out


@pytest.mark.parametrize(
    "file, message",
    [("poem.txt", "poem.txt"), ("gone.csv", "gone.csv"),
     ("few.parquet", "with 49 usable requests; a fit needs 50")],
)  # fmt: skip
def test_what_is_no_recording_is_a_usage_error(fit, file, message):
    code, out, err = fit(file, "--out", "traffic.yaml")
    assert code == 2 and out == ""
    assert message in err and "Traceback" not in err
    assert not Path("traffic.yaml").exists()
