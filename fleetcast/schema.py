"""`fleetcast schema`: the JSON Schema of scenario files, for editors, and of plan.json; the tables
of result sets."""

import json

import click


@click.command("schema")
@click.option("--plan", "what", flag_value="plan", help="Of plan.json instead.")
@click.option("--results", "what", flag_value="results",
              help="The tables of result sets instead: columns, units, meanings.")  # fmt: skip
def command(what: str | None) -> None:
    """Print the JSON Schema of scenario files."""
    from planner.plan_file import plan_schema
    from reports.results_reference import results_schema
    from scenarios.schema import json_schema

    match what:
        case "plan":
            schema = plan_schema()
        case "results":
            schema = results_schema()
        case _:
            schema = json_schema()
    click.echo(json.dumps(schema, indent=1))
