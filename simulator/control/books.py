"""What happened to the fleet, written down as it happens: states of replicas, and incidents."""

from dataclasses import dataclass, field
from typing import NamedTuple

STATES = ("off", "starting", "serving", "closing", "down", "gone")
OFF, STARTING, SERVING, CLOSING, DOWN, GONE = range(len(STATES))
"""Off: not provisioned, nobody wants it. Starting: from provisioning (or repaired) to serving.
Closing: gets nothing new, serves what it holds. Down: broken, hardware kept. Gone: its node was
taken away."""
PAID = (STARTING, SERVING, CLOSING, DOWN)


class Change(NamedTuple):
    """From this instant on a replica is in that state."""

    at_ns: int
    replica: int
    state: int
    wanted: bool = True
    """The fleet is to have it."""


class StartUp(NamedTuple):
    """One start of a replica, as drawn: it may be broken off."""

    at_ns: int
    replica: int
    kind: str
    phases: tuple[tuple[str, float], ...]
    """(name, seconds), one after the other."""

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.phases)


@dataclass
class Incident:
    """One fault of one component."""

    fault: int
    """Index into `Books.faults`."""
    component: str
    """As drills name it: 'zone-a', 'rack-1', 'node-3', 'gpu-17', 'replica-4'."""
    replicas: tuple[int, ...]
    """Those that were there to be hit."""
    begin_ns: int
    noticed_ns: int | None = None
    end_ns: int | None = None
    """Repaired; its replicas may still be starting."""


@dataclass
class Books:
    """Everything control tells of a run."""

    faults: tuple[str, ...] = ()
    """Names, in the order of their codes."""
    changes: list[Change] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    starts: list[StartUp] = field(default_factory=list)
    ready_nodes: list[tuple[int, int]] = field(default_factory=list)
    """(instant, nodes that wait in the warm pool), at each change."""
