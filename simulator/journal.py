"""The journal of one run, as its readers want it; what is in it: simulator/kernel/journal.py."""

from typing import Any

import numpy as np

from simulator.kernel.journal import ENTRY

Entries = np.ndarray[Any, np.dtype[np.void]]
"""Of `ENTRY`."""


def in_order(entries: Any) -> Entries:
    """A copy by instant and then by row; what happens to one row at one instant keeps its order."""
    plain = np.asarray(entries, ENTRY)
    return plain[np.lexsort((plain["row"], plain["ns"]))]
