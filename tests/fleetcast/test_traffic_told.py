"""How traffic is told back to its author: by `fleetcast check`, and among a report's inputs."""

import sys
from pathlib import Path

import pytest

from fleetcast.__main__ import main
from reports.inputs import parts
from scenarios.loading import load

CHAT = """\
version: 1
name: told
horizon: 10min
preroll: 10s
drain: 10s
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {name: vllm}
traffic:
  - name: chat
    arrivals:
      kind: on-off
      users: {registered: 90000, concurrent_share: 2%, requests_per_user: 20/h, peak_factor: 2.5}
      on: 5s
      off: 5s
      batch: {kind: constant, count: 2}
      modulation:
        - {kind: table, every: 1min, factors: [1, 2]}
        - {kind: file, file: demand.csv}
    input_tokens: {kind: file, file: lengths.csv}
    output_tokens: {kind: constant, tokens: 20}
  - name: states
    arrivals:
      kind: mmpp
      rate: 1/s
      states: [{level: 1, lasts: 9s, next: [0, 1]}, {level: 0, lasts: 1s}]
    input_tokens: {kind: constant, tokens: 20}
    output_tokens: {kind: mixture, of: [{kind: uniform, min: 2, max: 9, weight: 1}]}
fleet: {replicas: 3}
"""


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(CHAT)
    Path("demand.csv").write_text("timestamp,value\n0,10\n60,30\n")
    Path("lengths.csv").write_text(
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,5\n1,7,7\n"
    )
    return load("told.yaml")


def check(monkeypatch, capsys):
    """(exit code, what it printed, what it complained)."""
    monkeypatch.setattr(sys, "argv", ["fleetcast", "check", "told.yaml"])
    with pytest.raises(SystemExit) as exit:
        main()
    printed = capsys.readouterr()
    return exit.value.code, printed.out, printed.err


CONVERSION = "90,000 users x 2% at once x 20 requests/h x peak factor 2.5 = 25 requests/s"


def test_check_tells_how_users_become_a_rate(scenario, monkeypatch, capsys):
    code, printed, complained = check(monkeypatch, capsys)
    assert (code or 0, complained) == (0, "")
    assert printed.splitlines()[2] == f"  users    chat: {CONVERSION}"


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("demand.csv", "time,requests\n0,10\n", "demand.csv: demand needs columns `timestamp` and "
         "`value`; there are: time, requests"),
        ("demand.csv", "timestamp,value\n0,0\n60,0\n", "demand without a value above 0"),
        ("lengths.csv", "a,b\n1,2\n", "lengths.csv: unknown trace format"),
    ],
)  # fmt: skip
def test_check_tells_what_is_wrong_with_a_file(
    scenario, monkeypatch, capsys, name, content, reason
):
    Path(name).write_text(content)
    code, printed, complained = check(monkeypatch, capsys)
    assert (code, printed) == (2, "")
    assert reason in complained
    assert "Traceback" not in complained


def test_inputs_tell_nested_parts_one_by_one(scenario):
    told = dict(parts(scenario.as_yaml_data()))
    chat = dict(told["Traffic: chat"])
    assert chat["arrivals"] == f"on-off (users {CONVERSION}, on 5 s, off 5 s, cv 1)"
    assert chat["arrivals: batch"] == "constant (count 2)"
    assert chat["arrivals: modulation 1"].startswith("table (every 1 min, factors 1; 2, ")
    assert chat["arrivals: modulation 2"].startswith("file (file demand.csv (sha256 ")
    assert chat["input tokens"].startswith("file (file lengths.csv (sha256 ")
    states = dict(told["Traffic: states"])
    assert states["arrivals"] == "mmpp (rate 1 per s)"
    assert states["arrivals: states 1"] == "level 1, lasts 9 s, next 0; 1"
    assert states["output tokens"] == "mixture (uniform (min 2, max 9, weight 1))"
