"""A synthetic user: measures three points of a deployment the fit never saw, calibrates, and asks
about the rest."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calibration.cases import Case, ClosedLoop
from calibration.coefficients import moved
from calibration.fitting import Fit, kind, without
from calibration.prediction import predict
from calibration.profile import calibrate
from simulator.executors import processes

POINTS = 3
LEAST_OTHERS = 6
QUEUEING_MS = 5000.0
"""A mean TTFT above this is of requests that wait for a seat or for KV blocks."""

Deployment = tuple[str, ...]


def deployment(case: Case) -> Deployment:
    """What one calibration holds for."""
    replica = case.replica
    layout = f"{replica.tensor_parallel}x{replica.pipeline_parallel}x{replica.data_parallel}"
    engine = replica.engine.facts.name
    return case.dataset, case.model.name, replica.gpu.name, engine, replica.precision, layout


def synthetic_users(fitted: Fit, workers: int) -> list[dict[str, Any]]:
    """Per deployment of the closed loops: median absolute TPOT error of the points that were not
    calibrated on, before and after, %."""
    with processes(workers) as pool:
        problem = replace(fitted.problem, workers=pool)
        return list(users_of(replace(fitted, problem=problem)))


def users_of(fitted: Fit) -> Iterator[dict[str, Any]]:
    problem = fitted.problem
    together: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, case in enumerate(problem.cases):
        if kind(case) == "closed":
            together[case.model.name, case.replica.gpu.name].append(index)
    for indices in together.values():
        mine = np.array([target.case in set(indices) for target in problem.targets])
        values = problem.values(without(fitted, mine))
        cases = [problem.cases[index] for index in indices]
        unseen = [replace(case, replica=moved(case.replica, values)) for case in cases]
        for name, points in by_deployment(unseen).items():
            measured, others = three_points(points)
            if len(measured) == POINTS and len(others) >= LEAST_OTHERS:
                yield one_user(name, measured, others)


def by_deployment(cases: Iterable[Case]) -> dict[Deployment, list[Case]]:
    found: dict[Deployment, list[Case]] = defaultdict(list)
    for case in cases:
        found[deployment(case)].append(case)
    return found


def three_points(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """As the guide advises: one client, and most clients before requests queue, with the shortest
    prompts; some clients with the longest. And the rest."""
    calm = [case for case in cases if case.measured.get("ttft_mean", 0.0) < QUEUEING_MS]
    calm = calm or list(cases)
    by_prompt: dict[int, list[Case]] = defaultdict(list)
    for case in sorted(calm, key=lambda case: loop(case).concurrency):
        by_prompt[loop(case).input_tokens[1]].append(case)
    short, long = by_prompt[min(by_prompt)], by_prompt[max(by_prompt)]
    chosen = list({id(c): c for c in (short[0], short[-1], long[len(long) // 2])}.values())
    return chosen, [case for case in cases if case not in chosen]


def loop(case: Case) -> ClosedLoop:
    assert isinstance(case.load, ClosedLoop)
    return case.load


def one_user(name: Deployment, measured: Sequence[Case], others: Sequence[Case]) -> dict[str, Any]:
    profile = calibrate(measured, source="synthetic user", date="").profile
    before = error_pct(others)
    after = error_pct([replace(case, latency=profile) for case in others])
    return {
        "deployment": " ".join(name[1:]),
        "others": len(others),
        "before_pct": before,
        "after_pct": after,
    }


def error_pct(cases: Sequence[Case]) -> float:
    told = [predict(case, seeds=1)["tpot_mean"] for case in cases]
    measured = [case.measured["tpot_mean"] for case in cases]
    return float(np.median([100 * abs(a / b - 1) for a, b in zip(told, measured, strict=True)]))
