"""`fleetcast fit DIR`: the step time's coefficients from measured data, and their errors."""

import json
from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import Stop


@click.command("fit")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="File for the coefficients; only the tables without it.")  # fmt: skip
@options.workers
@options.output
def command(folder: Path, out: Path | None, workers: int, output: str) -> None:
    """Fit the step time to all measured cases below DIR and print its errors, in sample and on what
    each fit never saw: a family of models, a GPU, an engine, a data set.

    DIR is laid out as for `fleetcast validate`.
    """
    from calibration.fit_data import fit_folder
    from fleetcast.progress import compile_first, watching
    from reports.fit_tables import as_data, lines
    from simulator.results import write_text

    if out is not None:
        options.results_folder(out.parent)
    compile_first(closed_loops=True)
    with watching() as line:
        result = fit_folder(folder, workers, line.tell)
    if result is None:
        raise Stop(f"{folder} has no measured case that can be simulated")
    if output == "json":
        click.echo(json.dumps(as_data(result), indent=2))
    else:
        click.echo("\n".join(lines(result)))
    if out is not None:
        write_text(result.file, out)
        click.echo(f"  written: {out}", err=output == "json")
