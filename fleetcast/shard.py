"""`fleetcast plan FILE --shard I/N`: a share of a plan's periods, for batch systems."""

import json
import re
from pathlib import Path
from typing import Any

import click

from fleetcast import options
from fleetcast.computing import simulating
from fleetcast.exits import EXIT_DONE, Stop
from fleetcast.plan_runs import runs_by_scenario
from fleetcast.search_board import SearchTold
from planner.explain import explain
from planner.plan import plan
from planner.shards import Shard, Share
from scenarios.model import Scenario


def parse_shard(text: str) -> Shard:
    """
    >>> parse_shard("2/8")
    Shard(number=2, of=8)
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.of:
        raise Stop(
            f"--shard: got {text!r}\n    allowed: I/N with I from 1 to N, such as 2/8, the second "
            "of eight"
        )
    return shard


def run_shard(
    scenario: Scenario, shard: Shard, output: str, machines: options.Machines, runs: Path
) -> int:
    """Run, print what was done, and return the exit code."""
    with simulating(machines, runs) as (store, executor, line):
        share, told = Share(shard, runs_by_scenario(store, executor)), SearchTold(line)
        explain(plan(scenario, share, told), share, told.explain)
    data = as_data(scenario, share)
    click.echo(json.dumps(data, indent=2) if output == "json" else shard_line(data))
    return EXIT_DONE


def as_data(scenario: Scenario, share: Share) -> dict[str, Any]:
    """How many periods a shard had to do with, simulated or from its store."""
    return {
        "name": scenario.name,
        "scenario_hash": scenario.hash,
        "shard": share.shard.number,
        "shards": share.shard.of,
        "screening": len(share.screened),
        "own": len(share.own),
        "others_known": len(share.theirs),
        "others_missing": len(share.guessed),
    }


def shard_line(data: dict[str, Any]) -> str:
    others = f"{data['others_missing']:,} left to others"
    if data["others_known"]:
        others = f"{data['others_known']:,} of others were there, {others}"
    return (
        f"{data['name']}, shard {data['shard']} of {data['shards']}: {data['screening']:,} periods "
        f"of screening, {data['own']:,} of its own; {others}"
    )
