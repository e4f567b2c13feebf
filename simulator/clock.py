"""The clock: SimPy tells the story, and between two of its events the data plane serves."""

from typing import Protocol

import simpy
from simpy.core import StopSimulation

LAST = 2
"""SimPy's own events have priority 0 and 1."""


class Served(Protocol):
    """What the clock needs to know of a data plane."""

    def advance(self, until_ns: int) -> bool:
        """Everything strictly before `until_ns`; whether the run is over."""


class ServingEnvironment(simpy.Environment):  # type: ignore[misc]  # simpy has no types
    """A SimPy clock, in nanoseconds, whose replicas are stepped by compiled code between its
    events."""

    def __init__(self, plane: Served, start_ns: int) -> None:
        super().__init__(initial_time=start_ns)
        self.plane = plane

    def at_last(self, instant_ns: int) -> simpy.Event:
        """An event after all control events of its instant."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        self.schedule(event, LAST, instant_ns - self.now)
        return event

    def step(self) -> None:
        if self.plane.advance(self.peek()):
            raise StopSimulation(None)
        super().step()
