"""`python -m benchmarks.accuracy.tables DIR`: step times from aiconfigurator's tables beside ours.

Needs the extra: pip install 'fleetcast[aic]'. Closed loops of silicon_closed_loop, mean time per
output token, absolute error in percent. Ours was fitted to these rows, the tables were not.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from benchmarks.accuracy.user import by_deployment
from benchmarks.table import table
from calibration.aic import profile_from_aic
from calibration.aic_database import AicUnknown
from calibration.cases import Case
from calibration.datasets import read_cases
from calibration.fit_data import usable
from calibration.names import family
from calibration.prediction import predict

Row = tuple[str, ...]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Print the errors of both, per kind of deployment."""
    cases = [case for case in usable(read_cases(folder)[0]) if "silicon" in case.dataset]
    errors: dict[Row, list[tuple[float, float]]] = defaultdict(list)
    for points in by_deployment(cases).values():
        errors[row_of(points[0])] += compared(points)
    print(table([entry(row, pairs) for row, pairs in sorted(errors.items()) if pairs]))


def row_of(case: Case) -> Row:
    replica = case.replica
    return family(case.model.name), replica.precision, replica.gpu.name, replica.engine.facts.name


def compared(points: Sequence[Case]) -> list[tuple[float, float]]:
    """(from tables, ours) of each point; none where the tables lack the deployment."""
    today = points[0].replica.engine.facts.model_copy(
        update={"name": points[0].replica.engine.facts.name.split("-")[0]}
    )
    engine = points[0].replica.engine.model_copy(update={"facts": today})
    replica = points[0].replica.model_copy(update={"engine": engine})
    try:
        profile = profile_from_aic(points[0].model, replica, "", None)[0]
    except AicUnknown:
        return []
    from_tables = errors_of(replace(case, latency=profile) for case in points)
    return list(zip(from_tables, errors_of(points), strict=True))


def errors_of(cases: Iterable[Case]) -> list[float]:
    return [
        100 * abs(predict(case, seeds=1)["tpot_mean"] / case.measured["tpot_mean"] - 1)
        for case in cases
    ]


def entry(row: Row, pairs: Sequence[tuple[float, float]]) -> dict[str, object]:
    tables, ours = np.array(pairs).T
    named = dict(zip(("model", "precision", "gpu", "engine"), row, strict=True))
    return named | {
        "points": len(pairs),
        "tables_median_pct": float(np.median(tables)),
        "tables_mean_pct": float(np.mean(tables)),
        "ours_median_pct": float(np.median(ours)),
        "ours_mean_pct": float(np.mean(ours)),
    }


if __name__ == "__main__":
    main()
