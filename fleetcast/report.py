"""`fleetcast report DIR`: the report of a finished plan, drawn again."""

from pathlib import Path

import click

from fleetcast.exits import Stop


@click.command("report")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False,
                                                         path_type=Path))  # fmt: skip
def command(folder: Path) -> None:
    """Draw the report (HTML and PNG) of the finished plan in DIR from its evidence."""
    from reports.page import write_report

    if not (folder / "plan.json").exists():
        raise Stop(f"{folder} holds no finished plan (no plan.json); run `fleetcast plan` first")
    click.echo(write_report(folder))
