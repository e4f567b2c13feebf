"""`fleetcast diff A B`: what differs between two plans, fact by fact."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import EXIT_DIFFERENT, EXIT_DONE
from fleetcast.places import Readable

COLOURS = {"  + ": "green", "  - ": "red", "  ~ ": "yellow"}
plan_json = Readable(exists=True, dir_okay=False, path_type=Path)


@click.command("diff")
@click.argument("a", metavar="A.json", type=plan_json)
@click.argument("b", metavar="B.json", type=plan_json)
@click.option("--exit-code", "tell", is_flag=True,
              help=f"Exit with {EXIT_DIFFERENT} when anything differs.")  # fmt: skip
@options.output
def command(a: Path, b: Path, tell: bool, output: str) -> None:
    """Tell what differs from plan A to plan B: the question, the answer, the figures.

    Both are a plan.json that `fleetcast plan` wrote.
    """
    from fleetcast.plan_files import read_plan, version_text
    from reports.differences import as_data, difference_lines, differences

    before, after = read_plan(a), read_plan(b)
    if (one := version_text(before)) != (other := version_text(after)):
        click.echo(f"Note: made by different versions: {one}; {other}", err=True)
    found = differences(before, after)
    if output == "json":
        click.echo(json.dumps(as_data(found), indent=2))
    else:
        show(difference_lines(found), COLOURS)
    raise SystemExit(EXIT_DIFFERENT if tell and found.any else EXIT_DONE)


def show(lines: Sequence[str], colours: Mapping[str, str]) -> None:
    """Print lines, on a terminal in the colour of the mark that they begin with."""
    plain = False if os.environ.get("NO_COLOR") else None  # None: colour on a terminal
    for line in lines:
        colour = colours.get(line[:4])
        click.echo(click.style(line, fg=colour) if colour else line, color=plain)
