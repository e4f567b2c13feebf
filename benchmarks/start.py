"""Seconds until a first tiny run has ended in a fresh process, imports included."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.engine import Entry
from benchmarks.stopwatch import Effort

IMPORTS = "from benchmarks.loads import chat; from simulator.simulate import simulate"
RUN = f"{IMPORTS}; s = chat(1, 20); simulate(s, s.fleet, 1, 0)"


def start(effort: Effort) -> list[Entry]:
    """Imports alone, and with the run: compiled code kept from before, or compiled anew."""
    entries = [
        child("imports", IMPORTS, effort.repeats),
        child("first run, cache warm", RUN, effort.repeats),
    ]
    if effort.cold:
        with tempfile.TemporaryDirectory() as folder:
            entries.append(child("first run, cache cold", RUN, 1, NUMBA_CACHE_DIR=folder))
    return entries


def child(name: str, code: str, repeats: int, **environment: str) -> Entry:
    """Medians of CPU seconds (user and system, of the child) and of seconds on the wall."""
    cpu, wall = [], []
    for _ in range(repeats):
        begin_s, used_s = time.perf_counter(), children_cpu_s()
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)
        wall.append(time.perf_counter() - begin_s)
        cpu.append(children_cpu_s() - used_s)
    return {"what": name, "cpu_s": statistics.median(cpu), "wall_s": statistics.median(wall)}


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
