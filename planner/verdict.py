"""Objectives x run -> verdict. One period, one exact answer: kept or broken, no interval inside.

'p95 <= T' means: at most floor(0.05 N) of the N offered requests are above T or did not complete.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.objectives import Objective, allowed_violations
from simulator import histogram
from simulator.data_plane import Allowance
from simulator.record import REQUEST_COLUMNS
from simulator.run import Run

Floats = NDArray[np.float64]
MINUTE_S = 60.0
AVAILABLE_ERROR_RATE = 0.01
"""A minute in which more requests fail is an outage, unless an error_rate objective says when."""


class Check(NamedTuple):
    """One objective in one period: the figure it is about, and whether it was kept."""

    objective: Objective
    value: float
    kept: bool


class Verdict(NamedTuple):
    """A period keeps its SLA when it keeps every objective."""

    kept: bool
    checks: tuple[Check, ...]


def judge(run: Run, objectives: Sequence[Objective]) -> Verdict:
    """The verdict on one run. A run that stopped early is broken, whatever its checks show."""
    values = [measure(run, objective, objectives) for objective in objectives]
    checks = tuple(
        Check(objective, value, keeps(value, objective))
        for objective, value in zip(objectives, values, strict=True)
    )
    return Verdict(not run.stopped_early and all(check.kept for check in checks), checks)


def keeps(value: float, objective: Objective) -> bool:
    return value <= objective.limit if objective.relation == "<=" else value >= objective.limit


def used_share(value: float, objective: Objective) -> float:
    """How much of the allowance a period uses: 1 at the limit, above 1 when broken.

    >>> from scenarios.objectives import parse_objective
    >>> used_share(0.25, parse_objective("ttft p95 <= 500ms"))
    0.5
    """
    promised_from_below = objective.relation == ">="
    used, allowed = value, objective.limit
    if promised_from_below:
        used, allowed = 1.0 - value, 1.0 - objective.limit
    if allowed <= 0:
        return float("inf") if used > 0 else 0.0
    return used / allowed


def measure(run: Run, objective: Objective, objectives: Sequence[Objective]) -> float:
    """The figure an objective is about: seconds for latencies, else a share of one."""
    if objective.groups is not None:
        run = of_groups(run, objective.groups)
    match objective.metric:
        case "itl":
            if objective.share is None:
                return histogram.mean_s(run.itl_histogram)
            return histogram.quantile_s(run.itl_histogram, objective.share)
        case "ttft" | "tpot" | "e2e":
            return latency_figure(latencies_s(run, objective.metric), objective)
        case "error_rate":
            return error_rate(run)
        case "goodput":
            return goodput(run, objectives)
        case "availability":
            return availability(run, objectives)
    raise AssertionError(objective.metric)


def of_groups(run: Run, groups: frozenset[int]) -> Run:
    """The requests of these traffic groups alone; what the fleet saw stays that of all."""
    rows = np.isin(run.group, list(groups))
    return replace(run, **{name: getattr(run, name)[rows] for name in REQUEST_COLUMNS})


def latencies_s(run: Run, metric: str) -> Floats:
    return {"ttft": run.ttft_s, "tpot": run.tpot_s, "e2e": run.e2e_s}[metric]


def latency_figure(latencies: Floats, objective: Objective) -> float:
    """The mean, or the order statistic that is within the limit exactly if the promise is kept."""
    if latencies.size == 0:
        return 0.0
    if objective.share is None:
        return float(latencies.mean())
    above = allowed_violations(latencies.size, objective.share)
    return float(np.partition(latencies, latencies.size - above - 1)[latencies.size - above - 1])


def error_rate(run: Run) -> float:
    return float(np.mean(~run.completed)) if len(run) else 0.0


def goodput(run: Run, objectives: Sequence[Objective]) -> float:
    """Share of offered requests that complete and meet the limit of every percentile of TTFT, TPOT
    and E2E that the SLA promises. A mean limits no single request, and ITL is about gaps."""
    good = run.completed.copy()
    for objective in objectives:
        if objective.metric in ("ttft", "tpot", "e2e") and objective.share is not None:
            within = latencies_s(run, objective.metric) <= objective.limit
            if objective.groups is not None:
                within |= ~np.isin(run.group, list(objective.groups))
            good &= within
    return float(good.mean()) if len(run) else 1.0


def availability(run: Run, objectives: Sequence[Objective]) -> float:
    """Share of one-minute windows (by arrival) whose error rate keeps `available_error_rate`.
    Windows without requests count as good; the last one may be shorter."""
    limit = available_error_rate(objectives)
    minutes = max(ceil(run.horizon_s / MINUTE_S), 1)
    minute = (run.arrival_s // MINUTE_S).astype(int)
    offered = np.bincount(minute, minlength=minutes).tolist()
    failed = np.bincount(minute[~run.completed], minlength=minutes).tolist()
    good = [f <= allowed_errors(n, limit) for n, f in zip(offered, failed, strict=True)]
    return float(np.mean(good))


def available_error_rate(objectives: Sequence[Objective]) -> float:
    """The error rate that a minute may have: what is promised of all requests, or
    AVAILABLE_ERROR_RATE where nothing is."""
    limits = (o.limit for o in objectives if o.metric == "error_rate" and o.groups is None)
    return min(limits, default=AVAILABLE_ERROR_RATE)


class AllowancesFor:
    """What a period of N requests may miss. The simulator stops a period as soon as it misses more:
    exact, and on failing periods most of the work is saved. N is known beforehand, or at least an
    upper bound (with follow-ups), since all demand is drawn before. Objectives of one SLA class,
    whose N is another, stop nothing. (A class, since it travels to worker processes.)"""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.objectives = tuple(o for o in objectives if o.groups is None)

    def __call__(self, requests: int) -> list[Allowance]:
        allowances = [
            Allowance(o.metric, o.limit, allowed_violations(requests, o.share))
            for o in self.objectives
            if o.share is not None and o.metric in ("ttft", "tpot", "e2e")
        ]
        errors = [
            Allowance("error", 0.0, allowed_errors(requests, o.limit))
            for o in self.objectives
            if o.metric == "error_rate"
        ]
        return allowances + errors


def allowed_errors(requests: int, limit: float) -> int:
    """The most errors whose rate, as `error_rate` computes it, is within `limit`.

    >>> allowed_errors(100, 0.29), 0.29 * 100
    (29, 28.999999999999996)
    """
    errors = int(limit * requests) + 1
    while errors / max(requests, 1) > limit:
        errors -= 1
    return errors
