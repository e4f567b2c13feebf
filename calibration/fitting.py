"""Cases x priors -> coefficients with their covariance: damped Gauss-Newton, robust, in logarithms.

Errors are those of the simulator itself, with the same chance at every evaluation. Derivatives of
open loops are differences of simulations; those of static batches and closed loops come from the
two engine steps they consist of, which is exact for the one and near enough for the other.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, ClosedLoop, OpenLoop, StaticBatch
from calibration.coefficients import Key, Prior, moved
from calibration.least_squares import best_step, damped, loss
from calibration.prediction import mean_field_loads, predict, static_loads, steps_s
from simulator.latency import physics, reply

Floats = NDArray[np.float64]
Told = Mapping[str, float]

WEIGHTS = {
    "open": {"tpot_mean": 4.0, "ttft_mean": 2.8, "ttft_p90": 2.8, "e2e_mean": 2.0, "e2e_p90": 2.0},
    "closed": {"tpot_mean": 1.0, "ttft_mean": 0.3},
    "static": {"prefill": 1.0, "decode": 1.0},
}  # fmt: skip
"""Of a metric, by kind of load. An open-loop run is minutes of serving, a row of a sweep one batch;
E2E repeats what TPOT says, and TTFT is noisier."""
ROWS_OF_A_SET = 200.0
"""A data set of more rows than this weighs as if it had so many: they repeat each other."""
STEP = 0.1
"""Of the differences: open loops are jumpy on a finer scale, near saturation above all."""
CHUNK = 8
"""Cases a worker takes at once."""
ITERATIONS = 8
UNMOVED = 1e-9
"""Derivative below which a coordinate does nothing for a row."""
HALVINGS = 3
"""Of a step that makes the loss larger."""


@dataclass(frozen=True)
class Target:
    """One measured figure the fit must meet."""

    case: int
    metric: str
    measured: float
    weight: float


def kind(case: Case) -> str:
    match case.load:
        case OpenLoop():
            return "open"
        case ClosedLoop():
            return "closed"
        case _:
            return "static"


def targets_of(cases: Sequence[Case]) -> list[Target]:
    """The figures to fit, weighted so that no data set shouts the others down."""
    found = [
        (index, metric, float(case.measured[metric]), weight)
        for index, case in enumerate(cases)
        for metric, weight in weights_of(case).items()
        if case.measured.get(metric, 0.0) > 0
    ]
    sizes = Counter((cases[index].dataset, metric) for index, metric, _, _ in found)
    return [
        Target(i, metric, value, w * min(1.0, ROWS_OF_A_SET / sizes[cases[i].dataset, metric]))
        for i, metric, value, w in found
    ]


def weights_of(case: Case) -> Mapping[str, float]:
    """What of a case is fitted. First tokens of closed loops only on the engine whose scheduler is
    simulated rule by rule: on others they would teach its differences."""
    weights = WEIGHTS[kind(case)]
    if kind(case) == "closed" and case.replica.engine.facts.name != "vllm":
        return {"tpot_mean": weights["tpot_mean"]}
    return weights


@dataclass(frozen=True)
class Problem:
    """Cases to be met, and what is believed of the coefficients beforehand.

    A point x float[k] holds, for each prior in order, the logarithm of value / prior.
    """

    cases: Sequence[Case]
    priors: Mapping[Key, Prior]
    workers: Executor | None

    @cached_property
    def targets(self) -> list[Target]:
        return targets_of(self.cases)

    @cached_property
    def weights(self) -> Floats:
        return np.array([target.weight for target in self.targets])

    @cached_property
    def spreads(self) -> Floats:
        return np.array([prior.spread for prior in self.priors.values()])

    def values(self, x: Floats) -> dict[Key, float]:
        return {
            key: min(prior.value * math.exp(step), prior.most)
            for (key, prior), step in zip(self.priors.items(), x.tolist(), strict=True)
        }

    def told(self, x: Floats) -> list[Told]:
        """What the simulator says of every case."""
        values = self.values(x)
        return self.simulated([(case, values) for case in self.cases])

    def simulated(self, jobs: Sequence[tuple[Case, Mapping[Key, float]]]) -> list[Told]:
        """Each case with each its coefficients, in order."""
        if self.workers is None:
            return [predict_with(job) for job in jobs]
        return list(self.workers.map(predict_with, jobs, chunksize=CHUNK))

    def loss(self, x: Floats, errors: Floats) -> float:
        """What `best_step` makes small: Cauchy's loss of the errors at x, and the priors'. Where
        nothing completes the error is tenfold."""
        return loss(x, np.nan_to_num(errors, nan=math.log(10.0)), self.weights, self.spreads)

    def errors(self, x: Floats) -> Floats:
        """log(predicted / measured) of every target; NaN where nothing completes."""
        return self.errors_of(self.told(x))

    def errors_of(self, told: Sequence[Told] | Mapping[int, Told]) -> Floats:
        nothing = math.nan
        return np.log([told[t.case].get(t.metric, nothing) / t.measured for t in self.targets])

    def jacobian(self, x: Floats, told: Sequence[Told]) -> Floats:
        """Derivatives of the errors (rows) by each coordinate (columns)."""
        shifts = [x + STEP * unit for unit in np.eye(x.size)]
        open_loops = [i for i, case in enumerate(self.cases) if kind(case) == "open"]
        jobs = [(self.cases[i], self.values(at)) for at in shifts for i in open_loops]
        simulated = iter(self.simulated(jobs))
        sketch = Sketch.of(self.cases, told, self.values(x))
        here = {i: told[i] for i in open_loops} | sketch.figures(self.values(x))
        columns = []
        for at in shifts:
            there = {i: next(simulated) for i in open_loops} | sketch.figures(self.values(at))
            columns.append((self.errors_of(there) - self.errors_of(here)) / STEP)
        return np.nan_to_num(np.array(columns).T)


def predict_with(job: tuple[Case, Mapping[Key, float]]) -> Told:
    """A case with other coefficients."""
    case, values = job
    return predict(replace(case, replica=moved(case.replica, values)), seeds=1)


@dataclass(frozen=True)
class Sketch:
    """Static batches and closed loops as sums of two engine steps.

    cases: index -> case; loads int64[n, 2, 5]; share float[n]: of the second step in TPOT;
    waves float[n]: how many of the second step a first token waits for.
    """

    cases: Mapping[int, Case]
    loads: NDArray[np.int64]
    share: Floats
    waves: Floats

    @classmethod
    def of(
        cls, cases: Sequence[Case], told: Sequence[Told], values: Mapping[Key, float]
    ) -> "Sketch":
        """As simulated with `values`, which told what they tell."""
        mine = {i: case for i, case in enumerate(cases) if kind(case) != "open"}
        loads, shares = [], []
        for i, case in mine.items():
            if isinstance(case.load, StaticBatch):
                loads.append(static_loads(case.load))
                shares.append(math.nan)
            else:
                assert isinstance(case.load, ClosedLoop)
                decodes = decoding(case.load, told[i])
                loads.append(mean_field_loads(case.load, max(round(decodes), 1)))
                others = 1.0 - 1.0 / case.load.concurrency  # nobody waits for his own prompt
                shares.append(others * decodes / float(np.mean(case.load.output_tokens)))
        sketch = cls(mine, np.array(loads).reshape(-1, 2, 5), np.array(shares), np.zeros(len(mine)))
        steps_ms, replies_ms = sketch.steps_ms(values)
        ttft_ms = np.array([told[i].get("ttft_mean", math.nan) for i in mine])
        waves = np.maximum(ttft_ms - replies_ms, 0.0) / steps_ms[:, 1]
        return replace(sketch, waves=waves)

    def steps_ms(self, values: Mapping[Key, float]) -> tuple[Floats, Floats]:
        """float[n, 2]: both steps;  float[n]: the front end's part of a first token."""
        replicas = [moved(case.replica, values) for case in self.cases.values()]
        times = [
            physics(case.model, replica)
            for case, replica in zip(self.cases.values(), replicas, strict=True)
        ]
        seconds = steps_s([time for time in times for _ in range(2)], self.loads.reshape(-1, 5))
        replies = np.array([reply(replica, None).fixed_ns / 1e6 for replica in replicas])
        return 1e3 * seconds.reshape(-1, 2), replies

    def figures(self, values: Mapping[Key, float]) -> dict[int, Told]:
        steps_ms, replies_ms = self.steps_ms(values)
        first, second = steps_ms.T
        tpot = first + self.share * (second - first)
        ttft = self.waves * second + replies_ms
        return {
            i: {"prefill": a, "decode": b, "tpot_mean": c, "ttft_mean": d}
            for i, a, b, c, d in zip(self.cases, *(v.tolist() for v in (first, second, tpot, ttft)),
                                     strict=True)
        }  # fmt: skip


def decoding(load: ClosedLoop, told: Told) -> float:
    """Requests that decode, on average: of the concurrency those past their first token (Little's
    law)."""
    if "tpot_mean" not in told:
        return float(load.concurrency)
    spent = float(np.mean(load.output_tokens)) * told["tpot_mean"]
    return load.concurrency * spent / (spent + told["ttft_mean"])


@dataclass(frozen=True)
class Fit:
    """The best point, and what is known around it.

    errors float[targets], jacobian float[targets, k]: there.  covariance float[k, k]: of x.
    """

    problem: Problem
    x: Floats
    errors: Floats
    jacobian: Floats
    covariance: Floats

    @property
    def values(self) -> dict[Key, float]:
        return self.problem.values(self.x)

    @property
    def standard_errors(self) -> Floats:
        """Relative, of each coefficient in the order of the priors: float[k]."""
        return np.asarray(np.sqrt(np.diag(self.covariance)), dtype=np.float64)


def fit(problem: Problem, iterations: int = ITERATIONS) -> Fit:
    """Damped Gauss-Newton from the priors; a step that makes the loss larger is halved."""
    x = np.zeros(len(problem.priors))
    told = problem.told(x)
    for _ in range(iterations):
        errors, jacobian = problem.errors_of(told), problem.jacobian(x, told)
        step = damped(solved(problem, x, errors, jacobian)[0])
        before = problem.loss(x, errors)
        for _ in range(HALVINGS):
            told = problem.told(x + step)
            if problem.loss(x + step, problem.errors_of(told)) < before:
                break
            step /= 2
        else:
            told = problem.told(x)
            break
        x = x + step
    errors, jacobian = problem.errors_of(told), problem.jacobian(x, told)
    return Fit(problem, x, errors, jacobian, solved(problem, x, errors, jacobian)[1])


def solved(problem: Problem, x: Floats, errors: Floats, jacobian: Floats) -> tuple[Floats, Floats]:
    """Step to take from x, and the covariance there."""
    weights = problem.weights * np.isfinite(errors)
    return best_step(x, np.nan_to_num(errors), jacobian, weights, problem.spreads)


def without(fitted: Fit, left_out: NDArray[np.bool_]) -> Floats:
    """The point of a fit that never saw the targets `left_out`: Gauss-Newton from the whole fit,
    with the derivatives there, which change little in these logarithms."""
    problem, x, errors = fitted.problem, fitted.x, fitted.errors
    for last in (False, False, True):
        weights = problem.weights * ~left_out * np.isfinite(errors)
        step, _ = best_step(x, np.nan_to_num(errors), fitted.jacobian, weights, problem.spreads)
        # What nothing is left to decide returns to its prior, however far that is.
        free = (np.abs(fitted.jacobian[weights > 0]) < UNMOVED).all(axis=0)
        x = np.where(free, 0.0, x + damped(step))
        if not last:
            errors = problem.errors(x)
    return x
