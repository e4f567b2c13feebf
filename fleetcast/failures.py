"""`fleetcast failures`: what breaks, by name or as recorded."""

import json
from datetime import date
from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import Stop
from scenarios.failures.rates import UNITS
from scenarios.units import A_TIME, TIME_S, parse_quantity


@click.group("failures")
def command() -> None:
    """Show presets of failures, or fit faults to a log of incidents or a spot trace."""


@command.command("show")
@click.argument("name", required=False)
@options.output
def show(name: str | None, output: str) -> None:
    """Show the faults of the preset NAME: how often, what happens, how it is mended, and where the
    numbers come from. Without NAME: all presets.
    """
    from reports.failure_lines import as_data, fault_lines, listed, preset_lines
    from scenarios.catalogue import load_catalogue
    from scenarios.failures import preset_failures

    known = load_catalogue().failures
    if name is None:
        presets = [preset_failures(entry) for entry in known.values()]
        shown = preset_lines(presets)
        data = {"presets": listed(presets)}
    else:
        preset = preset_failures(known[known_name(name, list(known))])
        shown, data = fault_lines(preset), as_data(preset)
    click.echo(json.dumps(data, indent=2) if output == "json" else "\n".join(shown))


def known_name(name: str, known: list[str]) -> str:
    """The name itself, or a Stop with those there are."""
    from scenarios.references import unknown_name

    if name in known:
        return name
    context = unknown_name(name.replace("_", "-"), known).context or {}
    close = context.get("suggestion")
    meant = f"\n    did you mean `{close}`?" if close else ""
    raise Stop(
        f"no preset of failures is called {name!r}\n    there are: {', '.join(known)}{meant}"
    )


@command.command("fit")
@click.argument("files", nargs=-1, required=True, metavar="FILE...",
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--gpus", type=click.IntRange(min=1), help="How many were watched, failed or not.")
@click.option("--replicas", type=click.IntRange(min=1), help="Likewise.")
@click.option("--nodes", type=click.IntRange(min=1), help="Likewise.")
@click.option("--racks", type=click.IntRange(min=1), help="Likewise.")
@click.option("--zones", type=click.IntRange(min=1), help="Likewise.")
@click.option("--from", "begin", metavar="INSTANT",
              help="Since when they were watched.  [default: the log's first instant]")  # fmt: skip
@click.option("--to", "end", metavar="INSTANT",
              help="Until when.  [default: the log's last instant]")  # fmt: skip
@click.option("--scope", type=click.Choice(UNITS),
              help="Of all incidents, where the log has no such column.")  # fmt: skip
@click.option("--within", metavar="TIME",
              help="Spot instances of a zone lost within this time are one burst.  "
              "[default: 3min]")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="File for the YAML, ready for a scenario.")  # fmt: skip
@options.output
def fit(
    files: tuple[Path, ...], gpus: int | None, replicas: int | None, nodes: int | None,
    racks: int | None, zones: int | None, begin: str | None, end: str | None, scope: str | None,
    within: str | None, out: Path | None, output: str,
) -> None:  # fmt: skip
    """Fit FILE: a scenario's `failures:` with rates, detection and repair times, and how sure they
    are.

    FILE is a log of incidents, CSV or JSON lines with start, end (empty: still open), kind (or
    name), scope and, if there are, component, detected, effect; instants are ISO 8601 or seconds.
    Or it is a spot availability trace as SkyPilot publishes them; several files are several zones.
    """
    from calibration.failures.fit import fit as fit_files
    from calibration.failures.fit import watched_of
    from fleetcast.stop_on import user_errors
    from reports.failure_fit import as_data, lines, yaml_of
    from simulator.results import finite, write_text

    if out is not None:
        options.results_folder(out.parent)
    given = dict(zip(UNITS, (gpus, replicas, nodes, racks, zones), strict=True))
    counts = {unit: number for unit, number in given.items() if number is not None}
    with user_errors():
        watched = watched_of(counts, begin, end)
        fitted = fit_files(files, watched, scope, None if within is None else seconds(within))
    text = yaml_of(fitted, date.today().isoformat())
    if output == "json":
        files_read = {"files": [str(file) for file in files]}
        click.echo(json.dumps(finite(files_read | as_data(fitted)), indent=2))
    else:
        click.echo(text)
        click.echo("\n".join(lines(fitted)))
    if out is not None:
        write_text(text, out)
        click.echo(f"  written: {out}", err=output == "json")


def seconds(text: str) -> float:
    try:
        found = parse_quantity(text, TIME_S, A_TIME)
    except ValueError as error:
        raise Stop(f"--within {text}: no time\n    allowed: {A_TIME}") from error
    if found < 0:
        raise Stop(f"--within {text}: below 0")
    return found
