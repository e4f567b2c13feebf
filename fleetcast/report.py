"""`fleetcast report DIR`: the report of a finished plan or simulation. Several result sets go side
by side: fleetcast/comparing.py."""

from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import EXIT_DIFFERENT, Stop

result_folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("report")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=result_folder)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for the comparison.  [default: out/comparison]")  # fmt: skip
@click.option("--exit-code", "tell", is_flag=True,
              help=f"Exit with {EXIT_DIFFERENT} when a figure differs beyond noise.")  # fmt: skip
@options.output
def command(folders: tuple[Path, ...], out: Path | None, tell: bool, output: str) -> None:
    """Draw the report (HTML, PNG and SVG) of the finished plan or simulation in DIR.

    Of several finished plans or simulations: compare each with the first, tell what changed and
    whether it is more than noise, and draw both. The last three options are for that.
    """
    from fleetcast.comparing import compare_folders

    if len(folders) > 1:
        raise SystemExit(compare_folders(folders, out, output, tell))
    if out or tell or output != "table":
        raise Stop("--out, --exit-code and -o: are for two folders or more")
    draw_again(folders[0])


def draw_again(folder: Path) -> None:
    from reports.folder import OtherResults
    from reports.page import write_report

    try:
        click.echo(write_report(folder))
    except OtherResults as error:
        raise Stop(str(error)) from error
