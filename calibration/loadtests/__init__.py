"""Results of load-test tools, read into one shape whatever tool wrote them.

>>> from calibration.loadtests import read_load_test, suspicions     # doctest: +SKIP
>>> for run in read_load_test(Path("result.json")).runs:             # doctest: +SKIP
...     print(run.name, run.measured, suspicions(run))
"""

from calibration.loadtests.as_cases import LeftOut, cases_of
from calibration.loadtests.reading import read_load_test
from calibration.loadtests.runs import (
    METRICS,
    STATISTICS,
    LoadTest,
    RequestColumns,
    Run,
    UnreadableLoadTest,
)
from calibration.loadtests.suspicion import grave, suspicions

__all__ = [
    "METRICS",
    "STATISTICS",
    "LeftOut",
    "LoadTest",
    "RequestColumns",
    "Run",
    "UnreadableLoadTest",
    "cases_of",
    "grave",
    "read_load_test",
    "suspicions",
]
