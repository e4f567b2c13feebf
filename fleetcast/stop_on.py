"""Errors below the front door that are the user's to mend: one message instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from fleetcast.exits import Stop
from simulator.traffic import TraceError


@contextmanager
def trace_faults() -> Iterator[None]:
    try:
        yield
    except TraceError as error:
        raise Stop(str(error)) from error
