"""Many renewal processes side by side: one per client, drawn together."""

import numpy as np

from simulator.traffic.arrivals.gaps import Family, Floats, first_gaps, unit_gaps
from simulator.traffic.lengths.choices import Ints


def draw_many(
    family: Family, shapes: Floats, totals: Floats, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Arrivals of stationary processes in operational time (mean gap one).

    shapes, totals float64[processes]: of the gaps of each process; where each ends.
    Returns the process int64[arrivals] and the instant float64[arrivals] of each arrival, below the
    total of its process: in order within each process (but for rounding), not across them.
    """
    reached = first_gaps(family, shapes, shapes.size, rng)
    going = np.flatnonzero(reached < totals)
    owners, instants = [going], [reached[going]]
    while going.size:
        sizes = ((totals[going] - reached[going]) * 1.1).astype(np.int64) + 4
        owner = np.repeat(going, sizes)
        running = np.cumsum(unit_gaps(family, shapes[owner], owner.size, rng))
        ends = np.cumsum(sizes) - 1
        before = np.append(0.0, running[ends[:-1]])
        instant = running + np.repeat(reached[going] - before, sizes)
        inside = instant < totals[owner]
        owners.append(owner[inside])
        instants.append(instant[inside])
        reached[going] = instant[ends]
        going = going[reached[going] < totals[going]]
    return np.concatenate(owners), np.concatenate(instants)
