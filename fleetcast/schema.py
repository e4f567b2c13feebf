"""`fleetcast schema`: the JSON Schema of scenario files, for editors."""

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of scenario files."""
    from scenarios.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=1))
