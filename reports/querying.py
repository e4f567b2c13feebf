"""SQL over the tables of a result set, by DuckDB: nothing is written, and no other file is read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from reports.columns import aligned
from reports.results_reference import type_text

SETTINGS = (
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)
"""No files, no network, none of this program's variables; and no way back."""
READING = ("SELECT", "EXPLAIN", "MULTI")
"""Kinds of statements that ask for something; MULTI is what PIVOT becomes."""
FETCHED = 1000
NO_ROWS = "no requests: `--keep all` or `--keep sample` keeps them"


Tables = dict[str, ds.Dataset]
"""By name."""


class QueryFault(Exception):
    """SQL that cannot be answered; the message says why, and which tables and columns there are."""


class Found(NamedTuple):
    """An answer."""

    names: list[str]
    rows: Iterator[tuple[Any, ...]]


def tables_of(folder: Path, files: Sequence[str]) -> Tables:
    """The tables of a result set by their names: `files` as its manifest lists them. A table in
    parts, NAME/cell=0001/part-0.parquet, has a column for each `key=`."""
    names = dict.fromkeys(file.split("/")[0] for file in files)
    return {name.removesuffix(".parquet"): table_at(folder / name) for name in names}


def table_at(path: Path) -> ds.Dataset:
    table = ds.dataset(path, format="parquet", partitioning="hive")
    # Parts may have columns that others have not.
    parts = [part.physical_schema for part in table.get_fragments()]
    return table.replace_schema(pa.unify_schemas([table.schema, *parts]))


def query(tables: Tables, sql: str) -> Found:
    """The answer to one SELECT. Raises QueryFault."""
    database = duckdb.connect(":memory:")
    for name, table in tables.items():
        database.register(name, table)
    for setting in SETTINGS:
        database.execute(f"SET {setting}")
    try:
        statements = database.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name not in READING:
            raise QueryFault(f"got {sql!r}\n    allowed: one SELECT")
        answer = database.execute(statements[0])
    except duckdb.Error as error:
        raise QueryFault(f"{error}\n{columns_text(tables)}") from error
    return Found([column[0] for column in answer.description], rows_of(answer))


def rows_of(answer: Any) -> Iterator[tuple[Any, ...]]:
    """Row by row. Raises QueryFault for what is found wrong on the way."""
    try:
        while rows := answer.fetchmany(FETCHED):
            yield from rows
    except duckdb.Error as error:
        raise QueryFault(str(error)) from error


def columns_text(tables: Tables) -> str:
    """What can be asked for."""
    told = [f"  {name}: {', '.join(table.schema.names)}" for name, table in tables.items()]
    if not {"requests", "cells"} & set(tables):
        told.append(NO_ROWS)
    return "\n".join(["there are:", *told])


def table_lines(names: list[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Aligned, numbers to the right."""
    numbers = [
        place
        for place in range(len(names))
        if all(isinstance(row[place], (int, float)) or row[place] is None for row in rows)
    ]
    return list(aligned([names, *([text(cell) for cell in row] for row in rows)], numbers))


def text(cell: Any) -> str:
    """Six digits of a number are enough to look at; `-o csv` has all.

    >>> text(0.123456789), text(1_234_567), text(None), text([0.5, 1])
    ('0.123457', '1234567', 'null', '[0.5, 1]')
    """
    if cell is None:
        return "null"
    if isinstance(cell, list):
        return f"[{', '.join(map(text, cell))}]"
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def tables_data(tables: Tables) -> list[dict[str, Any]]:
    """What there is: rows, bytes and columns of each table."""
    return [
        {
            "table": name,
            "rows": table.count_rows(),
            "bytes": sum(Path(file).stat().st_size for file in table.files),
            "columns": {field.name: type_text(field.type) for field in table.schema},
        }
        for name, table in tables.items()
    ]


def tables_lines(data: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for table in data:
        lines.append(f"{table['table']}: {table['rows']:,} rows, {table['bytes']:,} bytes")
        lines.extend(aligned(list(table["columns"].items())))
    return lines
