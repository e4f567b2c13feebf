"""What the fleet, the failures and the rest of a scenario must agree on.

Each function raises what is wrong (scenarios/faults.py, `refuse`), at its key in the scenario.
"""

from scenarios.clients import Clients
from scenarios.demand import Traffic
from scenarios.failures import Failures
from scenarios.faults import refuse
from scenarios.fleet import Fleet, Replica, Topology

RACKS = "`fleet: {topology: {nodes_per_rack: 4}}`"


def buckets_of_classes_that_exist(fleet: Fleet, traffic: tuple[Traffic, ...]) -> None:
    classes = sorted({group.sla_class for group in traffic if group.sla_class})
    for index, bucket in enumerate(fleet.buckets):
        if bucket.for_class not in classes:
            raise refuse(
                "for a class that no traffic has",
                " or ".join(classes) or "the `sla_class` of traffic",
                *("fleet", "buckets", index, "class"),
            )


def buckets_are_shed_alike(fleet: Fleet, traffic: tuple[Traffic, ...]) -> None:
    """One bucket stands at one gate, and a gate sheds all that pass it alike."""
    for index, bucket in enumerate(fleet.buckets if fleet.shedding else ()):
        groups = [group for group in traffic if group.sla_class == bucket.for_class]
        priorities = sorted({group.priority for group in groups})
        if len(priorities) > 1:
            raise refuse(
                "for a class of several priorities, where the lowest is shed first",
                "a class whose traffic has one `priority`: here "
                + ", ".join(f"{group.name} {group.priority}" for group in groups),
                *("fleet", "buckets", index, "class"),
            )


def schedule_knows_the_time(fleet: Fleet, starts_at: float | str | None) -> None:
    if fleet.autoscaling is not None and fleet.autoscaling.schedule and starts_at is None:
        raise refuse(
            "hours of the day, and no time at which a period starts",
            "`starts_at: Tue 09:30`, or `starts_at: random`",
            *("fleet", "autoscaling", "schedule"),
        )


def breaker_has_something_to_count(fleet: Fleet, clients: Clients) -> None:
    if fleet.breaker is not None and clients.first_token_timeout_s is None:
        raise refuse(
            "a breaker counts first-token timeouts, and clients have none",
            "`clients: {first_token_timeout: 10s}` beside it",
            *("fleet", "breaker"),
        )


def rollout_within_the_period(failures: Failures, horizon_s: float) -> None:
    if failures.rollout is not None and failures.rollout.starts_s >= horizon_s:
        raise refuse(
            "after the end of the period",
            f"before `horizon`, {horizon_s:g}s",
            *("failures", "rollout", "starts"),
        )


def faults_of_hardware_that_exists(failures: Failures, topology: Topology) -> None:
    """A fault of racks needs racks; nodes and zones are always there."""
    if topology.nodes_per_rack is not None:
        return
    for key, fault in failures.named:
        own = key[0] == "faults"
        if fault.scope == "rack":
            what = f"fault {fault.name} takes a rack, and there are none"
            raise refuse(what, RACKS, "failures", *key, *(("scope",) if own else ()))
        if fault.rate is not None and fault.rate.unit == "rack":
            what = f"fault {fault.name} is counted per rack, and there are none"
            raise refuse(what, RACKS, "failures", *key, *(("rate",) if own else ()))


def racks_hold_a_replica(fleet: Fleet, main: Replica) -> None:
    rack = fleet.topology.gpus_per_rack
    replicas: list[tuple[tuple[str | int, ...], Replica]] = [
        (("replica",), main),
        *((("fleet", "others", i, "replica"), pool.replica) for i, pool in enumerate(fleet.others)),
    ]
    for at, replica in replicas:
        if rack is not None and replica.gpus > rack:
            raise refuse(
                f"a replica of {replica.gpus} GPUs on racks of {rack}",
                "racks of more `nodes_per_rack`, or nodes of more `gpus_per_node`",
                *at,
            )


def zones_are_reached(topology: Topology) -> None:
    """`pack` goes on to the next zone when one is full, so it has to know when that is."""
    if topology.placement == "pack" and topology.zones > 1 and topology.gpus_per_zone is None:
        raise refuse(
            "zones after the first, which never fills up",
            "`nodes_per_rack` and `racks_per_zone` beside it, or `placement: spread`",
            *("fleet", "topology", "zones"),
        )


def fleet_has_room(fleet: Fleet, main: Replica, planned: int) -> None:
    """Zones of a given size hold so many GPUs and no more; `planned`: the most replicas that the
    planner may try."""
    topology = fleet.topology
    if topology.gpus_per_zone is None:
        return
    scaled = fleet.autoscaling.replicas[1] if fleet.autoscaling else 0
    gpus = max(fleet.replicas, scaled, planned) * main.gpus
    gpus += sum(pool.replicas * pool.replica.gpus for pool in fleet.others)
    room = topology.zones * topology.gpus_per_zone
    if gpus > room:
        raise refuse(
            f"up to {gpus:,} GPUs where {room:,} have room",
            "more `zones`, `racks_per_zone`, `nodes_per_rack` or `gpus_per_node`",
            *("fleet", "topology"),
        )
