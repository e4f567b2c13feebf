"""Results of load-test tools, read into one shape whatever tool wrote them.

>>> from calibration.loadtests import read_load_test, suspicions     # doctest: +SKIP
>>> for run in read_load_test(Path("result.json")).runs:             # doctest: +SKIP
...     print(run.name, run.measured, suspicions(run))
"""

from calibration.loadtests.reading import read_load_test
from calibration.loadtests.runs import (
    METRICS,
    STATISTICS,
    LoadTest,
    RequestColumns,
    Run,
    UnreadableLoadTest,
)
from calibration.loadtests.suspicion import suspicions

__all__ = [
    "METRICS",
    "STATISTICS",
    "LoadTest",
    "RequestColumns",
    "Run",
    "UnreadableLoadTest",
    "read_load_test",
    "suspicions",
]
