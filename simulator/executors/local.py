"""Workers on this machine: this process, or others that it spawns."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, Generic
from weakref import WeakSet

from simulator.executors.work import DEATHS_MAX, T, WorkersLost


class Later(Generic[T]):
    """Work that is done in this process when its result is asked for."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.result = work

    def done(self) -> bool:
        return False


class Here:
    """One worker: this process."""

    ahead = 0

    def submit(self, work: Callable[..., T], *arguments: Any) -> Later[T]:
        return Later(partial(work, *arguments))


class Local:
    """Spawned processes. When one is killed the pool is lost, and another takes over its work."""

    def __init__(self, workers: int) -> None:
        self.ahead, self.pool = workers, spawn(workers)
        self.open: WeakSet[LocalTask[Any]] = WeakSet()
        """Work whose result somebody may still want."""
        self.deaths = 0

    def submit(self, work: Callable[..., T], *arguments: Any) -> "LocalTask[T]":
        task = LocalTask(self, partial(work, *arguments))
        self.open.add(task)
        return task

    def replace(self, broken: ProcessPoolExecutor) -> None:
        """A new pool for all work that is open, unless another task has seen to it."""
        if self.pool is not broken:
            return
        self.deaths += 1
        if self.deaths >= DEATHS_MAX:
            raise WorkersLost(
                f"a worker process died, {DEATHS_MAX} times in a row (out of memory?); go on with "
                "fewer: --workers 1"
            )
        broken.shutdown(wait=False)
        self.pool = spawn(self.ahead)
        for task in list(self.open):
            if task.is_lost():
                task.start()


class LocalTask(Generic[T]):
    """Work in a pool, and in its successor should that break."""

    def __init__(self, executor: Local, work: Callable[[], T]) -> None:
        self.executor, self.work = executor, work
        self.start()

    def start(self) -> None:
        self.pool = self.executor.pool
        try:
            self.future: Future[T] = self.pool.submit(self.work)
        except BrokenProcessPool as error:
            self.future = Future()
            self.future.set_exception(error)

    def is_lost(self) -> bool:
        return self.future.done() and isinstance(self.future.exception(), BrokenProcessPool)

    def done(self) -> bool:
        return self.future.done() and not self.is_lost()

    def result(self) -> T:
        while True:
            try:
                found = self.future.result()
            except BrokenProcessPool:
                self.executor.replace(self.pool)
                if self.is_lost():
                    self.start()
            else:
                self.executor.open.discard(self)
                self.executor.deaths = 0
                return found


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of spawned processes; none for one worker, which then works in this process."""
    if workers == 1:
        yield None
        return
    pool = spawn(workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def spawn(workers: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=follow_the_parent
    )
    with children_ignoring_ctrl_c():  # workers are launched with the first task
        pool.submit(int)
    return pool


@contextmanager
def children_ignoring_ctrl_c() -> Iterator[None]:
    """It reaches the whole process group, and is for the parent: processes that are started here
    ignore it from their beginning."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
