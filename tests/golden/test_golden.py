"""One small scenario, every figure of its runs. A change here is a change of the model: read the
difference before you bless it with `python -m tests.golden.test_golden`."""

import json
from pathlib import Path

import numpy as np
import pytest

from simulator.plane import Plane
from simulator.simulate import serve
from simulator.traffic import draw_workload
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, small_traffic

GOLDEN = Path(__file__).parent / "runs.json"
FAILURES = {"replica": {"mtbf": "20s", "detection": "3s", "repair": {"median": "10s", "p95": "20s"},
                        "cold_start": "5s"}}  # fmt: skip


def summaries(plane_of=Plane):
    """Figures of a replication each: physics, tight memory, failures; then the engine as users have
    it by default, with prompts that share, priorities and scaling."""
    cases = {
        "physics": small_scenario(latency=None),
        "tight": small_scenario(engine={"num_gpu_blocks": 80, "max_num_seqs": 16}),
        "failing": small_scenario(failures=FAILURES, clients={"timeout": "8s", "retries": 1}),
        "default": small_scenario(
            DEFAULT_ENGINE | {"num_gpu_blocks": 150, "scheduling_policy": "priority"},
            None,
            traffic=[
                small_traffic("6/s", prefixes=[{"tokens": 100}, {"tokens": 400, "variants": 3}]),
                small_traffic("3/s", name="batch", priority=1),
            ],
            fleet={"replicas": 2, "router": "prefix-aware"},
        ),
        "scaled": small_scenario(
            DEFAULT_ENGINE,
            failures=FAILURES,
            fleet={
                "replicas": 1,
                "router": "power-of-two",
                "autoscaling": {
                    "replicas": "1..5", "target_outstanding": 3, "interval": "2s", "startup": "5s",
                },
            },
        ),
    }  # fmt: skip
    return {
        name: summary(serve(s, s.fleet, draw_workload(s, 3, 1), 3, 1, plane_of=plane_of))
        for name, s in cases.items()
    }


def summary(run):
    done = run.completed
    return {
        "requests": len(run),
        "outcomes": np.bincount(run.outcome, minlength=5).tolist(),
        "steps": run.steps,
        "preemptions": int(run.preemptions.sum()),
        "retries": int(run.retries.sum()),
        "cached_tokens": int(run.cached_tokens.sum()),
        "prefill_tokens": run.prefill_tokens,
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
