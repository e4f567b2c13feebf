"""Which arrival process a recording looks like, and with which parameters.

Candidates from the simplest up: Poisson, gamma, Weibull, ON/OFF, Markov-modulated Poisson of two
and of three states; each at a constant rate and under the recorded table of rates. The first one
whose figures are all close to the recorded ones is taken; when none is, the nearest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.arrival_families import Candidate, candidates
from calibration.traffic.arrival_figures import own_variance, recorded
from calibration.traffic.counts import fit_counts
from calibration.traffic.processes import MarkovProcess, Process, RenewalProcess
from calibration.traffic.rounding import per_second, seconds, significant
from calibration.traffic.windows import RateTable, rate_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAMES = {
    "constant": "evenly spaced", "poisson": "Poisson", "gamma": "gamma gaps",
    "weibull": "Weibull gaps", "on-off": "ON/OFF", "mmpp": "Markov-modulated Poisson",
}  # fmt: skip
EVEN_CV = 0.02
"""Gaps that vary less than this are all the same."""
BATCH_SHARE = 0.05
"""Of requests that come with another, from which on they come in batches ..."""
BATCH_CHANCE = 5.0
"""... if that is this many times what comes close by chance: within a tick of the clock, and within
a hundredth of the mean gap (very bursty gaps have so short ones that they are rounded to none)."""
CLOSE_GAP = 0.01


@dataclass(frozen=True)
class ArrivalFit:
    """The process that was chosen, and the counts of requests at each of its instants."""

    chosen: Candidate
    batch_sizes: Ints | None = None

    @property
    def process(self) -> Process:
        return self.chosen.process

    @property
    def table(self) -> RateTable | None:
        return self.chosen.table

    @property
    def rate_per_s(self) -> float:
        """Of requests."""
        size = 1.0 if self.batch_sizes is None else float(self.batch_sizes.mean())
        return self.process.rate_per_s * size

    @property
    def factors(self) -> Floats | None:
        if self.table is None:
            return None
        return self.table.shrunk(own_variance(self.process, self.table))

    @property
    def yaml(self) -> dict[str, Any]:
        """The `arrivals:` of a scenario."""
        return {
            "kind": self.chosen.kind,
            "rate": per_second(self.rate_per_s),
            **own_keys(self.chosen.kind, self.process),
            **({} if self.batch_sizes is None else {"batch": fit_counts(self.batch_sizes)}),
            **({} if self.table is None else {"modulation": [self.modulation]}),
        }

    @property
    def reason(self) -> str:
        """Why this process, in words."""
        kind, parameters = NAMES[self.chosen.kind], self.chosen.parameters
        what = f"arrivals: {kind}, {parameters} parameters beside the rate"
        if self.batch_sizes is not None:
            what += f", of batches of {self.batch_sizes.mean():.2f} requests"
        if self.table is not None and self.factors is not None:
            kept = float(self.factors.var() / max(self.table.recorded.var(), 1e-12))
            what += (
                f", under a table of {self.factors.size} rates every {self.table.every_s:g} s (of "
                f"the variance of recorded rates {kept:.0%} is told; the rest is the process's own)"
            )
        simplest = "the simplest that is close in dispersion, empty seconds and gaps"
        why = simplest if self.chosen.close else "none is close, this one is nearest"
        return f"{what}: {why}"

    @property
    def modulation(self) -> dict[str, Any]:
        """The table; a period may start anywhere in it."""
        assert self.table is not None and self.factors is not None
        return {
            "kind": "table",
            "every": seconds(self.table.every_s),
            "factors": significant(self.factors),
            "random_start": True,
        }


def own_keys(kind: str, process: Any) -> dict[str, Any]:
    """The keys that only this kind of arrivals has."""
    match process:
        case RenewalProcess(cv=cv):
            return {"cv": significant(cv)} if kind in ("gamma", "weibull") else {}
        case MarkovProcess(lasts_s=(on_s, off_s)) if kind == "on-off":
            return {"on": seconds(on_s), "off": seconds(off_s)}
        case MarkovProcess(rates_per_s=rates, lasts_s=lasts):
            top = max(rates)
            states = [
                {"level": significant(rate / top), "lasts": seconds(stay)}
                for rate, stay in zip(rates, lasts, strict=True)
            ]
            return {"states": states}
    raise AssertionError(kind)


def fit_arrivals(arrival_s: Floats, span_s: float) -> ArrivalFit:
    """The process and the table of rates behind sorted instants in [0, span_s)."""
    instants_s, sizes = np.unique(arrival_s, return_counts=True)
    if not come_in_batches(arrival_s, instants_s, span_s):
        return ArrivalFit(choose(arrival_s, span_s))
    return ArrivalFit(choose(instants_s, span_s), sizes)


def come_in_batches(arrival_s: Floats, instants_s: Floats, span_s: float) -> bool:
    if instants_s.size < 2:
        return False
    together = 1.0 - instants_s.size / arrival_s.size
    gaps_s = np.diff(instants_s)
    lumped = arrival_s.size / span_s * float(gaps_s.min())
    near = float(np.mean(gaps_s <= CLOSE_GAP * gaps_s.mean()))
    return together >= max(BATCH_SHARE, BATCH_CHANCE * lumped, BATCH_CHANCE * near)


def choose(arrival_s: Floats, span_s: float) -> Candidate:
    seen = recorded(arrival_s, span_s)
    if seen.gap_cv < EVEN_CV:
        return Candidate("constant", RenewalProcess(seen.rate_per_s), 0, None, 0.0, True)
    tried = []
    for candidate in candidates(seen, rate_table(arrival_s, span_s)):
        if candidate.close:
            return candidate
        tried.append(candidate)
    return min(tried, key=lambda candidate: candidate.loss)
