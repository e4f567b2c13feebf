"""How long the requests of a run took: histograms per traffic group, worked out where it ran, so
that they are of all requests, whatever rows are kept."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.histogram import BINS, bins_of, middle_ns
from simulator.run import Run
from simulator.traffic import NS_PER_S

LATENCY_METRICS = ("ttft", "tpot", "e2e", "itl")
NEVER = BINS
"""Stands for a bin: of requests that did not complete."""
ALL_GROUPS = -1


class Latencies(NamedTuple):
    """One entry per filled bin, ordered by metric, group and bin."""

    metric: list[int]
    """Index into LATENCY_METRICS."""
    group: list[int]
    """Traffic group; ALL_GROUPS for gaps between tokens, which are counted together."""
    bin: list[int]
    """Of simulator/histogram.py, or NEVER."""
    counts: list[int]
    """Requests, or gaps."""


def latencies(run: Run) -> Latencies:
    """Of every request of a run, and of its gaps."""
    found = Latencies([], [], [], [])
    for metric, durations_s in enumerate((run.ttft_s, run.tpot_s, run.e2e_s)):
        cells, counts = np.unique(
            run.group.astype(np.int64) * (NEVER + 1) + bins_of_seconds(durations_s),
            return_counts=True,
        )
        add(found, metric, cells // (NEVER + 1), cells % (NEVER + 1), counts)
    gaps = np.flatnonzero(run.itl_histogram)
    itl = LATENCY_METRICS.index("itl")
    add(found, itl, np.full(gaps.size, ALL_GROUPS), gaps, run.itl_histogram[gaps])
    return found


def add(found: Latencies, metric: int, *columns: NDArray[np.int64]) -> None:
    found.metric.extend([metric] * columns[0].size)
    for known, column in zip(found[1:], columns, strict=True):
        known.extend(column.tolist())


def bins_of_seconds(durations_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each duration; NEVER of infinite ones."""
    known = np.isfinite(durations_s)
    durations_ns = np.where(known, durations_s, 0.0) * NS_PER_S
    return np.where(known, bins_of(np.rint(durations_ns).astype(np.int64)), NEVER)


def gaps_of(found: Latencies) -> NDArray[np.int64]:
    """The histogram of gaps between tokens, as a run has it."""
    counts = np.zeros(BINS, dtype=np.int64)
    of_gaps = np.array(found.metric) == LATENCY_METRICS.index("itl")
    counts[np.array(found.bin, dtype=np.int64)[of_gaps]] = np.array(found.counts, dtype=np.int64)[
        of_gaps
    ]
    return counts


def middle_s(index: int) -> float:
    """The middle of a bin, infinite for NEVER."""
    return float("inf") if index == NEVER else middle_ns(index) / NS_PER_S
