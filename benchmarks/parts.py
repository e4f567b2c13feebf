"""The price of single parts: routers, rules of the user's own, step times."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.engine import Entry, play
from benchmarks.loads import LLAMA_8B, QWEN_MOE, chat, set_up_for
from benchmarks.stopwatch import Effort, take_turns
from scenarios.latency import LinearLatency
from scenarios.model import Scenario
from simulator.kernel.routing import ROUTERS
from simulator.latency import step_time
from simulator.plane import Plane
from simulator.rules import ReplicaView, RequestView


def rule_door(effort: Effort) -> list[Entry]:
    """Least-outstanding as a user's Python rule, and built in."""
    entries = []
    for replicas in (4, 32):
        scenario = chat(replicas, effort.requests(10_000))
        built_in = set_up_for(scenario)
        by_rule = replace(built_in, routing_rule=fewest_outstanding)
        timed = take_turns(
            effort.repeats,
            {
                "rule": partial(play, Plane, scenario, by_rule),
                "built_in": partial(play, Plane, scenario, built_in),
            },
        )
        entry: Entry = {"replicas": replicas}
        for name in timed:
            entry[f"{name}_requests_per_s"] = len(built_in.workload) / timed[name].cpu_s
            entry[f"{name}_us_per_request"] = timed[name].cpu_s / len(built_in.workload) * 1e6
        entries.append(entry)
    return entries


def fewest_outstanding(request: RequestView, replicas: Sequence[ReplicaView]) -> int:
    return min(replicas, key=lambda replica: replica.outstanding).id


def step_times(effort: Effort) -> list[Entry]:
    """Four replicas with the step time as a user's linear form, and from physics; the same KV pool
    for all. The MoE model has four GPUs per replica, which makes its steps about as long."""
    size = effort.requests(200_000)
    dense = chat(4, size)
    blocks = {"num_gpu_blocks": set_up_for(dense).pools[0].limits.blocks}
    forms = {
        ("linear", LLAMA_8B): linear(dense),
        ("dense", LLAMA_8B): dense,
        ("moe", QWEN_MOE): chat(4, size, model=QWEN_MOE, tensor_parallel=4, engine=blocks),
    }
    setups = {form: set_up_for(scenario) for form, scenario in forms.items()}
    timed = take_turns(
        effort.repeats,
        {form: partial(play, Plane, forms[form], setups[form]) for form in forms},
    )
    entries = []
    for form, (cpu_s, outcome) in timed.items():
        entry: Entry = {"form": form[0], "model": form[1]}
        entry["requests_per_s"] = len(setups[form].workload) / cpu_s
        entry["steps_per_request"] = outcome.steps / len(setups[form].workload)
        entry["ns_per_step"] = cpu_s / outcome.steps * 1e9
        first = entries[0] if entries else entry
        entry["slower_than_linear_share"] = entry["ns_per_step"] / first["ns_per_step"] - 1
        entries.append(entry)
    return entries


def linear(scenario: Scenario) -> Scenario:
    """The same scenario with the terms of its physics given as `latency:`, all but attention."""
    time = step_time(scenario.model, scenario.replica, None)
    latency = LinearLatency(
        per_step=given(time.fixed_s),
        per_prefill_token=given(time.prefill_token_s),
        per_decode_token=given(time.decode_token_s),
        per_sequence=given(time.sequence_s),
        per_kv_token=given(time.kv_token_s),
    )
    return scenario.model_copy(update={"latency": latency})


def given(seconds: float) -> str:
    """As a scenario file says it."""
    return f"{seconds:.12f}s"


def routers(effort: Effort) -> list[Entry]:
    """The headline load with every built-in router."""
    entries = []
    for replicas, requests in ((32, 100_000), (256, 200_000)):
        scenario = chat(replicas, effort.requests(requests))
        setup = set_up_for(scenario)
        timed = take_turns(
            effort.repeats,
            {
                router: partial(play, Plane, scenario, replace(setup, router=router))
                for router in ROUTERS
            },
        )
        speeds = {router: len(setup.workload) / turn.cpu_s for router, turn in timed.items()}
        entries += [
            {"router": router, "replicas": replicas, "requests_per_s": requests_per_s}
            for router, requests_per_s in speeds.items()
        ]
    return entries
