"""`python -m benchmarks` runs, and tells what its readers expect. No speed is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import as_tables
from benchmarks.table import shown

ROOT = Path(__file__).parents[1]
COMPARED = {
    "twin_requests_per_s", "plane_requests_per_s", "ratio", "plane_requests", "plane_steps_per_s",
    "plane_steps_per_request", "twin_requests", "twin_steps_per_s", "twin_steps_per_request",
}  # fmt: skip
KEYS = {
    "engine": {"replicas", *COMPARED},
    "preemption": {"replicas", "preemptions_per_request", *COMPARED},
    "overload": {"replicas", "timed_out_share", *COMPARED},
    "prefix": {"router", "replicas", "segments_per_request", "prefix_hit_share", *COMPARED},
    "failures_autoscaler": {"replicas", "failures", "retries_per_request", *COMPARED},
    "rare_faults": {"preset", "replicas", "calm_requests_per_s", "speed_kept", "incidents"},
    "rule_door": {
        "replicas", "rule_requests_per_s", "rule_us_per_request", "built_in_requests_per_s",
        "built_in_us_per_request",
    },
    "step_time": {
        "form", "model", "requests_per_s", "steps_per_request", "ns_per_step",
        "slower_than_linear_share",
    },
    "routers": {"router", "replicas", "requests_per_s"},
    "drawing": {"what", "requests", "requests_per_s"},
    "scaling": {"requests", "requests_per_s", "us_per_request"},
    "start": {"what", "cpu_s", "wall_s"},
}  # fmt: skip
WORDS = {"router", "form", "model", "what", "preset"}


@pytest.mark.slow
def test_a_quick_run_measures_every_case():
    """All in one test: two processes that share the tests of this file would both measure."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "-o", "json"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    every_case_has_its_figures(figures)
    every_case_measures_what_it_is_named_for(figures)
    the_plane_is_faster_than_its_twin(figures)
    the_table_holds_the_same_figures(figures)


def every_case_has_its_figures(figures):
    assert list(figures) == ["machine", *KEYS]
    assert {"cpu", "cores", "python", "numba", "numpy", "turns", "quick"} == set(figures["machine"])
    for case, keys in KEYS.items():
        assert figures[case], case
        for entry in figures[case]:
            assert keys <= set(entry), case
            numbers = [value for key, value in entry.items() if key not in WORDS]
            assert all(isinstance(value, int | float) for value in numbers), case


def every_case_measures_what_it_is_named_for(figures):
    assert [entry["replicas"] for entry in figures["engine"]] == [1, 4, 32, 256]
    assert {entry["form"] for entry in figures["step_time"]} == {"linear", "dense", "moe"}
    assert len(figures["routers"]) == 2 * 6
    assert all(entry["preemptions_per_request"] > 1 for entry in figures["preemption"])
    assert all(entry["timed_out_share"] > 0.1 for entry in figures["overload"])
    assert all(entry["segments_per_request"] > 10 for entry in figures["prefix"])
    assert all(entry["prefix_hit_share"] > 0.1 for entry in figures["prefix"])
    assert all(entry["failures"] > 0 for entry in figures["failures_autoscaler"])
    assert {"state_bytes_per_request", "peak_mib"} <= set(figures["scaling"][-1])


def the_plane_is_faster_than_its_twin(figures):
    for case in ("engine", "preemption", "overload", "prefix", "failures_autoscaler"):
        assert all(entry["ratio"] > 1 for entry in figures[case]), case


def the_table_holds_the_same_figures(figures):
    told = as_tables(figures)
    for case in KEYS:
        lines = told.split(f"\n{case}: ")[1].split("\n\n")[0].splitlines()[-len(figures[case]) :]
        for entry, line in zip(figures[case], lines, strict=True):
            assert all(shown(value) in line for value in entry.values()), case
