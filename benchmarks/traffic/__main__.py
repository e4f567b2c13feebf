"""`python -m benchmarks.traffic DIR [-o table|json] [--docs FILE]`: measured against synthetic."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.traffic.fits import Result, results
from benchmarks.traffic.page import page
from calibration.traffic.match import REPLICATIONS
from reports.trace_fit import as_data, figure_data, lines
from simulator.results import finite, write_text


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Page to write.")
@click.option("--replications", type=click.IntRange(min=2), default=REPLICATIONS)
def main(folder: Path, output: str, docs: Path | None, replications: int) -> None:
    """Fit each recording in FOLDER and compare it with traffic drawn from its fit."""
    found = []
    for result in results(folder, replications):
        print(f"{result.file} ...", file=sys.stderr)
        found.append(result)
    if output == "json":
        print(json.dumps(finite(as_json(found)), indent=2))
    else:
        print("\n".join(told(found)))
    if docs is not None:
        write_text(page(found, replications), docs)
        print(f"written: {docs}", file=sys.stderr)


def as_json(found: Sequence[Result]) -> dict[str, Any]:
    """By file: the fit, and the same figures of its windows."""
    return {
        result.file: {"refused": result.refused}
        if result.fitted is None
        else as_data(result.fitted)
        | {"windows": {figure.name: figure_data(figure) for figure in result.bootstrap}}
        for result in found
    }


def told(found: Sequence[Result]) -> list[str]:
    text = []
    for result in found:
        text.append(f"{result.file}")
        text += [result.refused] if result.fitted is None else list(lines(result.fitted))
        text.append("")
    return text


if __name__ == "__main__":
    main()
