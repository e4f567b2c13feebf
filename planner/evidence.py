"""The tables a plan or a simulation leaves behind: what anyone needs to check it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.histogram import middle_ns
from simulator.results import write_frame, write_requests
from simulator.run import Run


def write_tables(
    folder: Path, rows: pd.DataFrame, runs: Mapping[int, Run], groups: list[str]
) -> list[str]:
    """Write requests, replications, timeline and itl; returns the file names.

    `runs` are those of one fleet, by replication."""
    write_frame(rows, folder / "replications.parquet")
    write_requests(runs.items(), groups, folder / "requests.parquet")
    frames = [run.timeline.assign(replication=np.int32(index)) for index, run in runs.items()]
    write_frame(pd.concat(frames, ignore_index=True), folder / "timeline.parquet")
    counts = np.sum([run.itl_histogram for run in runs.values()], axis=0)
    filled = np.flatnonzero(counts)
    gaps_s = [middle_ns(int(index)) / 1e9 for index in filled]
    write_frame(pd.DataFrame({"itl_s": gaps_s, "tokens": counts[filled]}), folder / "itl.parquet")
    return ["requests.parquet", "replications.parquet", "timeline.parquet", "itl.parquet"]
