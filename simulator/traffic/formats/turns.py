"""Links of sessions whose rows merely follow each other."""

import numpy as np

from simulator.traffic.formats.rows import ALONE, NOBODY, PREVIOUS, Floats, Ints, Links


def in_order(session: Ints, turn: Ints, pause_s: Floats, service_s: Floats) -> Links:
    """Each row follows its session's previous one in time. `turn` tells them apart."""
    parent = np.where(session == ALONE, NOBODY, PREVIOUS)
    return Links(session, turn, parent, not_negative(pause_s), not_negative(service_s))


def not_negative(seconds: Floats) -> Floats:
    """NaN for times that cannot be."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(seconds) & (seconds >= 0), seconds, np.nan)
