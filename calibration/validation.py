"""Cases -> how far the simulator is from what was measured, and every peer from the same.

Errors are signed percent of the measured value. What the figures say is never mixed: overloaded and
suspect cases are summed up apart, refused ones are listed with their reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, OpenLoop, Peer, Refused
from calibration.prediction import SEEDS, pool_of, predict, serve_open
from simulator.executors import processes
from simulator.run import COMPLETED

Floats = NDArray[np.float64]

UNITS = {"completed": "requests", "throughput": "tokens/s"}
"""Of metrics that are not ms."""
ROUNDS = 16
"""A worker is handed its cases in about so many parcels: cases differ in length."""
PARCEL_MAX = 8


@dataclass(frozen=True)
class Comparison:
    """One metric of one case: ours, measured, and what peers said of it."""

    metric: str
    predicted: float
    measured: float
    peers: Mapping[str, Peer] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        return UNITS.get(self.metric, "ms")

    @property
    def error_pct(self) -> float:
        return error_pct(self.predicted, self.measured)


class Match(NamedTuple):
    """Request by request, of those answered in both worlds."""

    requests: int
    ttft_correlation: float
    """Pearson's; NaN when all are the same."""
    ttft_errors_pct: Floats
    e2e_errors_pct: Floats


@dataclass(frozen=True)
class Scored:
    """A case that was simulated. It has at least one comparison."""

    case: Case
    comparisons: tuple[Comparison, ...]
    match: Match | None

    @property
    def regular(self) -> bool:
        """Whether it counts in the summaries."""
        return not self.case.overloaded and self.case.suspect is None


def error_pct(predicted: float, measured: float) -> float:
    """Signed percent of the measured value.

    >>> round(error_pct(103.0, 100.0), 6)
    3.0
    """
    return 100.0 * (predicted / measured - 1.0)


# --- running -------------------------------------------------------------------------------------


def validate(
    cases: Sequence[Case], seeds: int = SEEDS, workers: int = 1
) -> Iterator[Scored | Refused]:
    """Simulate every case and compare; one result per case, in their order, as they are done.

    A case that cannot be simulated becomes Refused. Results do not depend on `workers`.
    """
    parcel = min(PARCEL_MAX, max(1, len(cases) // (workers * ROUNDS)))
    with processes(workers) as pool:
        spread = map if pool is None else partial(pool.map, chunksize=parcel)
        for case, told in zip(cases, spread(told_of, cases, repeat(seeds)), strict=True):
            yield told if isinstance(told, Refused) else scored(case, *told)


def told_of(case: Case, seeds: int) -> tuple[dict[str, float], Match | None] | Refused:
    """What the simulator says of a case."""
    try:
        return predict(case, seeds), match_of(case)
    except Exception as error:  # whatever it is, the other cases go on
        reason = f"the simulation failed: {type(error).__name__}: {error}"
        return Refused(case.dataset, case.case_id, reason)


def scored(case: Case, told: Mapping[str, float], match: Match | None) -> Scored | Refused:
    """The comparisons of a case; refused when there is nothing to compare."""
    comparisons = tuple(
        Comparison(metric, told[metric], float(measured), peers_of(case, metric))
        for metric, measured in case.measured.items()
        if positive(measured) and positive(told.get(metric, np.nan))
    )
    if comparisons:
        return Scored(case, comparisons, match)
    measured = ", ".join(m for m, value in case.measured.items() if positive(value))
    reason = f"no figure to compare: the simulation tells nothing of {measured}"
    return Refused(case.dataset, case.case_id, reason if measured else "nothing was measured")


def positive(value: float) -> bool:
    """Percent of it mean something."""
    return bool(np.isfinite(value)) and value > 0


def peers_of(case: Case, metric: str) -> dict[str, Peer]:
    return {
        name: figures[metric]
        for name, figures in case.peers.items()
        if metric in figures
        and positive(figures[metric].actual)
        and np.isfinite(figures[metric].predicted)
    }


def match_of(case: Case) -> Match | None:
    """Each request against itself; None unless arrivals and answers of each were recorded."""
    load, measured = case.load, case.measured_requests
    if (
        not isinstance(load, OpenLoop)
        or load.recorded is None
        or not {"ttft", "e2e"} <= set(measured)
    ):
        return None
    outcome = serve_open(load.recorded, pool_of(case), load.timeout_s)
    answered = (outcome.outcome == COMPLETED) & (measured["ttft"] > 0) & (measured["e2e"] > 0)
    if not answered.any():
        return None
    arrival_ns = load.recorded.arrival_ns[answered]
    ttft = (outcome.first_token_ns[answered] - arrival_ns) / 1e6
    e2e = (outcome.finish_ns[answered] - arrival_ns) / 1e6
    ttft_measured, e2e_measured = measured["ttft"][answered], measured["e2e"][answered]
    return Match(
        requests=int(answered.sum()),
        ttft_correlation=correlation(ttft, ttft_measured),
        ttft_errors_pct=100.0 * (ttft / ttft_measured - 1.0),
        e2e_errors_pct=100.0 * (e2e / e2e_measured - 1.0),
    )


def correlation(first: Floats, second: Floats) -> float:
    """Pearson's coefficient; NaN when one of them never changes.

    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    spread = float(first.std() * second.std())
    if spread == 0.0:
        return float("nan")
    return float(np.mean((first - first.mean()) * (second - second.mean()))) / spread
