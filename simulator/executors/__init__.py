"""Where work is computed: in this process, in others on this machine, on a Dask or a Ray cluster.

Work is a function and its arguments, and comes back as what it returns: nothing else is shared
between machines. It must give the same wherever and however often it is done, so a worker that is
killed costs time and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from typing import Literal, get_args

from simulator.executors.clusters import dask_cluster, ray_cluster, understood
from simulator.executors.local import Here, Local, processes
from simulator.executors.work import Executor, ExtraMissing, Task, WorkersLost

__all__ = [
    "EXECUTORS", "Executor", "ExecutorName", "ExtraMissing", "Here", "Task", "WorkersLost",
    "open_executor", "processes",
]  # fmt: skip

ExecutorName = Literal["local", "dask", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = get_args(ExecutorName)


@contextmanager
def open_executor(
    name: ExecutorName, workers: int, scheduler: str | None = None
) -> Iterator[Executor]:
    """The executor of that name. scheduler: address of a running Dask scheduler or Ray head, which
    knows its own workers; without one, `workers` processes on this machine.

    Raises ExtraMissing, OSError when nobody answers at the address.
    """
    match name:
        case "local" if workers == 1:
            yield Here()
        case "local":
            others, local = set(active_children()), Local(workers)
            try:
                yield local
            except BaseException:
                # Nobody will ask for what is under way.
                for worker in set(active_children()) - others:
                    worker.terminate()
                raise
            finally:
                local.pool.shutdown(wait=True, cancel_futures=True)
        case "dask":
            with dask_cluster(workers, scheduler) as dask:
                yield understood(dask)
        case "ray":
            with ray_cluster(workers, scheduler) as ray:
                yield understood(ray)
