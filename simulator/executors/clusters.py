"""Workers of a cluster: Dask's or Ray's, one that runs already or one on this machine."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from logging import ERROR
from typing import Any, Generic

from simulator.executors.local import children_ignoring_ctrl_c
from simulator.executors.work import DEATHS_MAX, ExtraMissing, T, Task, WorkersLost

CONNECT_S = 20.0


@contextmanager
def dask_cluster(workers: int, scheduler: str | None) -> Iterator["Cluster"]:
    try:
        import distributed
    except ImportError as error:
        raise ExtraMissing(missing("dask")) from error
    with ExitStack() as stack:
        if scheduler is None:
            with children_ignoring_ctrl_c():
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    worker_dashboard_address=None,
                    silence_logs="CRITICAL",
                )
            scheduler = stack.enter_context(cluster)
        client = stack.enter_context(distributed.Client(scheduler, timeout=CONNECT_S))
        client.wait_for_workers(1, timeout=CONNECT_S)

        def submit(work: Callable[..., T], *arguments: Any) -> DaskTask[T]:
            return DaskTask(distributed, client.submit(work, *arguments, pure=False))

        yield Cluster(sum(client.nthreads().values()), submit)


@contextmanager
def ray_cluster(workers: int, scheduler: str | None) -> Iterator["Cluster"]:
    # Ray would tell its makers that it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ExtraMissing(missing("ray")) from error
    own = {"num_cpus": workers, "include_dashboard": False} if scheduler is None else {}
    ray.init(scheduler or "local", logging_level=ERROR, log_to_driver=False, **own)
    try:
        call = ray.remote(max_retries=DEATHS_MAX)(called)

        def submit(work: Callable[..., T], *arguments: Any) -> RayTask[T]:
            return RayTask(ray, call.remote(work, arguments))

        yield Cluster(int(ray.cluster_resources()["CPU"]), submit)
    finally:
        ray.shutdown()


class Cluster:
    """Workers that somebody else looks after: a killed one is replaced, its work done again."""

    def __init__(self, workers: int, submit: Callable[..., Task[Any]]) -> None:
        self.ahead, self.submit = workers, submit


class DaskTask(Generic[T]):
    """Work on a Dask cluster."""

    def __init__(self, distributed: Any, future: Any) -> None:
        self.distributed, self.future = distributed, future

    def done(self) -> bool:
        return bool(self.future.done())

    def result(self) -> T:
        gone = (self.distributed.KilledWorker, self.distributed.comm.CommClosedError)
        try:
            found: T = self.future.result()
        except (*gone, CancelledError) as error:
            raise WorkersLost(lost("Dask", error)) from error
        return found


class RayTask(Generic[T]):
    """Work on a Ray cluster."""

    def __init__(self, ray: Any, reference: Any) -> None:
        self.ray, self.reference = ray, reference

    def done(self) -> bool:
        return bool(self.ray.wait([self.reference], timeout=0)[0])

    def result(self) -> T:
        errors = self.ray.exceptions
        try:
            found: T = self.ray.get(self.reference)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise WorkersLost(lost("Ray", error)) from error
        return found


def understood(cluster: Cluster) -> Cluster:
    """The cluster, now that it has shown that this program is installed there."""
    try:
        cluster.submit(called, int, ()).result()
    except (ImportError, RuntimeError, WorkersLost) as error:
        raise WorkersLost(
            f"the cluster cannot run fleetcast ({type(error).__name__}): every machine of it needs "
            "the same version installed"
        ) from error
    return cluster


def called(work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    return work(*arguments)


def missing(extra: str) -> str:
    return f"--executor {extra} needs one more package: pip install 'fleetcast[{extra}]'"


def lost(cluster: str, error: Exception) -> str:
    return (
        f"the {cluster} cluster lost the work or its workers ({type(error).__name__}; out of "
        "memory?); the same command goes on where this one stopped"
    )
