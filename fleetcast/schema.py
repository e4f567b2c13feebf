"""`fleetcast schema`: the JSON Schema of scenario files, for editors, and of plan.json."""

import json

import click


@click.command("schema")
@click.option("--plan", "of_plan", is_flag=True, help="Of plan.json instead.")
def command(of_plan: bool) -> None:
    """Print the JSON Schema of scenario files."""
    from planner.plan_file import plan_schema
    from scenarios.schema import json_schema

    click.echo(json.dumps(plan_schema() if of_plan else json_schema(), indent=1))
