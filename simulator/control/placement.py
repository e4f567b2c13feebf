"""Where each replica stands: its GPUs, nodes, racks and zone.

A replica's place depends on those before it in its pool and never on how many come after, so that
a larger fleet is the smaller one and more. Nodes, racks and GPUs are numbered as they come into
use. Every pool has nodes (and racks) of its own; zones are shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.failures import Scope
from scenarios.fleet import Topology


class Stock(NamedTuple):
    """One pool, as placement sees it."""

    name: str
    """Empty for the main pool."""
    replicas: int
    gpus: int
    """Per replica."""


class Place(NamedTuple):
    """Of one replica: numbers of what it stands on, within its pool (zones: of all)."""

    zone: int
    nodes: tuple[int, ...]
    racks: tuple[int, ...]
    """Of each of its nodes; empty without racks."""
    gpus: tuple[int, ...]


@dataclass(frozen=True)
class Component:
    """One thing that can break."""

    name: str
    """As people name it: 'zone-a', 'rack-0', 'node-3', 'gpu-17', 'replica-4'; of other pools
    'POOL/node-3'."""
    pool: str
    """Empty for the main pool, and for zones."""
    number: int
    """Within its pool: names its random streams."""
    zone: int
    replicas: tuple[int, ...]
    """Ids of all that have a GPU in it."""
    units: dict[str, int]
    """How many gpus, replicas, nodes, racks and zones it consists of, as far as the fleet uses
    them (with autoscaling: as far as it may). A node counts with all its GPUs, whoever uses them:
    it is the node that breaks."""

    @property
    def key(self) -> tuple[str, int]:
        return self.pool, self.number


def places(topology: Topology, replicas: int, gpus: int) -> list[Place]:
    """Of each replica of one pool, in order.

    >>> [place.nodes for place in places(Topology(gpus_per_node=8, zones=2), 4, 4)]
    [(0,), (1,), (0,), (1,)]
    """
    spots: dict[tuple[int, int], int] = {}
    """Replicas so far, by zone and rack (or -1: racks follow from nodes)."""
    numbers: dict[str, dict[tuple[int, ...], int]] = {"rack": {}, "node": {}}
    return [place_of(topology, index, gpus, spots, numbers) for index in range(replicas)]


def place_of(
    topology: Topology,
    index: int,
    gpus: int,
    spots: dict[tuple[int, int], int],
    numbers: dict[str, dict[tuple[int, ...], int]],
) -> Place:
    zone, rack = (turn if topology.placement == "spread" else fill)(topology, index, gpus)
    spot = spots.get((zone, rack), 0)
    spots[zone, rack] = spot + 1
    own_nodes = nodes_of(topology, spot, gpus)
    nodes = tuple(numbered(numbers["node"], (zone, rack, node)) for node in own_nodes)
    racks: tuple[int, ...] = ()
    if topology.nodes_per_rack is not None:
        filled = [node // topology.nodes_per_rack if rack < 0 else rack for node in own_nodes]
        racks = tuple(numbered(numbers["rack"], (zone, own_rack)) for own_rack in filled)
    per_node = topology.gpus_per_node
    first = spot % (per_node // gpus) * gpus if gpus <= per_node else 0
    used = [
        node * per_node + first + slot
        for ordinal, node in enumerate(nodes)
        for slot in range(min(gpus - ordinal * per_node, per_node))
    ]
    return Place(zone, nodes, racks, tuple(used))


def nodes_of(topology: Topology, spot: int, gpus: int) -> range:
    """The nodes of the `spot`-th replica among those that are packed together."""
    if gpus <= topology.gpus_per_node:
        node = spot // (topology.gpus_per_node // gpus)
        return range(node, node + 1)
    spanned = -(-gpus // topology.gpus_per_node)
    return range(spot * spanned, (spot + 1) * spanned)


def numbered(numbers: dict[tuple[int, ...], int], key: tuple[int, ...]) -> int:
    """The number of what has that key: the next one, if it is new."""
    return numbers.setdefault(key, len(numbers))


def turn(topology: Topology, index: int, gpus: int) -> tuple[int, int]:
    """(zone, rack) where replicas take turns; rack -1 where racks are filled one by one."""
    zone, own = index % topology.zones, index // topology.zones
    return zone, -1 if topology.racks_per_zone is None else own % topology.racks_per_zone


def fill(topology: Topology, index: int, gpus: int) -> tuple[int, int]:
    """(zone, -1) where one is filled after the other. The last takes what is left."""
    if topology.racks_per_zone is None or topology.nodes_per_rack is None:
        return 0, -1
    nodes = topology.racks_per_zone * topology.nodes_per_rack
    if gpus <= topology.gpus_per_node:
        held = nodes * (topology.gpus_per_node // gpus)
    else:
        held = max(nodes // -(-gpus // topology.gpus_per_node), 1)
    return min(index // held, topology.zones - 1), -1


class Standing(NamedTuple):
    """A replica of the fleet and where it stands."""

    id: int
    pool: str
    number: int
    """Within its pool."""
    place: Place


def standing(topology: Topology, stocks: Sequence[Stock]) -> list[Standing]:
    """All replicas, in order of id."""
    rows = [
        (stock.name, number, place)
        for stock in stocks
        for number, place in enumerate(places(topology, stock.replicas, stock.gpus))
    ]
    return [Standing(id, *row) for id, row in enumerate(rows)]


class Group(NamedTuple):
    """All components of one scope in one pool, also as columns."""

    pool: str
    components: tuple[Component, ...]
    numbers: NDArray[np.int64]
    units: dict[str, NDArray[np.int64]]


@lru_cache(maxsize=64)
def groups(topology: Topology, stocks: tuple[Stock, ...], scope: Scope) -> tuple[Group, ...]:
    """The components of that scope, by pool."""
    known = components(topology, stocks, scope)
    pools = dict.fromkeys(component.pool for component in known)
    return tuple(group_of([one for one in known if one.pool == pool]) for pool in pools)


def group_of(own: Sequence[Component]) -> Group:
    units = {unit: np.array([one.units[unit] for one in own]) for unit in own[0].units}
    return Group(own[0].pool, tuple(own), np.array([one.number for one in own]), units)


def components(
    topology: Topology, stocks: tuple[Stock, ...], scope: Scope
) -> tuple[Component, ...]:
    """Everything of that scope that a replica stands on, by pool and number."""
    users: dict[tuple[str, int], list[Standing]] = {}
    for one in standing(topology, stocks):
        pool = "" if scope == "zone" else one.pool
        for number in numbers_of(one, scope):
            users.setdefault((pool, number), []).append(one)
    order = {stock.name: index for index, stock in enumerate(stocks)}
    return tuple(
        Component(
            name=(f"{pool}/" if pool else "") + name_of(scope, number),
            pool=pool,
            number=number,
            zone=used[0].place.zone,
            replicas=tuple(one.id for one in used),
            units=units(topology, scope, number, used),
        )
        for (pool, number), used in sorted(
            users.items(), key=lambda item: (order.get(item[0][0], -1), item[0][1])
        )
    )


def numbers_of(one: Standing, scope: Scope) -> tuple[int, ...]:
    """Of the components of that scope that a replica stands on."""
    match scope:
        case "gpu":
            return one.place.gpus
        case "node":
            return one.place.nodes
        case "rack":
            return tuple(dict.fromkeys(one.place.racks))
        case "zone":
            return (one.place.zone,)
        case "replica":
            return (one.number,)


def name_of(scope: Scope, number: int) -> str:
    """As people name it.

    >>> name_of("zone", 1), name_of("gpu", 17)
    ('zone-b', 'gpu-17')
    """
    return f"{scope}-{chr(ord('a') + number) if scope == 'zone' else number}"


def units(
    topology: Topology, scope: Scope, number: int, users: Sequence[Standing]
) -> dict[str, int]:
    """How many of each there are in a component; see `Component.units`."""
    if scope == "gpu":
        return {"gpu": 1}
    if scope == "replica":
        return {"gpu": len(users[0].place.gpus), "replica": 1}
    if scope == "node":
        return {"gpu": topology.gpus_per_node, "node": 1}
    nodes = {
        (one.pool, node, rack)
        for one in users
        for node, rack in zip_longest(one.place.nodes, one.place.racks)
        if scope == "zone" or rack == number
    }
    racks = {(pool, rack) for pool, _, rack in nodes if rack is not None}
    inside = {"gpu": len(nodes) * topology.gpus_per_node, "node": len(nodes), "rack": len(racks)}
    return inside | ({"zone": 1} if scope == "zone" else {})
