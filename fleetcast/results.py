"""`fleetcast results`: the tables of a result set, and questions about them in SQL."""

import csv
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetcast import options
from fleetcast.exits import Stop
from fleetcast.places import Readable, read_object

if TYPE_CHECKING:
    from reports.querying import Tables

ROWS_SHOWN = 100
"""Of an answer that people read."""
result_set = click.argument(
    "folder", metavar="DIR", type=Readable(exists=True, file_okay=False, path_type=Path)
)


@click.group("results")
def command() -> None:
    """Look into what plan, simulate and sweep leave: a folder, or s3://bucket/prefix."""


@command.command("show")
@result_set
@options.output
def show(folder: Path, output: str) -> None:
    """List the tables in DIR: rows, bytes and columns."""
    from reports.querying import tables_data, tables_lines

    data = tables_data(tables_in(folder))
    click.echo(json.dumps(data, indent=2) if output == "json" else "\n".join(tables_lines(data)))


@command.command("query")
@result_set
@click.argument("sql")
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table",
              show_default=True, help="What to print on stdout.")  # fmt: skip
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"Print at most so many rows.  [default: {ROWS_SHOWN} in a table, else all]",
)
def query(folder: Path, sql: str, output: str, limit: int | None) -> None:
    """Answer SQL about the tables in DIR, such as

    "SELECT fault, count(*) FROM incidents GROUP BY fault"

    Tables go by their names (`fleetcast results show`); the SQL is DuckDB's. It only reads, and no
    other file.
    """
    from reports.querying import QueryFault, table_lines
    from reports.querying import query as answer
    from simulator.results import finite

    if limit is None and output == "table":
        limit = ROWS_SHOWN
    try:
        names, found = answer(tables_in(folder), sql)
        rows = itertools.islice(found, limit)
        match output:
            case "json":
                objects = [finite(dict(zip(names, row, strict=True))) for row in rows]
                click.echo(json.dumps(objects, indent=2, default=str))
            case "csv":
                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow(names)
                writer.writerows(rows)
            case _:
                click.echo("\n".join(table_lines(names, list(rows))))
        if next(found, None) is not None:
            click.echo(f"Only the first {limit:,} rows; --limit prints more", err=True)
    except QueryFault as fault:
        raise Stop(str(fault)) from fault


def tables_in(folder: Path) -> "Tables":
    """The tables of a result set, or a Stop."""
    from reports.folder import OtherResults, check_version
    from reports.querying import tables_of

    manifest = read_object(folder / "manifest.json")
    if not isinstance(manifest.get("files"), list):
        raise Stop(f"{folder} holds no result set: no manifest.json of plan, simulate or sweep")
    try:
        check_version(folder, manifest)
    except OtherResults as error:
        raise Stop(str(error)) from error
    return tables_of(folder, manifest["files"])
