"""Replications: run what is asked for, wherever it is computed, and lose nothing.

Answers come in the order of the questions, so results do not depend on the workers: those only work
ahead. Finished runs go to a store, and what is there is not run again. What is asked of every run,
its figures, is worked out where it ran.
"""

import json
import platform
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from scenarios.model import Scenario
from simulator.executors import Executor, Task
from simulator.record import (
    Record,
    read_record,
    read_rows,
    record_bytes,
    rows_bytes,
    rows_of,
    run_of,
    sample,
)
from simulator.run import Run
from simulator.simulate import AllowancesFor, simulate
from simulator.store import (
    Store,
    code_digest,
    known_record,
    known_rows,
    read_figures,
    touch,
    write,
)

SERIES = 1_000_000
"""Replications come in series of that many, each numbered from a multiple of it."""
REQUESTS_KEPT = 1_000_000
"""Replications of a series keep all their request rows up to about this many rows of one fleet; of
later ones there is a sample. Figures and records are of all requests of all of them."""


class OtherCode(Exception):
    """A worker whose program is not the one that asks; the message says where."""


class Summarise(Protocol):
    """The figures of a run that its trial is judged by, as JSON has them: `kept`, the verdict, and
    others. (An object, since it travels to workers.)"""

    @property
    def digest(self) -> str:
        """Of what the figures depend on beside the run: its objectives, and how they are judged."""

    def __call__(self, run: Run) -> dict[str, Any]: ...


class Trial(NamedTuple):
    """One replication of one fleet size. Unless `complete`, it may stop once it is lost."""

    replicas: int
    replication: int
    complete: bool = True


class Finished(NamedTuple):
    """What a worker sends back: files, ready to be written."""

    figures: bytes
    run: "KeptRun | None"
    """None of a run that stopped early: it is nobody's but those who promise the same."""
    kept: bool


class KeptRun(NamedTuple):
    """The two files of a run (simulator/record.py)."""

    record: bytes
    rows: bytes


class Runs:
    """The runs of one scenario, by Trial.

    A whole run answers for every set of objectives, as long as it has all request rows. One that
    may stop is answered by a whole one if that was kept, for then it would not have stopped; else
    by one that might have stopped for the same objectives, so that the answer does not depend on
    what has been asked before.
    """

    def __init__(
        self,
        scenario: Scenario,
        store: Store,
        executor: Executor,
        summarise: Summarise,
        allowances_for: AllowancesFor | None = None,
    ) -> None:
        self.scenario = scenario
        self.work = (scenario, summarise, allowances_for)
        self.store, self.executor = store, executor
        self.folder = store.folder_of(scenario)
        self.digest = summarise.digest
        self.under_way: dict[Trial, Task[Finished]] = {}
        touch(self.folder)

    def __call__(self, trial: Trial, coming: range | None = None) -> dict[str, Any]:
        """The figures of a trial. Replications of its fleet that will be asked for next are started
        ahead, unless this one was in the store. coming: them, this one first; any number of those
        that follow it if not given."""
        period = self.period(trial)
        self.store.asked.add(period)
        self.collect()
        known = None if trial in self.under_way else self.known(trial)
        if known is None or period in self.store.simulated:
            self.start_ahead(trial, coming)
        return as_read(self.simulated(trial).figures) if known is None else known

    def kept(self, trial: Trial) -> tuple[Record, pa.Table]:
        """Of a complete trial: the record, and request rows as the store keeps them."""
        self(trial, range(trial.replication, trial.replication + 1))
        record = known_record(self.file(trial, ".run"))
        rows = known_rows(self.file(trial, ".parquet"))
        if record is None or rows is None:
            content = self.simulated(trial).run
            assert content is not None, "a complete trial does not stop"
            record, rows = read_record(content.record), read_rows(BytesIO(content.rows))
        return record, rows

    # --- what is in the store ---

    def known(self, trial: Trial) -> dict[str, Any] | None:
        """The figures that answer a trial, if it need not be simulated."""
        if not trial.complete:
            lost = read_figures(self.file_of_figures(trial, lost=True))
            if lost is not None:
                return lost
        whole = read_figures(self.file_of_figures(trial, lost=False)) or self.judged(trial)
        return whole if whole is not None and (trial.complete or whole["kept"]) else None

    def judged(self, trial: Trial) -> dict[str, Any] | None:
        """The figures of a whole run that so far was judged by other objectives only."""
        record = known_record(self.file(trial, ".run"))
        rows = known_rows(self.file(trial, ".parquet")) if record is not None else None
        if record is None or rows is None or len(rows) < record.requests:
            return None
        _, summarise, _ = self.work
        figures = json.dumps(summarise(run_of(record, rows))).encode()
        write(self.file_of_figures(trial, lost=False), figures)
        return as_read(figures)

    def keep(self, trial: Trial, finished: Finished) -> None:
        """The run first: figures without their run would hide that it is missing."""
        self.store.simulated.add(self.period(trial))
        if finished.run is not None:
            write(self.file(trial, ".parquet"), finished.run.rows)
            write(self.file(trial, ".run"), finished.run.record)
            write(self.file_of_figures(trial, lost=False), finished.figures)
        if not trial.complete and not finished.kept:
            write(self.file_of_figures(trial, lost=True), finished.figures)

    def period(self, trial: Trial) -> Path:
        return self.folder / f"{trial.replicas:04d}-{trial.replication:07d}"

    def file(self, trial: Trial, suffix: str) -> Path:
        period = self.period(trial)
        return period.with_name(period.name + suffix)

    def file_of_figures(self, trial: Trial, lost: bool) -> Path:
        return self.file(trial, f"-{self.digest}{'-lost' if lost else ''}.json")

    # --- what is under way ---

    def simulated(self, trial: Trial) -> Finished:
        """A trial that is under way, or is simulated now."""
        if trial not in self.under_way:
            self.start(trial)
        finished = self.under_way.pop(trial).result()
        self.keep(trial, finished)
        return finished

    def start_ahead(self, trial: Trial, coming: range | None) -> None:
        """This trial and those after it, one for each worker."""
        count = self.executor.ahead + 1
        if coming is None:
            coming = range(trial.replication, trial.replication + count)
        for replication in coming[:count]:
            ahead = trial._replace(replication=replication)
            if ahead not in self.under_way and self.known(ahead) is None:
                self.start(ahead)

    def start(self, trial: Trial) -> None:
        self.under_way[trial] = self.executor.submit(run_trial, trial, *self.work, code_digest())

    def collect(self) -> None:
        """Keep what was finished ahead: this process may end before anyone asks for it."""
        for trial, task in list(self.under_way.items()):
            if task.done():
                with suppress(Exception):  # it is told to those who ask for that trial
                    self.keep(trial, task.result())
                    del self.under_way[trial]


def as_read(figures: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(figures)
    return found


def run_trial(
    trial: Trial,
    scenario: Scenario,
    summarise: Summarise,
    allowances_for: AllowancesFor | None,
    code: str,
) -> Finished:
    """Work for an executor. Raises OtherCode."""
    check_code(code)
    run = run_of_trial(trial, scenario, None if trial.complete else allowances_for)
    figures = summarise(run)
    whole = None if run.stopped_early else kept_run(run, scenario.seed, trial.replication)
    return Finished(json.dumps(figures).encode(), whole, figures["kept"])


def all_rows(trial: Trial, scenario: Scenario, code: str) -> bytes:
    """Work for an executor: every request row of a trial, as a file. Raises OtherCode."""
    check_code(code)
    return rows_bytes(rows_of(run_of_trial(trial, scenario, None)))


def check_code(code: str) -> None:
    """Raises OtherCode unless this program is `code`, the one that asks."""
    if code_digest() != code:
        raise OtherCode(
            f"a worker on {platform.node()} has another version of fleetcast, Python or a library; "
            "for the same answer they must be the same everywhere"
        )


def run_of_trial(trial: Trial, scenario: Scenario, may_stop: AllowancesFor | None) -> Run:
    fleet = scenario.fleet.model_copy(update={"replicas": trial.replicas})
    return simulate(scenario, fleet, scenario.seed, trial.replication, may_stop)


def kept_run(run: Run, seed: int, replication: int) -> KeptRun:
    """What the store keeps of a run. A period decides by its own size, so that the answer depends
    on nobody else's."""
    before, rows = replication % SERIES, rows_of(run)
    if before and (before + 1) * len(run) > REQUESTS_KEPT:
        rows = sample(rows, seed, replication)
    return KeptRun(record_bytes(run), rows_bytes(rows))
