"""The errors of a fit, as lines of text and as data."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from calibration.fit_data import FitResult
from calibration.left_out import IN_SAMPLE, SCHEMES, Row

COLUMNS = (IN_SAMPLE, *SCHEMES)


def lines(result: FitResult) -> Iterator[str]:
    """Median absolute errors, per data set and metric: in sample and on what each fit never saw."""
    yield f"{'absolute error, %, median':44}{'figures':>8}" + "".join(f"{c:>11}" for c in COLUMNS)
    for name, metric, kind, count, cells in medians(result.rows):
        label = f"{name} {kind} {metric}"
        yield f"{label:44}{count:>8,}" + "".join(f"{cell:>11}" for cell in cells)
    yield ""
    yield "coefficients (relative standard error)"
    sure = result.fitted.standard_errors.tolist()
    for (key, value), error in zip(result.fitted.values.items(), sure, strict=True):
        yield f"  {'.'.join(key):38} {value:<11.4g} {error:.0%}"


def medians(rows: Iterable[Row]) -> Iterator[tuple[str, str, str, int, list[str]]]:
    """Data set, metric, kind of model, figures, and the median error under each of COLUMNS."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.case.dataset, row.metric, what(row)].append(row)
    for name, mine in sorted(groups.items(), key=lambda group: group[0]):
        count = sum(row.scheme == IN_SAMPLE for row in mine)
        cells = [typical(row for row in mine if row.scheme == scheme) for scheme in COLUMNS]
        yield (*name, count, cells)


def what(row: Row) -> str:
    return "MoE" if row.case.model.experts else "dense"


def typical(rows: Iterable[Row]) -> str:
    errors = [abs(row.percent) for row in rows if np.isfinite(row.percent)]
    return f"{np.median(errors):.1f}" if errors else "-"


def as_data(result: FitResult) -> dict[str, Any]:
    """For machines: every error, the coefficients, the bands."""
    sure = result.fitted.standard_errors.tolist()
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
