"""Replications: run what is asked for, on as many processes as wanted, and lose nothing.

Answers come in the order of the questions, so results do not depend on the number of workers:
other processes only work ahead. Finished runs lie in `folder` and are read instead of run again.
What is asked of every run, its figures, is worked out where it ran.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from scenarios.model import Scenario
from simulator.results import read_figures, read_run, versions, write_run
from simulator.run import Run
from simulator.simulate import AllowancesFor, simulate

Summarise = Callable[[Run], dict[str, Any]]
"""The figures of a run that its trial is judged by."""

REQUESTS_KEPT = 1_000_000
"""Replications keep their request rows up to about this many rows of one fleet. Figures, decode
gaps and timelines are of all of them."""


class Trial(NamedTuple):
    """One replication of one fleet size. Unless `complete`, it may stop once it is lost."""

    replicas: int
    replication: int
    complete: bool = True


class Runs:
    """The runs of one scenario, by Trial."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        pool: ProcessPoolExecutor | None,
        workers: int,
        summarise: Summarise,
        allowances_for: AllowancesFor | None = None,
    ) -> None:
        self.work = (scenario, folder, summarise, allowances_for)
        self.folder, self.pool, self.workers = folder, pool, workers
        self.under_way: dict[Trial, Future[None]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, trial: Trial, last_replication: int | None = None) -> dict[str, Any]:
        """The figures of a trial. The next replications of its fleet, up to `last_replication`,
        are started ahead."""
        return read_figures(self.finished(trial, last_replication))

    def whole(self, trial: Trial) -> Run:
        """The run of a trial. Rows of requests are left out beyond REQUESTS_KEPT."""
        return read_run(self.finished(trial, trial.replication))

    def finished(self, trial: Trial, last_replication: int | None) -> Path:
        """The file that answers a trial, once it is there."""
        if self.pool is None:
            if self.file_of(trial) is None:
                run_to_file(trial, *self.work)
        else:
            last = trial.replication + self.workers
            if last_replication is not None:
                last = min(last, last_replication)
            for replication in range(trial.replication, last + 1):
                self.start(trial._replace(replication=replication))
            if trial in self.under_way:
                self.under_way.pop(trial).result()
        path = self.file_of(trial)
        assert path is not None, "a finished run has its file"
        return path

    def start(self, trial: Trial) -> None:
        assert self.pool is not None
        if trial not in self.under_way and self.file_of(trial) is None:
            self.under_way[trial] = self.pool.submit(run_to_file, trial, *self.work)

    def file_of(self, trial: Trial) -> Path | None:
        """The file that answers a trial, if it is there; a whole run answers both kinds."""
        whole = self.folder / file_name(trial, stopped_early=False)
        stopped = self.folder / file_name(trial, stopped_early=True)
        if whole.exists():
            return whole
        return stopped if stopped.exists() and not trial.complete else None


def file_name(trial: Trial, stopped_early: bool) -> str:
    kind = ".stopped" if stopped_early else ""
    return f"{trial.replicas:04d}-{trial.replication:07d}{kind}.parquet"


def run_to_file(
    trial: Trial,
    scenario: Scenario,
    folder: Path,
    summarise: Summarise,
    allowances_for: AllowancesFor | None,
) -> None:
    fleet = scenario.fleet.model_copy(update={"replicas": trial.replicas})
    may_stop = None if trial.complete else allowances_for
    run = simulate(scenario, fleet, scenario.seed, trial.replication, may_stop)
    # A period decides by its own size, so that the answer depends on nobody else's.
    kept = trial.replication == 0 or (trial.replication + 1) * len(run) <= REQUESTS_KEPT
    path = folder / file_name(trial, run.stopped_early)
    write_run(run, path, summarise(run), with_requests=kept and not run.stopped_early)


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of spawned processes; none for one worker, which then works in this process."""
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=follow_the_parent
    )
    # Workers are launched with the first task; a Ctrl-C before they are ready is not for them.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    pool.submit(int)
    signal.signal(signal.SIGINT, before)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def follow_the_parent() -> None:
    """A worker leaves Ctrl-C, which reaches the whole process group, to its parent, and does not
    outlive it: one that is killed cannot tell its workers to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "runs in a worker"
    parent.join()
    os._exit(1)


def clear(folder: Path) -> None:
    """Remove the runs in `folder`, now that tables hold them, and the folder above if empty."""
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def identity(scenario: Scenario) -> str:
    """Names the work whose runs may be shared: the scenario, its seed within, and the source."""
    return f"{scenario.hash[:16]}-{versions()['source']}"
