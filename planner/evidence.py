"""The tables a plan or a simulation leaves behind: what anyone needs to check it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from planner.metrics import Figures
from simulator.histogram import middle_ns
from simulator.results import write_frame, write_requests
from simulator.run import Run


def write_tables(
    folder: Path, rows: pd.DataFrame | list[Figures], runs: Sequence[Run], groups: list[str]
) -> list[str]:
    """Write requests, replications, timeline and itl; `runs` are replications 0, 1, ... of one
    fleet. Returns the file names."""
    numbered = list(enumerate(runs))
    write_frame(pd.DataFrame(rows), folder / "replications.parquet")
    write_requests(numbered, groups, folder / "requests.parquet")
    frames = [run.timeline.assign(replication=np.int32(index)) for index, run in numbered]
    write_frame(pd.concat(frames, ignore_index=True), folder / "timeline.parquet")
    counts = np.sum([run.itl_histogram for run in runs], axis=0)
    filled = np.flatnonzero(counts)
    gaps_s = [middle_ns(int(index)) / 1e9 for index in filled]
    write_frame(pd.DataFrame({"itl_s": gaps_s, "tokens": counts[filled]}), folder / "itl.parquet")
    return ["requests.parquet", "replications.parquet", "timeline.parquet", "itl.parquet"]
