"""What a sweep leaves in its folder: a data set with a partition per cell, a summary, a manifest.

replications/cell=0001/part-0.parquet    each period of the first cell
cells.parquet, manifest.json             the cells as a table; where all of it comes from
sweep.json                               the cells as data; the last one, so that it means done
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
from simulator.tables import replications_schema

Data = dict[str, Any]
DATASET = "replications"
CELL_TYPES = {
    "cell": pa.int32(), "fate": pa.string(), "why_not": pa.string(), "scenario_hash": pa.string(),
    "replicas": pa.int64(), "gpus": pa.int64(), "replications": pa.int64(), "kept": pa.int64(),
}  # fmt: skip
"""Of cells.parquet; its other columns are numbers with decimals."""


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
    (folder / "sweep.json").unlink(missing_ok=True)
    for part in (folder / DATASET).glob("cell=*"):
        shutil.rmtree(part)
    keys = key_fields(data)
    parts = write_dataset(folder / DATASET, periods_table(data, periods), keys)
    write_cells(cells_table(data), folder / "cells.parquet", keys)
    told = [cell_told(cell, seen["fate"]) for cell, seen in zip(cells, data["cells"], strict=True)]
    contents = {
        "asked": asked,
        "files": ["cells.parquet", *(f"{DATASET}/{part}" for part in parts)],
        "design": data["design"],
        "replications": data["replications"],
        "cells": told,
    }
    write_json(manifest(base, "sweep", contents), folder / "manifest.json")
    write_json(data, folder / "sweep.json")


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


def write_dataset(folder: Path, rows: pd.DataFrame, keys: list[pa.Field]) -> list[str]:
    """A partition per cell, all with the columns and types of the whole; returns the files."""
    if rows.empty:
        return []
    numbers = rows.pop("cell").to_numpy()
    figures = replications_schema(name for name in rows.columns[len(keys) :])
    schema, names = pa.schema([*keys, *figures]), []
    whole = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
    whole = whole.replace_schema_metadata()
    for number in sorted(set(numbers.tolist())):
        name = f"cell={number:04d}/part-0.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_parquet(whole.filter(pa.array(numbers == number)), folder / name)
        names.append(name)
    return names


def write_cells(cells: pd.DataFrame, path: Path, keys: list[pa.Field]) -> None:
    first, *others = cells.columns
    fields = [(name, CELL_TYPES.get(str(name), pa.float64())) for name in others[len(keys) :]]
    schema = pa.schema([(first, CELL_TYPES["cell"]), *keys, *fields])
    write_frame(cells, path, schema)


def key_fields(data: Data) -> list[pa.Field]:
    """The columns of `planner.sweep_data.key_columns`: the numbers, or text; then all as text."""
    types = [
        (each["key"], key_type(data["cells"], each["key"], each["unit"])) for each in data["keys"]
    ]
    texts = [(f"text: {key}", pa.string()) for key, _ in types]
    return [pa.field(*each) for each in [*types, *texts]]


def key_type(cells: Sequence[Data], key: str, unit: str | None) -> pa.DataType:
    if unit is None:
        return pa.string()
    known = [value for cell in cells if (value := cell["values"][key]) is not None]
    return pa.int64() if all(isinstance(value, int) for value in known) else pa.float64()
