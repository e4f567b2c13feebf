"""The errors of a fit, as lines of text and as data."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from calibration.fit_data import FitResult
from calibration.left_out import IN_SAMPLE, SCHEMES, Row

COLUMNS = (IN_SAMPLE, *SCHEMES)


def lines(result: FitResult) -> Iterator[str]:
    """Median absolute errors, per data set and metric: in sample and on what each fit never saw."""
    yield f"{'absolute error, %, median':44}{'figures':>8}" + "".join(f"{c:>11}" for c in COLUMNS)
    for name, metric, kind in groups(result.rows):
        mine = [
            r for r in result.rows if (r.case.dataset, r.metric, what(r)) == (name, metric, kind)
        ]
        count = sum(r.scheme == IN_SAMPLE for r in mine)
        cells = (typical(r for r in mine if r.scheme == scheme) for scheme in COLUMNS)
        label = f"{name} {kind} {metric}"
        yield f"{label:44}{count:>8,}" + "".join(f"{cell:>11}" for cell in cells)
    yield ""
    yield "coefficients (relative standard error)"
    sure = np.sqrt(np.diag(result.fitted.covariance)).tolist()
    for (key, value), error in zip(result.fitted.values.items(), sure, strict=True):
        yield f"  {'.'.join(key):38} {value:<11.4g} {error:.0%}"


def groups(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    return sorted({(row.case.dataset, row.metric, what(row)) for row in rows})


def what(row: Row) -> str:
    return "MoE" if row.case.model.experts else "dense"


def typical(rows: Iterable[Row]) -> str:
    errors = [abs(row.percent) for row in rows if np.isfinite(row.percent)]
    return f"{np.median(errors):.1f}" if errors else "-"


def as_data(result: FitResult) -> dict[str, Any]:
    """For machines: every error, the coefficients, the bands."""
    sure = np.sqrt(np.diag(result.fitted.covariance)).tolist()
    return {
        "coefficients": {
            ".".join(key): {"value": value, "relative_error": error}
            for (key, value), error in zip(result.fitted.values.items(), sure, strict=True)
        },
        "bands": result.bands,
        "rows": [
            {
                "scheme": row.scheme,
                "dataset": row.case.dataset,
                "case_id": row.case.case_id,
                "metric": row.metric,
                "error_pct": row.percent if np.isfinite(row.percent) else None,
            }
            for row in result.rows
        ],
    }
