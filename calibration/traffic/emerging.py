"""Marginals that emerge: prompts of sessions are long because earlier ones were, and how many
requests there are follows from how many sessions begin. Both are put right by drawing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.drawn import scenario_of, within
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.windows import window_counts
from simulator.traffic import draw_workload
from simulator.traffic.drawing import NS_PER_S

Floats = NDArray[np.float64]
Yaml = dict[str, Any]

ROUNDS = 14
REPLICATIONS_MAX = 16
ROWS = 150_000
"""Drawn in one round, of recordings that are not longer themselves: the tail is noisy."""
SEED = 20_231_117
"""Not that of the match: what is put right here is not judged by the same draws."""
DAMPING = 0.5
CHECKED = (0.5, 0.9, 0.99)
GRID = np.concatenate([CHECKED, np.linspace(0.005, 0.985, 99), [0.995, 0.999]])
"""Levels at which prompts are compared; the first ones judge a round."""
CLOSE = 0.02
"""Error of logarithms, the largest of those and a quarter of the mean of all, that ends rounds."""


@dataclass(frozen=True)
class Emerging:
    """What is varied: first_tokens float64[n], a sample of first prompts behind the prefixes;
    rate_per_s, of sessions."""

    first_tokens: Floats
    rate_per_s: float

    @property
    def input_tokens(self) -> Yaml:
        return fit_lengths(self.first_tokens)


@dataclass(frozen=True)
class Wanted:
    """All prompts as recorded, and requests per second (None: it is not to be matched)."""

    prompts: Floats
    rate_per_s: float | None
    span_s: float

    @property
    def replications(self) -> int:
        expected = self.prompts.size
        if self.rate_per_s is not None:
            expected = int(self.rate_per_s * self.span_s)
        return max(1, min(REPLICATIONS_MAX, ROWS // max(1, expected)))


def put_right(start: Emerging, wanted: Wanted, block_of: Callable[[Emerging], list[Yaml]]
              ) -> Emerging:  # fmt: skip
    """First prompts and a rate under which all prompts and requests come out as wanted.

    First prompts of each level get what the prompts of that level come out too short (damped). The
    best round counts: what sessions add sets a bound to what can be reached.
    """
    target = np.quantile(wanted.prompts, GRID)
    now, best, least = start, start, np.inf
    for _ in range(ROUNDS):
        prompts, rate_per_s = drawn(block_of(now), wanted)
        if wanted.rate_per_s is not None:
            now = replace(now, rate_per_s=now.rate_per_s * wanted.rate_per_s / rate_per_s)
        found = np.quantile(prompts, GRID)
        off = np.abs(np.log(target / found))
        error = float(off[: len(CHECKED)].max() + off.mean() / 4)
        if error < least:
            best, least = now, error
        if error < CLOSE:
            break
        now = replace(now, first_tokens=shifted(now.first_tokens, DAMPING * (target - found)))
    return best


def shifted(tokens: Floats, by: Floats) -> Floats:
    """Each of a sample and what is to be added at its level, 1 at least; none falls below those of
    lower levels."""
    levels = (np.arange(tokens.size) + 0.5) / tokens.size
    order = np.argsort(GRID)
    added = np.interp(levels, GRID[order], by[order])
    return np.maximum.accumulate(np.maximum(np.sort(tokens) + added, 1.0))


def dispersion(block: list[Yaml], bin_s: float, span_s: float, periods: int) -> float:
    """Variance over mean of the requests within `bin_s`: the mean over so many periods."""
    scenario = scenario_of(block, span_s)
    found = []
    for replication in range(periods):
        workload = draw_workload(scenario, SEED, replication)
        counts = window_counts(
            workload.arrival_ns[within(workload, span_s)] / NS_PER_S, span_s, bin_s
        )
        found.append(counts.var(ddof=1) / counts.mean())
    return float(np.mean(found))


def drawn(block: list[Yaml], wanted: Wanted) -> tuple[Floats, float]:
    """All prompts of some periods, and requests per second."""
    scenario = scenario_of(block, wanted.span_s)
    workloads = [draw_workload(scenario, SEED, r) for r in range(wanted.replications)]
    prompts = [workload.input_tokens[within(workload, wanted.span_s)] for workload in workloads]
    together = np.concatenate(prompts).astype(np.float64)
    return together, together.size / (wanted.replications * wanted.span_s)
