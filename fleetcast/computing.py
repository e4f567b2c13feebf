"""Where a command computes and keeps its runs, and what it says of that on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetcast.exits import EXIT_FAILED, Stop
from fleetcast.options import Machines, results_folder

if TYPE_CHECKING:
    from simulator.executors import Executor
    from simulator.store import Store


@contextmanager
def at_work(machines: Machines) -> Iterator["Executor"]:
    """The executor that the options name, or a Stop."""
    from simulator.executors import ExtraMissing, WorkersLost, open_executor
    from simulator.monte_carlo import OtherCode

    try:
        with open_executor(machines.executor, machines.workers, machines.scheduler) as executor:
            yield executor
    except ExtraMissing as error:
        raise Stop(str(error)) from error
    except (OtherCode, WorkersLost) as error:
        raise Stop(str(error), EXIT_FAILED) from error


@contextmanager
def stored_runs(folder: Path) -> Iterator["Store"]:
    """The store in a folder. In the end it is tidied, and what it was good for is told;
    on stderr, since the answer is the same."""
    from simulator.store import Store

    store = Store(results_folder(folder, "--runs"))
    yield store
    store.tidy(time.time())
    click.echo(store.account, err=True)
