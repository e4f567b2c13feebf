"""Errors below the front door that are the user's to mend: one message instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from fleetcast.exits import Stop
from planner.bracket import Unanswerable
from scenarios.inputs import InputError
from simulator.rules import RuleError
from simulator.traffic import DemandError, TraceError


@contextmanager
def user_errors() -> Iterator[None]:
    try:
        yield
    except (DemandError, InputError, RuleError, TraceError, Unanswerable) as error:
        raise Stop(str(error)) from error
