"""Request rows: all, a sample or none; everything else stays the same, byte for byte."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import simulator.monte_carlo
import simulator.record
from reports.folder import Results
from simulator.tables import schema
from tests.fleetcast.test_commands import command, content, counting, no_page, planned, simulated

__all__ = ["command", "no_page"]  # fixtures

SAMPLE = 10


@pytest.fixture
def small(monkeypatch):
    """Samples of ten rows; the store has the rows of the first period alone."""
    monkeypatch.setattr(simulator.record, "SAMPLE_ROWS", SAMPLE)
    monkeypatch.setattr(simulator.monte_carlo, "REQUESTS_KEPT", 1)


def kept(folder, *without):
    """What a folder has beside what --keep is about."""
    manifest = json.loads(Path(folder, "manifest.json").read_text())
    assert ("requests.parquet" in manifest["files"]) == (manifest.pop("keep") != "none")
    manifest["files"] = sorted({*manifest["files"]} - {"requests.parquet"})
    files = content(folder) | {"manifest.json": manifest}
    files.pop("requests.parquet", None)
    return files


def requests(folder):
    assert pq.read_schema(f"{folder}/requests.parquet").equals(schema("requests"))
    return pd.read_parquet(f"{folder}/requests.parquet")


def test_simulations_differ_in_their_rows_alone(command, small):
    printed = [simulated(command, keep, "--keep", keep) for keep in ("all", "sample", "none")]
    assert printed[0] == printed[1] == printed[2]
    assert kept("all") == kept("sample") == kept("none")
    assert not Path("none/requests.parquet").exists()
    whole, some = requests("all"), requests("sample")
    periods = pd.read_parquet("all/replications.parquet")
    assert whole.groupby("replication").size().tolist() == periods["requests"].tolist()
    assert (whole["weight"] == 1.0).all()
    assert some.groupby("replication").size().tolist() == [SAMPLE] * 3
    np.testing.assert_allclose(some.groupby("replication")["weight"].sum(), periods["requests"])
    # Every row of the sample is a row of the whole, in the same order.
    both = whole.reset_index().merge(some.drop(columns="weight"), how="right")
    assert both["index"].is_monotonic_increasing and both["index"].notna().all()


def test_rows_do_not_depend_on_what_the_store_has(command, small, monkeypatch):
    for keep in ("all", "sample"):
        simulated(command, f"few-{keep}", "--keep", keep)
    monkeypatch.setattr(simulator.monte_carlo, "REQUESTS_KEPT", 10_000)
    for keep in ("all", "sample"):
        simulated(command, f"many-{keep}", "--keep", keep, "--runs", "other")
        assert content(f"few-{keep}") == content(f"many-{keep}")


def test_histograms_are_of_all_requests(command, small):
    simulated(command, "out", "--keep", "none")
    bins, periods = (pd.read_parquet(f"out/{name}.parquet") for name in ("latencies",
                     "replications"))  # fmt: skip
    counted = bins[bins["metric"] != "itl"].groupby(["replication", "metric"], observed=True)
    assert counted["count"].sum().unstack()["ttft"].tolist() == periods["requests"].tolist()
    timeline = pd.read_parquet("out/timeline.parquet")
    assert timeline.groupby("replication")["arrivals"].sum().tolist() == (
        periods["requests"].tolist()
    )


def test_a_finished_simulation_is_shown_again(command, monkeypatch):
    first = simulated(command, "out")
    assert json.loads(Path("out/simulation.json").read_text()) == first
    files, again = content("out"), counting(monkeypatch)
    arguments = ("tiny.yaml", "--replications", 3, "--out", "out", "-o", "json")
    assert command("simulate", *arguments) == (0, json.dumps(first, indent=2) + "\n", "")
    assert content("out") == files and not again
    asked = json.loads(files["manifest.json"])["asked"]
    assert asked == "fleetcast simulate tiny.yaml --replications 3"


def test_a_finished_plan_changes_its_rows_without_a_search(command, no_page, small, monkeypatch):
    data = planned(command, "out")
    sampled = content("out")
    again = counting(monkeypatch)
    monkeypatch.setattr("planner.plan.plan", None)
    for keep in ("none", "all", "sample"):
        assert planned(command, "out", "--keep", keep) == data
        assert kept("out")["plan.json"] == sampled["plan.json"]
        if keep == "all":
            periods = pd.read_parquet("out/replications.parquet")
            own = periods[(periods["phase"] == "certify")
                          & (periods["replicas"] == data["figures_of"])]  # fmt: skip
            sizes = requests("out").groupby("replication").size()
            assert sizes.to_dict() == own.set_index("replication")["requests"].to_dict()
    assert content("out") == sampled
    size = data["figures_of"]
    assert {replicas for replicas, _ in again} == {size}, "rows of later periods, and no search"


def test_a_page_is_drawn_without_request_rows():
    """So it cannot depend on which there are."""
    assert "requests" not in Results._fields


def test_neither_kind_of_result_overwrites_the_other(command):
    simulated(command, "out")
    code, _, told = command("plan", "tiny.yaml", "--out", "out")
    assert (code, told) == (2, "Error: out holds a simulation; --out names another folder\n")


def test_another_keep_is_refused(command):
    code, _, told = command("simulate", "tiny.yaml", "--keep", "some")
    assert code == 2 and "'some' is not one of 'all', 'sample', 'none'" in told
