"""The kernel is compiled before the first test, once for all worker processes: otherwise the first
commands would say on stderr that they compile it, and each worker would do it again. Closed loops
take as long, and are compiled beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.compiling import are_closed_loops_compiled, compile_kernel, is_compiled

CLOSED_LOOPS = "from simulator.compiling import compile_closed_loops; compile_closed_loops()"


def pytest_sessionstart(session: pytest.Session) -> None:
    works_for_another = hasattr(session.config, "workerinput")
    if works_for_another:
        return
    beside = None
    if not are_closed_loops_compiled():
        command = [sys.executable, "-c", CLOSED_LOOPS]
        beside = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    if not is_compiled():
        compile_kernel()
    assert beside is None or beside.wait() == 0
