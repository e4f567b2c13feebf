"""What a run of the fleet comes to: where its GPU time went, how many were down, what faults did.

All of it inside the period, [0, horizon). Time is counted in whole nanoseconds and GPUs, so that
what must add up adds up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.books import PAID, STARTING, Books, Incident
from simulator.control.spans import area_ns, spans, time_by_count_ns
from simulator.control.stocks import stocks
from simulator.traffic import NS_PER_S

S_PER_HOUR = 3600.0


class Hardware(NamedTuple):
    """What there is to pay for."""

    pools: Sequence[tuple[int, int]]
    """(replicas, GPUs of each) of the pools, in order of replica ids."""
    ready_gpus: int = 0
    """Of one place in the warm pool: room for a replica."""
    spare_gpus: int = 0
    """Of all spares."""


def hardware(scenario: Scenario, fleet: Fleet) -> Hardware:
    node_gpus = fleet.topology.gpus_per_node
    spare_nodes = scenario.failures.spare_nodes if scenario.failures else 0
    return Hardware(
        pools=tuple((stock.replicas, stock.gpus) for stock in stocks(scenario, fleet)),
        ready_gpus=scenario.replica.gpus,
        spare_gpus=spare_nodes * node_gpus,
    )


class Toll(NamedTuple):
    """What faults of one name did in a period."""

    fault: str
    incidents: int
    """Those that began in it, and those that were under way at its start."""
    replicas: int
    """Replicas hit, each once per incident."""
    open: int
    """Incidents that were not repaired at its end."""
    notice_s: float | None
    """From the fault until somebody knew: mean over those that began in it. None: of none."""
    repair_s: float | None
    """From the fault until it was repaired, likewise; a start of the replica comes on top."""
    retried: int
    """Requests that it hit, as the last fault to do so, and that completed."""
    lost: int
    """Requests that it hit last and that did not complete."""


@dataclass(frozen=True)
class Accounts:
    """The sums of one period."""

    horizon_ns: int
    gpu_ns: tuple[tuple[int, ...], ...]
    """Per pool: GPU time in each state of `books.PAID`."""
    ready_gpu_ns: int
    """GPU time of nodes in the warm pool."""
    spare_gpu_ns: int
    busy_gpu_ns: tuple[int, ...]
    """Per pool: GPU time of engine steps."""
    starting_ns: int
    """Replica time from provisioned, or repaired, to serving."""
    down_ns: tuple[int, ...]
    """Time with exactly 0, 1, 2 ... replicas down: wanted, and not up."""
    tolls: tuple[Toll, ...]
    """Per fault, by its code."""
    tokens_lost: int
    """Tokens whose KV was lost with a replica, and had to be computed again."""

    @property
    def paid_gpu_ns(self) -> int:
        return sum(map(sum, self.gpu_ns)) + self.ready_gpu_ns + self.spare_gpu_ns

    @property
    def paid_gpu_hours(self) -> float:
        """From provisioning on, spares and warm pool included."""
        return self.paid_gpu_ns / NS_PER_S / S_PER_HOUR

    @property
    def useful_gpu_hours(self) -> float:
        """While an engine step computes."""
        return sum(self.busy_gpu_ns) / NS_PER_S / S_PER_HOUR

    @property
    def useful_share(self) -> float:
        """Of the GPU time paid."""
        return sum(self.busy_gpu_ns) / self.paid_gpu_ns if self.paid_gpu_ns else 0.0

    @property
    def gpus_paid(self) -> list[float]:
        """Per pool: how many GPUs, on average. Spares and warm pool are the main pool's."""
        paid = [sum(states) for states in self.gpu_ns]
        return [
            (own + (0 if pool else self.ready_gpu_ns + self.spare_gpu_ns)) / self.horizon_ns
            for pool, own in enumerate(paid)
        ]

    @property
    def gpus_useful(self) -> list[float]:
        """Per pool: how many GPUs compute an engine step, on average."""
        return [busy / self.horizon_ns for busy in self.busy_gpu_ns]

    @property
    def cold_start_minutes(self) -> float:
        """Of replicas that start, whatever for."""
        return self.starting_ns / NS_PER_S / 60.0

    @property
    def down_s(self) -> list[float]:
        """Seconds with exactly 0, 1, 2 ... replicas down."""
        return [time_ns / NS_PER_S for time_ns in self.down_ns]


def restored(data: dict[str, Any]) -> Accounts:
    """The accounts that `dataclasses.asdict` turned into data, also after a way through JSON."""
    pools = tuple(map(tuple, data["gpu_ns"]))
    tuples = {name: tuple(data[name]) for name in ("busy_gpu_ns", "down_ns")}
    found = tuple(Toll(*each) for each in data["tolls"])
    return Accounts(**{**data, **tuples, "gpu_ns": pools, "tolls": found})


def settle(
    books: Books,
    hardware: Hardware,
    horizon_ns: int,
    busy_ns: Sequence[int],
    tokens_lost: int,
    fault: NDArray[Any],
    completed: NDArray[np.bool_],
) -> Accounts:
    """The sums of what is in the books, with what the data plane tells.

    busy_ns: per replica, computing time in the period. fault, completed: per counted request, the
    code of the last fault that hit it (-1 none) and whether it completed.
    """
    pool_of = [pool for pool, (count, _) in enumerate(hardware.pools) for _ in range(count)]
    gpus = [own for count, own in hardware.pools for _ in range(count)]
    gpu_ns = [[0] * len(PAID) for _ in hardware.pools]
    busy_gpu_ns = [0] * len(hardware.pools)
    for replica, busy in enumerate(busy_ns):
        busy_gpu_ns[pool_of[replica]] += int(busy) * gpus[replica]
    starting_ns, missing = 0, []
    for span in spans(books.changes, len(gpus), horizon_ns):
        time_ns = span.end_ns - span.begin_ns
        if span.state in PAID:
            gpu_ns[pool_of[span.replica]][PAID.index(span.state)] += time_ns * gpus[span.replica]
        if span.state == STARTING:
            starting_ns += time_ns
        if span.missing:
            missing.append((span.begin_ns, span.end_ns))
    return Accounts(
        horizon_ns=horizon_ns,
        gpu_ns=tuple(map(tuple, gpu_ns)),
        ready_gpu_ns=area_ns(books.ready_nodes, horizon_ns) * hardware.ready_gpus,
        spare_gpu_ns=hardware.spare_gpus * horizon_ns,
        busy_gpu_ns=tuple(busy_gpu_ns),
        starting_ns=starting_ns,
        down_ns=time_by_count_ns(missing, horizon_ns),
        tolls=tolls(books, horizon_ns, fault, completed),
        tokens_lost=tokens_lost,
    )


# --- faults --------------------------------------------------------------------------------------


def tolls(
    books: Books, horizon_ns: int, fault: NDArray[Any], completed: NDArray[np.bool_]
) -> tuple[Toll, ...]:
    kinds = len(books.faults)
    retried = np.bincount(fault[completed & (fault >= 0)], minlength=kinds).tolist()
    lost = np.bincount(fault[~completed & (fault >= 0)], minlength=kinds).tolist()
    own: list[list[Incident]] = [[] for _ in books.faults]
    for incident in incidents_of(books, horizon_ns):
        own[incident.fault].append(incident)
    return tuple(
        toll(books.faults[code], own[code], horizon_ns, retried[code], lost[code])
        for code in range(kinds)
    )


def toll(
    name: str, incidents: Sequence[Incident], horizon_ns: int, retried: int, lost: int
) -> Toll:
    fresh = [one for one in incidents if one.begin_ns >= 0]
    return Toll(
        fault=name,
        incidents=len(incidents),
        replicas=sum(len(one.replicas) for one in incidents),
        open=sum(one.end_ns is None or one.end_ns > horizon_ns for one in incidents),
        notice_s=mean_s([(one.begin_ns, one.noticed_ns) for one in fresh]),
        repair_s=mean_s([(one.begin_ns, one.end_ns) for one in fresh]),
        retried=retried,
        lost=lost,
    )


def incidents_of(books: Books, horizon_ns: int) -> list[Incident]:
    """Those that have a part in the period, in order of their beginning."""
    touching = [
        one
        for one in books.incidents
        if one.begin_ns < horizon_ns and (one.end_ns is None or one.end_ns > 0)
    ]
    return sorted(touching, key=lambda one: one.begin_ns)


def mean_s(times_ns: Sequence[tuple[int, int | None]]) -> float | None:
    """The mean length of those intervals that have an end."""
    lengths_ns = [end_ns - begin_ns for begin_ns, end_ns in times_ns if end_ns is not None]
    return sum(lengths_ns) / len(lengths_ns) / NS_PER_S if lengths_ns else None
