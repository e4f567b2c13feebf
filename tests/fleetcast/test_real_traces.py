"""Plans on real traffic end with a certified answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT.parent / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason=f"the shared traces are not at {DATA}")
@pytest.mark.parametrize("name", ["azure_chat", "mooncake"])
def test_a_plan_on_a_recorded_trace_is_certified(name, tmp_path):
    scenario = ROOT / "tests" / "traces" / f"{name}.yaml"
    command = [sys.executable, "-m", "fleetcast", "plan", str(scenario), "--out", str(tmp_path),
               "--runs", str(tmp_path / "runs"), "--no-explain", "--workers", "1", "-o", "json",
    ]  # fmt: skip
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    plan = json.loads(result.stdout)
    assert plan["certificate"]["status"] == "certified"
    assert plan["one_fewer"]["status"] in ("rejected", "undecided")
    requests = plan["metrics"]["requests_per_s"]
    assert requests["low"] < requests["high"], "traffic must differ between replications"
