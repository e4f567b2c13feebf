"""Load tests of one replica -> a profile: what each part of its step really takes.

Six numbers are learned, as far as the tests decide them: a factor for the whole step, one each for
the engine's overheads, for what every request costs, for reading its context and for computing its
prompt, and what the front end adds to a first token. Everything goes through the simulator.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case
from calibration.least_squares import SCALE, best_step, damped
from calibration.prediction import predict
from calibration.profile_figures import Figure, figures_of, shape, unusable
from scenarios.latency import LinearLatency, Measured, Profile, layout_of
from simulator.latency import linear, physics, with_overheads

Floats = NDArray[np.float64]

PARTS = ("step", "overhead", "request", "context", "prompt", "reply")
SPREADS = np.array([0.10, 0.25, 0.25, 0.25, 0.25, 0.35])
"""What is believed beforehand of each, as logarithms. Chosen so that three measured points of a
closed loop predict the other points of it best: benchmarks/accuracy/user.py."""
TAIL = 5.0
"""Degrees of freedom of Student's t: a machine may be far from all others, and then is believed."""
SHAPE = 0.06
"""How far physics is off about one kind of request in a way that no factor mends: three tests of
the same prompt and answer are no three witnesses."""
WEIGHTS = {"tpot": 4.0, "e2e": 4.0, "ttft": 0.3}
"""A mean of many gaps is known better than the 6 % of a usual row; a first token holds queueing."""
DECIDED = 0.7
"""Of a belief's standard error: what is left above it was not decided by the tests ..."""
FAR = 2.0
"""... unless they moved it this many of them."""
SHIFT = 0.03
ITERATIONS = 10
HALVINGS = 5
DIGITS = 6

COSTS = {
    "per_step_s": ("fixed_s", None),
    "per_mixed_step_s": ("mixed_s", "prompt"),
    "per_prefill_token_s": ("prefill_token_s", "prompt"),
    "per_decode_token_s": ("decode_token_s", "request"),
    "per_sequence_s": ("sequence_s", "request"),
    "per_kv_token_s": ("kv_token_s", "context"),
    "per_attention_pair_s": ("attention_pair_s", "prompt"),
    "all_experts_s": ("experts_s", None),
}
"""Cost of an explicit step time -> coefficient of the simulator's, and the part it belongs to."""


@dataclass(frozen=True)
class Point:
    """One measured figure beside what the built-in step time and the profile say of it (ms)."""

    case_id: str
    metric: str
    measured: float
    before: float
    after: float

    @property
    def error_before(self) -> float:
        return self.before / self.measured - 1.0

    @property
    def error_after(self) -> float:
        return self.after / self.measured - 1.0


@dataclass(frozen=True)
class Part:
    """One learned factor. spread, spread_before: relative standard errors, after and before."""

    name: str
    factor: float
    spread: float
    spread_before: float

    @property
    def distance(self) -> float:
        """From what was believed, in standard errors of that belief."""
        return math.log(self.factor) / self.spread_before

    @property
    def decided(self) -> bool:
        """Whether the tests made it, and not the belief."""
        return self.spread < DECIDED * self.spread_before or abs(self.distance) > FAR


@dataclass(frozen=True)
class Calibration:
    """A profile and what it rests on.

    unused: (case_id, why) of the cases that the simulator cannot repeat.
    """

    profile: Profile
    cases: tuple[Case, ...]
    points: tuple[Point, ...]
    parts: tuple[Part, ...]
    unused: tuple[tuple[str, str], ...]


def calibrate(
    cases: Sequence[Case], source: str, date: str, base: Profile | None = None
) -> Calibration:
    """The profile of cases of one model and replica; raises ValueError when there is none.

    base: whose explicit step is calibrated instead of physics.
    """
    told = [predict(replace(case, latency=base), seeds=1) for case in cases]
    reasons = [unusable(case, each) for case, each in zip(cases, told, strict=True)]
    pairs = list(zip(cases, reasons, strict=True))
    unused = tuple((case.case_id, reason) for case, reason in pairs if reason)
    usable = tuple(case for case, reason in pairs if not reason)
    if not usable:
        raise ValueError("; ".join(f"{name}: {reason}" for name, reason in unused) or "no runs")
    problem = Problem(usable, figures_of(usable), base)
    solution = solved(problem)
    parts = parts_of(solution)
    if strange := [part for part in parts if not 0.1 <= part.factor <= 10.0]:
        what = ", ".join(f"{part.name} x {part.factor:.3g}" for part in strange)
        raise ValueError(f"nothing like the scenario's replica was measured ({what})")
    sure = {"step_factor": spread_of_a_new_shape(problem, solution)}
    sure |= {part.name: part.spread for part in parts}
    profile = problem.profile(solution.x).model_copy(
        update={
            "learned": {part.name: significant(part.factor) for part in parts},
            "uncertainty": {name: round(value, 4) for name, value in sure.items()},
            "source": source,
            "date": date,
        }
    )
    points = points_of(problem, solution)
    return Calibration(profile, usable, points, parts, unused)


def parts_of(solution: "Solution") -> tuple[Part, ...]:
    factors, spreads = np.exp(solution.x), np.sqrt(np.diag(solution.covariance))
    rows = zip(PARTS, factors.tolist(), spreads.tolist(), SPREADS.tolist(), strict=True)
    return tuple(Part(*row) for row in rows)


def points_of(problem: "Problem", solution: "Solution") -> tuple[Point, ...]:
    before = problem.errors(np.zeros(len(PARTS)))
    return tuple(
        Point(
            problem.cases[figure.case].case_id,
            figure.metric,
            figure.measured,
            figure.measured * math.exp(b),
            figure.measured * math.exp(a),
        )
        for figure, b, a in zip(problem.figures, before, solution.errors, strict=True)
    )


@dataclass(frozen=True)
class Problem:
    """What stays the same while the numbers are sought."""

    cases: Sequence[Case]
    figures: Sequence[Figure]
    base: Profile | None

    def profile(self, x: Floats) -> Profile:
        """x float[6]: logarithms of PARTS, the last one of the reply over the engine's own."""
        case = self.cases[0]
        factors = dict(zip(PARTS, np.exp(x).tolist(), strict=True))
        facts = case.replica.engine.facts
        return Profile.model_construct(
            measured_on=Measured(
                model=case.model.name, gpu=case.replica.gpu.name, engine=facts.name
            ),
            layout=layout_of(case.replica),
            reply_s=significant(facts.reply_s * factors["reply"]),
            step=self.step(factors),
            source="",
            date="",
        )

    def step(self, factors: Mapping[str, float]) -> LinearLatency:
        """The step time with each part as often as its factor says."""
        model, replica = self.cases[0].model, self.cases[0].replica
        if self.base is not None and self.base.step is not None:
            time = linear(self.base.step)
        else:
            time = physics(model, with_overheads(replica, factors["overhead"]))
        costs: dict[str, Any] = {
            cost: significant(getattr(time, name) * factors["step"] * factors.get(part or "", 1.0))
            for cost, (name, part) in COSTS.items()
        }
        return LinearLatency.model_construct(**costs, expert_miss=time.expert_miss)

    def errors(self, x: Floats) -> Floats:
        """log(predicted / measured) of every figure; NaN where nothing completes."""
        latency = self.profile(x)
        told = [predict(replace(case, latency=latency), seeds=1) for case in self.cases]
        return np.array(
            [math.log(told[f.case].get(f.metric, math.nan) / f.measured) for f in self.figures]
        )

    def jacobian(self, x: Floats, errors: Floats) -> Floats:
        """Derivatives of the errors (rows) by each coordinate (columns)."""
        columns = [(self.errors(x + SHIFT * unit) - errors) / SHIFT for unit in np.eye(len(PARTS))]
        return np.nan_to_num(np.array(columns).T)

    @property
    def of_step(self) -> NDArray[np.bool_]:
        """Which figures are of steps, and not of a first token."""
        return np.array([figure.latency != "ttft" for figure in self.figures])

    def shapes(self) -> Floats:
        """float[figures, shapes]: 1 where a figure of steps is of that kind of request."""
        kinds = [shape(self.cases[figure.case]) for figure in self.figures]
        same = np.array([[kind == each for each in sorted(set(kinds))] for kind in kinds])
        return (same & self.of_step[:, None]).astype(float)


@dataclass(frozen=True)
class Solution:
    """The best point x float[6], its covariance, the errors of the figures and their jacobian."""

    x: Floats
    covariance: Floats
    errors: Floats
    jacobian: Floats


def solved(problem: Problem) -> Solution:
    """Damped, robust Gauss-Newton from what is believed beforehand.

    Beside the parts each shape has a coordinate of its own that no profile keeps. The loss starts
    as wide as the errors are: where all figures are off alike, none is an outlier.
    """
    count, shapes = len(PARTS), problem.shapes()
    spreads = np.concatenate([SPREADS, np.full(shapes.shape[1], SHAPE)])
    weights = np.array([WEIGHTS[figure.latency] for figure in problem.figures])
    x = np.zeros(spreads.size)
    errors = problem.errors(x[:count])

    def cost(x: Floats, errors: Floats, wider: float) -> float:
        """What the steps below lower: Cauchy's loss of the errors and Student's t of x."""
        beside = (errors + shapes @ x[count:]) / (wider * SCALE)
        loss = np.nansum(weights * wider**2 * np.log1p(beside**2))
        return float(loss + np.sum((TAIL + 1) * np.log1p(x**2 / (TAIL * spreads**2))))

    for _ in range(ITERATIONS):
        jacobian = problem.jacobian(x[:count], errors)
        wider = max(1.0, float(np.nanmedian(np.abs(errors[problem.of_step]))) / SCALE)
        step, covariance = best_step(
            x,
            np.nan_to_num(errors + shapes @ x[count:]) / wider,
            np.hstack([jacobian, shapes]) / wider,
            weights * wider**2 * np.isfinite(errors),
            np.sqrt((TAIL * spreads**2 + x**2) / (TAIL + 1)),
        )
        before, step = cost(x, errors, wider), damped(step)
        for _ in range(HALVINGS):
            tried = problem.errors((x + step)[:count])
            if cost(x + step, tried, wider) <= before:
                x, errors = x + step, tried
                break
            step = step / 2
    return Solution(x[:count], covariance[:count, :count], errors, jacobian)


def spread_of_a_new_shape(problem: Problem, solution: Solution) -> float:
    """Relative standard error of the step time for requests of a kind that was not measured."""
    rows = solution.jacobian[problem.of_step]
    learned = np.einsum("ij,jk,ik->i", rows, solution.covariance, rows).mean()
    return math.sqrt(float(learned) + SHAPE**2)


def significant(value: float) -> float:
    """Six digits: what a file says is what was simulated."""
    return float(f"{value:.{DIGITS}g}")
