"""The cells of a sweep: the same scenario with other values, and some periods of each.

All cells have the seed and the numbers of their periods in common, so that they meet the same
traffic and the same failures as far as their values let them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from planner.metrics import Figures
from planner.shards import Shard
from planner.sweep_design import Row
from scenarios.document import dotted, place_of
from scenarios.faults import Fault, ScenarioError
from scenarios.model import Scenario
from scenarios.varied import Varied
from simulator.monte_carlo import Runs, Trial

NO_KEY = ("unknown key", "no such place")
"""Faults of a key, whatever its values."""
RunsOf = Mapping[int, Runs]
"""By the number of the cell."""
Period = tuple["Cell", int]
"""A replication of a cell that can be."""


class Cell(NamedTuple):
    """One of them, numbered from 1."""

    number: int
    values: dict[str, str]
    """What was asked of the keys that vary."""
    scenario: Scenario | None
    """None where there can be no such fleet."""
    faults: tuple[Fault, ...] = ()
    """Why not."""

    @property
    def why_not(self) -> str:
        return self.faults[0].in_a_line if self.faults else ""

    @property
    def can_be(self) -> Scenario:
        assert self.scenario is not None, "the caller leaves out cells that cannot be"
        return self.scenario


def cells_of(
    varied: Sequence[Varied], rows: Sequence[Row], load: Callable[[tuple[str, ...]], Scenario]
) -> Iterator[Cell]:
    """Each row of a design as a cell. `load` gives the scenario with overrides as --set has them,
    or raises ScenarioError."""
    for number, row in enumerate(rows, 1):
        texts = tuple(f"{each.key}={value}" for each, value in zip(varied, row, strict=True))
        values = {each.key: value for each, value in zip(varied, row, strict=True) if each.varies}
        try:
            yield Cell(number, values, load(texts))
        except ScenarioError as error:
            yield Cell(number, values, None, tuple(error.faults))


def mistakes(base: Scenario, varied: Sequence[Varied], cells: Sequence[Cell]) -> list[Fault]:
    """What is wrong with the question: a value that no cell can have, for a reason of its own; a
    GPU without its price; and that no cell can be at all. Anything else that cannot be is a fact
    about its cell."""
    data = base.as_yaml_data()
    places = [dotted(place_of(data, each.key)) for each in varied]
    found = []
    for index, (place, each) in enumerate(zip(places, varied, strict=True)):
        if place in places[:index]:
            label = f"--set {each.key}={each.text}"
            found.append(Fault(label, each.key, "the same key again", "once per sweep"))
        own = {each.key, place}
        refused = dict[str, list[Fault]]()
        for cell in cells if each.varies else ():
            about = [fault for fault in cell.faults if is_about(fault, own)]
            refused.setdefault(cell.values[each.key], []).extend(about[:1])
        given = [cell.values[each.key] for cell in cells] if each.varies else []
        wrong = [
            faults[0] for value, faults in refused.items() if given.count(value) == len(faults)
        ]
        missing = any(fault.got in NO_KEY for fault in wrong)
        found += wrong[:1] if missing or each.span is not None else wrong
    found += [fault for cell in cells for fault in cell.faults if fault.key.startswith("price")]
    if not found and all(cell.scenario is None for cell in cells):
        found = list(cells[0].faults)
    return list(dict.fromkeys(found))


def is_about(fault: Fault, keys: set[str]) -> bool:
    """Whether a fault is that of one of these keys, or of something within."""
    return any(f"{fault.key}.".startswith(f"{key}.") for key in keys)


def periods_of(cells: Sequence[Cell], replications: int) -> list[Period]:
    """All that are to be simulated, in the order of the cells."""
    possible = [cell for cell in cells if cell.scenario is not None]
    return [(cell, index) for cell in possible for index in range(replications)]


def share_of(periods: Sequence[Period], shard: Shard, runs_of: RunsOf) -> list[Period]:
    """Those that a shard simulates: of periods that differ, as the store tells them apart, one in
    so many. (Cells that differ in a price or a promise have the same periods.)"""
    different = dict[Path, Period]()
    for cell, index in periods:
        name = runs_of[cell.number].period(trial_of(cell, index))
        different.setdefault(name, (cell, index))
    return list(different.values())[shard.number - 1 :: shard.of]


def trial_of(cell: Cell, replication: int) -> Trial:
    """A period of the cell's own fleet."""
    return Trial(cell.can_be.fleet.replicas, replication)


def simulated(periods: Sequence[Period], runs_of: RunsOf) -> Iterator[Figures]:
    """The figures of each, in order. Workers begin with those that come next, beyond the end of a
    cell too."""
    begun = 0
    for place, (cell, replication) in enumerate(periods):
        runs = runs_of[cell.number]
        for later, index in periods[begun : place + 1 + runs.executor.ahead]:
            runs_of[later.number].start_ahead(trial_of(later, index), range(index, index + 1))
        begun = max(begun, place + 1 + runs.executor.ahead)
        yield runs(trial_of(cell, replication), range(replication, replication + 1))
