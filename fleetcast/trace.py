"""`fleetcast trace`: what a recording is like, and any format as our own."""

import json
from pathlib import Path

import click

from fleetcast import options
from fleetcast.exits import Stop

recording = click.argument("file", type=click.Path(exists=True, dir_okay=True, path_type=Path))


@click.group("trace")
def command() -> None:
    """Describe recorded traffic, convert it, or fit a scenario to it.

    The format is recognised by what stands in the file; docs/guides/traces.md lists them.
    """


@command.command("describe")
@recording
@options.output
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png",
              help="Draw rate, dispersion, gaps and lengths into this file.")  # fmt: skip
def describe(file: Path, output: str, picture: Path | None) -> None:
    """Show what the traffic in FILE is like: rates, bursts, lengths, shared prefixes, sessions, and
    rows that cannot be used.

    FILE may also be a folder of sessions, or of ServeGen's clients.
    """
    from fleetcast.stop_on import user_errors
    from simulator.traffic.recordings.servegen import is_client_file

    with user_errors():
        if is_client_file(file):
            describe_clients(file, output, picture)
        else:
            describe_requests(file, output, picture)


def describe_clients(file: Path, output: str, picture: Path | None) -> None:
    from calibration.traffic.figures.clients import client_figures, clients_json
    from reports.trace_lines import client_lines
    from simulator.results import finite
    from simulator.traffic.recordings.servegen import read_clients

    if picture is not None:
        raise Stop(f"{file} is demand of clients: there is no picture of single requests to draw")
    found = client_figures(read_clients(file))
    if output == "json":
        click.echo(json.dumps(finite({"file": str(file)} | clients_json(found)), indent=2))
    else:
        click.echo("\n".join(client_lines(file.name, found)))


def describe_requests(file: Path, output: str, picture: Path | None) -> None:
    from calibration.traffic.figures.file import describe_file, description_json
    from fleetcast.progress import watching
    from reports.image import house_style, write_png
    from reports.trace_figures import trace_picture
    from reports.trace_lines import trace_lines
    from simulator.results import finite

    with watching() as line:
        described = describe_file(file, lambda rows: line.tell("reading", rows, None))
    if picture is not None:
        options.results_folder(picture.parent)
        with house_style():
            write_png(trace_picture(file.name, described.figures), picture)
    if output == "json":
        click.echo(json.dumps(finite(description_json(described)), indent=2))
    else:
        click.echo("\n".join(trace_lines(described)))
    if picture is not None:
        click.echo(f"  picture: {picture}", err=output == "json")


@command.command("convert")
@recording
@click.option("-o", "--out", required=True, metavar="OUT.parquet",
              type=click.Path(dir_okay=False, path_type=Path),
              help="File to write; it appears when it is whole.")  # fmt: skip
def convert(file: Path, out: Path) -> None:
    """Write FILE as sorted Parquet, whatever its format; rows that cannot be used are left out, and
    told."""
    from fleetcast.progress import watching
    from fleetcast.stop_on import user_errors
    from simulator.traffic.recordings.conversion import convert as convert_file

    options.results_folder(out.parent)
    if out.exists() and out.samefile(file):
        raise Stop(f"{out} is the file itself: choose another name")
    with user_errors(), watching() as line:
        done = convert_file(file, out, lambda rows: line.tell("reading", rows, None))
    total = done.rows + done.faults.rows
    click.echo(f"{out}: {done.rows:,} of {total:,} rows of {file.name} ({done.format})")
    if done.out_of_order:
        click.echo(f"  {done.out_of_order:,} rows were out of order: sorted", err=True)
    for text in done.faults.lines():
        click.echo(f"  left out: {text}", err=True)
    for note in done.faults.notes:
        click.echo(f"  note: {note}", err=True)


@command.command("fit")
@recording
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="File for the YAML, ready for a scenario's `traffic:`.")  # fmt: skip
@click.option("--name", help="Of the traffic group.  [default: the file's]")
@click.option(
    "--replications",
    type=click.IntRange(min=2),
    help="Drawn from the fit to judge it by.  [default: 20, of long files fewer]",
)
@options.output
def fit(
    file: Path, out: Path | None, name: str | None, replications: int | None, output: str
) -> None:
    """Fit FILE: a scenario's `traffic:` that looks like it and needs no file, and how well it does.

    Rates, bursts, lengths, shared prefixes and sessions of the recording beside those of traffic
    drawn from the fit. FILE may also be demand over time, lengths alone, or ServeGen's clients.
    """
    from calibration.traffic.fit import fit as fit_file
    from fleetcast.stop_on import user_errors
    from reports.trace_fit import as_data, lines, yaml_of
    from simulator.results import finite, write_text

    if out is not None:
        options.results_folder(out.parent)
    with user_errors():
        fitted = fit_file(file, name, replications)
    text = yaml_of(fitted, file.name)
    if output == "json":
        click.echo(json.dumps(finite({"file": str(file)} | as_data(fitted)), indent=2))
    else:
        click.echo(text)
        click.echo("\n".join(lines(fitted)))
    if out is not None:
        write_text(text, out)
        click.echo(f"  written: {out}", err=output == "json")
