"""The processes that a recording may look like, the simplest first, and the best of each kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from calibration.traffic.arrival_figures import BINS_LEAST, Recorded, is_close, scaled_errors
from calibration.traffic.processes import MarkovProcess, Process, RenewalProcess
from calibration.traffic.windows import RateTable

Floats = NDArray[np.float64]
Make = Callable[[float, Floats], Process]
"""The process of a rate and of the logarithms of its parameters."""

CVS = (0.05, 50.0)
"""Of gaps: a scenario's limits."""
TRIED = 3
"""Of the starting points, those that are nearest already."""
STAY_S = (0.2, 60.0)
"""Of hidden states: what is slower is the table's."""


@dataclass(frozen=True)
class Candidate:
    """A process, and the table of rates it runs under (none: the rate is constant). loss: sum of
    squares of scaled errors."""

    kind: str
    process: Process
    parameters: int
    table: RateTable | None
    loss: float
    close: bool


def candidates(seen: Recorded, table: RateTable) -> Iterator[Candidate]:
    tables = [None, table] if table.recorded.size >= BINS_LEAST else [None]
    for kind, parameters, start, make in FAMILIES:
        for under in tables:
            yield best(kind, parameters, make, start, seen, under)


def gamma(rate: float, logs: Floats) -> Process:
    return RenewalProcess(rate, "gamma", cv_of(logs))


def weibull(rate: float, logs: Floats) -> Process:
    return RenewalProcess(rate, "weibull", cv_of(logs))


def cv_of(logs: Floats) -> float:
    return float(np.exp(np.clip(logs[0], *np.log(CVS))))


def markov(rate: float, logs: Floats) -> Process:
    """Parameters: how long each state lasts, then the rate of each after the first relative to it;
    none for a second state that is silent."""
    states = 2 if logs.size == 2 else (logs.size + 1) // 2
    lasts = np.exp(np.clip(logs[:states], *np.log(STAY_S)))
    levels = np.concatenate([[1.0], np.exp(np.minimum(logs[states:], 0.0))])
    levels = np.concatenate([levels, np.zeros(states - levels.size)])
    levels *= rate / float(lasts / lasts.sum() @ levels)
    return MarkovProcess(tuple(levels.tolist()), tuple(lasts.tolist()))


STAYS = [np.log([on, off]) for on in (1.0, 5.0, 20.0) for off in (1.0, 10.0, 40.0)]
FAMILIES: tuple[tuple[str, int, list[Floats], Make], ...] = (
    ("poisson", 0, [np.empty(0)], lambda rate, logs: RenewalProcess(rate)),
    ("gamma", 1, [np.log([2.0])], gamma),
    ("weibull", 1, [np.log([2.0])], weibull),
    ("on-off", 2, STAYS, markov),
    ("mmpp", 3, [np.append(stay, np.log(0.05)) for stay in STAYS], markov),
    (
        "mmpp", 5,
        [np.append(np.log([on, mid, off]), np.log([0.3, 0.01]))
         for on in (1.0, 5.0) for mid in (5.0, 20.0) for off in (5.0, 30.0)],
        markov,
    ),
)  # fmt: skip
"""Kind, parameters beside the rate, starting points (logarithms), how to make it."""


def best(
    kind: str, parameters: int, make: Make, starts: list[Floats], seen: Recorded,
    table: RateTable | None,
) -> Candidate:  # fmt: skip
    """The parameters with the least squares of scaled errors."""

    def errors(logs: Floats) -> Floats:
        return scaled_errors(make(seen.rate_per_s, logs), seen, table)

    if parameters == 0:
        logs = starts[0]
    else:
        nearest = sorted(starts, key=lambda start: float(np.sum(errors(start) ** 2)))
        found = [
            optimize.least_squares(errors, start, max_nfev=60, bounds=(-8.0, 8.0))
            for start in nearest[:TRIED]
        ]
        logs = min(found, key=lambda result: float(result.cost)).x
    process = make(seen.rate_per_s, logs)
    close = is_close(process, seen, table)
    return Candidate(kind, process, parameters, table, float(np.sum(errors(logs) ** 2)), close)
