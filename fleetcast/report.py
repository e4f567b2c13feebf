"""`fleetcast report DIR`: the report of a finished plan, drawn again."""

from pathlib import Path

import click

from fleetcast.exits import Stop


@click.command("report")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False,
                                                         path_type=Path))  # fmt: skip
def command(folder: Path) -> None:
    """Draw the report (HTML and PNG) of the finished plan in DIR from its evidence."""
    from fleetcast.plan import read_object
    from reports.folder import OtherResults
    from reports.page import write_report

    finished = read_object(folder / "plan.json") and read_object(folder / "manifest.json")
    if not finished or finished.get("command") != "plan":
        raise Stop(f"{folder} holds no finished plan; run `fleetcast plan` first")
    try:
        click.echo(write_report(folder))
    except OtherResults as error:
        raise Stop(str(error)) from error
