"""`python -m benchmarks.planner_study --trials N [-o table|json] [--docs FILE]`: the planner's own
error, cost and waste, on scenarios whose truth is known."""

import json
import os
import sys
from pathlib import Path

import click

from benchmarks.planner_study import truth
from benchmarks.planner_study.page import as_table, page
from benchmarks.planner_study.trials import study
from fleetcast.progress import compile_first
from simulator.results import finite, write_text


@click.command()
@click.option("--trials", type=click.IntRange(min=2), default=100, show_default=True,
              help="Searches of each scenario with each router.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Page to write.")
@click.option(
    "--truth",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=truth.FILE,
    help="The true shares; those beside the module by default.",
)
@click.option(
    "--truth-runs",
    type=click.IntRange(min=1),
    help="Count the truth anew from so many periods, and write it to its file.",
)
def main(
    trials: int, workers: int, output: str, docs: Path | None, file: Path, truth_runs: int | None
) -> None:
    """Plan again and again with other seeds, and hold every answer against the truth."""
    compile_first()
    if truth_runs is not None:
        truth.write(truth.find(truth_runs, workers, say), file)
    try:
        truths = truth.read(file)
    except (OSError, truth.TruthError) as error:
        raise click.ClickException(str(error)) from error
    data = study(truths, trials, workers, say)
    print(json.dumps(finite(data), indent=2) if output == "json" else as_table(data))
    if docs is not None:
        write_text(page(data), docs)
        say(f"written: {docs}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
