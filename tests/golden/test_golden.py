"""One small scenario, every figure of its runs. A change here is a change of the model: read the
difference before you bless it with `python -m tests.golden.test_golden`."""

import json
from pathlib import Path

import numpy as np
import pytest

from simulator.simulate import simulate
from tests.oracles.small import small_scenario

GOLDEN = Path(__file__).parent / "runs.json"
FAILURES = {"replica": {"mtbf": "20s", "detection": "3s", "repair": {"median": "10s", "p95": "20s"},
                        "cold_start": "5s"}}  # fmt: skip


def summaries():
    """Figures of three replications: physics, tight memory, failures."""
    cases = {
        "physics": small_scenario(latency={"per_step": "1s"}).model_copy(update={"latency": None}),
        "tight": small_scenario(engine={"num_gpu_blocks": 80, "max_num_seqs": 16}),
        "failing": small_scenario(failures=FAILURES, clients={"timeout": "8s", "retries": 1}),
    }
    return {name: summary(simulate(scenario, scenario.fleet, 3, 1)) for name, scenario in
            cases.items()}  # fmt: skip


def summary(run):
    done = run.completed
    return {
        "requests": len(run),
        "outcomes": np.bincount(run.outcome, minlength=5).tolist(),
        "steps": run.steps,
        "preemptions": int(run.preemptions.sum()),
        "retries": int(run.retries.sum()),
        "ttft_s_mean": float(run.ttft_s[done].mean()),
        "e2e_s_mean": float(run.e2e_s[done].mean()),
        "busy_share": run.busy_share,
        "gaps": int(run.itl_histogram.sum()),
    }


def test_runs_are_as_blessed():
    golden = json.loads(GOLDEN.read_text())
    fresh = summaries()
    assert fresh.keys() == golden.keys()
    for name, figures in golden.items():
        for figure, value in figures.items():
            assert fresh[name][figure] == pytest.approx(value, rel=1e-9), (name, figure)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(summaries(), indent=1) + "\n")
