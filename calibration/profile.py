"""Load tests of one replica -> a profile: how much slower or faster it is than physics says.

Three numbers are learned, as far as the tests decide them: a factor for the whole step, one for the
engine's overheads within it (small batches are mostly overhead, large ones hardly), and what the
front end adds to a first token. Everything goes through the simulator.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, ClosedLoop
from calibration.least_squares import best_step, damped
from calibration.prediction import predict
from scenarios.latency import Measured, Profile

Floats = NDArray[np.float64]

PARTS = ("step_factor", "overhead_factor", "reply")
SPREADS = np.array([0.20, 0.35, 0.35])
"""What is believed beforehand, as logarithms: physics is right within this, and the engine's
overheads and front end are as on the machines of the fit."""
WEIGHTS = {
    "tpot_mean": 4.0, "e2e_mean": 2.0, "ttft_mean": 0.3,
    "tpot_p50": 4.0, "e2e_p50": 2.0, "ttft_p50": 0.3,
}  # fmt: skip
"""A mean of many gaps is known better than the 6 % of a usual row; a first token holds queueing."""
STEP = 0.03
ITERATIONS = 5
DOUBTFUL = 0.15
"""A figure this far from what the profile itself predicts does not belong to the others."""


@dataclass(frozen=True)
class Point:
    """One measured figure beside what physics and the profile say of it (ms)."""

    case_id: str
    metric: str
    measured: float
    physics: float
    calibrated: float

    @property
    def error_before(self) -> float:
        return self.physics / self.measured - 1.0

    @property
    def error_after(self) -> float:
        return self.calibrated / self.measured - 1.0


@dataclass(frozen=True)
class Calibration:
    """A profile and what it rests on."""

    profile: Profile
    points: tuple[Point, ...]
    doubts: tuple[str, ...]
    advice: tuple[str, ...]


def calibrate(
    cases: Sequence[Case], source: str, date: str, base: Profile | None = None
) -> Calibration:
    """The profile of cases of one model, GPU and engine; raises ValueError when there is none.

    base: whose explicit step is to be scaled, instead of physics.
    """
    figures = [
        (index, metric, float(value))
        for index, case in enumerate(cases)
        for metric, value in chosen(case.measured).items()
    ]
    if not figures:
        raise ValueError("no run has a TPOT, ITL or E2E to calibrate with")
    weights = np.array([WEIGHTS[metric] for _, metric, _ in figures])
    fitting = Fitting(cases, figures, source, date, base)
    x = np.zeros(len(PARTS))
    errors = fitting.errors(x)
    covariance = np.diag(SPREADS**2)
    for _ in range(ITERATIONS):
        jacobian = np.array(
            [(fitting.errors(x + STEP * unit) - errors) / STEP for unit in np.eye(3)]
        )
        step, covariance = best_step(x, errors, jacobian.T, weights, SPREADS)
        x = x + damped(step)
        errors = fitting.errors(x)
    profile = fitting.profile(x, np.sqrt(np.diag(covariance)))
    before = fitting.errors(np.zeros(len(PARTS)))
    points = tuple(
        Point(cases[index].case_id, metric, value, value * math.exp(b), value * math.exp(a))
        for (index, metric, value), b, a in zip(figures, before, errors, strict=True)
    )
    return Calibration(profile, points, doubts(points), advice(cases, profile))


def chosen(measured: Mapping[str, float]) -> dict[str, float]:
    """Means where there are means, medians where there are only those; ITL stands in for TPOT."""
    known = dict(measured)
    for statistic in ("mean", "p50"):
        if f"itl_{statistic}" in known:
            known.setdefault(f"tpot_{statistic}", known[f"itl_{statistic}"])
    picked = {}
    for latency in ("tpot", "ttft", "e2e"):
        name = next((n for n in (f"{latency}_mean", f"{latency}_p50") if known.get(n, 0) > 0), None)
        if name is not None:
            picked[name] = known[name]
    # A first token alone says nothing of the step.
    return picked if any(not name.startswith("ttft") for name in picked) else {}


@dataclass(frozen=True)
class Fitting:
    """What stays the same while the three numbers are sought."""

    cases: Sequence[Case]
    figures: Sequence[tuple[int, str, float]]
    source: str
    date: str
    base: Profile | None

    def profile(self, x: Floats, spread: Floats | None = None) -> Profile:
        """x float[3]: logarithms of step factor, overhead factor, reply / catalogue's reply."""
        replica = self.cases[0].replica
        step, overhead, reply = np.exp(x).tolist()
        sure = {} if spread is None else dict(zip(PARTS, np.round(spread, 4).tolist(), strict=True))
        return Profile.model_construct(
            measured_on=Measured(
                model=self.cases[0].model.name,
                gpu=replica.gpu.name,
                engine=replica.engine.facts.name,
            ),
            step_factor=step,
            overhead_factor=overhead,
            reply_s=replica.engine.facts.reply_s * reply,
            step=self.base.step if self.base else None,
            uncertainty=sure,
            source=self.source,
            date=self.date,
        )

    def errors(self, x: Floats) -> Floats:
        """log(predicted / measured) of every figure."""
        latency = self.profile(x)
        told = [predict(replace(case, latency=latency), seeds=1) for case in self.cases]
        return np.array(
            [math.log(told[index][metric] / value) for index, metric, value in self.figures]
        )


def doubts(points: Sequence[Point]) -> tuple[str, ...]:
    """Figures that do not belong to the others, in words."""
    return tuple(
        f"{p.case_id}: {p.metric} {p.measured:.4g} ms is {-p.error_after:+.0%} away from what the "
        "profile predicts: warm-up, a timeout, speculative decoding or another configuration?"
        for p in points
        if abs(p.error_after) > DOUBTFUL and not p.metric.startswith("ttft")
    )


def advice(cases: Sequence[Case], profile: Profile) -> tuple[str, ...]:
    """What to measure next: where the tests leave the profile undecided."""
    levels = sorted({c.load.concurrency for c in cases if isinstance(c.load, ClosedLoop)})
    wanted = []
    sure = profile.uncertainty
    if not levels or levels[0] > 2:
        wanted.append("one request at a time (concurrency 1): it shows the engine's overhead alone")
    if sure.get("overhead_factor", 0) > 0.7 * SPREADS[1] and levels and levels[0] <= 2:
        wanted.append("more requests at concurrency 1: the overhead is hardly known yet")
    if len(levels) < 3:
        wanted.append("three levels or more, such as 1, 8 and the most you would run at")
    prompts = {round(np.mean(c.load.input_tokens)) for c in cases if isinstance(c.load, ClosedLoop)}
    if len(prompts) == 1:
        wanted.append("a second prompt length: all of these have the same")
    if all(c.replica.engine.num_gpu_blocks is None for c in cases):
        wanted.append("num_gpu_blocks of the engine's log: the KV pool is only computed")
    return tuple(wanted)
