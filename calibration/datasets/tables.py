"""CSV tables as rows of text, read cell by cell: a cell that cannot be used says why."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = ("", "nan", "none", "null", "na", "n/a")
UNREADABLE = (OSError, ValueError, EOFError, zlib.error)
"""What a file that is no CSV or no gzip raises."""
COUNT_MAX = 10_000_000
"""Of tokens, requests, blocks: far beyond any, and within 32 bits."""
NO = ("false", "no", "off", "0")


class Unusable(ValueError):
    """Why a case cannot be simulated, in words for the report."""


@dataclass(frozen=True)
class Row:
    """One row of a table of cases."""

    number: int
    """Its place in the file, from 1."""
    cells: Mapping[str, str]
    """Column -> text; missing ones left out."""

    @property
    def case_id(self) -> str:
        return self.cells.get("case_id", f"row {self.number}")

    def text(self, *columns: str) -> str:
        """What stands in the first of `columns` that has anything. Raises Unusable without."""
        for column in columns:
            if column in self.cells:
                return self.cells[column]
        raise Unusable(f"no {' or '.join(columns)}")

    def value(self, *columns: str) -> float | None:
        """The finite number there; None when missing. Raises Unusable for other text."""
        column = next((c for c in columns if c in self.cells), None)
        if column is None:
            return None
        try:
            value = float(self.cells[column])
        except ValueError:
            raise Unusable(f"{column} {self.cells[column]!r} is no number") from None
        return value if math.isfinite(value) else None

    def positive(self, *columns: str) -> float:
        """A number above 0. Raises Unusable."""
        value = self.value(*columns)
        if value is None:
            raise Unusable(f"no {' or '.join(columns)}")
        if value <= 0:
            raise Unusable(f"{columns[0]} {value:g} is not positive")
        return value

    def count(self, *columns: str, default: int | None = None) -> int:
        """A whole number from 1 up; `default`, if there is one, when missing. Raises Unusable."""
        if default is not None and self.value(*columns) is None:
            return default
        value = self.positive(*columns)
        if value != round(value) or value > COUNT_MAX:
            raise Unusable(f"{columns[0]} {value:g} is no whole number up to {COUNT_MAX:,}")
        return round(value)

    def yes(self, column: str, default: bool) -> bool:
        """Whether the text says so: 'True', 'on (default)', 'off'."""
        words = self.cells.get(column, "").lower().split()
        return words[0].strip(",;") not in NO if words else default


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, plain or gzipped. Raises Unusable when it is none."""
    frame = read_frame(path, dtype=str)
    names = [str(name).strip() for name in frame.columns]
    return [
        Row(
            number,
            {
                name: str(cell).strip()
                for name, cell in zip(names, cells, strict=True)
                if not pd.isna(cell) and str(cell).strip().lower() not in MISSING
            },
        )
        for number, cells in enumerate(frame.itertuples(index=False, name=None), 1)
    ]


def read_frame(path: Path, dtype: type | None = None) -> pd.DataFrame:
    """The table at `path`. Raises Unusable when it cannot be read."""
    try:
        return pd.read_csv(path, dtype=dtype)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except UNREADABLE as error:
        raise Unusable(f"{path.name} cannot be read: {error}") from error


def columns_of(path: Path) -> set[str]:
    """The names in its first line; none when it cannot be read."""
    try:
        return {str(name).strip() for name in pd.read_csv(path, nrows=0).columns}
    except UNREADABLE:
        return set()


def numbers(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column as floats, NaN where there is no finite number; all NaN without the column."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)
