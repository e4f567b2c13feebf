"""Result sets side by side: each figure of the others against the first, and whether it differs by
more than noise. planner/comparing.py has the tests.

Sets of one seed have met the same random numbers in periods of the same number, so these are
compared pair by pair; independent samples they are not. Others are independent.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.comparing import (
    ALPHA,
    Contrast,
    Judged,
    can_tell,
    difference,
    holm,
    interval,
    p_value,
    paired,
    shares_p_value,
    unpaired,
)
from planner.metrics import PERCENTILES
from planner.result_set import ResultSet
from planner.sequential import confidence_sequence
from scenarios.model import placeless
from scenarios.objectives import LATENCIES, promise
from simulator.estimates import Estimate, median_estimate, share_estimate

Floats = NDArray[np.float64]
Verdict = Literal["same", "differs", "noise", "too few"]

KEPT = "SLA kept"
FIGURES = {
    **{f"{m} p{p}": f"{m}_s_p{p}" for m in LATENCIES for p in PERCENTILES},
    **{name: name for name in (
        "error_rate", "goodput", "availability", "output_tokens_per_s", "gpu_hours_paid",
    )},
}  # fmt: skip
"""What is compared beside the objectives, and its column of replications.parquet."""
DEMAND = ("horizon", "preroll", "drain", "starts_at", "traffic", "uncertain")
"""Keys of a scenario that its demand comes from, with the seed."""


class Measured(NamedTuple):
    """One figure in both sets."""

    name: str
    contrast: Contrast
    """Of the periods that are compared."""
    p: float


class Finding(NamedTuple):
    """One figure in both sets, and what may be said of it."""

    name: str
    values: tuple[Floats, Floats]
    """Of the periods that are compared; in pairs, in their order."""
    a: Estimate
    """The median period of the first set; of `KEPT` the share of all periods."""
    b: Estimate
    lower: int
    """How many differences are below zero ..."""
    higher: int
    """... and above: of pairs, or of every period of the one and every one of the other."""
    difference: float
    """The median of b - a over pairs, or between unpaired periods."""
    low: float
    high: float
    alpha: float
    """The interval misses the difference with a chance of at most so much."""
    p: float
    verdict: Verdict


class Comparison(NamedTuple):
    """One set against the first."""

    a: ResultSet
    b: ResultSet
    paired: bool
    same_demand: bool
    periods: tuple[int, int]
    """How many of each count in `KEPT` ..."""
    whole: tuple[int, int]
    """... and, since they ran to their end, in the figures."""
    findings: list[Finding]


def compare(sets: Sequence[ResultSet]) -> list[Comparison]:
    """The second and each further set against the first. Holm's procedure is over all figures of
    all of them: the chance that anything is said to differ while nothing does is at most ALPHA."""
    base, *others = sets
    measured = [list(measure(base, other)) for other in others]
    judged = iter(holm([figure.p for figures in measured for figure in figures]))
    return [
        Comparison(
            base,
            other,
            is_paired(base, other),
            has_same_demand(base, other),
            sizes(base, other, whole=False),
            sizes(base, other, whole=True),
            [finding(base, other, figure, next(judged)) for figure in figures],
        )
        for other, figures in zip(others, measured, strict=True)
    ]


def sizes(a: ResultSet, b: ResultSet, whole: bool) -> tuple[int, int]:
    one, other = matched(a, b, whole)
    return len(one), len(other)


def measure(a: ResultSet, b: ResultSet) -> Iterator[Measured]:
    """Every figure that both have."""
    in_pairs = is_paired(a, b)
    contrast_of = paired if in_pairs else unpaired
    if a.objectives and b.objectives and all(sizes(a, b, whole=False)):
        one, other = (column(rows, "kept") for rows in matched(a, b, whole=False))
        contrast = contrast_of(one, other)
        p = p_value(contrast) if in_pairs else shares_p_value(tally(one), tally(other))
        yield Measured(KEPT, contrast, p)
    if not all(sizes(a, b, whole=True)):
        return
    rows_a, rows_b = matched(a, b, whole=True)
    columns_b = columns(b)
    for name, key in columns(a).items():
        if name in columns_b:
            contrast = contrast_of(column(rows_a, key), column(rows_b, columns_b[name]))
            yield Measured(name, contrast, p_value(contrast))


def tally(kept: Floats) -> tuple[int, int]:
    """Hits and trials."""
    return int(kept.sum()), kept.size


def columns(one: ResultSet) -> dict[str, str]:
    """The figures of a set by what they are about: those of its objectives, then FIGURES."""
    promised = {promise(objective.text)[0]: objective.text for objective in one.objectives}
    known = promised | {name: key for name, key in FIGURES.items() if name not in promised}
    return {name: key for name, key in known.items() if key in one.periods}


def finding(a: ResultSet, b: ResultSet, figure: Measured, judged: Judged) -> Finding:
    contrast, sides = figure.contrast, figure.contrast.sides()
    one, other = contrast.a, contrast.b
    if figure.name == KEPT:
        shares = kept_share(a, one), kept_share(b, other)
        change = shares[1].value - shares[0].value, -np.inf, np.inf
    else:
        shares = median_estimate(one.tolist()), median_estimate(other.tolist())
        change = difference(contrast), *interval(contrast, judged.alpha)
    verdict: Verdict = "noise" if can_tell(contrast, judged.alpha) else "too few"
    if judged.differs:
        verdict = "differs"
    elif sides == (0, 0):
        verdict = "same"
    return Finding(
        figure.name, (one, other), *shares, *sides, *change, judged.alpha, figure.p, verdict
    )


def kept_share(one: ResultSet, kept: Floats) -> Estimate:
    """Of periods; the interval of a plan is that of its certificate, which holds although it went
    on until it knew."""
    hits, trials = tally(kept)
    if one.plan is None:
        return share_estimate(hits, trials, 1 - ALPHA)
    alpha = 1 - one.plan["certificate"]["confidence"]
    return Estimate(hits / trials, *confidence_sequence(trials, trials - hits, alpha), trials)


# --- which periods belong together ---------------------------------------------------------------


def is_paired(a: ResultSet, b: ResultSet) -> bool:
    """Whether both drew from one seed, for periods of the same numbers."""
    return has_same_seed(a, b) and bool(len(a.periods.index.intersection(b.periods.index)))


def has_same_seed(a: ResultSet, b: ResultSet) -> bool:
    return bool(a.manifest["seed"] == b.manifest["seed"])


def has_same_demand(a: ResultSet, b: ResultSet) -> bool:
    """Whether the requests that arrive are the same in periods of the same number."""
    one, other = placeless(a.scenario), placeless(b.scenario)
    return has_same_seed(a, b) and all(one.get(key) == other.get(key) for key in DEMAND)


def matched(a: ResultSet, b: ResultSet, whole: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that are compared: paired those of common numbers, in their order."""
    one, other = (a.whole, b.whole) if whole else (a.periods, b.periods)
    if not is_paired(a, b):
        return one, other
    common = one.index.intersection(other.index).sort_values()
    return one.loc[common], other.loc[common]


def column(rows: pd.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy(dtype=float)
