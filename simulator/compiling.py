"""The kernel is compiled once per version of its source, and kept on disk."""

import shutil

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_name

from simulator.closed_loop import serve_closed
from simulator.data_plane import Limits, Pool, Setup
from simulator.kernel import CACHE_FOLDER, entries
from simulator.kernel.step_time import STEP_TIME, StepTime, many_s
from simulator.plane import Plane
from simulator.traffic import NS_PER_S, Workload

READY = CACHE_FOLDER / f"ready-{get_host_cpu_name()}"
"""Compiled code is for one kind of CPU; a home may be shared by several."""
CLOSED_LOOPS_READY = READY.with_name(f"{READY.name}-closed-loops")
VERSIONS_KEPT = 8
"""Several checkouts may be in use."""
LIMITS = Limits(2, 64, True, 100, 16, 1000)


def is_compiled() -> bool:
    """Whether compiled code of this version is at hand, so that a run starts at once."""
    return READY.exists() or numba.config.DISABLE_JIT


def are_closed_loops_compiled() -> bool:
    """The same of what only measured cases need."""
    return CLOSED_LOOPS_READY.exists() or numba.config.DISABLE_JIT


def compile_closed_loops() -> None:
    """Compile what measured cases are compared with: closed loops and single steps."""
    time = StepTime(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    serve_closed(Pool(1, LIMITS, time), [1, 1], [1, 1], 1)
    times = np.array([time], STEP_TIME).view(np.recarray)
    many_s(times, np.ones((1, 5), dtype=np.int64), np.zeros(1))
    CLOSED_LOOPS_READY.touch()


def compile_kernel() -> None:
    """Compile every other door of the kernel and keep the code on disk; takes half a minute."""
    ones = np.ones(2, dtype=np.int64)
    demand = Workload(ones, ones.astype(np.int32), ones.astype(np.int32), ones.astype(np.int16))
    counted = np.ones(2, dtype=np.bool_)
    times = StepTime(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    setup = Setup(
        demand, counted, 0, 2 * NS_PER_S, demand.group, [Pool(1, LIMITS, times)],
        "least-outstanding", lambda request, replicas: 0, None, None, 0, NS_PER_S, 1, (), NS_PER_S,
    )  # fmt: skip
    plane = Plane(setup)
    plane.advance(2)
    plane.stop(0)
    plane.close(0)
    plane.drain(0)
    plane.start(0)
    plane.open(0)
    entries.is_rejected(plane.state, 0, 1)
    entries.send_out(plane.state, 0, 1)
    plane.run(3 * NS_PER_S)
    another = Plane(setup)
    entries.route(another.state, 0, 0)
    entries.take_sample(another.state)
    READY.touch()
    versions = sorted(CACHE_FOLDER.parent.glob("kernel-*"), key=lambda path: path.stat().st_mtime)
    for old in versions[:-VERSIONS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
