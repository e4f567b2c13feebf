"""What is compiled before the first run is all that a run may call."""

import pytest
from numba import config
from numba.core.dispatcher import Dispatcher

from simulator.compiling import compile_closed_loops, compile_kernel
from simulator.kernel import entries
from simulator.kernel.step_time import many_s


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_every_door_is_compiled_beforehand():
    """Otherwise the first failure of a replica stands still for half a minute, and nothing says
    why."""
    compile_kernel()
    compile_closed_loops()
    doors = [door for door in vars(entries).values() if isinstance(door, Dispatcher)]
    assert len(doors) >= 14
    assert [door.__name__ for door in [*doors, many_s] if not door.signatures] == []
