"""`python -m benchmarks [-o table|json] [--quick]`: every figure about speed, from one run.

All of it on one core, in CPU seconds (`time.process_time`), medians of several turns; what is
compared takes turns. Table and JSON hold the same figures, to four digits.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numba
import numpy as np

from benchmarks.drawing import drawing
from benchmarks.engine import (
    Entry,
    engine,
    failures_autoscaler,
    overload,
    play,
    preemption,
    prefix,
    rare_faults,
)
from benchmarks.loads import chat, set_up_for
from benchmarks.parts import fewest_outstanding, routers, rule_door, step_times
from benchmarks.size import scaling
from benchmarks.start import start
from benchmarks.stopwatch import FULL, QUICK, Effort
from benchmarks.table import table
from simulator.plane import Plane

CASES: dict[str, Callable[[Effort], list[Entry]]] = {
    "engine": engine,
    "preemption": preemption,
    "overload": overload,
    "prefix": prefix,
    "failures_autoscaler": failures_autoscaler,
    "rare_faults": rare_faults,
    "rule_door": rule_door,
    "step_time": step_times,
    "routers": routers,
    "drawing": drawing,
    "scaling": scaling,
    "start": start,
}


@click.command()
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.option("--quick", is_flag=True, help="Small runs, one turn each: figures are rough.")
def main(output: str, quick: bool) -> None:
    """Measure the simulator's speed on this machine."""
    effort = QUICK if quick else FULL
    load_compiled_code()
    figures: dict[str, Any] = {"machine": machine() | {"turns": effort.repeats, "quick": quick}}
    for name, case in CASES.items():
        print(f"{name} ...", file=sys.stderr)
        figures[name] = [rounded(entry) for entry in case(effort)]
    print(json.dumps(figures, indent=2) if output == "json" else as_tables(figures))


def as_tables(figures: dict[str, Any]) -> str:
    """What `figures` holds, case by case."""
    parts = [", ".join(f"{key} {value}" for key, value in figures["machine"].items())]
    for name, case in CASES.items():
        said = " ".join((case.__doc__ or "").split())
        parts.append(f"{name}: {said}\n{table(figures[name])}")
    return "\n\n".join(parts)


def rounded(entry: Entry) -> Entry:
    """Four digits: the rest is noise."""
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in entry.items()
    }


def load_compiled_code() -> None:
    """Compile or load all that is measured before any clock runs."""
    failures = {
        "mtbf": "10s", "detection": "1s", "repair": {"median": "1s", "p95": "2s"},
        "cold_start": "1s",
    }  # fmt: skip
    scenario = chat(2, 300, failures={"replica": failures})
    setup = set_up_for(scenario)
    play(Plane, scenario, setup)
    play(Plane, scenario, replace(setup, routing_rule=fewest_outstanding))


def machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
    }


def cpu_name() -> str:
    """As Linux knows it, or at least the architecture."""
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        facts = []
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
