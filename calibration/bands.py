"""What error to expect of a kind of replica: the errors of fits that never saw the like."""

from collections.abc import Iterable, Sequence

import numpy as np

from calibration.cases import Case
from calibration.left_out import IN_SAMPLE, SCHEMES, Row

TPOT = ("tpot_mean", "decode")
LATENCIES = {"tpot": TPOT, "ttft": ("ttft_mean",), "e2e": ("e2e_mean",)}
OPEN_LOOP = "open"
"""TTFT and E2E are judged where requests came by themselves: of closed loops the start-up burst and
the scheduler's limits are not stated."""
CLASSES = {"known": "family", "unknown_gpu": "gpu", "unknown_engine": "engine"}
"""What is new about a replica of the class: at least its model; its GPU too; its engine too."""
LEAST_ROWS = 4

Bands = dict[str, dict[str, float]]


def bands(rows: Sequence[Row]) -> Bands:
    """Class -> latency -> median and 90th percentile of the absolute error, %."""
    found: Bands = {}
    cases = [row.case for row in rows if row.scheme == IN_SAMPLE]
    for name, scheme in CLASSES.items():
        unseen = rest_is_known((r for r in rows if r.scheme == scheme), scheme, cases)
        for kind in ("dense", "moe"):
            mine = [row for row in unseen if kind_of(row) == kind]
            found[f"{name}_{kind}"] = {
                f"{latency}_{statistic}": value
                for latency, metrics in LATENCIES.items()
                for statistic, value in spread(
                    abs(r.percent) for r in mine if r.metric in metrics and counts(r, latency)
                ).items()
            }
    return found


def rest_is_known(rows: Iterable[Row], scheme: str, cases: Sequence[Case]) -> list[Row]:
    """Rows whose GPU and engine the fit without the row's group still knew, unless they are what
    was left out: only what the scheme says is new about them."""
    group, kept = SCHEMES[scheme], [name for name in ("gpu", "engine") if name != scheme]
    others = {
        left: [{SCHEMES[name](c) for c in cases if group(c) != left} for name in kept]
        for left in {group(case) for case in cases}
    }
    return [
        row
        for row in rows
        if all(
            SCHEMES[name](row.case) in known
            for name, known in zip(kept, others[group(row.case)], strict=True)
        )
    ]


def kind_of(row: Row) -> str:
    return "moe" if row.case.model.experts else "dense"


def counts(row: Row, latency: str) -> bool:
    return latency == "tpot" or row.kind == OPEN_LOOP


def spread(errors: Iterable[float]) -> dict[str, float]:
    known = [error for error in errors if np.isfinite(error)]
    if len(known) < LEAST_ROWS:
        return {}
    return {"median": float(np.median(known)), "p90": float(np.quantile(known, 0.9))}
