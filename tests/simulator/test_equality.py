"""The compiled plane is its twin, bit for bit: on random small cases, and on whole scenarios."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from planner.verdict import AllowancesFor
from scenarios.loading import load
from scenarios.objectives import parse_objective
from simulator.plane import Plane
from simulator.run import LOST, REJECTED, TIMED_OUT, Run
from simulator.simulate import serve
from simulator.traffic import draw_workload
from tests.oracles.fuzz import compare, total
from tests.oracles.fuzz_cases import ROUTERS
from tests.oracles.small import DEFAULT_ENGINE, small_scenario, small_traffic
from tests.oracles.twin import Twin

ROOT = Path(__file__).parents[2]
CASES = 1_000
LEAST_SEEN = {
    "completed": 5_000,
    "rejected": 3_000,
    "timed out": 1_500,
    "lost": 200,
    "unfinished": 2_000,
    "steps": 25_000,
    "preemptions": 900,
    "preemptions of one request": 10,
    "preemptions by priority": 600,
    "retries": 700,
    "stranded": 1_000,
    "cached tokens": 40_000,
    "arrivals at a step's end": 5_000,
    "stopped early": 25,
    "routing rules": 25,
    "admission rules": 25,
    "queue limits": 100,
    "several pools": 150,
    "failures and scaling": 150,
    "asynchronous": 200,
    "synchronous": 200,
    "prefix caching": 200,
    "unchunked": 200,
    "prefill first": 120,
    "pauses": 800,
    "preemptions after a pause": 40,
    "prefills without blocks": 300,
    "experts": 60,
    "replies": 150,
    "growing prefixes": 40,
    "follow-ups": 150,
    "follow-ups that arrived": 2_000,
    "follow-ups that never arrived": 2_000,
    "follow-ups at equal instants": 200,
    "arrivals after a failure": 300,
    "journal entries": 100_000,
    "looks": 2_000,
    "tokens lost": 15_000,
    "hit by a fault": 700,
    "completed although hit": 100,
    "hang-ups on the dead": 150,
    "slow steps": 4_000,
    "retries after a failure": 600,
    "retries after a rejection": 1_000,
    "retries after a timeout": 150,
    "retries after a wait": 1_500,
    "budget refusals": 200,
    "shed": 500,
    "bucket refusals": 500,
    "ejections": 100,
    "ejections refused": 100,
    "reopenings with stranded": 40,
    "copies sent": 1_000,
    "copies that won": 150,
    "copies without a replica": 400,
    "copies before a full queue": 40,
    "races cancelled": 500,
    "races without a winner": 250,
    "silent ends": 800,
    **{f"router {name}": 30 for name in ROUTERS},
}
"""What the random cases must have seen, or their agreement proves too little."""


@pytest.mark.slow
def test_plane_and_twin_say_the_same_of_random_cases():
    """`make fuzz` plays many more of them."""
    comparisons = [compare(seed) for seed in range(CASES)]
    assert {c.seed: c.differences for c in comparisons if c.differences} == {}
    seen = total(comparisons)
    assert {name: seen[name] for name, least in LEAST_SEEN.items() if seen[name] < least} == {}


def fuzz(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tests.oracles.fuzz", "--workers", "1", *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_the_kernel_runs_as_plain_python_too():
    done = fuzz("--cases", "30", NUMBA_DISABLE_JIT="1")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("interpreted plane and twin: ")
    assert done.stdout.endswith("no difference\n")


@pytest.mark.slow
def test_fuzzing_names_the_seeds_that_differ(tmp_path):
    """A twin that is wrong on purpose: an alarm that cannot ring is no alarm."""
    (tmp_path / "wrong.py").write_text(
        "import runpy\n"
        "from tests.oracles import twin_engine\n"
        "right = twin_engine.measured\n"
        "def wrong(granted):\n"
        "    step = right(granted)\n"
        "    return step._replace(kv_tokens=step.kv_tokens + 1)\n"
        "twin_engine.measured = wrong\n"
        "runpy.run_module('tests.oracles.fuzz', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "wrong.py"), "--cases", "8", "--workers", "1"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "cases DIFFER, seeds [" in done.stdout
    assert "finish_ns[" in done.stdout


# --- whole scenarios ----------------------------------------------------------------------------

FAILURES = {
    "replica": {
        "mtbf": "25s", "detection": "2s", "repair": {"median": "4s", "p95": "9s"},
        "cold_start": "2s",
    }
}  # fmt: skip
TIGHT = DEFAULT_ENGINE | {"num_gpu_blocks": 120, "max_num_seqs": 24}
PREFIXES = [{"tokens": 300}, {"tokens": 700, "variants": 6, "zipf": 0.8}]
LONG = {"output_tokens": {"kind": "lognormal", "median": 120, "p95": 400, "max": 1000}}


def on(replica, latency=None, engine=DEFAULT_ENGINE, **parts):
    """A scenario of 20 s on a replica of its own kind."""
    described = {"engine": {"name": "vllm"} | engine, **replica}
    given = {"horizon": "20s", "preroll": "5s", "drain": "60s", "replica": described}
    return small_scenario(latency=latency, **(given | parts))


def plain(engine=DEFAULT_ENGINE, **parts):
    return on({"gpu": "h100-sxm-80gb"}, {"per_step": "20ms", "per_prefill_token": "40us",
              "per_kv_token": "30ns"}, engine, **parts)  # fmt: skip


SCENARIOS = {
    "physics": lambda: on({"gpu": "a100-sxm-80gb"}, traffic=[small_traffic("12/s", **LONG)]),
    "tensor parallel": lambda: on(
        {"gpu": "h100-sxm-80gb", "tensor_parallel": 2, "precision": "fp8"},
        model="meta-llama/Llama-3.3-70B-Instruct",
    ),
    "experts": lambda: on(
        {"gpu": "h200-sxm-141gb"}, model="Qwen/Qwen3-30B-A3B", traffic=[small_traffic("9/s")]
    ),
    "failures": lambda: plain(
        failures=FAILURES,
        clients={"timeout": "5s", "retries": 0},
        fleet={"replicas": 3},
        traffic=[small_traffic("8/s", **LONG)],
    ),
    "autoscaling": lambda: plain(
        traffic=[
            small_traffic(arrivals={"kind": "gamma", "rate": "3/s", "cv": 2.0,
                                    "rate_table": [{"at": "5s", "rate": "25/s"},
                                                   {"at": "12s", "rate": "1/s"}]})
        ],
        failures=FAILURES,
        fleet={
            "replicas": 2,
            "autoscaling": {"replicas": "1..6", "target_outstanding": 6, "interval": "1s",
                            "startup": "2s", "scale_down": {"stabilisation": "1s"}},
        },
    ),
    "clients who come back": lambda: plain(
        TIGHT,
        failures=FAILURES,
        clients={
            "timeout": "12s", "first_token_timeout": "2s", "retries": 3,
            "retry_on": ["failure", "rejection", "timeout"],
            "backoff": {"first": "200ms", "most": "2s", "jitter": "50%"},
            "retry_budget": {"share": "30%", "burst": 20},
        },
        fleet={
            "replicas": 3,
            "breaker": {"failures": 3, "eject": "4s", "at_most": "70%"},
            "buckets": [{"class": "all", "rate": "9/s", "burst": 5}],
            "shedding": {"from": 30.0},
        },
        traffic=[small_traffic("11/s", sla_class="all", **LONG)],
    ),
    "hedging": lambda: plain(
        TIGHT,
        failures=FAILURES,
        clients={"timeout": "20s", "hedge": {"after": "500ms"}},
        fleet={"replicas": 4, "router": "prefix-aware"},
        traffic=[small_traffic("9/s", prefixes=PREFIXES)],
    ),
    "other pools": lambda: plain(
        failures=FAILURES,
        traffic=[small_traffic("14/s")],
        fleet={
            "replicas": 1,
            "router": "least-kv",
            "others": [
                {"name": "old", "replicas": 2,
                 "replica": {"gpu": "a100-sxm-80gb", "engine": {"name": "vllm"}}},
                {"name": "tiny", "replicas": 1, "latency": {"per_step": "15ms"},
                 "replica": {"gpu": "l4-24gb", "precision": "fp8",
                             "engine": {"name": "vllm", "max_num_seqs": 4, "num_gpu_blocks": 60,
                                        "prefix_caching": False}}},
            ],
        },
    ),
    "priorities": lambda: plain(
        TIGHT | {"scheduling_policy": "priority"},
        traffic=[
            small_traffic("5/s", name="batch", priority=1, **LONG),
            small_traffic("5/s", name="chat", prefixes=[{"tokens": 200}]),
        ],
    ),
    "queue limit": lambda: plain(
        TIGHT, traffic=[small_traffic("20/s")], fleet={"replicas": 2, "queue_limit": 5}
    ),
    "unchunked": lambda: plain(
        TIGHT | {"chunked_prefill": False, "max_num_batched_tokens": 1500, "num_gpu_blocks": 400}
    ),
    "prefill first": lambda: plain(
        TIGHT | {"mixed_steps": False, "num_gpu_blocks": 300},
        failures=FAILURES,
        traffic=[small_traffic("8/s", prefixes=PREFIXES, **LONG)],
        fleet={"replicas": 3},
    ),
    **{
        f"{router}, prefixes": lambda router=router: plain(
            TIGHT | {"num_gpu_blocks": 300},
            failures=FAILURES,
            traffic=[small_traffic("10/s", prefixes=PREFIXES)],
            fleet={"replicas": 3, "router": router},
        )
        for router in ROUTERS
    },
}  # fmt: skip


def both(scenario, replication=0, allowances_for=None):
    demand = draw_workload(scenario, 11, replication)
    return [
        serve(scenario, scenario.fleet, demand, 11, replication, allowances_for, plane)
        for plane in (Plane, Twin)
    ]


def assert_same(one: Run, other: Run):
    for name in (field.name for field in fields(Run)):
        a, b = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_whole_scenarios_are_the_same_on_both(name):
    plane, twin = both(SCENARIOS[name]())
    assert_same(plane, twin)
    assert plane.completed.sum() > 30
    happened = {
        "failures": (plane.outcome == LOST).any() and (plane.outcome == TIMED_OUT).any(),
        "autoscaling": plane.timeline["replicas_up"].nunique() > 2 and plane.retries.any(),
        "clients who come back": (plane.retries > 1).any() and (plane.outcome == REJECTED).any(),
        "other pools": set(plane.replica) == {0, 1, 2, 3},
        "priorities": plane.preemptions.sum() > 20,
        "prefill first": plane.preemptions.any() and plane.retries.any(),
        "queue limit": (plane.outcome == REJECTED).sum() > 20,
    }
    assert happened.get(name, True)
    if name.endswith("prefixes"):
        assert plane.cached_tokens.sum() > 10_000
        assert plane.retries.any() or (plane.outcome == LOST).any()


@pytest.mark.slow
def test_the_example_is_the_same_on_both():
    """A period of it shortened to what the twin does in seconds."""
    example = ROOT / "scenarios" / "examples" / "chat.yaml"
    scenario = load(example, ("horizon=15s", "preroll=5s"))
    assert_same(*both(scenario))


@pytest.mark.parametrize("limit, stops", [("1ms", True), ("100s", False)])
def test_both_stop_when_the_verdict_is_certain(limit, stops):
    texts = (f"ttft p90 <= {limit}", "error_rate <= 50%")
    allowances_for = AllowancesFor([parse_objective(text) for text in texts])
    plane, twin = both(plain(), 0, allowances_for)
    assert (plane.stopped_early, twin.stopped_early) == (stops, stops)
    if not stops:
        assert_same(plane, twin)
