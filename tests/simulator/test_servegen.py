"""ServeGen's files: each window, each distribution, and what is wrong with them."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.traffic.formats.faults import TraceError
from simulator.traffic.recordings.length_tables import probabilities, quantiles
from simulator.traffic.recordings.servegen import is_client_file, read_clients

WINDOWS = "0,0.5,1.2,Gamma,0.69,2.9\n600,0,0,,0,0\n1200,2,0.9,Weibull,1.1,0.5\n1800,1,0,,0,0\n"
DATASET = {
    "0": {"input_tokens": "{100: 0.25, 300: 0.75}", "output_tokens": "{}"},
    "1200": {"input_tokens": "{5: 1.0}", "output_tokens": "{7: 5e-1, 9: 0.5,}"},
}


def folder_of(tmp_path, chunks=(3, 12), windows=WINDOWS, dataset=DATASET):
    for number in chunks:
        (tmp_path / f"chunk-{number}-trace.csv").write_text(windows)
        if dataset is not None:
            (tmp_path / f"chunk-{number}-dataset.json").write_text(json.dumps(dataset))
    return tmp_path


def test_a_folder_is_a_client_per_chunk(tmp_path):
    found = read_clients(folder_of(tmp_path))
    assert [client.client_id for client in found.clients] == [3, 12]
    assert (found.window_s, found.span_s, found.notes) == (600.0, 2400.0, ())
    client = found.clients[0]
    assert client.start_s.tolist() == [0.0, 1200.0, 1800.0], "windows without requests are none"
    assert client.rate_per_s.tolist() == [0.5, 2.0, 1.0]
    assert client.cv.tolist() == [1.2, 0.9, 0.0]
    assert client.pattern == ("Gamma", "Weibull", "")
    assert (client.shape.tolist(), client.scale.tolist()) == ([0.69, 1.1, 0], [2.9, 0.5, 0])
    assert found.total_rate_per_s().tolist() == [1.0, 0.0, 4.0, 2.0]


def test_the_table_that_holds_is_the_latest_begun(tmp_path):
    (client, _) = read_clients(folder_of(tmp_path)).clients
    assert client.length_table("input_tokens", 1199.0).values.tolist() == [100, 300]
    assert client.length_table("input_tokens", 1200.0).values.tolist() == [5]
    assert client.length_table("output_tokens", 0.0).values.tolist() == [7, 9], "or the first"
    assert client.length_table("image_tokens", 0.0) is None


@pytest.mark.parametrize("named", ["chunk-3-trace.csv", "chunk-3-dataset.json"])
def test_one_pair_is_one_client_whichever_file_is_named(tmp_path, named):
    folder_of(tmp_path)
    assert is_client_file(tmp_path / named)
    (client,) = read_clients(tmp_path / named).clients
    assert client.client_id == 3
    assert set(client.lengths) == {"input_tokens", "output_tokens"}


def test_windows_in_any_order_are_sorted(tmp_path):
    lines = WINDOWS.splitlines(keepends=True)
    (client,) = read_clients(folder_of(tmp_path, (1,), "".join(lines[::-1]))).clients
    assert client.start_s.tolist() == [0.0, 1200.0, 1800.0]


def test_a_client_without_lengths_is_noted(tmp_path):
    found = read_clients(folder_of(tmp_path, dataset=None))
    assert found.notes == ("2 of 2 clients without lengths",)


@pytest.mark.parametrize(
    "windows, reason",
    [
        (WINDOWS + "2400,1,1\n", "1 row: 3 fields, where the header has 6 (line 5)"),
        (WINDOWS + "2400,one,1,,0,0\n", "no number of at least 0 (line 5)"),
        (WINDOWS + "2400,-1,1,,0,0\n", "no number of at least 0 (line 5)"),
        (WINDOWS + "2400,1,1,Pareto,0,0\n", "an unknown family of gaps (line 5)"),
        (WINDOWS + "600,1,1,,0,0\n", "two windows begin at the same time"),
        ("a,b\n", "no windows: 'a,b'"),
        ("", "an empty file"),
        ("\0\0", "a binary file"),
    ],
)
def test_windows_that_cannot_be_used_are_told(tmp_path, windows, reason):
    with pytest.raises(TraceError) as caught:
        read_clients(folder_of(tmp_path, (3,), windows))
    assert str(tmp_path / "chunk-3-trace.csv") in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{5: 0.1, 6}", "no pairs of value and probability"),
        ("{5: -0.1}", "probabilities below 0"),
        ("{5: 0}", "probabilities below 0, or of nothing"),
        ("__import__('os')", "no distribution"),
        ("{5: __import__('os')}", "no pairs of value and probability"),
    ],
)
def test_distributions_are_read_by_pattern_and_never_run(tmp_path, text, reason):
    dataset = {"0": {"input_tokens": text}}
    with pytest.raises(TraceError, match="window 0, input_tokens") as caught:
        read_clients(folder_of(tmp_path, (3,), dataset=dataset))
    assert reason in str(caught.value)


def test_a_data_set_that_breaks_off_is_told(tmp_path):
    folder_of(tmp_path, (3,))
    path = tmp_path / "chunk-3-dataset.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(TraceError, match="JSON that breaks off or is broken at line 1"):
        read_clients(tmp_path)


def parquet_pair(folder):
    windows = {"client_id": [1, 1, 4], "window_s": [0, 600, 1200], "rate_rps": [1.0, 2.0, 3.0],
               "cv": [1.0, 2.0, 0.5], "pattern": ["Gamma", "Weibull", "Gamma"],
               "p1": [1.0, 2.0, 3.0], "p2": [0.5, 0.5, 0.5]}  # fmt: skip
    pd.DataFrame(windows).to_parquet(folder / "clients_made.parquet")
    lengths = {"client_id": [1, 1], "field": ["input_tokens", "output_tokens"], "mean": [9.0, 9.0],
               "q0.1": [10, 1], "q0.5": [20, 2], "q1": [100, 30]}  # fmt: skip
    pd.DataFrame(lengths).to_parquet(folder / "lengths_made.parquet")


@pytest.mark.parametrize("named", ["clients_made.parquet", "lengths_made.parquet"])
def test_parquet_files_stand_beside_each_other(tmp_path, named):
    parquet_pair(tmp_path)
    assert is_client_file(tmp_path / named)
    found = read_clients(tmp_path / named)
    assert (found.window_s, found.span_s) == (600.0, 1800.0)
    one, four = found.clients
    assert (one.client_id, one.start_s.tolist(), four.start_s.tolist()) == (1, [0, 600], [1200])
    assert not four.lengths
    table = one.length_table("input_tokens", 0.0)
    assert table.quantile(np.array([0.0, 0.05, 0.1, 0.3, 1.0])).tolist() == [10, 10, 10, 15, 100]


def test_lengths_may_be_elsewhere(tmp_path):
    parquet_pair(tmp_path)
    (tmp_path / "lengths_made.parquet").rename(tmp_path / "other.parquet")
    assert not read_clients(tmp_path / "clients_made.parquet").clients[0].lengths
    found = read_clients(tmp_path / "clients_made.parquet", tmp_path / "other.parquet")
    assert set(found.clients[0].lengths) == {"input_tokens", "output_tokens"}


def test_lengths_alone_are_no_demand(tmp_path):
    parquet_pair(tmp_path)
    (tmp_path / "clients_made.parquet").unlink()
    with pytest.raises(TraceError, match="without a file of their rates beside it"):
        read_clients(tmp_path / "lengths_made.parquet")


def test_a_trace_is_no_client_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,1,1\n")
    assert not is_client_file(path)
    assert not is_client_file(tmp_path / "gone")
    with pytest.raises(TraceError, match="no demand of clients"):
        read_clients(path)


@given(st.dictionaries(st.integers(0, 10**6), st.integers(1, 1000), min_size=1, max_size=30))
def test_a_table_draws_each_value_with_its_probability(weights):
    """The quantile function of n evenly spaced chances has each value as often as it should."""
    total = sum(weights.values())
    text = "{" + ", ".join(f"{value}: {weight / total}" for value, weight in weights.items()) + "}"
    table = probabilities(text)
    drawn = table.quantile((np.arange(total) + 0.5) / total)
    values, counts = np.unique(drawn, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == weights
    assert table.mean == pytest.approx(sum(v * w for v, w in weights.items()) / total)


def test_the_mean_of_quantiles_is_the_area_under_them():
    assert quantiles(np.array([0.5, 1.0]), np.array([10.0, 30.0])).mean == 15.0
