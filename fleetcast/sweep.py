"""`fleetcast sweep FILE --set KEY=VALUES`: the scenario with many combinations of values. With
`--check`: fleetcast/sweep_check.py."""

import json
from pathlib import Path
from typing import Any, get_args

import click

from fleetcast import options
from fleetcast.places import refuse_others, results_place
from fleetcast.sweep_question import Asked, sweep_of
from planner.sweep_design import CELLS_MAX, DesignKind

REPLICATIONS = 20


@click.command("sweep")
@options.running
@options.runs
@click.option("--design", type=click.Choice(get_args(DesignKind)), default="grid",
              show_default=True,
              help="grid: every combination. list: the first values, then the second ones. random, "
              "latin: --cells drawn from lists and ranges, latin evenly.")  # fmt: skip
@click.option("--cells", type=click.IntRange(1, CELLS_MAX), metavar="N",
              help="How many, with --design random or latin.")  # fmt: skip
@click.option("--replications", type=click.IntRange(min=1), metavar="N",
              help=f"Periods per cell, the same for all.  [default: {REPLICATIONS}]")  # fmt: skip
@click.option("--shard", "share", metavar="I/N",
              help="Only simulate the I-th of N shares of the periods, into --runs. For batch "
              "systems; `fleetcast merge` unites the shares.")  # fmt: skip
@click.option("--check", "checks", is_flag=True,
              help="Only test, on as many fresh periods as it takes, whether each cell's fleet "
              "keeps the SLA: exit code 0 when all do, 99 when one does not, 4 when that is "
              "undecided.")  # fmt: skip
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --check: its verdicts as JUnit XML.")  # fmt: skip
def command(
    file: Path, overrides: tuple[str, ...], seed: int | None, out: str | None, output: str,
    machines: options.Machines, runs: Path, design: DesignKind, cells: int | None,
    replications: int | None, share: str | None, checks: bool, junit: Path | None,
) -> None:  # fmt: skip
    """Simulate FILE's own fleet for every combination of the values that --set gives, such as
    --set fleet.replicas=4..12 --set traffic.chat.arrivals.rate=20/s,30/s,40/s.

    Values are lists, whole numbers as 4..12 and steps as 20/s..60/s..10/s; a --set with one value
    holds for all cells, and drawn designs take ranges as 20/s..60/s. A killed sweep goes on when
    the command is repeated.
    """
    from fleetcast.shard import parse_shard
    from fleetcast.sweep_check import run_check
    from fleetcast.sweep_runs import run_share, run_sweep
    from reports.sweep_lines import sweep_lines
    from reports.sweep_page import write_sweep_page

    wrong = wrong_together(checks, junit, share, replications, out)
    shard = None if share is None else parse_shard(share)
    asked = Asked(file, overrides, seed, design, cells)
    sweep = sweep_of(asked, wrong)
    if checks:
        raise SystemExit(run_check(sweep, output, junit, machines, runs))
    count = replications or REPLICATIONS
    if shard is not None:
        done = run_share(sweep, count, shard, machines, runs)
        click.echo(json.dumps(done, indent=2) if output == "json" else shard_line(done))
        return
    with results_place(out, Path("out") / f"{sweep.base.name}-sweep") as out_place:
        refuse_others(out_place, "sweep.json")
        folder, name = out_place
        data = run_sweep(sweep, asked, count, folder, machines, runs)
        page = write_sweep_page(folder)
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo("\n".join([*sweep_lines(data), f"  report: {name}/{page.name}"]))


def wrong_together(
    checks: bool, junit: Path | None, share: str | None, replications: int | None, out: str | None
) -> list[str]:
    """What is wrong with options that do not go together."""
    reasons = {
        "--junit: goes with --check": junit is not None and not checks,
        "--shard: is about simulating, not about --check": checks and share is not None,
        "--replications: not with --check, which runs as many as it takes": (
            checks and replications is not None
        ),
        "--out: not with --check, whose runs stay in --runs": checks and out is not None,
        "--out: not with --shard, whose runs stay in --runs": bool(share) and out is not None,
    }
    return [reason for reason, holds in reasons.items() if holds]


def shard_line(data: dict[str, Any]) -> str:
    return (
        f"{data['name']}, shard {data['shard']} of {data['shards']}: {data['own']:,} of "
        f"{data['periods']:,} periods of {data['cells']:,} cells"
    )
