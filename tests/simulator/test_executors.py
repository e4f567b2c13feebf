"""Executors: work comes back as if it had been done here, whoever is killed meanwhile."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from simulator.executors import ExtraMissing, WorkersLost, clusters, open_executor
from simulator.monte_carlo import OtherCode, run_trial
from simulator.traffic import DemandError

needs_dask, needs_ray = (
    pytest.mark.skipif(
        importlib.util.find_spec(package) is None,
        reason=f"{package} is not installed: pip install 'fleetcast[{extra}]'",
    )
    for package, extra in (("distributed", "dask"), ("ray", "ray"))
)
EVERYWHERE = [
    ("local", 1),
    pytest.param("local", 2, marks=pytest.mark.slow),
    pytest.param("dask", 2, marks=[pytest.mark.slow, needs_dask]),
    pytest.param("ray", 2, marks=[pytest.mark.slow, needs_ray]),
]
ROOT = Path(__file__).parent.parent.parent


def square(number):
    return number * number


def refuse(text):
    raise DemandError(text)


def die_once(folder, number):
    """The first to try kills the process that it is in; later ones do the work."""
    try:
        Path(folder, f"{number}").touch(exist_ok=False)
    except FileExistsError:
        return number * number
    os.kill(os.getpid(), signal.SIGKILL)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("name, workers", EVERYWHERE)
def test_work_comes_back_in_the_order_of_asking_and_errors_with_it(name, workers, tmp_path):
    """One test, since clusters take seconds to start; where nobody can be killed, nobody is."""
    with open_executor(name, workers) as executor:
        assert executor.ahead == (0 if workers == 1 else 2)
        tasks = [executor.submit(square, number) for number in range(5)]
        bad = executor.submit(refuse, "too much")
        if workers > 1:
            tasks[3:4] = [executor.submit(die_once, str(tmp_path), 3)]
        assert [task.result() for task in tasks] == [0, 1, 4, 9, 16]
        with pytest.raises(DemandError, match=r"^too much$"):
            bad.result()
        with pytest.raises(OtherCode, match=r"^a worker on \S+ has another version"):
            executor.submit(run_trial, None, None, None, None, "another").result()
        assert executor.submit(partial(square, 7)).result() == 49


@pytest.mark.slow
def test_work_that_kills_every_local_worker_is_given_up():
    message = r"3 times in a row .* --workers 1"
    with open_executor("local", 2) as executor, pytest.raises(WorkersLost, match=message):
        executor.submit(die).result()


@needs_dask
@pytest.mark.slow
def test_work_that_kills_every_worker_of_a_cluster_is_given_up():
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        open_executor("dask", 1) as executor,
        pytest.raises(WorkersLost, match=r"Dask cluster lost .* out of memory"),
    ):
        executor.submit(die).result()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_extra_that_is_missing_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, {"dask": "distributed", "ray": "ray"}[name], None)
    message = rf"--executor {name} needs one more package: pip install 'fleetcast\[{name}\]'"
    with pytest.raises(ExtraMissing, match=message), open_executor(name, 1):
        pass


@needs_dask
def test_nobody_at_the_address_is_an_io_error(monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_S", 0.5)
    with pytest.raises(OSError), open_executor("dask", 1, "tcp://127.0.0.1:1"):
        pass


@contextmanager
def dask_cluster(folder, cwd):
    """Address of a Dask scheduler with two workers, processes of their own, with what `cwd` has."""
    file = folder / "scheduler.json"
    module = "from distributed.cli.dask_{} import main; main()"
    options = ["--no-dashboard", "--scheduler-file", str(file)]

    def start(kind, *more):
        command = [sys.executable, "-c", module.format(kind), *options, *more]
        return subprocess.Popen(command, cwd=cwd, stderr=subprocess.DEVNULL)

    started = [start("scheduler", "--port", "0")]
    try:
        started += [start("worker", "--nworkers", "2", "--nthreads", "1")]
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=30)


@needs_dask
@pytest.mark.slow
def test_a_dask_scheduler_that_runs_already_is_used_and_left_running(tmp_path):
    with dask_cluster(tmp_path, ROOT) as address:
        for _ in range(2):
            with open_executor("dask", 1, address) as executor:
                assert executor.ahead in (1, 2), "the second worker may still start"
                assert executor.submit(square, 3).result() == 9


@needs_dask
@pytest.mark.slow
def test_a_cluster_without_fleetcast_is_told_so(tmp_path):
    (tmp_path / "simulator.py").write_text("# of somebody else")
    with (
        dask_cluster(tmp_path, tmp_path) as address,
        pytest.raises(WorkersLost, match="the cluster cannot run fleetcast"),
        open_executor("dask", 1, address),
    ):
        pass
