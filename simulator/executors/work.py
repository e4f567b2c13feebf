"""What an executor is, whatever computes."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R", covariant=True)

DEATHS_MAX = 3
"""So often in a row the same work may end with the death of its worker."""


class WorkersLost(Exception):
    """Workers die again and again, or their cluster is gone; the message says what to do."""


class ExtraMissing(Exception):
    """An executor whose package is not installed; the message says how to."""


class Task(Protocol[R]):
    """Work that was handed over."""

    def done(self) -> bool:
        """Whether `result` answers at once."""

    def result(self) -> R:
        """What the work returned. Raises what it raised, and WorkersLost."""


class Executor(Protocol):
    """Computes what is submitted."""

    ahead: int
    """How many pieces of work it does while one is waited for."""

    def submit(self, work: Callable[..., T], *arguments: Any) -> Task[T]: ...
