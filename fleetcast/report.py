"""`fleetcast report DIR`: the report of a finished plan, simulation or sweep. Several result sets
go side by side: fleetcast/comparing.py."""

from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import EXIT_DIFFERENT, EXIT_UNDECIDED, Stop
from fleetcast.places import Local, existing_place


@click.command("report")
@click.argument("places", metavar="DIR...", nargs=-1, required=True)
@click.option("--out", type=Local(file_okay=False, path_type=Path),
              help="Folder for the comparison.  [default: out/comparison]")  # fmt: skip
@click.option("--exit-code", "tell", is_flag=True,
              help=f"Exit with {EXIT_DIFFERENT} when a figure differs beyond noise, with "
              f"{EXIT_UNDECIDED} when there are too few periods to tell.")  # fmt: skip
@options.output
def command(places: tuple[str, ...], out: Path | None, tell: bool, output: str) -> None:
    """Draw the report (HTML, PNG and SVG) of the finished plan, simulation or sweep in DIR, a
    folder or s3://bucket/prefix.

    Of several of them: compare each with the first, tell what changed and whether it is more than
    noise, and draw both. The last three options are for that.
    """
    from fleetcast.comparing import compare_places

    if len(places) > 1:
        raise SystemExit(compare_places(places, out, output, tell))
    if out or tell or output != "table":
        raise Stop("--out, --exit-code and -o: are for two folders or more")
    draw_again(places[0])


def draw_again(place: str) -> None:
    from reports.folder import OtherResults
    from reports.page import write_report
    from reports.sweep_page import write_sweep_page

    with existing_place(place) as (folder, name):
        swept = (folder / "sweep.json").exists()
        try:
            page = write_sweep_page(folder) if swept else write_report(folder)
        except OtherResults as error:
            raise Stop(str(error).replace(str(folder), name)) from error
    click.echo(f"{name}/{page.name}")
