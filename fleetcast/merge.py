"""`fleetcast merge OUT DIR...`: the runs of several machines in one folder."""

from pathlib import Path

import click

from fleetcast.exits import EXIT_FAILED, Stop
from fleetcast.options import results_folder

EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("merge")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=EXISTING)
def command(out: Path, folders: tuple[Path, ...]) -> None:
    """Copy the runs of every DIR to OUT, all of them folders as --runs names them.

    Each DIR is what `fleetcast plan FILE --shard I/N --runs DIR`, or the same of `sweep`, left on
    some machine. Then `fleetcast plan FILE --runs OUT` simulates what is still missing. May be
    repeated, and later for more.
    """
    from simulator.merging import NoStore, RunsDiffer, check_store, merge

    faults = []
    for folder in folders:
        try:
            check_store(folder)
        except NoStore as error:
            faults.append(str(error))
    if faults:
        raise Stop("\n".join(faults))
    results_folder(out, "OUT")
    total = 0
    for folder in folders:
        try:
            found = merge(folder, out)
        except RunsDiffer as error:
            raise Stop(str(error), EXIT_FAILED) from error
        total += found.new
        click.echo(f"{folder}: {found.periods:,} periods, {found.new:,} new")
    click.echo(f"{out}: {total:,} new")
