"""The story of the fleet as SimPy processes: who breaks, who notices, who is added or let go.

They act on a `DataPlane` and know nothing of requests beyond how many a replica holds.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import simpy

from scenarios.fleet import Autoscaling
from simulator.data_plane import DataPlane
from simulator.outages import Outage
from simulator.traffic import NS_PER_S

Process = Generator[simpy.Event, Any, None]


@dataclass
class Life:
    """What control knows of one replica."""

    id: int
    wanted: bool = True
    """The fleet is to have it."""
    live: bool = True
    failed: bool = False
    decisions: int = 0
    """How often it was added or let go: a start-up belongs to one of them."""


def fail_and_recover(plane: DataPlane, life: Life, outages: Iterator[Outage]) -> Process:
    """A replica stops, someone notices, it is repaired and starts cold."""
    for outage in outages:
        yield plane.env.timeout(nanoseconds(outage.up_s))
        if not life.live:
            continue  # nothing runs that could break
        life.failed, life.live = True, False
        plane.stop(life.id)
        yield plane.env.timeout(nanoseconds(outage.undetected_s))
        plane.close(life.id)
        plane.drain(life.id)
        yield plane.env.timeout(nanoseconds(outage.down_s))
        life.failed = False
        if life.wanted:
            enter_service(plane, life)


def enter_service(plane: DataPlane, life: Life) -> None:
    life.live = True
    plane.start(life.id)
    plane.open(life.id)


def autoscale(plane: DataPlane, lives: list[Life], settings: Autoscaling) -> Process:
    """Every interval: as many replicas as bring the requests per replica to the target.

    `lives` are those of the pool that is scaled, in order of id. New ones serve after the startup
    time; surplus ones (highest id first) get nothing new, serve what they hold, and are let go.
    """
    for life in lives:
        if not life.wanted:
            life.live = False
            plane.close(life.id)
            plane.stop(life.id)
    fewest, most = settings.replicas
    while True:
        yield plane.env.timeout(nanoseconds(settings.interval_s))
        held = plane.outstanding()
        demand = sum(int(held[life.id]) for life in lives) + plane.stranded()
        size = min(max(math.ceil(demand / settings.target_outstanding), fewest), most)
        wanted = [life for life in lives if life.wanted]
        for life in wanted[size:]:
            life.wanted = False
            life.decisions += 1
            plane.close(life.id)
        # Those that still serve what they held come back at once, before new ones are started.
        idle = sorted((life for life in lives if not life.wanted), key=lambda life: not life.live)
        for life in idle[: max(size - len(wanted), 0)]:
            life.wanted = True
            life.decisions += 1
            if life.live:
                plane.open(life.id)
            elif not life.failed:
                plane.env.process(start_up(plane, life, settings.startup_s))
        for life in lives:
            if life.live and not life.wanted and plane.outstanding()[life.id] == 0:
                life.live = False
                plane.stop(life.id)


def start_up(plane: DataPlane, life: Life, startup_s: float) -> Process:
    """From the decision to a replica that serves, if it is still wanted by then."""
    decision = life.decisions
    yield plane.env.timeout(nanoseconds(startup_s))
    if life.decisions == decision and not life.live and not life.failed:
        enter_service(plane, life)


def nanoseconds(seconds: float) -> int:
    return round(seconds * NS_PER_S)
