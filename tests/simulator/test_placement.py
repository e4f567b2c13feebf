"""Where replicas stand, and what falls with what."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.fleet import Topology
from simulator.control.drill import Kill, UnknownComponent, component_named
from simulator.control.placement import Stock, components, places
from tests.oracles.idle_plane import control
from tests.oracles.small import small_scenario

topologies = st.builds(
    lambda gpus, nodes, racks, zones, placement: Topology(
        gpus_per_node=gpus,
        nodes_per_rack=nodes,
        racks_per_zone=racks if nodes else None,
        zones=zones,
        placement=placement,
    ),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 1, 2]),
    st.integers(1, 4),
    st.sampled_from(["spread", "pack"]),
)


def topology(**parts):
    return Topology(**{"gpus_per_node": 8} | parts)


def by_name(scope, one, *stocks):
    return {part.name: part.replicas for part in components(one, stocks, scope)}


# --- by hand -------------------------------------------------------------------------------------


def test_small_replicas_share_a_node():
    assert by_name("node", topology(), Stock("", 5, 2)) == {"node-0": (0, 1, 2, 3), "node-1": (4,)}
    assert [p.gpus for p in places(topology(), 5, 2)][3:] == [(6, 7), (8, 9)]


def test_gpus_that_do_not_fill_a_node_stay_empty():
    """Two replicas of three GPUs on eight; two of them nobody uses."""
    assert [p.gpus for p in places(topology(), 3, 3)] == [(0, 1, 2), (3, 4, 5), (8, 9, 10)]
    assert len(by_name("gpu", topology(), Stock("", 3, 3))) == 9


def test_a_large_replica_spans_whole_nodes():
    nodes = by_name("node", topology(), Stock("", 2, 12))
    assert nodes == {"node-0": (0,), "node-1": (0,), "node-2": (1,), "node-3": (1,)}
    assert places(topology(), 2, 12)[1].gpus == (*range(16, 24), *range(24, 28))


def test_spread_takes_turns_between_zones_and_packs_within():
    zones = by_name("zone", topology(zones=2), Stock("", 5, 4))
    assert zones == {"zone-a": (0, 2, 4), "zone-b": (1, 3)}
    nodes = by_name("node", topology(zones=2), Stock("", 5, 4))
    assert nodes == {"node-0": (0, 2), "node-1": (1, 3), "node-2": (4,)}


def test_spread_takes_turns_between_racks_too():
    spread = topology(zones=2, racks_per_zone=2, nodes_per_rack=2)
    racks = by_name("rack", spread, Stock("", 8, 8))
    assert racks == {"rack-0": (0, 4), "rack-1": (1, 5), "rack-2": (2, 6), "rack-3": (3, 7)}


def test_racks_without_number_are_filled():
    racks = by_name("rack", topology(zones=2, nodes_per_rack=2), Stock("", 8, 8))
    assert racks == {"rack-0": (0, 2), "rack-1": (1, 3), "rack-2": (4, 6), "rack-3": (5, 7)}


def test_pack_fills_one_after_the_other():
    packed = topology(zones=2, racks_per_zone=2, nodes_per_rack=2, placement="pack")
    assert by_name("rack", packed, Stock("", 6, 8)) == {
        "rack-0": (0, 1), "rack-1": (2, 3), "rack-2": (4, 5),
    }  # fmt: skip
    assert by_name("zone", packed, Stock("", 6, 8)) == {"zone-a": (0, 1, 2, 3), "zone-b": (4, 5)}


def test_pools_share_zones_and_nothing_else():
    stocks = Stock("", 2, 4), Stock("big", 2, 8)
    assert by_name("zone", topology(zones=2), *stocks) == {"zone-a": (0, 2), "zone-b": (1, 3)}
    assert by_name("node", topology(), *stocks) == {
        "node-0": (0, 1), "big/node-0": (2,), "big/node-1": (3,),
    }  # fmt: skip
    assert by_name("replica", topology(), *stocks) == {
        "replica-0": (0,), "replica-1": (1,), "big/replica-0": (2,), "big/replica-1": (3,),
    }  # fmt: skip


def test_a_component_counts_what_it_consists_of():
    """A node breaks as a whole, whoever uses its GPUs."""
    racked = topology(zones=2, nodes_per_rack=2)
    stock = Stock("", 3, 4)
    assert components(racked, (stock,), "node")[1].units == {"gpu": 8, "node": 1}
    assert components(racked, (stock,), "rack")[0].units == {"gpu": 8, "node": 1, "rack": 1}
    zone = components(racked, (Stock("", 7, 8), Stock("big", 1, 16)), "zone")[0]
    assert zone.units == {"gpu": 48, "node": 6, "rack": 3, "zone": 1}
    assert components(racked, (stock,), "replica")[0].units == {"gpu": 4, "replica": 1}


# --- any ------------------------------------------------------------------------------------------


@given(topologies, st.integers(1, 12), st.integers(0, 30), st.integers(0, 5))
def test_one_replica_more_leaves_the_places_of_all_others(one, gpus, replicas, more):
    assert places(one, replicas + more, gpus)[:replicas] == places(one, replicas, gpus)


@given(topologies, st.integers(1, 12), st.integers(1, 30))
def test_every_gpu_has_one_replica_and_lies_on_its_node(one, gpus, replicas):
    placed = places(one, replicas, gpus)
    used = [gpu for place in placed for gpu in place.gpus]
    assert len(set(used)) == len(used) == replicas * gpus
    for place in placed:
        assert {gpu // one.gpus_per_node for gpu in place.gpus} == set(place.nodes)
        assert len(place.nodes) == -(-gpus // one.gpus_per_node)
        assert 0 <= place.zone < one.zones
        assert len(place.racks) == (len(place.nodes) if one.nodes_per_rack else 0)


@given(topologies, st.integers(1, 12), st.integers(1, 30))
def test_a_node_is_in_one_rack_and_a_rack_in_one_zone(one, gpus, replicas):
    rack_of, zone_of = {}, {}
    for place in places(one, replicas, gpus):
        for node, rack in zip(place.nodes, place.racks, strict=False):
            assert rack_of.setdefault(node, rack) == rack
            assert zone_of.setdefault(rack, place.zone) == place.zone
    if one.nodes_per_rack and (one.placement == "pack" or one.racks_per_zone is None):
        held = [list(rack_of.values()).count(rack) for rack in zone_of]
        assert max(held) <= one.nodes_per_rack


@given(topologies, st.integers(1, 12), st.integers(1, 20), st.integers(1, 5))
def test_the_parts_of_each_scope_together_hold_every_replica(one, gpus, replicas, others):
    stocks = Stock("", replicas, gpus), Stock("other", others, 1)
    for scope in ("gpu", "replica", "node", "rack", "zone"):
        hit = {id for part in components(one, stocks, scope) for id in part.replicas}
        assert hit == (set(range(replicas + others)) if scope != "rack" or one.nodes_per_rack
                       else set())  # fmt: skip


# --- what falls with what -------------------------------------------------------------------------


@pytest.mark.parametrize("placement", ["spread", "pack"])
@pytest.mark.parametrize("zone", ["zone-a", "zone-b"])
def test_the_loss_of_a_zone_takes_exactly_its_replicas(placement, zone):
    scenario = small_scenario(
        fleet={
            "replicas": 12,
            "topology": {"gpus_per_node": 2, "nodes_per_rack": 2, "racks_per_zone": 2, "zones": 2,
                         "placement": placement},
        },
    )  # fmt: skip
    plane, books = control(scenario, drill=[Kill(zone, 5.0, 10.0, "crash", start="none")])
    first = zone == "zone-a"
    expected = {
        "spread": set(range(0, 12, 2)) if first else set(range(1, 12, 2)),
        "pack": set(range(8)) if first else set(range(8, 12)),
    }[placement]
    assert set(books.incidents[0].replicas) == expected
    assert {id for at, what, id in plane.told("stop") if at == 5.0} == expected
    assert {id for at, what, id in plane.told("start") if at == 15.0} == expected
    assert len(plane.told("stop", "start")) == 2 * len(expected)


def test_a_component_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(UnknownComponent, match=re.escape("did you mean zone-b?")):
        component_named("zoneb", topology(zones=2), (Stock("", 4, 1),))
    with pytest.raises(UnknownComponent, match="There are: zone-a, node-0"):
        component_named("rack-0", topology(), (Stock("", 4, 1),))
    with pytest.raises(UnknownComponent, match="no 'node-7' in this fleet"):
        control(small_scenario(), drill=[Kill("node-7", 5.0)])
