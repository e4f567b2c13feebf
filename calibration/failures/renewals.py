"""Is the hazard constant? Times between failures, of a component where the log names them, else of
all."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from calibration.failures.hazards import weibull_shape
from calibration.failures.lifetimes import Interval, Lifetimes
from calibration.failures.log import Incident

BY_COMPONENT, OF_ALL = "failures of one component", "failures of the whole fleet"


def between_failures(
    incidents: Sequence[Incident], begin_s: float, end_s: float, grain_s: float, count: int | None
) -> tuple[Interval | None, str]:
    """The Weibull shape, and between what. `incidents` are those of one fault, by start; `count`:
    how many components there are, None where nobody says."""
    if count is not None and all(each.component for each in incidents):
        seen = of_components(incidents, begin_s, end_s, grain_s, count)
        return weibull_shape(seen), BY_COMPONENT
    starts = np.array([each.start_s for each in incidents])
    gaps = np.diff(starts)
    last = np.array([end_s - starts[-1]])
    ended = np.maximum(gaps, grain_s / 2.0)
    return weibull_shape(Lifetimes(ended, last[last > 0])), OF_ALL


def of_components(
    incidents: Sequence[Incident], begin_s: float, end_s: float, grain_s: float, count: int
) -> Lifetimes:
    """Up times of each: from the log's begin or the end of a failure, to the next one. The last is
    cut off by the log's end, and so is the whole log for those that never failed."""
    own: dict[str, list[Incident]] = defaultdict(list)
    for each in incidents:
        own[each.component].append(each)
    ended, running = [], []
    for failures in own.values():
        up_s = begin_s
        for each in failures:
            if each.start_s > begin_s:  # a log that begins with it tells nothing of what was before
                ended.append(max(each.start_s - up_s, grain_s / 2.0))
            up_s = max(up_s, end_s if np.isnan(each.end_s) else each.end_s)
        if up_s < end_s:
            running.append(end_s - up_s)
    never = max(count - len(own), 0)
    times = np.array([*running, *([end_s - begin_s] if never else [])])
    weights = np.array([*np.ones(len(running)), *([never] if never else [])], dtype=float)
    return Lifetimes(np.array(ended), times, weights)
