"""MLPerf Inference logs (mlperf_v5_1)."""

from calibration.cases import Case
from calibration.datasets.dataset import CaseOf, Dataset
from calibration.datasets.tables import Row, Unusable


def mlperf(dataset: Dataset) -> CaseOf:
    """Every row is refused."""

    def case_of(row: Row) -> Case:
        raise Unusable(
            "MLPerf logs hold neither prompt lengths nor the parallel layout and batch limits"
        )

    return case_of
