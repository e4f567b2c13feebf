"""`fleetcast drill FILE --kill zone-a@5min`: one incident by script, with and without."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from fleetcast import options
from fleetcast.exits import Stop
from fleetcast.places import results_place
from scenarios.failures.faults import Effect
from scenarios.model import Scenario
from scenarios.units import A_TIME, TIME_S, parse_quantity

if TYPE_CHECKING:
    from planner.drill import Drill, Pair
    from simulator.control.drill import Kill

FOR_EVER = "ever"
NOTICED_S = {"silence": 30.0, "hang": 90.0}
"""Unless health checks do it: a network check, and the median for an engine that hangs
(catalogue/failures.yaml)."""
AFTERWARDS_S = 600.0
"""The period lasts that long after the last repair and a cold start, so that the way back is in
it."""


@click.command("drill")
@options.running
@click.option("--kill", "kills", multiple=True, required=True, metavar="COMPONENT@TIME",
              help="What breaks, and when in the period: zone-a@5min, node-3@90s, replica-0@5min. "
              "Repeatable.")  # fmt: skip
@click.option("--for", "lasts", default="10min", show_default=True, metavar="TIME",
              help="Until it is repaired; a cold start follows. `ever`: never.")  # fmt: skip
@click.option("--effect", type=click.Choice(get_args(Effect)), default="silence", show_default=True,
              help="What it does to the replicas there.")  # fmt: skip
@click.option("--noticed", metavar="TIME",
              help="Until the router knows.  [default: by the fleet's health checks, else 30s; "
              "of a hang 90s; of a crash at once]")  # fmt: skip
@click.option("--replicas", type=click.IntRange(min=1), help="Instead of the scenario's own.")
@click.option("--replications", type=click.IntRange(min=1), default=5, show_default=True,
              help="Independent periods, each with and without.")  # fmt: skip
@click.option("--period", metavar="TIME",
              help="How long a period is.  [default: the scenario's horizon, or longer if the way "
              "back takes longer]")  # fmt: skip
@click.option("--calm", is_flag=True, help="Without the scenario's own failures.")
def command(
    file: Path, overrides: tuple[str, ...], seed: int | None, out: str | None, output: str,
    machines: options.Machines, kills: tuple[str, ...], lasts: str, effect: str,
    noticed: str | None, replicas: int | None, replications: int, period: str | None, calm: bool,
) -> None:  # fmt: skip
    """Break a part of FILE's fleet on purpose: the same periods with the incident and without, and
    what it costs.

    Components: zone-a, rack-0, node-0, replica-0, gpu-0 and so on, of other pools POOL/node-0.
    """
    from planner.drill_summary import as_json
    from reports.drill_lines import drill_lines
    from reports.drill_page import write_drill
    from simulator.results import finite, write_json

    if replicas is not None:
        overrides = (*overrides, f"fleet.replicas={replicas}")
    scenario = options.load_scenario(file, overrides, seed)
    drill = drill_of(scenario, kills, lasts, effect, noticed, period, calm)
    with results_place(out, Path("out") / f"{scenario.name}-drill") as (folder, name):
        pairs = list(run_pairs(drill, replications, machines))
        data = as_json(drill, pairs) | {"calm": calm}
        write_json(data, folder / "drill.json")
        page = write_drill(data, folder)
    if output == "json":
        click.echo(json.dumps(finite(data), indent=2))
    else:
        click.echo("\n".join([*drill_lines(data), f"  page: {name}/{page.name}"]))


def drill_of(
    scenario: Scenario, texts: tuple[str, ...], lasts: str, effect: str, noticed: str | None,
    period: str | None, calm: bool,
) -> "Drill":  # fmt: skip
    """What is asked, or a Stop with what is wrong with it."""
    from planner.drill import Drill, without_failures

    lasts_s = None if lasts == FOR_EVER else seconds("--for", lasts, least=1.0)
    noticed_s = notice_of(scenario, effect) if noticed is None else seconds("--noticed", noticed)
    kills = tuple(kill_of(scenario, text, lasts_s, effect, noticed_s) for text in texts)
    horizon_s = max(scenario.horizon_s, way_back_s(scenario, kills))
    if period is not None:
        horizon_s = seconds("--period", period, least=1.0)
    for kill, text in zip(kills, texts, strict=True):
        if kill.at_s >= horizon_s:
            raise Stop(f"--kill {text}: the period ends before that, after {horizon_s:g} s")
    scenario = scenario.model_copy(update={"horizon_s": horizon_s})
    return Drill(without_failures(scenario) if calm else scenario, kills)


def way_back_s(scenario: Scenario, kills: "tuple[Kill, ...]") -> float:
    """Until everything is as it was, as far as can be said beforehand."""
    from simulator.control.starts import start_phases

    pools = [phases["cold"] for phases in start_phases(scenario, scenario.fleet)]
    start_s = max(sum(time.mean_s for _, time in phases) for phases in pools)
    last_s = max(kill.at_s + (kill.lasts_s or 0.0) for kill in kills)
    return math.ceil((last_s + start_s + AFTERWARDS_S) / 60.0) * 60.0


def kill_of(
    scenario: Scenario, text: str, lasts_s: float | None, effect: str, noticed_s: float | None
) -> "Kill":
    from simulator.control.drill import Kill, UnknownComponent, component_named
    from simulator.control.stocks import stocks

    component, at, instant = text.rpartition("@")
    if not at or not component:
        raise Stop(f"--kill {text}: no instant\n    allowed: COMPONENT@TIME, such as zone-a@5min")
    at_s = seconds(f"--kill {text}", instant)
    fleet = scenario.fleet
    try:
        component_named(component, fleet.topology, stocks(scenario, fleet))
    except UnknownComponent as error:
        raise Stop(f"--kill {text}: {error}") from error
    return Kill(component, at_s, lasts_s, effect, noticed_s)  # type: ignore[arg-type]


def notice_of(scenario: Scenario, effect: str) -> float | None:
    """None: health checks see it, or it is known at once."""
    if effect == "silence" and scenario.fleet.health_checks is not None:
        return None
    return NOTICED_S.get(effect)


def seconds(option: str, text: str, least: float = 0.0) -> float:
    try:
        found = parse_quantity(text, TIME_S, A_TIME)
    except ValueError as error:
        raise Stop(f"{option}: got {text!r}\n    allowed: {A_TIME}") from error
    if found < least:
        raise Stop(f"{option}: got {text!r}\n    allowed: {least:g}s or more")
    return found


def run_pairs(drill: "Drill", replications: int, machines: options.Machines) -> "Iterator[Pair]":
    """One after the other; other processes work ahead."""
    from fleetcast.computing import at_work
    from fleetcast.progress import compile_first, watching
    from fleetcast.stop_on import user_errors
    from planner.drill import pair

    compile_first()
    machines = machines._replace(workers=min(machines.workers, replications))
    with user_errors(), at_work(machines) as executor, watching() as line:
        tasks = [executor.submit(pair, drill, number) for number in range(replications)]
        for number, task in enumerate(tasks):
            yield task.result()
            line.tell("drill", number + 1, replications)
