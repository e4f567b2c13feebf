"""The front door: one file per command, loaded when it is asked for.

`fleetcast --help` must answer at once, so nothing heavy is imported here: scipy, pandas,
matplotlib and numba together take seconds.
"""

import sys
from concurrent.futures import BrokenExecutor
from importlib import import_module

import click

from fleetcast.exits import EXIT_FAILED, EXIT_INTERRUPTED, MEANINGS, Stop

COMMANDS = {
    "plan": "Find the smallest certified fleet for a scenario.",
    "simulate": "Run replications of a scenario's own fleet.",
    "sweep": "Simulate many combinations of values, or test each of them (sweep --check).",
    "merge": "Unite the runs that shards left (plan --shard, sweep --shard).",
    "diff": "Tell what differs between two plans.",
    "results": "Look into the tables of a result set, with SQL.",
    "report": "Draw a finished report again, or compare several results.",
    "validate": "Compare the simulator with measured runs, case by case.",
    "calibrate": "Learn the step time of your own engine from load tests.",
    "check": "Check a scenario file and show every fault.",
    "fit": "Fit the step time to measured data and print its errors.",
    "trace": "Describe recorded traffic, and convert it.",
    "failures": "Show presets of failures, or fit them to a log of incidents.",
    "drill": "Break a part of the fleet on purpose, and show what it costs.",
    "trace-run": "Trace one replication, and tell of its worst requests.",
    "init": "Write an example scenario to start from.",
    "schema": "Print the schema of scenario files, of plan.json or of result sets.",
}


class FrontDoor(click.Group):
    """Imports a command's module when it is run, not when it is listed."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"fleetcast.{name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


HELP = f"""How many GPUs does this LLM traffic need, and how sure are we?

Exit codes: {", ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items())}.
"""


@click.group(cls=FrontDoor, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fleetcast")
def door() -> None:
    """The command line as a whole."""


def main() -> None:
    """Run the command line; every expected error is one message, never a traceback."""
    try:
        sys.exit(door(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command goes on where this one stopped.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Stop as stop:
        click.echo(f"Error: {stop}", err=True)
        sys.exit(stop.code)
    except BrokenExecutor:
        message = "a worker process died (out of memory?); go on with fewer: --workers 1"
        click.echo(f"Error: {message}", err=True)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
