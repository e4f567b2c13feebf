"""Other worlds: the same scenario with one thing better, or one input larger or smaller.

A what-if that relieves one resource asks whether that resource is what binds; an input moved a
little asks how much the answer hangs on it. Fleet and seeds stay, so that what differs is the thing
alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from scenarios.demand import Traffic
from scenarios.demand.arrivals import ClosedArrivals, ConstantArrivals, OpenArrivals, Replay
from scenarios.demand.users import UserDemand
from scenarios.failures import Failures, Fault
from scenarios.fleet import ColdStart, Replica, WholeStart
from scenarios.inputs import without_uncertainty
from scenarios.latency import LinearLatency, Profile
from scenarios.lines import variant
from scenarios.model import Scenario
from scenarios.times import FixedTime, Time
from simulator.inputs import slower
from simulator.simulate import replica_limits
from simulator.traffic import NS_PER_S, Workload

FLOPS = ("bf16_flops_per_s", "fp8_flops_per_s", "int8_flops_per_s", "nvfp4_flops_per_s")


class WhatIf(NamedTuple):
    """A scenario that differs in one thing."""

    relieves: str
    """What would be scarce if this helps."""
    change: str
    """What is changed, in words."""
    scenario: Scenario


def relieved(scenario: Scenario, periods: Sequence[Workload]) -> Iterator[WhatIf]:
    """The what-ifs that make sense for a scenario. `periods`: what a few of its periods ask for."""
    if physics(scenario):
        yield WhatIf("compute", "twice the FLOP/s", with_gpus(scenario, FLOPS, 2.0))
        bandwidth = ("bandwidth_bytes_per_s",)
        yield WhatIf("memory bandwidth", "twice the GB/s", with_gpus(scenario, bandwidth, 2.0))
    else:
        yield WhatIf("step time", "steps twice as fast", slower(scenario, 0.5))
    yield WhatIf("KV capacity", "twice the KV blocks", with_blocks(scenario, 2.0))
    yield WhatIf("seats", "twice max_num_seqs", with_seats(scenario))
    even = evenly(scenario, periods)
    if even is not None:
        yield WhatIf("queueing at peaks", "arrivals evenly spaced at their mean rate", even)
    if scenario.failures is not None:
        yield WhatIf("failures", "nothing breaks", scenario.model_copy(update={"failures": None}))
    if scenario.failures is not None or scenario.fleet.autoscaling is not None:
        yield WhatIf("cold starts", "starts take no time", starting_at_once(scenario))
    if scenario.uncertain:
        yield WhatIf("uncertain inputs", "inputs as given", without_uncertainty(scenario))


def inputs_times(scenario: Scenario, factor: float) -> Iterator[tuple[str, Scenario]]:
    """(input, the scenario with it that many times as large) of each that can be moved."""
    yield "requests per second", traffic_times(scenario, factor)
    for name in ("input_tokens", "output_tokens"):
        longer = lengths_times(scenario, name, factor)
        if longer is not None:
            yield f"{name.split('_')[0]} tokens", longer
    yield "step time", slower(scenario, factor)
    yield "KV blocks", with_blocks(scenario, factor)
    if scenario.failures is not None:
        failures = scenario.failures
        more = failures.model_copy(update={"scale": failures.scale * factor})
        if failures.all:
            yield "failure rates", scenario.model_copy(update={"failures": more})
            yield "repair times", repairs_times(scenario, failures, factor)
    if scenario.failures is not None or scenario.fleet.autoscaling is not None:
        yield "start times", starts_times(scenario, factor)


# --- hardware ------------------------------------------------------------------------------------


def physics(scenario: Scenario) -> bool:
    """Whether the step times of all pools follow from the hardware."""
    given = [scenario.latency, *(pool.latency for pool in scenario.fleet.others)]
    return not any(
        isinstance(each, LinearLatency) or (isinstance(each, Profile) and each.step is not None)
        for each in given
    )


def with_replicas(scenario: Scenario, change: Callable[[Replica], Replica]) -> Scenario:
    """Every pool's replica changed."""
    others = tuple(
        pool.model_copy(update={"replica": change(pool.replica)}) for pool in scenario.fleet.others
    )
    fleet = scenario.fleet.model_copy(update={"others": others})
    return scenario.model_copy(update={"replica": change(scenario.replica), "fleet": fleet})


def with_gpus(scenario: Scenario, names: Sequence[str], factor: float) -> Scenario:
    def change(replica: Replica) -> Replica:
        known = {name: getattr(replica.gpu, name) for name in names}
        times = {name: value * factor for name, value in known.items() if value is not None}
        return replica.model_copy(update={"gpu": replica.gpu.model_copy(update=times)})

    return with_replicas(scenario, change)


def with_engine(replica: Replica, **settings: Any) -> Replica:
    return replica.model_copy(update={"engine": replica.engine.model_copy(update=settings)})


def with_blocks(scenario: Scenario, factor: float) -> Scenario:
    def change(replica: Replica) -> Replica:
        blocks = replica_limits(scenario.model, replica).blocks / replica.data_parallel
        return with_engine(replica, num_gpu_blocks=max(round(blocks * factor), 1))

    return with_replicas(scenario, change)


def with_seats(scenario: Scenario) -> Scenario:
    def change(replica: Replica) -> Replica:
        seats = 2 * replica.engine.max_num_seqs
        budget = max(replica.engine.max_num_batched_tokens, seats + 1)
        return with_engine(replica, max_num_seqs=seats, max_num_batched_tokens=budget)

    return with_replicas(scenario, change)


# --- traffic -------------------------------------------------------------------------------------


def traffic_times(scenario: Scenario, factor: float) -> Scenario:
    """The same traffic, that many times as much of it: requests, sessions or clients."""
    groups = tuple(group_times(group, factor) for group in scenario.traffic)
    return scenario.model_copy(update={"traffic": groups})


def group_times(group: Traffic, factor: float) -> Traffic:
    arrivals = group.arrivals
    changed: dict[str, Any]
    match arrivals:
        case ClosedArrivals():
            changed = {"clients": max(round(arrivals.clients * factor), 1)}
        case Replay():
            changed = {"rate_scale": arrivals.rate_scale * factor}
        case OpenArrivals():
            table = tuple(
                each.model_copy(update={"rate_per_s": each.rate_per_s * factor})
                for each in arrivals.rate_table
            )
            users = arrivals.users and users_times(arrivals.users, factor)
            rate = users.rate_per_s if users else arrivals.rate_per_s * factor
            changed = {"rate_per_s": rate, "rate_table": table, "users": users}
    return group.model_copy(update={"arrivals": arrivals.model_copy(update=changed)})


def users_times(users: UserDemand, factor: float) -> UserDemand:
    """The same users, each of whom asks that many times as often."""
    asked = {
        name: getattr(users, name) * factor
        for name in ("requests_per_user_per_s", "sessions_per_user_per_s")
        if getattr(users, name) is not None
    }
    return users.model_copy(update=asked)


def evenly(scenario: Scenario, periods: Sequence[Workload]) -> Scenario | None:
    """Arrivals at the mean rate of these periods, all gaps of a group alike; of recorded and closed
    traffic as it is. None where that changes nothing."""
    span_s = scenario.horizon_s * len(periods)
    counts = np.zeros(len(scenario.traffic))
    for period in periods:
        inside = (period.arrival_ns >= 0) & (period.arrival_ns < scenario.horizon_s * NS_PER_S)
        if period.follow_ups is not None:
            inside &= ~period.follow_ups.emerges
        counts += np.bincount(period.group[inside], minlength=len(counts))
    groups = []
    for group, count in zip(scenario.traffic, counts.tolist(), strict=True):
        free = isinstance(group.arrivals, OpenArrivals) and group.sessions is None
        if free and count and not isinstance(group.arrivals, ConstantArrivals):
            even = ConstantArrivals(kind="constant", rate=f"{count / span_s!r}/s")
            group = group.model_copy(update={"arrivals": even})
        groups.append(group)
    if groups == list(scenario.traffic):
        return None
    return scenario.model_copy(update={"traffic": tuple(groups)})


TOKENS = ("tokens", "median", "p95", "mean", "min", "max")
"""What in a distribution of lengths is a number of tokens."""


def lengths_times(scenario: Scenario, name: str, factor: float) -> Scenario | None:
    """Every group's prompts or answers that many times as long; None where none can be, since they
    are recorded."""
    values = {}
    for index, group in enumerate(scenario.traffic):
        data = getattr(group, name).as_yaml_data()
        longer = tokens_times(data, factor)
        if longer != data:
            values[f"traffic.{index}.{name}"] = longer
    return variant(scenario, values) if values else None


def tokens_times(data: Any, factor: float) -> Any:
    """
    >>> tokens_times({"kind": "lognormal", "min": 1, "median": 100.0, "p95": 300.0}, 1.2)
    {'kind': 'lognormal', 'min': 1, 'median': 120.0, 'p95': 360.0}
    """
    match data:
        case dict():
            return {
                key: times(value, factor) if key in TOKENS else tokens_times(value, factor)
                for key, value in data.items()
            }
        case list():
            return [tokens_times(value, factor) for value in data]
        case _:
            return data


def times(value: Any, factor: float) -> Any:
    match value:
        case list():
            return [times(each, factor) for each in value]
        case int():
            return max(round(value * factor), 1)
        case float():
            return value * factor
        case _:
            return value


# --- failures and starts -------------------------------------------------------------------------


def repairs_times(scenario: Scenario, failures: Failures, factor: float) -> Scenario:
    """Every repair, and how long it goes unnoticed, that many times as long. All stay where they
    are, since what is uncertain is known by its place."""

    def longer(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        return tuple(fault_times(fault, factor) for fault in faults)

    replica = failures.replica
    changed: dict[str, Any] = {
        "faults": longer(failures.faults),
        "presets": tuple(
            preset.model_copy(update={"faults": longer(preset.faults)})
            for preset in failures.presets
        ),
        "replica": replica
        and replica.model_copy(
            update={
                "detection_s": replica.detection_s * factor,
                "repair": replica.repair.times(factor),
            }
        ),
    }
    return scenario.model_copy(update={"failures": failures.model_copy(update=changed)})


def fault_times(fault: Fault, factor: float) -> Fault:
    repairs = tuple(
        repair.model_copy(update={"time": repair.time.times(factor)}) for repair in fault.repairs
    )
    detection = fault.detection.times(factor)
    return fault.model_copy(update={"detection": detection, "repairs": repairs})


def starts_times(scenario: Scenario, factor: float) -> Scenario:
    """Every start that many times as long."""
    start = scenario.cold_start
    scaling = scenario.fleet.autoscaling
    startup = None if scaling is None else scaling.startup
    longer = None if startup is None else startup.times(factor)
    if isinstance(start, WholeStart):
        return starting(
            scenario, WholeStart.model_construct(total=start.total.times(factor)), longer
        )
    names = list(type(start).model_fields)
    phases = {
        name: getattr(start, name) / factor  # bytes per second
        if name.endswith("_per_s")
        else getattr(start, name).times(factor)
        for name in names
    }
    return starting(scenario, start.model_copy(update=phases), longer)


def starting_at_once(scenario: Scenario) -> Scenario:
    no_time = FixedTime.model_construct(fixed_s=0.0)
    scaling = scenario.fleet.autoscaling
    startup = no_time if scaling and scaling.startup is not None else None
    return starting(scenario, WholeStart.model_construct(total=no_time), startup)


def starting(scenario: Scenario, start: ColdStart | WholeStart, startup: Time | None) -> Scenario:
    """Replicas start like that; those that an autoscaler adds within `startup`, where it says."""
    fleet: dict[str, Any] = {"cold_start": start}
    if scenario.fleet.autoscaling is not None:
        scaling = scenario.fleet.autoscaling.model_copy(update={"startup": startup})
        fleet["autoscaling"] = scaling
    update: dict[str, Any] = {"fleet": scenario.fleet.model_copy(update=fleet)}
    failures = scenario.failures
    if failures is not None and failures.replica is not None:
        replica = failures.replica.model_copy(update={"cold_start_s": None})
        update["failures"] = failures.model_copy(update={"replica": replica})
    return scenario.model_copy(update=update)
