"""The reference of result files, written from simulator/tables.py."""

from typing import Any

import pyarrow as pa

from simulator.tables import RESULTS_VERSION, TABLES


def results_markdown() -> str:
    """A section per table, a row per column."""
    return "\n\n".join(section(name) for name in TABLES)


def section(name: str) -> str:
    table = TABLES[name]
    rows = [
        f"| `{column.name}` | {type_text(column.type)} | {column.unit} | {column.meaning} |"
        for column in table.columns
    ]
    head = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    title = f"## `{name}.parquet`: one row per {table.rows}"
    return "\n".join([title, "", table.about, "", *head, *rows])


def results_schema() -> dict[str, Any]:
    """The tables as data."""
    return {
        "results_version": RESULTS_VERSION,
        "tables": {
            name: {
                "row": table.rows,
                "about": table.about,
                "columns": [
                    {
                        "name": c.name,
                        "type": type_text(c.type),
                        "unit": c.unit,
                        "meaning": c.meaning,
                    }
                    for c in table.columns
                ],
            }
            for name, table in TABLES.items()
        },
    }


def type_text(kind: pa.DataType) -> str:
    """Of a column, as Arrow calls it; names that repeat are strings to all who read them.

    >>> type_text(pa.dictionary(pa.int16(), pa.string())), type_text(pa.list_(pa.int32()))
    ('string', 'list of int32')
    """
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)
