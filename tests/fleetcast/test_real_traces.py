"""Plans on real traffic end with a certified answer."""

import json
from pathlib import Path

import pytest

import reports.page
from fleetcast.__main__ import main

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason=f"the shared traces are not at {DATA}")
@pytest.mark.parametrize("name", ["azure_chat", "mooncake"])
def test_a_plan_on_a_recorded_trace_is_certified(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reports.page, "write_report", lambda folder: folder / "report.html")
    file = str(ROOT / "tests" / "traces" / f"{name}.yaml")
    monkeypatch.setattr("sys.argv", ["fleetcast", "plan", file, "--no-explain", "--workers", "1",
                                     "-o", "json"])  # fmt: skip
    with pytest.raises(SystemExit, match="0"):
        main()
    plan = json.loads(capsys.readouterr().out)
    assert plan["certificate"]["status"] == "certified"
    assert plan["one_fewer"]["status"] in ("rejected", "undecided")
    requests = plan["metrics"]["requests_per_s"]
    assert requests["low"] < requests["high"], "traffic must differ between replications"
