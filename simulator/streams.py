"""The seed tree: every random stream has a path, and no path names the fleet.

So rival fleets meet the same traffic and the same failures of the replicas they share (common
random numbers), and a new stream never disturbs an old one.
"""

from zlib import crc32

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """The generator at `path`: same seed and path, same numbers, in any order of asking.

    >>> a, b = stream(7, "run", 3, "gaps"), stream(7, "run", 3, "gaps")
    >>> a.random() == b.random()
    True
    """
    key = tuple(crc32(step.encode()) if isinstance(step, str) else step for step in path)
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=key)))
