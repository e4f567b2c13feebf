"""What every kind of data set is read with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.cases import Case, Peer
from calibration.datasets.names import Known
from calibration.datasets.tables import Row, Unusable, read_rows

CaseOf = Callable[[Row], Case]
"""The case in one row. Raises ValueError with the reason why there is none."""

LATENCIES = {f"{name}_{statistic}"
             for name in ("ttft", "tpot", "e2e")
             for statistic in ("mean", "p50", "p90", "p95", "p99")}  # fmt: skip
PEERS_NAMES = {"itl_mean": "tpot_mean", "tpot_mean_published": "tpot_mean"}
WHOLE_RUN = -1
MS = {"s": 1e3, "sec": 1e3, "seconds": 1e3, "us": 1e-3, "ns": 1e-6}
"""Times in another unit than ms, by its name."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Dataset:
    """One folder of cases."""

    name: str
    folder: Path
    known: Known

    def beside(self, file: str) -> list[Row]:
        """The rows of another table in the folder, plain or gzipped; none without it.

        Raises Unusable when it is there and cannot be read.
        """
        path = self.find(file)
        return read_rows(path) if path else []

    def find(self, *files: str) -> Path | None:
        """The first of `files` that is there, plain or gzipped."""
        paths = [self.folder / f"{file}{end}" for file in files for end in ("", ".gz")]
        return next((path for path in paths if path.is_file()), None)


def measured_figures(dataset: Dataset) -> dict[str, dict[int, Figures]]:
    """measured.csv: case -> stage (-1 for the whole run) -> metric -> value, ms where a time."""
    found: dict[str, dict[int, Figures]] = {}
    for row in dataset.beside("measured.csv"):
        try:
            stage, value = row.value("stage_index"), row.value("value")
        except Unusable:  # one cell that is no number is no reason to lose the others
            continue
        if value is None or "metric" not in row.cells:
            continue
        factor = MS.get(row.cells.get("unit", "ms").lower(), 1.0)
        at = WHOLE_RUN if stage is None else round(stage)
        found.setdefault(row.case_id, {}).setdefault(at, {})[row.cells["metric"]] = value * factor
    return found


def in_our_metrics(figures: Mapping[str, float]) -> Figures:
    """Of published figures those that Case.measured knows; of output tokens the true count."""
    ours = {name: value for name, value in figures.items() if name in LATENCIES and value > 0}
    for published in ("tpot_mean_published", "tpot_mean_true"):
        if figures.get(published, 0.0) > 0:
            ours["tpot_mean"] = figures[published]
    if "n_success" in figures:
        ours["completed"] = figures["n_success"]
    return ours


def peer_figures(dataset: Dataset) -> dict[str, dict[str, dict[str, Peer]]]:
    """peer_predictions.csv, whole runs: case -> simulator -> metric -> predicted and measured.

    What a peer was scored on the first requests of only stands under a name that says so.
    """
    found: dict[str, dict[str, dict[str, Peer]]] = {}
    for row in dataset.beside("peer_predictions.csv"):
        try:
            stage, predicted, actual = (
                row.value(name) for name in ("stage_index", "predicted_ms", "actual_ms")
            )
        except Unusable:
            continue
        metric = PEERS_NAMES.get(row.cells.get("metric", ""), row.cells.get("metric", ""))
        if stage not in (None, WHOLE_RUN) or predicted is None or actual is None:
            continue
        simulator = row.cells.get("simulator", "unnamed")
        if "first300" in row.cells.get("prediction_set", ""):
            simulator += " (first 300 requests)"
        of_case = found.setdefault(row.case_id, {})
        of_case.setdefault(simulator, {})[metric] = Peer(predicted, actual)
    return found


def figures_of(
    ttft_ms: NDArray[np.float64], e2e_ms: NDArray[np.float64], output_tokens: NDArray[np.int64]
) -> Figures:
    """The metrics of requests: NaN where one was not answered."""
    done = np.isfinite(ttft_ms) & np.isfinite(e2e_ms)
    if not done.any():
        return {}
    gaps = output_tokens - 1
    several = done & (gaps > 0)
    values = {"ttft": ttft_ms[done], "e2e": e2e_ms[done]}
    figures = {"completed": float(done.sum())}
    if several.any():
        values["tpot"] = (e2e_ms - ttft_ms)[several] / gaps[several]
    for name, each in values.items():
        figures[f"{name}_mean"] = float(each.mean())
        for percent in (50, 90, 95, 99):
            figures[f"{name}_p{percent}"] = float(np.percentile(each, percent))
    return figures


def need_some(measured: Figures) -> Figures:
    """The same. Raises Unusable when there is nothing to compare with."""
    if not any(name != "completed" for name in measured):
        raise Unusable("no measured figures")
    return measured


def split_of(row: Row) -> str | None:
    return row.cells.get("split")
