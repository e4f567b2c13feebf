"""Whatever is sound about failures, fleets and clients comes back from a manifest as it was."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.clients import Clients
from scenarios.failures import Failures
from scenarios.fleet import Fleet
from scenarios.loading import load, restore

TEXT = """\
version: 1
name: controlled
horizon: 1h
starts_at: random
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
traffic:
  - name: chat
    sla_class: gold
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 90}
"""
SECONDS = st.sampled_from(["1ms", "30s", "7.5min", "2h", "3d"])
SHARES = st.sampled_from([0.01, 0.5, "12.5%", 0.9])
COUNTS = st.integers(1, 40)
TIMES = st.one_of(
    SECONDS,
    st.builds(lambda s: {"fixed": s}, SECONDS),
    st.builds(lambda s: {"exponential": s}, SECONDS),
    st.builds(lambda s, shape: {"weibull": s, "shape": shape}, SECONDS, st.floats(0.3, 9)),
    st.builds(lambda s: {"uniform": ["1ms", s]}, SECONDS),
    st.builds(lambda s: {"median": s, "p95": "9d"}, SECONDS),
    st.builds(lambda each: {"empirical": each}, st.lists(SECONDS, min_size=1, max_size=4)),
)


def mapping(required, **optional):
    return st.fixed_dictionaries(required, optional=optional)


REPAIR = mapping(
    {"time": TIMES}, share=st.floats(0.1, 3), start=st.sampled_from(["none", "warm", "node"]),
    hands_on=st.just(True), what=st.just("a word"),
)  # fmt: skip
REPAIRS = TIMES | REPAIR | st.lists(TIMES | REPAIR, min_size=1, max_size=3)
OCCURS = st.one_of(
    st.builds(lambda n: {"rate": f"{n!r} per 1e6 GPU-hours"}, st.floats(1e-6, 1e6)),
    st.builds(lambda s: {"mtbf": s}, SECONDS),
    st.builds(lambda time: {"every": time}, TIMES),
)
EFFECTS = st.one_of(
    mapping({"effect": st.sampled_from(["crash", "silence", "hang"])}, detection=TIMES,
            burst=st.just({"share": 0.3, "within": "3min"}), repair=REPAIRS),
    mapping({"effect": st.just("slow"), "speed": SHARES | st.just([0.2, 0.7])}, detection=TIMES),
    mapping({"effect": st.just("drain")}, drain_timeout=SECONDS, at_most=COUNTS, repair=REPAIRS),
)  # fmt: skip
FAULT = st.builds(
    lambda scope, occurs, more, effect: (
        {"scope": scope, "repair": "1h"}
        | occurs
        | {key: value for key, value in more.items() if key != "lemons" or "burst" not in effect}
        | effect
    ),
    st.sampled_from(["gpu", "replica", "node"]),
    OCCURS,
    mapping({}, lemons=st.just({"share": 0.1, "times": 3.0}), paid=st.booleans(),
            source=st.sampled_from(["our logs", "Störung: 3 % ☂"])),
    EFFECTS,
)  # fmt: skip
NAMED = st.lists(FAULT, max_size=4).map(
    lambda faults: [fault | {"name": f"fault-{index}"} for index, fault in enumerate(faults)]
)
PRESETS = st.sampled_from(["none", "h100-mature", ["spot-hostile", "planned-maintenance"]])
FAILURES = PRESETS | mapping(
    {"preset": PRESETS, "faults": NAMED}, scale=st.floats(0.1, 50),
    rollout=st.builds(lambda n: {"starts": "1min", "max_surge": n}, COUNTS),
)  # fmt: skip
WINDOW = mapping(
    {"start": st.sampled_from(["08:00", "23:15"]), "end": st.sampled_from(["7:30", "24:00"]),
     "replicas": st.integers(1, 5)},
    days=st.lists(st.sampled_from(["Mon", "Sun"]), min_size=1, max_size=2),
)  # fmt: skip
BEHAVIOUR = mapping(
    {}, stabilisation=st.sampled_from(["0s", "1min"]), select=st.sampled_from(["min", "disabled"]),
    policies=st.lists(st.builds(lambda kind, n: {"kind": kind, "value": n},
                                st.sampled_from(["pods", "percent"]), COUNTS), min_size=1),
)  # fmt: skip
TARGETS = st.lists(
    st.sampled_from([{"outstanding": 3.5}, {"kv": "70%"}, {"ttft": "500ms"}, {"rate": "90/min"}]),
    min_size=1, unique_by=str,
)  # fmt: skip
SCALING = mapping(
    {"replicas": st.sampled_from(["0..5", "1..9"]), "targets": TARGETS}, interval=SECONDS,
    tolerance=SHARES, scale_up=BEHAVIOUR, scale_down=BEHAVIOUR, scrape_delay=SECONDS,
    schedule=st.lists(WINDOW, max_size=2), cooldown=SECONDS, warm_pool=COUNTS, startup=TIMES,
)  # fmt: skip
FLEET = mapping(
    {"replicas": st.integers(1, 5)},
    topology=mapping({}, gpus_per_node=COUNTS, nodes_per_rack=COUNTS, zones=st.integers(1, 26))
    | mapping({"nodes_per_rack": COUNTS, "racks_per_zone": COUNTS, "zones": st.integers(2, 9)},
              placement=st.sampled_from(["spread", "pack"])),
    cold_start=TIMES | mapping({}, image=TIMES, compile=TIMES, provision=TIMES,
                               storage=st.sampled_from(["local-nvme", "3.3GB/s"])),
    health_checks=mapping({}, period=SECONDS, threshold=COUNTS, timeout=SECONDS),
    breaker=mapping({}, failures=COUNTS, eject=SECONDS, at_most=SHARES),
    shedding=st.just({"from": 12.5}) | st.just({"from": 10, "to": 90}),
    buckets=st.just([{"class": "gold", "rate": "3/s", "burst": 4}]),
    autoscaling=SCALING,
)  # fmt: skip
CLIENTS = mapping(
    {"first_token_timeout": st.sampled_from(["9s", "1min"])},
    retry_on=st.sampled_from([["failure"], [], ["failure", "timeout", "rejection"]]),
    backoff=st.just({"first": "250ms", "most": "9s", "jitter": "50%"}),
    retry_budget=mapping({}, share=SHARES, burst=COUNTS),
    hedge=st.just({"after": "2s"}),
    retries=st.integers(0, 9),
).map(
    lambda data: data if "backoff" in data else data | {"retry_on": ["failure"]}
)  # fmt: skip


@pytest.mark.parametrize(
    "part, data", [(Failures, FAILURES), (Fleet, FLEET), (Clients, CLIENTS)],
    ids=lambda part: getattr(part, "__name__", ""),
)  # fmt: skip
def test_a_part_comes_back_from_a_manifest(part, data):
    @settings(max_examples=60, deadline=None)
    @given(data)
    def comes_back(written):
        read = part.model_validate(written)
        manifest = json.loads(json.dumps(read.as_yaml_data()))
        assert part.model_validate(manifest) == read
        assert part.model_validate(manifest).as_yaml_data() == manifest

    comes_back()


def test_a_scenario_with_all_of_it_comes_back(tmp_path):
    file = tmp_path / "controlled.yaml"

    @settings(max_examples=30, deadline=None)
    @given(FLEET, CLIENTS, FAILURES)
    def comes_back(fleet, clients, failures):
        parts = {"fleet": fleet, "clients": clients, "failures": failures}
        file.write_text(TEXT + "".join(f"{key}: {json.dumps(x)}\n" for key, x in parts.items()))
        scenario = load(file)
        again = restore(json.loads(json.dumps(scenario.as_yaml_data())))
        assert again == scenario and again.hash == scenario.hash

    comes_back()
