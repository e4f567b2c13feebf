"""Which request rows of finished periods are handed on: all, a sample or none.

Their records are of all requests, so nothing that is estimated or drawn depends on it.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

import pyarrow as pa

from simulator.executors import Task
from simulator.keep import Keep
from simulator.monte_carlo import Runs, Trial, all_rows
from simulator.record import Record, read_rows, sample
from simulator.store import code_digest


class Period(NamedTuple):
    """A period of the fleet that is shown."""

    replication: int
    record: Record
    rows: pa.Table | None
    """Request rows, as many as are kept; None when none are."""


def periods(runs: Runs, trials: Sequence[Trial], keep: Keep) -> Iterator[Period]:
    """Of complete trials, in their order. Those whose rows the store has not all of are simulated
    again where all are to be kept; the store stays as it is."""
    again = Again(runs, trials)
    for index, trial in enumerate(trials):
        record, rows = runs.kept(trial)
        match keep:
            case "all" if len(rows) < record.requests:
                rows = again.all_rows(index)
            case "sample":
                rows = sample(rows, runs.scenario.seed, trial.replication)
            case "none":
                rows = None
        yield Period(trial.replication, record, rows)


class Again:
    """Periods that are simulated for their rows alone, some of them ahead."""

    def __init__(self, runs: Runs, trials: Sequence[Trial]) -> None:
        self.runs, self.trials = runs, trials
        self.under_way: dict[int, Task[bytes]] = {}

    def all_rows(self, index: int) -> pa.Table:
        """Of a trial. The later ones are larger than the store keeps whole, too, or about to be."""
        for coming in range(index, min(index + self.runs.executor.ahead + 1, len(self.trials))):
            if coming not in self.under_way:
                trial = self.trials[coming]
                self.runs.store.simulated.add(self.runs.period(trial))
                self.under_way[coming] = self.runs.executor.submit(
                    all_rows, trial, self.runs.scenario, code_digest()
                )
        return read_rows(BytesIO(self.under_way.pop(index).result()))
