"""Which figures of a measured case teach a profile, and of which kind of request they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.cases import Case, ClosedLoop, OpenLoop

NO_STEP = "it has no TPOT, ITL or E2E, and a first token alone says nothing of the step"


def unusable(case: Case, told: Mapping[str, float]) -> str:
    """Why a case has no figure to learn from, if so."""
    measured = chosen(case.measured)
    if not measured:
        return NO_STEP
    if not measured.keys() <= told.keys():
        return "the simulator serves none of it: longer than max_model_len or the KV pool?"
    return ""


def chosen(measured: Mapping[str, float]) -> dict[str, float]:
    """TPOT and TTFT, E2E only in place of TPOT; means where there are means, else medians. ITL
    stands in for TPOT."""
    known = dict(measured)
    for statistic in ("mean", "p50"):
        if f"itl_{statistic}" in known:
            known.setdefault(f"tpot_{statistic}", known[f"itl_{statistic}"])

    def best(latency: str) -> dict[str, float]:
        names = (f"{latency}_mean", f"{latency}_p50")
        return next(({name: known[name]} for name in names if known.get(name, 0) > 0), {})

    step = best("tpot") or best("e2e")
    return step | best("ttft") if step else {}


@dataclass(frozen=True)
class Figure:
    """A measured figure, ms."""

    case: int
    metric: str
    measured: float

    @property
    def latency(self) -> str:
        return self.metric.partition("_")[0]


def figures_of(cases: Sequence[Case]) -> tuple[Figure, ...]:
    return tuple(
        Figure(index, metric, float(value))
        for index, case in enumerate(cases)
        for metric, value in chosen(case.measured).items()
    )


def shape(case: Case) -> tuple[int, int]:
    """Prompt and answer length, those within a factor of 1.4 alike."""
    assert isinstance(case.load, ClosedLoop | OpenLoop)
    lengths = (float(np.mean(case.load.input_tokens)), float(np.mean(case.load.output_tokens)))
    return round(2 * math.log2(lengths[0])), round(2 * math.log2(lengths[1]))
