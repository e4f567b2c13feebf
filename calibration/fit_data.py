"""A folder of measured data -> the fit of all of it, its errors, and the file of coefficients."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.bands import Bands, bands
from calibration.cases import Case
from calibration.coefficient_file import as_yaml
from calibration.coefficients import priors
from calibration.datasets import read_cases
from calibration.fitting import Fit, Problem, fit, kind, targets_of
from calibration.left_out import Row, rows
from calibration.names import family
from simulator.executors import processes

Tell = Callable[[str, int, int | None], None]
CONCURRENCY_MAX = 64
"""NIM's engine does not state its largest batch; beyond this, queueing hides the step."""


@dataclass(frozen=True)
class FitResult:
    """rows: errors of every figure, in sample and left out.  file: catalogue/step_time.yaml."""

    fitted: Fit
    rows: Sequence[Row]
    bands: Bands
    file: str


def fit_folder(folder: Path, workers: int, tell: Tell) -> FitResult | None:
    """The fit of every usable case below `folder`; None when there is none."""
    tell("reading", 0, None)
    cases = usable(read_cases(folder)[0])
    if not cases:
        return None
    with processes(workers) as pool:
        problem = Problem(cases, priors((case.model, case.replica) for case in cases), pool)
        tell(f"fitting {len(problem.priors)} coefficients to {len(cases):,} cases", 0, None)
        fitted = fit(problem)
        tell("leaving out families, GPUs, engines, data sets", 0, None)
        told = list(rows(fitted))
    expected = bands(told)
    return FitResult(fitted, told, expected, as_yaml(fitted, expected, about(cases)))


def usable(cases: Sequence[Case]) -> list[Case]:
    """Those whose figures are what they are called and decided by the step time: no overloads, no
    suspects, nothing whose batch is unknown."""
    distinct = {identity(case): case for case in cases}
    return [
        case
        for case in distinct.values()
        if case.suspect is None
        and not case.overloaded
        and targets_of([case])
        and not (
            case.dataset.startswith("nim")
            and getattr(case.load, "concurrency", 0) > CONCURRENCY_MAX
        )
    ]


def identity(case: Case) -> tuple[object, ...]:
    """Equal for two rows of a data set that are one measurement, listed twice."""
    if kind(case) == "open":
        return case.dataset, case.case_id
    replica = case.replica
    layout = replica.tensor_parallel, replica.pipeline_parallel, replica.data_parallel
    figures = tuple(sorted(case.measured.items()))
    what = family(case.model.name), replica.precision, replica.gpu.name, replica.engine.facts.name
    return case.dataset, what, layout, case.load, figures


def about(cases: Sequence[Case]) -> list[str]:
    """Comment lines for the file: what the fit saw."""
    seen = Counter(case.dataset for case in cases)
    sets = [f"  {name}: {count:,}" for name, count in sorted(seen.items())]
    return [
        "Written by `make fit`: what engines reach of a GPU's datasheet, and what they add to a",
        "step. Move none of it alone: it is one joint fit. Measured cases it saw:",
        *sets,
        "Equation and meaning of each: docs/background/step-time.md; data, sources and errors:",
        "docs/accuracy.md. `unknown` holds for what nobody measured.",
    ]
