"""One load level as a tool measured it. Latencies stay in milliseconds, as reports tell them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.loadtests.figures import number

METRICS = ("ttft", "tpot", "itl", "e2e")
"""First token; (last token - first) / (tokens - 1) of a request; gaps between chunks, pooled;
arrival to last token. docs/glossary.md has the words; tools use the same ones for other things."""
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
Figures = dict[str, float]


@dataclass(frozen=True, eq=False)
class RequestColumns:
    """The completed requests, one row each; NaN where the file does not say.

    arrival_s counts from the first request that the file lists; rows are in the file's order.
    """

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    ttft_ms: NDArray[np.float64]
    e2e_ms: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One stage or benchmark of a file: one load level.

    concurrency: requests in flight that the client kept up; with a rate, the most it allowed.
    rate_per_s: requests offered per second. Neither: everything at once, or the file is silent.
    requests (completed), failed, duration_s: None when the file does not say.
    measured: 'ttft_mean' ... 'e2e_p99' in ms, those that the file has or its requests give.
    """

    name: str
    tool: str
    model: str | None
    concurrency: float | None
    rate_per_s: float | None
    duration_s: float | None
    requests: int | None
    failed: int | None
    input_tokens_mean: float
    output_tokens_mean: float
    measured: Mapping[str, float]
    per_request: RequestColumns | None = None
    caveat: str = ""
    """What of the test itself no replay here can repeat, in the words of its file."""


@dataclass(frozen=True)
class LoadTest:
    """A file and its runs; `notes` say what was odd or left out, with counts."""

    path: Path
    tool: str
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()


class UnreadableLoadTest(ValueError):
    """A file that is no load-test result we read; the message names it, what it looks like and
    what is accepted."""


def latency(metric: str, values: Mapping[str, object], unit_ms: float = 1.0) -> Figures:
    """`metric`'s statistics in ms from values counted in `unit_ms` milliseconds.

    Nothing when all are zero: so tools write that they did not measure it.
    """
    found = {name: number(values.get(name)) for name in STATISTICS}
    figures = {
        f"{metric}_{name}": value * unit_ms
        for name, value in found.items()
        if value is not None and value >= 0
    }
    return figures if any(figures.values()) else {}


def request_columns(rows: Iterable[tuple[float | None, ...]]) -> RequestColumns | None:
    """Columns from rows in the order of RequestColumns' fields; None when there are no rows."""
    table = np.array([[np.nan if x is None else x for x in row] for row in rows], dtype=float)
    return RequestColumns(*table.T) if table.size else None


def latency_of_values(metric: str, values_ms: NDArray[np.float64]) -> Figures:
    """Mean and percentiles of single values in ms; nothing when there are none."""
    known = values_ms[np.isfinite(values_ms)]
    if not known.size:
        return {}
    percentiles = {name: float(np.percentile(known, int(name[1:]))) for name in STATISTICS[1:]}
    return latency(metric, {"mean": float(known.mean()), **percentiles})


def column_mean(columns: RequestColumns | None, field: str) -> float:
    """Mean over the requests that have it, NaN when none has."""
    values = np.array([]) if columns is None else getattr(columns, field)
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def figures_of(columns: RequestColumns | None) -> Figures:
    """What single requests give: ttft, tpot and e2e. (Gaps between chunks are not in them.)"""
    if columns is None:
        return {}
    gaps = np.where(columns.output_tokens > 1, columns.output_tokens - 1, np.nan)
    return (
        latency_of_values("ttft", columns.ttft_ms)
        | latency_of_values("tpot", (columns.e2e_ms - columns.ttft_ms) / gaps)
        | latency_of_values("e2e", columns.e2e_ms)
    )


def completed_by(measured: Figures, columns: RequestColumns | None) -> tuple[Figures, list[str]]:
    """`measured` with what the requests add to it, and a note of what that was."""
    added = {name: x for name, x in figures_of(columns).items() if name not in measured}
    if not added or columns is None:
        return measured, []
    names = []
    for metric in METRICS:
        of_metric = [name for name in added if name.startswith(metric)]
        names += [metric] if len(of_metric) == len(STATISTICS) else of_metric
    note = f"{', '.join(names)}: computed here from {columns.e2e_ms.size} single requests"
    return measured | added, [note]


def level_name(concurrency: float | None, rate_per_s: float | None) -> str:
    """The load level in words.

    >>> level_name(8, None), level_name(100, 2.5), level_name(None, None)
    ('8 at once', '2.5/s, at most 100 at once', 'unlimited')
    """
    if rate_per_s is None:
        return "unlimited" if concurrency is None else f"{concurrency:g} at once"
    limit = "" if concurrency is None else f", at most {concurrency:g} at once"
    return f"{rate_per_s:g}/s{limit}"
