"""Scored and refused cases -> errors by metric, data set, group and peer, as data.

`fleetcast validate -o json` prints it; the table and the page are drawn from it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, ClosedLoop, OpenLoop, Refused, StaticBatch
from calibration.names import family
from calibration.validation import Comparison, Match, Scored, error_pct

Data = dict[str, Any]
Floats = NDArray[np.float64]

LATENCIES = ("e2e", "ttft", "tpot")
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
METRICS = (
    *(f"{latency}_{statistic}" for latency in LATENCIES for statistic in STATISTICS),
    "prefill", "decode", "throughput", "completed",
)  # fmt: skip
"""In the order of every table; others come after."""

AT_ONCE = (1, 8, 32, 128)
"""Requests in flight: the upper ends of the bands that errors are told by."""


def at_once(case: Case) -> str:
    """The band of a closed loop's concurrency or of a batch; empty for open loops."""
    match case.load:
        case OpenLoop():
            return ""
        case ClosedLoop(concurrency=count) | StaticBatch(batch=count):
            low = 1 + max((end for end in AT_ONCE if end < count), default=0)
            high = next((end for end in AT_ONCE if end >= count), None)
            if high is None:
                return f"{low} or more"
            return str(low) if low == high else f"{low} to {high}"


FACETS: dict[str, Callable[[Case], str]] = {
    "model family": lambda case: family(case.model.name),
    "layers": lambda case: "MoE" if case.model.experts else "dense",
    "GPU": lambda case: case.replica.gpu.name,
    "GPUs per replica": lambda case: str(case.replica.gpus),
    "precision": lambda case: case.replica.precision,
    "engine": lambda case: case.replica.engine.facts.name,
    "requests at once": at_once,
    "group": lambda case: case.group,
}
"""By what the cases of a data set are told apart."""


def as_json(results: Iterable[Scored | Refused]) -> Data:
    """All that is told of a validation."""
    results = list(results)
    every = [result for result in results if isinstance(result, Scored)]
    refused = [result for result in results if isinstance(result, Refused)]
    regular = [result for result in every if result.regular]
    overloaded = [each for each in every if each.case.overloaded and each.case.suspect is None]
    return {
        "summary": summary(regular),
        "overloads": summary(overloaded),
        "datasets": {name: summary(rows) for name, rows in by_dataset(regular).items()},
        "groups": {name: groups(rows) for name, rows in by_dataset(regular).items()},
        "peers": peers(regular),
        "peers_overloads": peers(overloaded),
        "requests": [match_row(each, each.match) for each in every if each.match is not None],
        "coverage": coverage(every, refused),
        "refused": [vars(each) for each in refused],
        "cases": [case_row(each.case, row) for each in every for row in each.comparisons],
    }


# --- errors --------------------------------------------------------------------------------------


def summary(rows: Iterable[Scored]) -> dict[str, Data]:
    """metric -> number of cases and their errors."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        for comparison in row.comparisons:
            errors.setdefault(comparison.metric, []).append(comparison.error_pct)
    return {metric: spread(errors[metric]) for metric in in_order(errors)}


def spread(errors_pct: Sequence[float]) -> Data:
    """
    >>> spread([-2.0, 4.0, 1.0])["median_abs_error_pct"]
    2.0
    """
    return {"cases": len(errors_pct), **size(errors_pct)} | {
        "median_signed_pct": float(np.median(errors_pct))
    }


def size(errors_pct: Sequence[float] | Floats, prefix: str = "") -> Data:
    absolute = np.abs(errors_pct)
    return {
        f"{prefix}median_abs_error_pct": float(np.median(absolute)),
        f"{prefix}mean_abs_error_pct": float(np.mean(absolute)),
    }


def in_order(metrics: Iterable[str]) -> list[str]:
    """
    >>> in_order(["oddity", "decode", "ttft_p90", "e2e_mean"])
    ['e2e_mean', 'ttft_p90', 'decode', 'oddity']
    """
    place = {metric: index for index, metric in enumerate(METRICS)}
    return sorted(metrics, key=lambda metric: (place.get(metric, len(place)), metric))


def by_dataset(rows: Iterable[Scored]) -> dict[str, list[Scored]]:
    found: dict[str, list[Scored]] = {}
    for row in rows:
        found.setdefault(row.case.dataset, []).append(row)
    return found


def groups(rows: Sequence[Scored]) -> dict[str, dict[str, dict[str, Data]]]:
    """facet -> its value -> metric -> errors, for every facet that tells cases apart."""
    found: dict[str, dict[str, dict[str, Data]]] = {}
    for facet, value_of in FACETS.items():
        parts: dict[str, list[Scored]] = {}
        for row in rows:
            parts.setdefault(value_of(row.case), []).append(row)
        if len(parts) > 1:
            found[facet] = {
                name or "the others": summary(parts[name]) for name in sorted(parts, key=natural)
            }
    return found


def natural(name: str) -> tuple[float, str]:
    """What begins with a number by its size, then names."""
    first = name.split(" ")[0]
    return (float(first) if first.isdigit() else np.inf, name)


def peers(rows: Iterable[Scored]) -> dict[str, dict[str, Data]]:
    """simulator -> metric -> its errors, and ours on the same cases."""
    pairs: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        for comparison in row.comparisons:
            for name, peer in comparison.peers.items():
                pair = error_pct(peer.predicted, peer.actual), comparison.error_pct
                pairs.setdefault(name, {}).setdefault(comparison.metric, []).append(pair)
    return {
        name: {m: beside(pairs[name][m]) for m in in_order(pairs[name])} for name in sorted(pairs)
    }


def beside(pairs: Sequence[tuple[float, float]]) -> Data:
    theirs, ours = zip(*pairs, strict=True)
    return spread(theirs) | size(ours, "ours_")


# --- rows ----------------------------------------------------------------------------------------


def case_row(case: Case, row: Comparison) -> Data:
    return {
        "dataset": case.dataset,
        "case_id": case.case_id,
        "metric": row.metric,
        "predicted": row.predicted,
        "measured": row.measured,
        "unit": row.unit,
        "error_pct": row.error_pct,
        "overloaded": case.overloaded,
        "suspect": case.suspect,
        "split": case.split,
        "model": case.model.name,
        "gpu": case.replica.gpu.name,
        "gpus": case.replica.gpus,
        "engine": case.replica.engine.facts.name,
        "precision": case.replica.precision,
        "peers": {
            name: {
                "predicted": peer.predicted,
                "measured": peer.actual,
                "error_pct": error_pct(peer.predicted, peer.actual),
            }
            for name, peer in row.peers.items()
        },
    }


def match_row(each: Scored, match: Match) -> Data:
    """How well single requests are told."""
    return {
        "dataset": each.case.dataset,
        "case_id": each.case.case_id,
        "requests": match.requests,
        "ttft_correlation": match.ttft_correlation,
        **size(match.ttft_errors_pct, "ttft_"),
        **size(match.e2e_errors_pct, "e2e_"),
        "overloaded": each.case.overloaded,
        "suspect": each.case.suspect,
    }


# --- what was covered ----------------------------------------------------------------------------


def coverage(every: Sequence[Scored], refused: Sequence[Refused]) -> Data:
    """What became of every case, and what had to be assumed."""
    reasons = Counter((each.dataset, each.reason) for each in refused)
    assumed = Counter((each.case.dataset, what) for each in every for what in each.case.assumed)
    suspects = [each.case for each in every if each.case.suspect is not None]
    names = list(
        dict.fromkeys([each.case.dataset for each in every] + [r.dataset for r in refused])
    )
    return {
        **counts(every, refused),
        "datasets": {
            name: counts(
                [each for each in every if each.case.dataset == name],
                [each for each in refused if each.dataset == name],
            )
            for name in names
        },
        "refused_by_reason": rows_of(reasons, "reason"),
        "suspects": rows_of(
            Counter((case.dataset, kind_of_reason(case)) for case in suspects), "reason"
        ),
        "assumed": rows_of(assumed, "assumption"),
        "not_predicted": dict(Counter(metric for each in every for metric in unanswered(each))),
    }


def kind_of_reason(case: Case) -> str:
    """Why it is suspect, without the figures that differ from case to case."""
    return re.sub(r"\d+\.\d+|\d+(?= ms)", "…", case.suspect or "")


def counts(every: Sequence[Scored], refused: Sequence[Refused]) -> Data:
    suspect = sum(each.case.suspect is not None for each in every)
    regular = sum(each.regular for each in every)
    return {
        "rows": len(every) + len(refused),
        "simulated": len(every),
        "regular": regular,
        "overloaded": len(every) - regular - suspect,
        "suspect": suspect,
        "refused": len(refused),
    }


def rows_of(counter: Counter[tuple[str, str]], what: str) -> list[Data]:
    """The most frequent first."""
    return [
        {"dataset": dataset, what: text, "cases": cases}
        for (dataset, text), cases in counter.most_common()
    ]


def unanswered(each: Scored) -> list[str]:
    """Measured metrics that the simulator gave no figure for."""
    compared = {comparison.metric for comparison in each.comparisons}
    return [metric for metric in each.case.measured if metric not in compared]
