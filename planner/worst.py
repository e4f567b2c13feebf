"""The requests that fared worst in one run."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.verdict import Floats, latencies_s
from scenarios.objectives import Objective
from simulator.run import UNFINISHED, Run

WORST = 10
REQUEST_METRICS = ("ttft", "tpot", "e2e")
"""What one request has of its own."""


class Worst(NamedTuple):
    """One of them."""

    request: int
    """Its place among the requests of the run."""
    used: float | None
    """Times the limit of an objective: 1 at the limit, infinite if it did not complete; None where
    no objective limits a single request."""
    objective: str | None
    """The one whose limit it used most of."""


def worst_requests(
    run: Run,
    objectives: Sequence[Objective],
    among: NDArray[np.bool_] | None = None,
    count: int = WORST,
) -> list[Worst]:
    """By the share of the tightest limit that they used or, without limits, by E2E; of equals those
    that took longest until they ended, however they did. among: only these."""
    used, tightest = limits_used(run, objectives)
    limited = bool(tightest.size) and bool((tightest >= 0).any())
    by = used if limited else run.e2e_s
    unfinished = run.outcome == UNFINISHED
    lasted_s = np.where(unfinished, np.inf, run.finish_s) - run.arrival_s
    order = np.lexsort((np.arange(len(run)), -lasted_s, -by))
    if among is not None:
        order = order[among[order]]
    texts = [objective.text for objective in of_requests(objectives)]
    return [
        Worst(
            int(index),
            float(used[index]) if tightest[index] >= 0 else None,
            texts[tightest[index]] if tightest[index] >= 0 else None,
        )
        for index in order[:count]
    ]


def limits_used(run: Run, objectives: Sequence[Objective]) -> tuple[Floats, NDArray[np.int64]]:
    """Per request: how much of the tightest limit it used, and which one of `of_requests` that was,
    -1: none applies to it."""
    used, tightest = np.zeros(len(run)), np.full(len(run), -1)
    for index, objective in enumerate(of_requests(objectives)):
        own = latencies_s(run, objective.metric) / objective.limit
        more = (own > used) | (tightest < 0)
        if objective.groups is not None:
            more &= np.isin(run.group, list(objective.groups))
        used[more], tightest[more] = own[more], index
    return used, tightest


def of_requests(objectives: Sequence[Objective]) -> list[Objective]:
    """Those with a limit for the latency of a request; one for a mean is a yardstick, too."""
    return [objective for objective in objectives if objective.metric in REQUEST_METRICS]
