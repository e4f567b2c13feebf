"""How wrong a fit is about what it has never seen: families of models, GPUs, whole data sets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case
from calibration.fitting import Fit, Problem, kind, without
from calibration.names import family

Floats = NDArray[np.float64]

SCHEMES: Mapping[str, Callable[[Case], str]] = {
    "family": lambda case: family(case.model.name),
    "gpu": lambda case: case.replica.gpu.silicon,
    "engine": lambda case: case.replica.engine.facts.name,
    "data set": lambda case: case.dataset,
}
"""What is left out together."""
IN_SAMPLE = "in sample"


@dataclass(frozen=True)
class Row:
    """One figure and how far a fit is off, as log(predicted / measured)."""

    scheme: str
    case: Case
    metric: str
    error: float

    @property
    def kind(self) -> str:
        return kind(self.case)

    @property
    def percent(self) -> float:
        return 100.0 * float(np.expm1(self.error))


def rows(fitted: Fit) -> Iterator[Row]:
    """Every target in sample, and under each scheme by a fit that never saw its group."""
    problem = fitted.problem
    yield from told(IN_SAMPLE, problem, fitted.errors)
    for scheme, group_of in SCHEMES.items():
        groups = [group_of(case) for case in problem.cases]
        for group in sorted(set(groups)):
            mine = np.array([groups[target.case] == group for target in problem.targets])
            if not mine.all():
                yield from unseen(scheme, fitted, mine, [g == group for g in groups])


def unseen(
    scheme: str, fitted: Fit, mine: NDArray[np.bool_], of_case: Sequence[bool]
) -> Iterator[Row]:
    """The targets of one group by a fit without them."""
    problem = fitted.problem
    cases = [case for case, inside in zip(problem.cases, of_case, strict=True) if inside]
    alone = replace(problem, cases=cases)
    yield from told(scheme, alone, alone.errors(without(fitted, mine)))


def told(scheme: str, problem: Problem, errors: Floats) -> Iterator[Row]:
    for target, error in zip(problem.targets, errors.tolist(), strict=True):
        yield Row(scheme, problem.cases[target.case], target.metric, error)
