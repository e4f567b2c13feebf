"""Which run `fleetcast trace-run` is asked for: of a scenario, or of a folder of results."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from fleetcast import options
from fleetcast.exits import Stop
from scenarios.faults import ScenarioError
from scenarios.loading import restore
from scenarios.model import Scenario

if TYPE_CHECKING:
    from reports.folder import Results

WORST, MEDIAN = "worst", "median"
FILES_OF_RESULTS = ("manifest.json", "plan.json", "simulation.json")
"""That stand for their folder."""
REPLICATIONS = 2**31
"""More than anybody runs."""


class Asked(NamedTuple):
    """One replication of one fleet."""

    scenario: Scenario
    replicas: int
    replication: int


def asked_of(
    file: Path, replication: str, size: int | None, overrides: tuple[str, ...], seed: int | None
) -> Asked:
    """What the options come to, or a Stop."""
    from planner.plan import asked
    from simulator.monte_carlo import Trial

    if file.name in FILES_OF_RESULTS:
        file = file.parent
    if not file.is_dir():
        scenario = options.load_scenario(file, overrides, seed)
        return Asked(scenario, size or scenario.fleet.replicas, number_of(replication, file))
    changed = options.with_seed(overrides, seed)
    results = results_of(file)
    try:
        scenario = restore(results.scenario, str(file / "manifest.json"), changed)
    except ScenarioError as error:
        raise Stop(str(error)) from error
    replicas = size or results.replicas
    if replication in (WORST, MEDIAN):
        if changed or replicas != results.replicas:
            raise Stop(
                f"--replication {replication}: it is known of {file} as it is\n"
                "    allowed: a number, or no --set, --seed and --size"
            )
        number = ranked(results, file, replication)
    else:
        number = number_of(replication, None)
        if len(results.timeline) and number not in set(results.timeline["replication"]):
            click.echo(f"Note: replication {number} is none of those that {file} shows", err=True)
    if results.is_plan:
        scenario, trial = asked(scenario, Trial(replicas, number))
        replicas = trial.replicas
    return Asked(scenario, replicas, number)


def number_of(text: str, scenario_file: Path | None) -> int:
    """A replication by its number, or a Stop."""
    if text in (WORST, MEDIAN):
        raise Stop(
            f"--replication {text}: which one that is, results tell, and {scenario_file} is a "
            "scenario\n    allowed: a number, or a folder of results such as out/NAME"
        )
    if not text.isascii() or not text.isdecimal() or int(text) >= REPLICATIONS:
        raise Stop(
            f"--replication: got {text!r}\n"
            f"    allowed: a whole number from 0 up, {WORST} or {MEDIAN}"
        )
    return int(text)


def results_of(folder: Path) -> "Results":
    """The results in a folder, or a Stop."""
    from reports.folder import OtherResults, read_results

    try:
        return read_results(folder)
    except OtherResults as error:
        raise Stop(
            f"{error}\n    allowed: a scenario file, or results of plan or simulate"
        ) from error


def ranked(results: "Results", folder: Path, which: str) -> int:
    """The worst or the median period of results, as their report shows them."""
    from reports.folder import period_values
    from reports.panels import median_of, worst_first

    order = worst_first(results, period_values(results))
    if not order:
        raise Stop(f"{folder} holds no period that was run: there is no {which} one")
    middle = median_of(order)
    return order[0] if which == WORST or middle is None else middle
