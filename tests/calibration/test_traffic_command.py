"""`python -m benchmarks.traffic` on a small folder: the page and the data have every recording."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.traffic.fits import recordings
from calibration.traffic.match import Figure, Kind, compared, worst
from simulator.streams import stream

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    rng = stream(4, "made")
    made = tmp_path / "made"
    made.mkdir()
    pd.DataFrame(
        {
            "arrival_s": np.cumsum(rng.exponential(0.5, 2000)),
            "input_tokens": rng.integers(10, 900, 2000),
            "output_tokens": rng.integers(1, 300, 2000),
        }
    ).to_parquet(made / "requests.parquet")
    pd.DataFrame({"series": [1], "step": [2], "value": [3.0]}).to_parquet(made / "other.parquet")
    (made / "README.md").write_text("no recording\n")
    return made


@pytest.mark.slow
def test_each_recording_has_a_section_and_its_figures(folder, tmp_path):
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "benchmarks.traffic", str(folder), "-o", "json",
               "--docs", str(page), "--replications", "3"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert set(data) == {"requests.parquet", "other.parquet"}
    assert "without a clock" in data["other.parquet"]["refused"]
    fitted = data["requests.parquet"]
    assert set(fitted["windows"]) == set(fitted["match"]["figures"])
    text = page.read_text()
    assert "| `requests.parquet` | requests |" in text
    assert "## requests.parquet\n" in text and "| windows | error |" in text
    assert "## Not fitted" in text and "- `other.parquet`: " in text


def test_lengths_of_clients_are_not_a_recording_of_their_own(tmp_path):
    for name in ("clients_a.parquet", "lengths_a.parquet", "lengths_b.parquet", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in recordings(tmp_path)] == ["clients_a.parquet",
                                                            "lengths_b.parquet"]  # fmt: skip


# --- figures side by side ------------------------------------------------------------------------


def test_errors_are_relative_or_differences_and_kept_or_not():
    kinds = {"rate": Kind(), "p50": Kind(limit=0.1), "hit": Kind(absolute=True, limit=0.05)}
    measured = {"rate": 2.0, "p50": 100.0, "hit": 0.5}
    drawn = [{"rate": rate, "p50": 115.0, "hit": 0.53} for rate in (1.0, 3.0, 8.0)]
    rate, p50, hit = compared(measured, drawn, kinds)
    assert (rate.synthetic, rate.error, rate.kept) == (3.0, 0.5, None)
    assert p50.error == pytest.approx(0.15) and p50.kept is False
    assert hit.error == pytest.approx(0.03) and hit.kept is True
    assert worst([rate, p50, hit]) is p50, "furthest from its limit, not the largest error"


def test_what_the_recording_cannot_tell_is_left_out():
    kinds = {"rate": Kind(), "dispersion": Kind()}
    found = compared({"rate": 1.0, "dispersion": np.nan}, [{"rate": 1.0, "dispersion": 2.0}], kinds)
    assert [figure.name for figure in found] == ["rate"]
    assert worst([Figure("zero", 0.0, 1.0, 1.0, 1.0)]) is None


def test_the_page_in_the_docs_is_one_of_these():
    """It is generated where the recordings are; here only that it has not been written by hand."""
    text = (ROOT / "docs" / "traffic-fits.md").read_text()
    assert text.startswith("# Traffic: measured against synthetic\n")
    assert "`make traffic` wrote this page" in text
    for name in ("chat_azure2023_a", "code_azure2023_a", "chat_mooncake_conversation_a"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}"))
        assert row.endswith("| none |"), row
