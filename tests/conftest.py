"""The kernel is compiled before the first test, once for all worker processes: otherwise the first
commands would say on stderr that they compile it, and each worker would do it again."""

import pytest

from simulator.compiling import (
    are_closed_loops_compiled,
    compile_closed_loops,
    compile_kernel,
    is_compiled,
)


def pytest_sessionstart(session: pytest.Session) -> None:
    works_for_another = hasattr(session.config, "workerinput")
    if works_for_another:
        return
    if not is_compiled():
        compile_kernel()
    if not are_closed_loops_compiled():
        compile_closed_loops()
