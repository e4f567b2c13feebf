"""What a sweep leaves in its folder: a data set with a partition per cell, a summary, a manifest.

replications/cell=0001/part-0.parquet    each period of the first cell
cells.parquet, sweep.json                the cells, as a table and as data
manifest.json                            where it comes from; the last one, so that it means done
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from planner.metrics import Figures
from planner.sweep import Cell
from planner.sweep_data import cells_table, periods_table, told_at
from scenarios.model import Scenario
from simulator.results import manifest, write_frame, write_json, write_parquet

Data = dict[str, Any]
DATASET = "replications"


def write_sweep(
    folder: Path,
    base: Scenario,
    cells: Sequence[Cell],
    data: Data,
    periods: Mapping[int, Sequence[Figures]],
    asked: str,
) -> None:
    """Write everything but the page. What an earlier sweep left there goes first: a partition too
    many would be read with the others."""
    (folder / "manifest.json").unlink(missing_ok=True)
    for part in (folder / DATASET).glob("cell=*"):
        shutil.rmtree(part)
    parts = write_dataset(folder / DATASET, periods_table(data, periods))
    write_frame(cells_table(data), folder / "cells.parquet")
    write_json(data, folder / "sweep.json")
    told = [cell_told(cell, seen["fate"]) for cell, seen in zip(cells, data["cells"], strict=True)]
    contents = {
        "asked": asked,
        "files": ["cells.parquet", *(f"{DATASET}/{part}" for part in parts)],
        "design": data["design"],
        "replications": data["replications"],
        "cells": told,
    }
    write_json(manifest(base, "sweep", contents), folder / "manifest.json")


def cell_told(cell: Cell, fate: str) -> Data:
    """A cell as the manifest has it: `values` are what its scenario in full has there, so that the
    sweep's scenario and they are the cell's scenario."""
    scenario = cell.scenario
    return {
        "cell": cell.number,
        "asked": cell.values,
        "values": {key: told_at(cell, key) for key in cell.values} if scenario else None,
        "scenario_hash": scenario and scenario.hash,
        "fate": fate,
    }


def write_dataset(folder: Path, rows: pd.DataFrame) -> list[str]:
    """A partition per cell, all with the columns and types of the whole; returns the files."""
    if rows.empty:
        return []
    numbers = rows.pop("cell").to_numpy()
    whole, names = pa.Table.from_pandas(rows, preserve_index=False), []
    for number in sorted(set(numbers.tolist())):
        name = f"cell={number:04d}/part-0.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_parquet(whole.filter(pa.array(numbers == number)), folder / name)
        names.append(name)
    return names
