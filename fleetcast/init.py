"""`fleetcast init NAME`: an example scenario to start from."""

import json
from pathlib import Path

import click

from fleetcast.exits import EXIT_USAGE, Stop

EXAMPLES = Path(__file__).parent.parent / "scenarios" / "examples"


def example_names() -> list[str]:
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@click.command("init")
@click.argument("name", type=click.Choice(example_names()))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: NAME.yaml]")
def command(name: str, out: Path | None) -> None:
    """Write the example NAME and its JSON Schema into the current folder."""
    from scenarios.schema import SCHEMA_NAME, json_schema

    target = out or Path(f"{name}.yaml")
    if target.exists():
        raise Stop(f"{target} exists already; --out FILE names another place", EXIT_USAGE)
    target.write_text((EXAMPLES / f"{name}.yaml").read_text())
    (target.parent / SCHEMA_NAME).write_text(json.dumps(json_schema(), indent=1) + "\n")
    click.echo(f"wrote {target} (and {SCHEMA_NAME} for your editor); now: fleetcast plan {target}")
