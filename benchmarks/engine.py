"""The compiled plane against its slow twin on the same load, and what they did there.

Requests are those that arrive; few are unfinished at the end of the plane's runs. In the twin's
shorter runs they are more, and count fully, in its favour.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.loads import (
    LONG_OUTPUT,
    SEED,
    SHORT_PROMPT,
    chat,
    mooncake,
    set_up_for,
)
from benchmarks.stopwatch import Effort, Timed, take_turns
from scenarios.model import Scenario
from simulator.control.begin import start_control
from simulator.data_plane import DataPlane, Outcome, Setup
from simulator.plane import Plane
from simulator.run import TIMED_OUT
from tests.oracles.twin import Twin

Entry = dict[str, Any]

REQUESTS = {1: (200_000, 3_000), 4: (200_000, 4_000), 32: (300_000, 8_000), 256: (500_000, 15_000)}
"""By replicas: how many the plane serves, and the twin."""


def engine(effort: Effort) -> list[Entry]:
    """The headline load on fleets of several sizes."""
    return [
        {"replicas": replicas}
        | compare(
            effort.repeats,
            chat(replicas, effort.requests(plane)),
            chat(replicas, effort.twin_requests(twin)),
        )
        for replicas, (plane, twin) in REQUESTS.items()
    ]


def preemption(effort: Effort) -> list[Entry]:
    """Four replicas with so few KV blocks that requests are preempted more than once on average;
    the fleet just keeps up."""

    def scarce(requests: int) -> Scenario:
        return chat(
            4,
            requests,
            rate_per_replica_per_s=4.75,
            engine={"num_gpu_blocks": 300},
            traffic={"input_tokens": SHORT_PROMPT, "output_tokens": LONG_OUTPUT},
        )

    # Preemptions set in after a while: the twin needs some thousands of requests too.
    plane, twin = scarce(effort.requests(200_000)), scarce(effort.twin_requests(10_000))
    return [{"replicas": 4} | compare(effort.repeats, plane, twin)]


def overload(effort: Effort) -> list[Entry]:
    """Four replicas at several times what they can serve: queues grow until clients hang up."""

    def crowded(requests: int) -> Scenario:
        timeout = {"timeout": "20s"}
        return chat(4, requests, rate_per_replica_per_s=40.0, clients=timeout)

    plane, twin = crowded(effort.requests(200_000)), crowded(effort.twin_requests(10_000))
    return [{"replicas": 4} | compare(effort.repeats, plane, twin)]


def prefix(effort: Effort) -> list[Entry]:
    """Four replicas with ample prefix cache, on prompts like Mooncake's."""
    entries = []
    for router in ("prefix-aware", "least-outstanding"):
        setups = [
            shared_prompts(router, requests)
            for requests in (effort.requests(100_000), effort.twin_requests(3_000))
        ]
        entries.append({"router": router, "replicas": 4} | compare(effort.repeats, *setups))
    return entries


def shared_prompts(router: str, requests: int) -> tuple[Scenario, Setup]:
    scenario = chat(
        4,
        requests,
        rate_per_replica_per_s=2.0,
        router=router,
        engine={"prefix_caching": True, "num_gpu_blocks": 100_000},
    )
    return scenario, set_up_for(scenario, mooncake(requests, rate_per_s=8.0))


def failures_autoscaler(effort: Effort) -> list[Entry]:
    """The headline load on 32 replicas that fail, are repaired, and are scaled every 15 s."""

    def troubled(requests: int) -> Scenario:
        repair = {"median": "1min", "p95": "3min"}
        failures = {"mtbf": "15min", "detection": "10s", "repair": repair, "cold_start": "30s"}
        scaling = {
            "replicas": "24..40", "target_outstanding": 12.0, "interval": "15s", "startup": "30s",
        }  # fmt: skip
        parts = {"fleet": {"autoscaling": scaling}, "failures": {"replica": failures}}
        return chat(32, requests, **parts)

    plane, twin = troubled(effort.requests(300_000)), troubled(effort.twin_requests(10_000))
    entry = {"replicas": 32} | compare(effort.repeats, plane, twin)
    return [entry | {"failures": failures_of(plane)}]


def rare_faults(effort: Effort) -> list[Entry]:
    """What the faults of a preset cost when hardly any occurs: 32 replicas with and without them,
    in turns. The demand is the same; a fault that does occur makes other work."""
    return [beside_calm(preset, effort) for preset in ("h100-mature", "neocloud-pessimistic")]


def beside_calm(preset: str, effort: Effort) -> Entry:
    requests = effort.requests(300_000)
    calm, faulty = chat(32, requests), chat(32, requests, failures=preset)
    setup = set_up_for(calm)
    timed = take_turns(
        3 * effort.repeats,
        {
            "calm": lambda: play(Plane, calm, setup),
            "faulty": lambda: play(Plane, faulty, setup),
        },
    )
    return {
        "preset": preset,
        "replicas": 32,
        "calm_requests_per_s": speed("calm", timed["calm"], setup)["calm_requests_per_s"],
        "speed_kept": timed["calm"].cpu_s / timed["faulty"].cpu_s,
        "incidents": incidents_of(faulty),
    }


def incidents_of(scenario: Scenario) -> int:
    """How many faults there were in the run of a scenario."""
    plane = Plane(set_up_for(scenario))
    books = start_control(plane, scenario, scenario.fleet, SEED, 0)
    plane.run(plane.setup.horizon_ns)
    return len(books.incidents)


# --- one comparison ------------------------------------------------------------------------------


def compare(
    repeats: int, plane: Scenario | tuple[Scenario, Setup], twin: Scenario | tuple[Scenario, Setup]
) -> Entry:
    """Requests and engine steps per CPU second of both, in turns, and what the requests met."""
    (plane_scenario, plane_setup), (twin_scenario, twin_setup) = (
        given if isinstance(given, tuple) else (given, set_up_for(given)) for given in (plane, twin)
    )
    timed = take_turns(
        repeats,
        {
            "plane": lambda: play(Plane, plane_scenario, plane_setup),
            "twin": lambda: play(Twin, twin_scenario, twin_setup),
        },
    )
    speeds = speed("plane", timed["plane"], plane_setup) | speed("twin", timed["twin"], twin_setup)
    return {
        "twin_requests_per_s": speeds["twin_requests_per_s"],
        "plane_requests_per_s": speeds["plane_requests_per_s"],
        "ratio": speeds["plane_requests_per_s"] / speeds["twin_requests_per_s"],
        **speeds,
        **met(timed["plane"].result, plane_setup),
    }


def play(plane_of: Callable[[Setup], DataPlane], scenario: Scenario, setup: Setup) -> Outcome:
    """Serve the period; the allocation of all state is part of it, drawing the demand is not."""
    plane = plane_of(setup)
    start_control(plane, scenario, scenario.fleet, SEED, 0)
    return plane.run(setup.horizon_ns)


def speed(name: str, timed: Timed, setup: Setup) -> Entry:
    requests = int(setup.counted.sum())
    return {
        f"{name}_requests": requests,
        f"{name}_requests_per_s": requests / timed.cpu_s,
        f"{name}_steps_per_s": timed.result.steps / timed.cpu_s,
        f"{name}_steps_per_request": timed.result.steps / requests,
    }


def met(outcome: Outcome, setup: Setup) -> Entry:
    """What happened to requests on the way, where anything did."""
    rows, demand = setup.counted, setup.workload
    entry: Entry = {}
    if demand.chains is not None:
        entry["segments_per_request"] = float(demand.chains.counts[rows].mean())
        found = outcome.cached_tokens[rows].sum()
        entry["prefix_hit_share"] = float(found / demand.input_tokens[rows].sum())
    if (outcome.outcome == TIMED_OUT).any():
        entry["timed_out_share"] = float((outcome.outcome[rows] == TIMED_OUT).mean())
    if outcome.preemptions.any():
        entry["preemptions_per_request"] = float(outcome.preemptions[rows].mean())
    if outcome.retries.any():
        entry["retries_per_request"] = float(outcome.retries[rows].mean())
    return entry


def failures_of(scenario: Scenario) -> int:
    """Replicas that failed and were noticed in a run of the plane: that many were drained."""
    drained = []

    class Watched(Plane):
        def drain(self, replica: int) -> None:
            drained.append(replica)
            super().drain(replica)

    play(Watched, scenario, set_up_for(scenario))
    return len(drained)
