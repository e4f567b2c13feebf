"""`fleetcast report DIR`: the report of a finished plan, drawn again."""

import click

from fleetcast.exits import Stop
from fleetcast.places import existing_place, read_object


@click.command("report")
@click.argument("place", metavar="DIR")
def command(place: str) -> None:
    """Draw the report (HTML and PNG) of the finished plan in DIR, a folder or s3://bucket/prefix,
    from its evidence."""
    from reports.folder import OtherResults
    from reports.page import write_report

    with existing_place(place) as (folder, name):
        finished = read_object(folder / "plan.json") and read_object(folder / "manifest.json")
        if not finished or finished.get("command") != "plan":
            raise Stop(f"{name} holds no finished plan; run `fleetcast plan` first")
        try:
            page = write_report(folder)
        except OtherResults as error:
            raise Stop(str(error)) from error
    click.echo(f"{name}/{page.name}")
