"""The planner's own search on simulated verdicts, once per seed, beside the truth."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from benchmarks.planner_study.family import (
    CASES,
    ROUTERS,
    Case,
    kept,
    promised,
    scenario_of,
    sizes_of,
    spread,
)
from benchmarks.planner_study.truth import ERROR as TRUTH_ERROR
from benchmarks.planner_study.truth import Count, Truth, standing
from planner.bracket import bracket, draw_periods
from planner.search import COUPLED_ROUTERS, SCREENING, Certificate, Promise, search
from simulator.estimates import Estimate, mean_estimate, share_estimate

GRID_RUNS = 1_000
"""At each size, of the grid that a search is measured against."""
FIRST_SEED = 1001
"""Those below were looked at while the search was mended; they would not judge it fairly."""
ERROR = 0.05
"""Of the intervals of the study's figures."""

Entry = dict[str, Any]


class Planned(NamedTuple):
    """One search: the certified size, if any, and how many periods it had simulated."""

    replicas: int | None
    runs: int


class Judged(NamedTuple):
    """A search beside the truth."""

    standing: Literal["keeps", "breaks", "unclear", "none"]
    """What the truth says of the certified size; 'none' when there is none."""
    over: int
    """Certified replicas beyond the true smallest size; 0 when none is certified."""
    runs: int
    grid_runs: int


class Job(NamedTuple):
    case: Case
    seed: int


def study(
    truths: Mapping[Case, Truth], trials: int, workers: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """The figures of every case planned with that many seeds, of each router's cases together, and
    the truth they are held against."""
    judged: dict[Case, list[Judged]] = {case: [] for case in CASES}
    seeds = range(FIRST_SEED, FIRST_SEED + trials)
    jobs = [Job(case, seed) for case in CASES for seed in seeds]
    for job, planned in zip(jobs, spread(plan_once, jobs, workers), strict=True):
        if job.seed == FIRST_SEED:
            say(f"planning {job.case}")
        judged[job.case].append(judge(planned, truths[job.case], promised(job.case)))
    return as_data(judged, truths)


def as_data(
    judged: Mapping[Case, Sequence[Judged]], truths: Mapping[Case, Truth]
) -> dict[str, Any]:
    pooled = {router: [one for case in judged if case.router == router for one in judged[case]]
              for router in ROUTERS}  # fmt: skip
    return {
        "cases": [case._asdict() | figures(judged[case]) for case in judged],
        "pooled": [
            {"name": "all", "router": router} | figures(pooled[router]) for router in pooled
        ],
        "truth": [
            case._asdict() | size_told(size, count, promised(case))
            for case in judged
            for size, count in truths[case].items()
        ],
    }


def size_told(size: int, count: Count, promise: float) -> Entry:
    told = share_estimate(count.runs - count.failed, count.runs, 1 - TRUTH_ERROR)
    return {
        "replicas": size, "runs": count.runs, "kept_share": count.share, "low": told.low,
        "high": told.high, "promise": promise, "standing": standing(count, promise),
    }  # fmt: skip


def plan_once(job: Job) -> Planned:
    """As planner.plan does it, without its report."""
    case, seed = job
    sizes, scenario = sizes_of(case), scenario_of(case)
    assert scenario.sla is not None
    coupled = case.router in COUPLED_ROUTERS
    promise = Promise(promised(case), scenario.sla.confidence, coupled)
    periods = draw_periods(scenario, seed, SCREENING)
    start = bracket(scenario, periods, promise.probability).start
    asking = search(sizes[0], start, sizes[-1], promise)
    runs = 0
    try:
        trial = next(asking)
        while True:
            runs += 1
            trial = asking.send(kept(case, trial.replicas, seed, trial.replication))
    except StopIteration as answer:
        certificate: Certificate = answer.value
    return Planned(certificate.replicas, runs)


def judge(planned: Planned, truth: Truth, promise: float) -> Judged:
    """Over-provision counts from the smallest size that is not shown to break the promise: where
    the truth is unclear, from the lower end."""
    grid_runs = GRID_RUNS * len(truth)
    if planned.replicas is None:
        return Judged("none", 0, planned.runs, grid_runs)
    standings = {size: standing(count, promise) for size, count in sorted(truth.items())}
    smallest = next(size for size, its in standings.items() if its != "breaks")
    over = planned.replicas - smallest
    return Judged(standings[planned.replicas], over, planned.runs, grid_runs)


def figures(judged: Sequence[Judged]) -> Entry:
    """The study's figures of some searches, each with its 95 % interval.

    wrong_share: certified although the truth breaks the promise; of all searches but those whose
    size the truth leaves unclear, which count neither way. over_provision_mean: of certified sizes
    that are not wrong. runs_share: of the runs of the grid.
    """
    count = len(judged)
    wrong = sum(one.standing == "breaks" for one in judged)
    unclear = sum(one.standing == "unclear" for one in judged)
    nothing = sum(one.standing == "none" for one in judged)
    over = [float(one.over) for one in judged if one.standing in ("keeps", "unclear")]
    grid_runs = sum(one.grid_runs for one in judged) / count
    runs = mean_estimate([float(one.runs) for one in judged])
    return {
        "trials": count,
        "wrong": wrong,
        "wrong_share": share(wrong, count - unclear),
        "unclear_share": share(unclear, count),
        "not_certified_share": share(nothing, count),
        "over_provision_mean": interval(mean_estimate(over)),
        "runs_mean": interval(runs),
        "grid_runs": grid_runs,
        "runs_share": {key: value / grid_runs for key, value in interval(runs).items()},
    }


def share(hits: int, of: int) -> dict[str, float]:
    """Clopper and Pearson's interval; of nothing, anything is possible."""
    if of == 0:
        return {"value": float("nan"), "low": 0.0, "high": 1.0}
    return interval(share_estimate(hits, of, 1 - ERROR))


def interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
