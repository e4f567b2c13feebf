"""What a sweep is asked: its cells, or everything that is wrong with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fleetcast import options
from fleetcast.exits import Stop
from planner.sweep_design import DesignKind
from scenarios.faults import Fault
from scenarios.loading import load
from scenarios.model import Scenario
from scenarios.varied import Varied, parse_varied

if TYPE_CHECKING:
    from planner.sweep import Cell


class Asked(NamedTuple):
    """The scenario and what varies, as the options name them."""

    file: Path
    overrides: tuple[str, ...]
    seed: int | None
    design: DesignKind
    drawn: int | None
    """How many cells a design draws."""

    def command(self, replications: int) -> str:
        """The command that asks for the same."""
        design = [] if self.design == "grid" else ["--design", self.design]
        cells = [] if self.drawn is None else ["--cells", str(self.drawn)]
        more = (*design, *cells, "--replications", str(replications))
        return options.asked("sweep", self.file, self.overrides, self.seed, *more)


class Sweep(NamedTuple):
    """What there is to simulate."""

    base: Scenario
    """The scenario with all that does not vary."""
    varied: list[Varied]
    cells: "list[Cell]"


def sweep_of(asked: Asked, wrong: Sequence[str]) -> Sweep:
    """The sweep, or a Stop with what is `wrong` already and all else that is."""
    from planner.sweep import cells_of, mistakes
    from planner.sweep_design import faults_of_design, rows

    faults: list[Fault] = []
    told = [parse_varied(text, faults) for text in asked.overrides]
    varied = [each for each in told if each is not None]
    if not faults:
        faults += faults_of_design(asked.design, varied, asked.drawn)
    stop_at([*wrong, *map(str, faults)])
    fixed = tuple(f"{each.key}={each.values[0]}" for each in varied if not each.varies)
    base = options.load_scenario(asked.file, fixed, asked.seed, needs=("sla",))

    def load_cell(texts: tuple[str, ...]) -> Scenario:
        return load(asked.file, options.with_seed(texts, asked.seed), needs=("sla",))

    chosen = rows(asked.design, varied, asked.drawn, base.seed)
    cells = list(cells_of(varied, chosen, load_cell))
    stop_at([str(fault) for fault in mistakes(base, varied, cells)])
    return Sweep(base, varied, cells)


def stop_at(messages: Sequence[str]) -> None:
    if len(messages) == 1:
        raise Stop(messages[0])
    if messages:
        raise Stop("\n".join([f"the sweep has {len(messages)} faults", *messages]))
