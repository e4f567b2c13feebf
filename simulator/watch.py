"""One replication looked at closely: the very run that is judged, with its journal beside it and
the state of every replica at instants in between."""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.lives import Process
from simulator.data_plane import Ints, Observation, Setup
from simulator.journal import Entries
from simulator.plane import Plane
from simulator.run import Run
from simulator.simulate import Played, collect, play_drawn, rows_in_period

ENTRIES_PER_REQUEST = 8
"""For which there is room at first; a run that comes to more is played again with as much as it
takes."""


@dataclass(frozen=True)
class Watched:
    """A run, and what it does not tell."""

    played: Played
    run: Run
    rows: Ints
    """The row of the workload of each request of the run: the rows of the journal."""
    journal: Entries
    """In order; simulator/kernel/journal.py says of what."""
    looks: Sequence[tuple[int, Observation]]
    """(instant in ns, the fleet as it stood), as far as the run went."""
    end_ns: int
    """When the run ended."""


def watch(
    scenario: Scenario, fleet: Fleet, seed: int, replication: int, looks_ns: Sequence[int]
) -> Watched:
    """As `simulate`, with a look at the fleet at each of these instants, which must ascend.

    Looking changes nothing: it is what autoscalers do. Raises as `simulate`.
    """
    planes: list[Plane] = []
    looks: list[tuple[int, Observation]] = []
    entries = 0

    def plane_of(setup: Setup) -> Plane:
        plane = Plane(setup, max(entries, ENTRIES_PER_REQUEST * len(setup.workload)))
        planes[:] = [plane]
        looks.clear()
        plane.env.process(looking(plane, looks_ns, looks))
        return plane

    while True:
        played = play_drawn(scenario, fleet, seed, replication, plane_of=plane_of)
        plane = planes[0]
        if plane.journaled == plane.journal.size:
            rows = rows_in_period(played.setup, played.outcome)
            end_ns = max([int(plane.env.now), *plane.journal["ns"][-1:].tolist()])
            return Watched(played, collect(played), rows, plane.journal, looks, end_ns)
        entries = plane.journaled


def looking(plane: Plane, looks_ns: Sequence[int], looks: list[tuple[int, Observation]]) -> Process:
    """After the control events of each instant, before its arrivals and step boundaries."""
    for instant_ns in looks_ns:
        yield plane.env.at_last(instant_ns)
        looks.append((instant_ns, plane.observe()))
