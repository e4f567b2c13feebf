"""Routers: each reads the fleet at the arrival and names a replica. Ties go to the lowest id."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Routable(Protocol):
    """What a router may know of a replica."""

    @property
    def id(self) -> int: ...
    @property
    def routable(self) -> bool: ...
    @property
    def outstanding(self) -> int: ...


Router = Callable[[Sequence[Routable]], int | None]
"""Replicas by id -> the chosen one's id, or None when none is routable."""


def round_robin() -> Router:
    """Each in turn, skipping those that are not routable."""
    last = -1

    def choose(replicas: Sequence[Routable]) -> int | None:
        nonlocal last
        for step in range(1, len(replicas) + 1):
            candidate = (last + step) % len(replicas)
            if replicas[candidate].routable:
                last = candidate
                return candidate
        return None

    return choose


def least_outstanding() -> Router:
    """The one with the fewest requests waiting or running."""

    def choose(replicas: Sequence[Routable]) -> int | None:
        routable = [replica for replica in replicas if replica.routable]
        if not routable:
            return None
        return min(routable, key=lambda replica: replica.outstanding).id

    return choose


ROUTERS: dict[str, Callable[[], Router]] = {
    "round-robin": round_robin,
    "least-outstanding": least_outstanding,
}
