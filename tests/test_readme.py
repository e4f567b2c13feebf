"""The README's first screen is what the program prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_main_job_prints_what_the_readme_shows(tmp_path):
    shown = re.search(
        r"```console\n\$ make plan.*?\n(.*?)  report:", (ROOT / "README.md").read_text(), re.S
    )
    command = [sys.executable, "-m", "fleetcast", "plan", "scenarios/examples/chat.yaml"]
    result = subprocess.run(
        [*command, "--out", str(tmp_path), "--runs", str(tmp_path / "runs"), "--workers", "1"],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "FORCE_COLOR": "1"},
    )  # fmt: skip
    assert result.stdout.startswith(shown[1])
    assert "\x1b" not in result.stdout + result.stderr, "piped, there are no escape codes"
    assert (tmp_path / "report.html").exists()


def test_the_picture_of_a_terminal_asks_no_network():
    picture = (ROOT / "docs" / "images" / "terminal.svg").read_text()
    assert "@font-face" not in picture
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert set(re.findall(r"url\((.)", picture)) == {"#"}
