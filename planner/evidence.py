"""The tables a plan or a simulation leaves behind: what anyone needs to check it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from scenarios.demand import Traffic
from simulator.histogram import BINS, middle_ns
from simulator.results import incidents_table, requests_table, write_frame, write_parquet
from simulator.run import Run


def write_tables(
    folder: Path, rows: pd.DataFrame, runs: Iterable[tuple[int, Run]], groups: Sequence[Traffic]
) -> list[str]:
    """Write requests, replications, timeline, itl and incidents; returns the file names.

    `runs` are those of one fleet, with their replications; they are gone through once."""
    requests, timelines, incidents, gaps = [], [], [], np.zeros(BINS, dtype=np.int64)
    for replication, run in runs:
        requests.append(requests_table(replication, run, groups))
        timelines.append(run.timeline.assign(replication=np.int32(replication)))
        incidents.append(incidents_table(replication, run))
        gaps += run.itl_histogram
    write_frame(rows, folder / "replications.parquet")
    write_parquet(pa.concat_tables(requests), folder / "requests.parquet")
    write_frame(pd.concat(timelines, ignore_index=True), folder / "timeline.parquet")
    filled = np.flatnonzero(gaps)
    gaps_s = [middle_ns(int(index)) / 1e9 for index in filled]
    write_frame(pd.DataFrame({"itl_s": gaps_s, "tokens": gaps[filled]}), folder / "itl.parquet")
    write_parquet(pa.concat_tables(incidents), folder / "incidents.parquet")
    names = ("requests", "replications", "timeline", "itl", "incidents")
    return [f"{name}.parquet" for name in names]
