"""Loading: what a file says is what we get; what is wrong in it is said all at once, with place.

The base scenario below is cut to the bone. Tests put one thing beside or in place of another.
"""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from fleetcast.__main__ import main
from scenarios.catalogue import load_catalogue
from scenarios.document import place_of
from scenarios.faults import ScenarioError
from scenarios.fleet import ColdStart, Replica
from scenarios.loading import load, restore
from scenarios.memory import fitting_tensor_parallel, missing_bytes
from scenarios.model import Scenario

EXAMPLES = Path(__file__).parents[2] / "scenarios" / "examples"
BROKEN = YAML(typ="safe").load(Path(__file__).with_name("broken.yaml"))

BASE = """\
version: 1
name: base
horizon: 5min
seed: 3
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {name: vllm}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: lognormal, median: 90, p95: 300}
fleet: {replicas: 2}
"""
EVERYTHING = """\
version: 1
name: everything
description: every part that a scenario may have
horizon: 5min
preroll: 20s
drain: 90s
starts_at: Tue 09:30
seed: 3
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine:
    {name: vllm, num_gpu_blocks: 4000, max_model_len: 9000, async_scheduling: false,
     prefix_caching: false, scheduling_policy: priority}
latency: {per_step: 12ms, per_prefill_token: 0.03ms}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: lognormal, median: 90, p95: 300}
    priority: 2
    prefixes: [{tokens: 800}, {tokens: 3000, variants: 40, zipf: 1.1}]
  - name: burst
    arrivals:
      {kind: gamma, rate: 2/s, cv: 3, rate_table: [{at: 0s, rate: 1/s}, {at: 1min, rate: 4/s}]}
    input_tokens: {kind: table, tokens: [10, 20], weights: [1, 3]}
    output_tokens:
      kind: mixture
      of:
        - {kind: constant, weight: 1, tokens: 7}
        - {kind: lognormal, weight: 2, median: 50, p95: 90, min: 5, max: 200}
        - {kind: table, weight: 3, tokens: [1, 2]}
  - name: recorded
    arrivals: {kind: trace, file: rows.csv, block: 60s, rate_scale: 1.5, from: 1s, until: 5s}
    input_tokens: {kind: trace}
    output_tokens: {kind: constant, tokens: 3}
  - name: people
    tenant: acme
    sla_class: interactive
    arrivals:
      kind: on-off
      users: {registered: 100000, concurrent_share: 2%, requests_per_user: 6/h, peak_factor: 2}
      on: 5s
      off: 20s
      cv: 1.5
      batch: {kind: geometric, mean: 3, least: 2}
      modulation:
        - {kind: table, every: 1min, factors: [1, 2, 1.5], start: 30s}
        - kind: daily
          factors: [1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 3, 3, 2, 2, 2, 1, 1, 1]
        - {kind: weekly, factors: [1, 1, 1, 1, 1, 0.4, 0.3]}
        - {kind: ramp, at: 10s, lasts: 2min, factor: 1.5}
        - {kind: spike, at: 3min, lasts: 20s, factor: 3}
        - {kind: level, every: 1min, sigma: 0.3, correlation: 0.5}
        - {kind: file, file: rows.csv, random_start: true, missing: 2h}
    input_tokens: {kind: gamma, mean: 500, cv: 1.5, min: 2, max: 9000}
    output_tokens: {kind: weibull, mean: 100, cv: 1.5}
    reasoning_tokens: {kind: uniform, min: 10, max: 200}
    rank_correlation: 0.4
  - name: states
    arrivals:
      kind: mmpp
      rate: 3/s
      states:
        - {level: 1, lasts: 20s, next: [0, 1, 2]}
        - {level: 4, lasts: 5s}
        - {level: 0, lasts: 9s}
      batch: {kind: table, counts: [1, 4], weights: [3, 1]}
    input_tokens: {kind: file, file: rows.csv}
    output_tokens: {kind: quantiles, tokens: [5, 50, 700]}
  - name: clients
    arrivals:
      {kind: population, rate: 3/s, clients: 40, zipf: 1.2, family: weibull, cv: 2, cv_p95: 9,
       active_share: 30%, window: 5min, length_sigma: 0.4}
    input_tokens: {kind: uniform, min: 10, max: 200}
    output_tokens: {kind: constant, tokens: 3}
  - name: published
    arrivals: {kind: servegen, file: rows.csv, lengths_file: rules.py, random_start: false}
    input_tokens: {kind: trace}
    output_tokens: {kind: trace}
  - name: replayed
    arrivals: {kind: trace, file: rows.csv, order: recorded, loop: true}
    input_tokens: {kind: trace}
    output_tokens: {kind: trace}
  - name: agents
    arrivals: {kind: weibull, cv: 2, users: {concurrent: 200, sessions_per_user: 1/h}}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 100}
    sessions:
      kind: drawn
      turns: {kind: lognormal, median: 5, p95: 40, most: 100}
      follow_up_tokens: {kind: constant, tokens: 50}
      think:
        kind: mixture
        of:
          - {kind: lognormal, weight: 2, median: 8s, p95: 1min, max: 10min}
          - {kind: exponential, weight: 1, mean: 3min}
      tools:
        calls: {kind: constant, count: 4}
        result_tokens: {kind: constant, tokens: 900}
        time: {kind: constant, time: 2s}
      agents:
        share: 10%
        number: {kind: constant, count: 2}
        requests: {kind: constant, count: 3}
        input_tokens: {kind: constant, tokens: 800}
        follow_up_tokens: {kind: constant, tokens: 80}
        time: {kind: constant, time: 2s}
        report_tokens: {kind: constant, tokens: 60}
      compaction: {above: 120000, to: 9000}
  - name: again
    arrivals: {kind: constant, rate: 1/s}
    input_tokens: {kind: trace}
    output_tokens: {kind: trace}
    sessions: {kind: recorded, file: rows.csv}
  - name: bench
    arrivals: {kind: closed, clients: 16, pause: {kind: exponential, mean: 1s}}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 100}
fleet:
  replicas: 2
  router: rules.py:choose
  admission: rules.py:admit
  queue_limit: 50
  others:
    - name: old
      replicas: 3
      replica: {gpu: h200-sxm-141gb, tensor_parallel: 2, engine: {name: vllm}}
      latency: {per_step: 20ms}
    - {name: spare, replicas: 1, replica: {gpu: l40s-48gb, engine: {name: vllm}}}
  autoscaling:
    replicas: 0..8
    targets: [{outstanding: 40}, {queue: 5}, {running: 30}, {kv: 70%}, {rate: 3/s}, {ttft: 500ms}]
    interval: 30s
    tolerance: 5%
    scale_up: {stabilisation: 1min, policies: [{kind: pods, value: 2, period: 30s}], select: min}
    scale_down: {stabilisation: 2min, policies: [{kind: percent, value: 50}]}
    scrape_delay: 15s
    schedule: [{start: "08:00", end: "18:00", days: [Mon, Fri], replicas: 4}]
    poll: 20s
    cooldown: 4min
    warm_pool: 2
    startup: 3min
  buckets: [{class: interactive, rate: 5/s, burst: 20}]
  shedding: {from: 20, to: 60}
  topology: {gpus_per_node: 4, nodes_per_rack: 5, racks_per_zone: 6, zones: 3, placement: pack}
  cold_start:
    provision: {median: 5min, p95: 15min}
    node_init: 2min
    image: {uniform: [10s, 2min]}
    framework: {exponential: 90s}
    framework_warm: {weibull: 20s, shape: 2}
    storage: local-nvme
    page_cache: 4GB/s
    compile: {empirical: [190s, 253s]}
    compile_warm: {fixed: 40s}
  health_checks: {period: 5s, threshold: 2, timeout: 2s}
  breaker: {failures: 4, eject: 20s, at_most: 25%}
clients:
  timeout: 30s
  retries: 1
  first_token_timeout: 10s
  retry_on: [failure, timeout]
  backoff: {first: 100ms, most: 10s, jitter: 50%}
  retry_budget: {share: 10%, burst: 5}
  hedge: {after: 3s}
failures:
  presets: [planned-maintenance]
  scale: 2.5
  faults:
    - {name: rolling-drain, drain_timeout: 10min, at_most: 2}
    - name: board
      scope: gpu
      effect: crash
      rate: 6.97 per 1e6 GPU-hours
      detection: {median: 30s, p95: 2min}
      repair:
        - {share: 60%, time: 15min, start: warm, what: reboot}
        - {share: 40%, time: {median: 2d, p95: 14d}, hands_on: true, swap: 4min}
      burst: {share: 10%, within: 3min}
      notice: 2min
      paid: false
      source: our logs
      confidence: low
    - {name: throttle, scope: node, effect: slow, mtbf: 900h, speed: [0.6, 0.9], repair: 1h,
       lemons: {share: 1.2%, times: 10}}
    - {name: stuck, scope: replica, effect: hang, every: {weibull: 100h, shape: 0.7}, repair: 2min}
  replica: {mtbf: 400h, detection: 30s, repair: {median: 15min, p95: 2h}, cold_start: 3min}
  spares: {nodes: 2, swap: 6min}
  repair_crews: 1
  rollout: {starts: 2min, max_surge: 1, max_unavailable: 1}
sla:
  probability: 0.95
  objectives: [ttft p95 <= 500ms, error_rate <= 0.1%, ttft p50 <= 1s for interactive]
plan:
  replicas: 1..16
  choices: {replica.gpu: [h100-sxm-80gb, h200-sxm-141gb], replica.engine.max_num_seqs: [64, 128]}
  gpus_available: {h100-sxm-80gb: 32}
price:
  source: ours
  date: '2026-11-01'
  gpus:
    h100-sxm-80gb:
      on_demand: 2.95 USD/h
      reserved: 2 USD/h
      spot: 1.20 USD/h
      owned: {capital: 25000 USD, years: 4, electricity: 0.09 USD/kWh, pue: 1.3, upkeep: 0.1 USD/h}
    h200-sxm-141gb: 4 USD/h
    l40s-48gb: 1 USD/h
energy: {pue: 1.2, carbon: 0.38 kg/kWh, idle: 20%, busy: 70%}
"""
RULES = """\
LIMIT = 50

def choose(request, replicas):
    return min(replicas, key=lambda replica: replica.outstanding).id

def admit(request, replicas):
    return any(replica.waiting < LIMIT for replica in replicas)
"""
TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9,4808,10
2023-11-16 18:17:04.1,3180,8
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is also the current one, so that places read 'scenario.yaml:1:1'."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(text, *overrides, needs=()):
    Path("scenario.yaml").write_text(text)
    return load("scenario.yaml", overrides, needs)


def faults(text, *overrides, needs=()):
    """The faults as printed, without the line that counts them (and must count right)."""
    with pytest.raises(ScenarioError) as caught:
        loaded(text, *overrides, needs=needs)
    first, *rest = str(caught.value).splitlines()
    count = len(caught.value.faults)
    assert first == f"scenario.yaml has {count} fault{'s' if count > 1 else ''}"
    return "\n".join(rest)


def everything():
    Path("rows.csv").write_text(TRACE)
    Path("rules.py").write_text(RULES)
    return loaded(EVERYTHING)


# --- what a sound file says ---------------------------------------------------------------------


def test_values_arrive_in_base_units(folder):
    scenario = everything()
    assert (scenario.horizon_s, scenario.preroll_s, scenario.drain_s) == (300.0, 20.0, 90.0)
    assert scenario.latency.per_step_s == 0.012
    assert scenario.latency.per_prefill_token_s == 0.00003
    assert scenario.traffic[0].arrivals.rate_per_s == 20.0
    assert [(c.at_s, c.rate_per_s) for c in scenario.traffic[1].arrivals.rate_table] == [
        (0.0, 1.0),
        (60.0, 4.0),
    ]
    assert scenario.failures.replica.mtbf_s == 400 * 3600
    assert scenario.cold_start.total.mean_s == 180.0
    assert scenario.plan.replicas == (1, 16)
    prices = {gpu: price.on_demand_usd_per_hour for gpu, price in scenario.price.gpus.items()}
    assert prices == {"h100-sxm-80gb": 2.95, "h200-sxm-141gb": 4.0, "l40s-48gb": 1.0}
    assert str(scenario.fleet.router) == "rules.py:choose"
    assert str(scenario.fleet.admission) == "rules.py:admit"
    old, spare = scenario.fleet.others
    assert (old.replicas, old.replica.tensor_parallel, old.latency.per_step_s) == (3, 2, 0.02)
    assert spare.latency is None
    scaling = scenario.fleet.autoscaling
    assert (scaling.replicas, scaling.interval_s, scaling.startup.mean_s) == ((0, 8), 30.0, 180.0)
    assert [(p.tokens, p.variants, p.zipf) for p in scenario.traffic[0].prefixes] == [
        (800, 1, 0.0),
        (3000, 40, 1.1),
    ]
    assert scenario.replica.gpu == load_catalogue().gpus["h100-sxm-80gb"]
    assert scenario.gpus_per_replica == 1


def test_defaults_are_these(folder):
    """A change of a default changes every user's answer: it must be meant."""
    scenario = loaded(BASE)
    engine = scenario.replica.engine
    assert (scenario.preroll_s, scenario.drain_s) == (60.0, 300.0)
    assert (engine.max_num_seqs, engine.max_num_batched_tokens) == (256, 2048)
    assert (engine.gpu_memory_utilization, engine.chunked_prefill) == (0.9, True)
    assert (scenario.replica.tensor_parallel, scenario.replica.precision) == (1, "bf16")
    assert (engine.async_scheduling, engine.prefix_caching) == (True, True)
    assert engine.scheduling_policy == "fcfs"
    assert scenario.fleet.router == "least-outstanding"
    assert scenario.fleet.admission is scenario.fleet.queue_limit is None
    assert scenario.fleet.autoscaling is None
    assert scenario.fleet.others == scenario.traffic[0].prefixes == ()
    assert scenario.traffic[0].priority == 0
    assert (scenario.clients.timeout_s, scenario.clients.retries) == (300.0, 3)
    assert scenario.latency is scenario.failures is scenario.sla is None
    assert scenario.cold_start == scenario.fleet.cold_start == ColdStart.model_validate({})


@pytest.mark.parametrize(
    "text, value",
    [("no", "no"), ("yes", "yes"), ("on", "on"), ("'1e3'", "1e3"), ("12:30:00", "12:30:00"),
     ("n", "n")],
)  # fmt: skip
def test_yaml_is_1_2_where_words_are_text(folder, text, value):
    """YAML 1.1 reads `no` as false and 12:30:00 as 45000."""
    assert loaded(f"{BASE}description: {text}\n").description == value


@pytest.mark.parametrize("text, value", [("1e3", 1000), ("0o17", 15), ("0x10", 16), ("010", 10)])
def test_yaml_is_1_2_where_numbers_are_numbers(folder, text, value):
    """YAML 1.1 reads 1e3 as text and 010 as eight."""
    assert loaded(BASE.replace("seed: 3", f"seed: {text}")).seed == value


def test_a_part_written_once_may_be_used_twice(folder):
    """Anchors and aliases: the places of a fault are those of the alias."""
    lengths = "{kind: constant, tokens: 500}"
    text = BASE.replace(lengths, f"&same {lengths}").replace(
        "{kind: lognormal, median: 90, p95: 300}", "*same"
    )
    (group,) = loaded(text).traffic
    assert group.input_tokens == group.output_tokens


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_sound_and_ready_to_plan(example):
    scenario = load(example, needs=("sla", "plan", "price"))
    assert scenario.name == example.stem
    assert example.read_text().startswith("# yaml-language-server: $schema=")


# --- identity -----------------------------------------------------------------------------------


def test_a_scenario_is_restored_from_its_data(folder):
    """As a manifest carries it: through JSON, on a machine without the files or the catalogue."""
    scenario = everything()
    data = json.loads(json.dumps(scenario.as_yaml_data()))
    Path("rows.csv").unlink()
    Path("rules.py").unlink()
    assert restore(data) == scenario
    assert restore(data).hash == scenario.hash


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_restored_from_their_data(example):
    scenario = load(example)
    assert restore(json.loads(json.dumps(scenario.as_yaml_data()))) == scenario


def leaves(data, at=()):
    """(path, value) of everything in plain data that holds nothing else."""
    if isinstance(data, (dict, list)):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from leaves(value, (*at, key))
    else:
        yield at, data


def others(value):
    """Values that a leaf could have instead."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value * 2, value - 1]
        case float():
            return [value * 0.75, value * 1.25, value + 0.5]
        case str():
            words = ["fp8", "pcie", "nvlink", "fcfs", "priority", "greedy", "least-outstanding",
                     "2..16", "ttft p9 <= 1s", "gamma", "weibull", "recorded", "Wed 09:30",
                     "09:30", "spread", "zone", "node", "crash", "silence", "max", "Sun",
                     "rejection", "warm", "gpus", "pods", "percent", "1 per GPU-hour", "disabled",
                     "reserved", "2026-11-02", f"{value}x"]  # fmt: skip
            quantity = re.fullmatch(r"(\d+\.?\d*(?:e[+-]?\d+)?)([A-Za-z/%].*)", value)
            if quantity is None:
                return words
            number, unit = float(quantity[1]), quantity[2]
            return [f"{number * 0.75}{unit}", f"{number + 1}{unit}"]
    raise AssertionError(value)


def with_value(data, at, value):
    """A copy as deep as the one place that has another value."""
    if not at:
        return value
    copied = data.copy()
    copied[at[0]] = with_value(data[at[0]], at[1:], value)
    return copied


def changed(data, at, value):
    """The scenario of `data` with another value at one place, or None if that is not sound."""
    data = with_value(data, at, value)
    if "users" in at:
        del data["traffic"][at[1]]["arrivals"]["rate"]  # worked out from them
    try:
        return Scenario.model_validate(data)
    except ValidationError:
        return None


BOUND = {
    "traffic.3.arrivals.rate", "traffic.8.arrivals.rate",  # users say it
    "traffic.3.sla_class",  # an objective is for it
    "traffic.4.arrivals.states.0.next.0",  # no state follows itself
    "traffic.2.arrivals.loop", "traffic.7.arrivals.order",  # blocks have no end to begin again at
    "traffic.3.arrivals.modulation.0.random_start", "traffic.3.arrivals.modulation.6.start",
    *(f"traffic.{group}.rank_correlation" for group in (2, 4, 6, 7, 8, 9)),  # lengths go together
    "fleet.buckets.0.class",  # traffic has no other
    "failures.faults.1.repair.1.hands_on",  # it swaps
}  # fmt: skip
"""What other parts of EVERYTHING leave no other value."""
OF_OTHER_EFFECTS = (".at_most", ".drain_timeout", ".notice", ".probed", ".detection", ".start",
                    ".effect", ".remove")  # fmt: skip
"""Keys of a fault that its effect leaves no other value."""


@pytest.mark.slow
def test_any_other_fact_is_another_hash(folder):
    """Every leaf of a full scenario, catalogue facts included, is changed to a sound other value.

    What has no other sound value is listed: tags of a choice, the version, what is BOUND.
    """
    scenario = everything()
    data = scenario.as_yaml_data()
    without = set()
    for at, value in leaves(data):
        rivals = (changed(data, at, other) for other in others(value) if other != value)
        rival = next((rival for rival in rivals if rival is not None), None)
        if rival is None:
            without.add(".".join(map(str, at)))
        elif at[-1] == "path":
            assert rival.hash == scenario.hash
        else:
            assert rival.hash != scenario.hash, at
    fixed = {path for path in without if path.endswith((".kind", ".mlp_matrices"))}
    fixed |= {path for path in without if path.startswith("failures.")
              and path.endswith(OF_OTHER_EFFECTS)}  # fmt: skip
    assert without - fixed == {"version", *BOUND}


def test_the_hash_of_a_copy_is_its_own(folder):
    here = loaded(BASE)
    before, equal = here.hash, loaded(BASE)
    other = here.model_copy(update={"seed": 4})
    assert other.hash == loaded(BASE, "seed=4").hash != before
    assert equal == here, "one knows its hash, the other does not yet"
    assert "hash" not in here.as_yaml_data()


def test_the_hash_is_of_the_traces_bytes_and_not_of_its_place(folder):
    here = everything()
    Path("elsewhere").mkdir()
    Path("elsewhere/other.csv").write_text(TRACE)
    moved = loaded(EVERYTHING, "traffic.2.arrivals.file=elsewhere/other.csv")
    Path("rows.csv").write_text(TRACE.replace("4808", "4809"))
    edited = loaded(EVERYTHING)
    assert moved.hash == here.hash != edited.hash
    assert moved != here


def test_the_hash_is_of_the_bytes_and_the_name_of_a_rule_and_not_of_its_place(folder):
    here = everything()
    Path("elsewhere").mkdir()
    Path("elsewhere/mine.py").write_text(RULES)
    moved = loaded(EVERYTHING, "fleet.router=elsewhere/mine.py:choose")
    other = loaded(EVERYTHING, "fleet.router=elsewhere/mine.py:admit")
    Path("elsewhere/mine.py").write_text(RULES.replace("50", "60"))
    edited = loaded(EVERYTHING, "fleet.router=elsewhere/mine.py:choose")
    assert moved.hash == here.hash
    assert moved != here
    assert len({here.hash, other.hash, edited.hash}) == 3


def test_a_rule_is_read_and_never_run(folder):
    Path("rules.py").write_text("raise SystemExit('ran')\n\ndef choose(request, replicas): ...\n")
    assert loaded(BASE, "fleet.router=rules.py:choose").fleet.router.function == "choose"


def test_another_size_of_the_main_pool_keeps_the_rest_of_the_fleet(folder):
    """As `plan` does it, beyond the range of autoscaling too."""
    fleet = everything().fleet
    grown = fleet.model_copy(update={"replicas": 12})
    assert grown.replicas == 12
    assert (grown.router, grown.others) == (fleet.router, fleet.others)


def test_the_hash_is_of_the_facts_and_not_of_their_writing(folder):
    """Order, comments, units and defaults spelled out make no other scenario."""
    same = [
        "# a comment\n" + BASE,
        BASE.replace("horizon: 5min", "horizon: 300s"),
        BASE.replace("rate: 20/s", "rate: 1200/min"),
        BASE.replace("name: base\n", "") + "name: base\n",
        BASE.replace("version: 1\n", "version: 1\npreroll: 1min\ncatalogue: []\n"),
        BASE + "sla: null\n",
        json.dumps(YAML(typ="safe").load(BASE)),
    ]
    assert {loaded(text).hash for text in same} == {loaded(BASE).hash}


# --- every fault at once, with its place --------------------------------------------------------


def test_every_fault_is_told_at_once_in_the_order_of_the_file(folder):
    text = """\
version: 1
name: base
horizon: 300
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  tensor_paralel: 2
  engine: {name: vllm, max_num_seqs: 0}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20}
    input_tokens: {kind: lognormal, median: 90, p95: 30}
    output_tokens: {kind: constant}
fleet: {replicas: 2}
fleet: {replicas: 3}
"""
    assert (
        faults(text)
        == """\
scenario.yaml:3:1: horizon: got 300
    allowed: a time with its unit, such as 500ms, 30s, 15min, 2h or 7d
scenario.yaml:7:3: replica.tensor_paralel: unknown key
    allowed: gpu, tensor_parallel, pipeline_parallel, data_parallel, precision, \
kv_precision, engine, purchase
    did you mean `tensor_parallel`?
scenario.yaml:8:24: replica.engine.max_num_seqs: got 0
    allowed: greater than or equal to 1
scenario.yaml:11:31: traffic.0.arrivals.rate: got 20
    allowed: a rate with its unit, such as 12/s, 30/min or 900/h
scenario.yaml:12:5: traffic.0.input_tokens: p95 below the median
    allowed: a p95 of at least the median
scenario.yaml:13:5: traffic.0.output_tokens.tokens: missing
    allowed: add `tokens: ...`
scenario.yaml:15:1: fleet: duplicate key; the first one is on line 14"""
    )


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("horizon: 5min", "horizon: 300", "3:1: horizon: got 300\n    allowed: a time"),
        ("rate: 20/s", "rate: 20", "11:31: traffic.0.arrivals.rate: got 20\n    allowed: a rate"),
        ("seed: 3", "seed: three", "4:1: seed: got 'three'\n    allowed: a whole number"),
        ("seed: 3", "seed: -1", "4:1: seed: got -1\n    allowed: greater than or equal to 0"),
        ("seed: 3", "sed: 3", "4:1: sed: unknown key"),
        ("seed: 3", "seed: 3\nseed: 4", "5:1: seed: duplicate key; the first one is on line 4"),
        ("name: base", "name: my base", "2:1: name: got 'my base'"),
        ("version: 1", "version: 2", "1:1: version: got 2\n    allowed: 1"),
        ("poisson", "poison", "11:16: traffic.0.arrivals.kind: got 'poison'\n"
         "    allowed: constant, poisson, gamma, weibull, on-off, mmpp, population, trace, "
         "servegen, closed\n    did you mean `poisson`?"),
        ("kind: poisson, ", "", "11:5: traffic.0.arrivals.kind: missing"),
        ("tokens: 500", "token: 500", "12:36: traffic.0.input_tokens.token: unknown key\n"
         "    allowed: kind, tokens\n    did you mean `tokens`?"),
        ("tokens: 500", "tokens: 1.5", "12:36: traffic.0.input_tokens.tokens: got 1.5"),
        ("h100-sxm-80gb", "h100", "7:3: replica.gpu: got 'h100'"),
        ("h100-sxm-80gb", "h200", "did you mean `h200-sxm-141gb`?"),
        ("h100-sxm-80gb", "H100-SXM-80GB", "did you mean `h100-sxm-80gb`?"),
        ("Llama-3.1-8B-I", "Llama-3.1-8b-i", "did you mean `meta-llama/Llama-3.1-8B-Instruct`?"),
        ("name: vllm", "name: vlm", "8:12: replica.engine.name: got 'vlm'\n"
         "    allowed: sglang, trtllm, vllm\n    did you mean `vllm`?"),
        ("replicas: 2", "replicas: 2, router: power-of-too", "14:22: fleet.router: got "
         "'power-of-too'\n    allowed: least-kv, least-outstanding, power-of-two, prefix-aware, "
         "random, round-robin or a function of your own, `file.py:function`\n"
         "    did you mean `power-of-two`?"),
        ("replicas: 2", "replicas: 2, router: 3", "14:22: fleet.router: got 3\n    allowed: l"),
        ("replicas: 2", "replicas: 2, router: {function: f}", "14:22: fleet.router.path: missing"),
        ("replicas: 2", "replicas: 2, router: {fumction: f}",
         "14:31: fleet.router.fumction: unknown key\n    allowed: path, function, sha256\n"
         "    did you mean `function`?"),
        ("replicas: 2", "replicas: 2, admission: admit", "14:22: fleet.admission: got 'admit'\n"
         "    allowed: a function of your own, `file.py:function`"),
        ("replicas: 2", "replicas: 2, queue_limit: 0", "14:22: fleet.queue_limit: got 0\n"
         "    allowed: greater than or equal to 1"),
        ("replicas: 2", "replicas: 2, others: [{name: a}]",
         "14:31: fleet.others.0.replicas: missing"),
        ("replicas: 2", "replicas: 2, autoscaling: {replicas: 4..8, target_outstanding: 9, "
         "startup: 1min}", "14:1: fleet: replicas outside autoscaling.replicas\n"
         "    allowed: replicas from 4 to 8, the size it starts with"),
        ("replicas: 2", "replicas: 2, autoscaling: {replicas: 8, target_outstanding: 0}",
         "14:36: fleet.autoscaling.replicas: got 8\n    allowed: a range such as 0..16, from 0 up"),
        ("replicas: 2", "replicas: 2, autoscaling: {replicas: 1..8, target_outstanding: 0}",
         "fleet.autoscaling.target_outstanding: got 0\n    allowed: greater than 0"),
        ("replicas: 2", "replicas: 2, autoscaling: {target_outstanding: 9}",
         "14:22: fleet.autoscaling.replicas: missing\n    allowed: add, for example, "
         "`replicas: 2..8`"),
        ("name: vllm", "name: vllm, scheduling_policy: priorities",
         "8:24: replica.engine.scheduling_policy: got 'priorities'\n    allowed: 'fcfs' or "
         "'priority'\n    did you mean `priority`?"),
        ("name: vllm", "name: vllm, prefix_caching: 1", "replica.engine.prefix_caching: got 1\n"
         "    allowed: true or false"),
        ("- name: chat", "- name: chat\n    priority: -1", "11:5: traffic.0.priority: got -1\n"
         "    allowed: greater than or equal to 0"),
        ("- name: chat", "- name: chat\n    prefixes: [{token: 3}]",
         "11:17: traffic.0.prefixes.0.token: unknown key\n    allowed: tokens, variants, zipf\n"
         "    did you mean `tokens`?"),
        ("- name: chat", "- name: chat\n    prefixes: [{tokens: 3, variants: 0}]",
         "traffic.0.prefixes.0.variants: got 0\n    allowed: greater than or equal to 1"),
        ("- name: chat", "- name: chat\n    prefixes: [{tokens: 3, zipf: -1}]",
         "traffic.0.prefixes.0.zipf: got -1\n    allowed: greater than or equal to 0"),
        ("- name: chat", "- name: chat\n    prefixes: [{tokens: 3, variants: 1e6}, "
         "{tokens: 3, variants: 1e6}, {tokens: 3, variants: 2}]",
         "10:5: traffic.0: too many different prefixes\n    allowed: variants whose product is at "
         "most 1,000,000,000,000"),
        ("fleet: {replicas: 2}", "", "1:1: fleet: missing\n    allowed: add `fleet: ...`"),
        ("horizon: 5min", "", "1:1: horizon: missing\n    allowed: add, for example, "
         "`horizon: 5min`"),
        ("{kind: constant, tokens: 500}", "{kind: trace}",
         "10:5: traffic.0: lengths from a trace without a trace"),
        ("{kind: poisson, rate: 20/s}", "{kind: trace, file: gone.csv}",
         "11:29: traffic.0.arrivals.file: got 'gone.csv'\n    allowed: the path of a trace or of "
         "demand (No such"),
    ],
)  # fmt: skip
def test_a_fault_says_where_what_and_what_is_allowed(folder, old, new, message):
    assert BASE.count(old) == 1
    assert message in faults(BASE.replace(old, new))


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "got 'rules.py:choose'\n    allowed: a file of Python functions (No such"),
        ("def choose(:", "a file of Python functions (invalid syntax (rules.py, line 1))"),
        ("def choose\0", "a file of Python functions (source code"),
        (RULES.replace("choose", "chose"),
         "a function that rules.py defines: chose, admit\n    did you mean `rules.py:chose`?"),
        ("", "a function that rules.py defines: none so far"),
        ("class choose: ...", "a function that rules.py defines: none so far"),
        ("if True:\n    def choose(request, replicas): ...", "rules.py defines: none so far"),
        ("async def choose(request, replicas): ...", "rules.py defines: none so far"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["router", "admission"])
def test_a_rule_that_cannot_be_used_is_a_fault(folder, key, content, message):
    if content is not None:
        Path("rules.py").write_text(content)
    said = faults(BASE.replace("replicas: 2", f"replicas: 2, {key}: rules.py:choose"))
    assert said.startswith(f"scenario.yaml:14:22: fleet.{key}: got 'rules.py:choose'\n")
    assert message in said


@pytest.mark.parametrize("text", ["rules.py:", "rules.py:2nd", "rules.py:a-b", "rules.py", ":"])
def test_a_rule_is_a_file_and_the_name_of_a_function(folder, text):
    Path("rules.py").write_text(RULES)
    said = faults(BASE, f"fleet.admission='{text}'")
    assert "allowed: a function of your own, `file.py:function`" in said


def test_a_rule_is_sought_beside_the_scenario(folder, monkeypatch):
    (folder / "project").mkdir()
    (folder / "project" / "rules.py").write_text(RULES)
    (folder / "project" / "scenario.yaml").write_text(BASE)
    rule = load("project/scenario.yaml", ("fleet.router=rules.py:choose",)).fleet.router
    assert Path(rule.path) == (folder / "project" / "rules.py").resolve()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "scenario.yaml:1:1: got an empty file\n    allowed: see `fleetcast init chat`"),
        ("# nothing\n", "scenario.yaml:1:1: got an empty file"),
        ("- a\n- b\n", "scenario.yaml:1:1: got no mapping of keys"),
        ("a: [1\nb: 2\n", "scenario.yaml:2:2: not YAML: expected ',' or ']', but got ':'"),
        ("a:\n\tb: 1\n", "scenario.yaml:2:1: not YAML: found character '\\t'"),
        ("a: 1\n---\nb: 2\n", "scenario.yaml:2:1: not YAML: but found another document"),
        ("a: *b\n", "scenario.yaml:1:4: not YAML: found undefined alias"),
    ],
)
def test_what_is_no_mapping_is_told_so(folder, text, message):
    assert faults(text).startswith(message)


@pytest.mark.parametrize("value", ["!mine 3", "!!int three", "2024-13-45"])
def test_a_value_that_yaml_refuses_is_a_fault(folder, value):
    """Tags we do not know, numbers that are none, days that do not exist."""
    assert "scenario.yaml:4:7" in faults(BASE.replace("seed: 3", f"seed: {value}"))


def test_a_truth_is_no_count(folder):
    assert "14:9: fleet.replicas: got True" in faults(BASE.replace("replicas: 2", "replicas: true"))


def test_an_alias_to_its_own_parent_is_a_fault(folder):
    said = faults(BASE + "clients: &loop\n  retries: {x: *loop}\n")
    assert "16:13: clients.retries.x: an alias to its own parent" in said


def test_two_groups_of_one_name_are_a_fault(folder):
    group = BASE[BASE.index("  - name: chat") : BASE.index("fleet:")]
    assert "two traffic groups of one name" in faults(BASE.replace(group, group * 2))


@pytest.mark.parametrize("needs, count", [((), 0), (("sla",), 1), (("sla", "plan", "price"), 3)])
def test_parts_that_a_command_needs_are_named_with_the_line_to_add(folder, needs, count):
    lines = {
        "sla": "add, for example, `sla: {probability: 0.95, objectives: "
        "[ttft p95 <= 500ms, error_rate <= 0.1%]}`",
        "plan": "add, for example, `plan: {replicas: 1..16}`",
        "price": "add, for example, `price: {h100-sxm-80gb: 2.95 USD/h}`",
    }
    if not count:
        loaded(BASE, needs=needs)
        return
    text = faults(BASE, needs=needs)
    for key in needs:
        assert f"scenario.yaml:1:1: {key}: missing\n    allowed: {lines[key]}" in text
    loaded(BASE + "\n".join(re.search("`(.*)`", lines[key])[1] for key in needs), needs=needs)


def test_a_price_list_without_the_gpu_in_use_is_a_fault(folder):
    price = load_catalogue().gpus["h100-sxm-80gb"].price
    text = faults(BASE + "price: {a100-sxm-80gb: 2 USD/h}\n")
    assert "scenario.yaml:15:1: price: no price for h100-sxm-80gb\n" in text
    assert f"{price.low_usd_per_hour:g} to {price.high_usd_per_hour:g} USD/h" in text


def test_a_model_that_does_not_fit_says_by_how_much_and_what_would_fit(folder):
    known = load_catalogue()
    asked = (
        known.models["meta-llama/Llama-3.1-70B-Instruct"],
        Replica(gpu="h100-sxm-80gb", engine={"name": "vllm"}),
    )
    missing, fits = missing_bytes(*asked), fitting_tensor_parallel(*asked)
    text = BASE.replace("3.1-8B", "3.1-70B")
    assert faults(text) == (
        "scenario.yaml:6:1: replica: meta-llama/Llama-3.1-70B-Instruct in bf16 on 1 x "
        f"h100-sxm-80gb is short of {missing:,.0f} bytes per GPU\n"
        f"    allowed: tensor_parallel: {fits} would fit"
    )
    assert missing > 60e9
    assert loaded(text, f"replica.tensor_parallel={fits}").gpus_per_replica == fits
    loaded(text, "replica.engine.num_gpu_blocks=100")  # the engine's log knows better


def test_a_model_that_fits_nowhere_says_so(folder):
    text = BASE.replace("meta-llama/Llama-3.1-8B-Instruct", "moonshotai/Kimi-K2-Instruct")
    assert "no tensor_parallel within one node fits" in faults(
        text.replace("h100-sxm-80gb", "l4-24gb")
    )


def test_heads_are_shared_out_evenly_or_not_at_all(folder):
    """Llama 3.2 3B has 24 heads: 16 GPUs cannot share them."""
    text = BASE.replace("3.1-8B-Instruct", "3.2-3B-Instruct")
    said = faults(text, "replica.tensor_parallel=16")
    assert said.startswith("--set replica.tensor_parallel=16: replica.tensor_parallel: got 16\n")
    assert "a divisor of the 24 attention heads" in said


def test_a_precision_the_gpu_lacks_is_a_fault(folder):
    said = faults(BASE.replace("gpu: h100-sxm-80gb", "gpu: a100-sxm-80gb"), "replica.precision=fp8")
    assert "precision the GPU does not compute in\n    allowed: on a100-sxm-80gb: bf16" in said


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters='"\\'))
    | st.sampled_from(["5min", "20/s", "80GiB", "95%", "1..4", "constant", "trace", "mixture",
                       "rules.py:choose", "rules.py:x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["kind", "tokens", "of", "name", "rate", "replica", "path", "x"]), inner
    ),
    max_leaves=6,
)  # fmt: skip
WHOLE = YAML(typ="safe").load(EVERYTHING)
PATHS = sorted(
    {at[:depth] for at, _ in leaves(WHOLE) for depth in range(1, len(at) + 1)},
    key=lambda at: [str(key) for key in at],
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(at=st.sampled_from(PATHS), value=values)
def test_any_value_anywhere_loads_or_is_a_fault_with_its_place(tmp_path_factory, at, value):
    """Never another exception, whatever stands at one place of a sound scenario."""
    data = copy.deepcopy(WHOLE)
    holder = data
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    folder = tmp_path_factory.getbasetemp()
    (folder / "rows.csv").write_text(TRACE)
    (folder / "rules.py").write_text(RULES)
    file = folder / "any.yaml"
    file.write_text(json.dumps(data, indent=1))  # JSON is YAML
    try:
        scenario = load(file)
    except ScenarioError as error:
        assert error.faults
        assert all(re.fullmatch(r".*any\.yaml:\d+:\d+", f.place) for f in error.faults), error
    else:
        assert restore(scenario.as_yaml_data()) == scenario


# --- overrides ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override, old, new",
    [
        ("horizon=90s", "horizon: 5min", "horizon: 90s"),
        ("replica.gpu=h200-sxm-141gb", "h100-sxm-80gb", "h200-sxm-141gb"),
        ("traffic.0.arrivals.rate=7/s", "rate: 20/s", "rate: 7/s"),
        ("traffic.0.arrivals={kind: gamma, rate: 7/s, cv: 2}", "{kind: poisson, rate: 20/s}",
         "{kind: gamma, rate: 7/s, cv: 2}"),
        ("clients.timeout=30s", "fleet:", "clients: {timeout: 30s}\nfleet:"),
        ("plan.replicas=2..9", "fleet:", "plan: {replicas: 2..9}\nfleet:"),
        ("seed=1e3", "seed: 3", "seed: 1000"),
        ("description=a = b", "seed: 3", "seed: 3\ndescription: a = b"),
        ("sla=", "seed: 3", "seed: 3\nsla:"),
    ],
)  # fmt: skip
def test_an_override_is_the_same_as_editing_the_file(folder, override, old, new):
    assert BASE.count(old) == 1
    assert loaded(BASE, override) == loaded(BASE.replace(old, new))


def test_the_last_override_wins(folder):
    assert loaded(BASE, "seed=5", "seed=6").seed == 6


def test_an_override_mends_a_fault(folder):
    assert loaded(BASE.replace("horizon: 5min", "horizon: 5"), "horizon=5min").horizon_s == 300.0


@pytest.mark.parametrize(
    "override, message",
    [
        ("seed", "--set seed: got no value\n    allowed: KEY.KEY=VALUE"),
        ("=3", "--set =3: got no value"),
        ("horizon=30", "--set horizon=30: horizon: got 30\n    allowed: a time with its unit"),
        ("replica.gpu=h200", "--set replica.gpu=h200: replica.gpu: got 'h200'"),
        ("replica.gpus=3", "--set replica.gpus=3: replica.gpus: unknown key"),
        ("traffic.3.arrivals.rate=7/s", "traffic.3.arrivals.rate: no such place\n    allowed: "
         "chat; or a position, from 0"),
        ("traffic.chta.arrivals.rate=7/s", "traffic.chta.arrivals.rate: no such place\n    "
         "allowed: chat; or a position, from 0\n    did you mean `chat`?"),
        ("traffic.chat.arrivals.rate=7", "--set traffic.chat.arrivals.rate=7: "
         "traffic.0.arrivals.rate: got 7\n    allowed: a rate"),
        ("traffic.x=1", "--set traffic.x=1: traffic.x: no such place"),
        ("horizon.x=1", "--set horizon.x=1: horizon.x: no such place\n    allowed: keys of "
         "mappings and, for lists, positions from 0"),
        ("replica.0=1", "--set replica.0=1: replica.0: got 0"),
        ("seed=[1", "--set seed=[1:1:3: not YAML:"),
        ("fleet={replicas: 1, replicas: 2}", "fleet.replicas: duplicate key"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_named_as_its_place(folder, override, message):
    assert message in faults(BASE, override)


def test_an_override_finds_members_of_lists_by_name(folder):
    """A position stays a position, whatever members are called; names may have dots."""
    assert loaded(BASE, "traffic.chat.arrivals.rate=7/s") == loaded(
        BASE, "traffic.0.arrivals.rate=7/s"
    )
    dots = BASE.replace("name: chat", "name: gpt-4.1")
    assert loaded(dots, "traffic.gpt-4.1.arrivals.rate=7/s").traffic[0].arrivals.rate_per_s == 7.0
    pair = {"list": [{"name": "1"}, {"name": "0"}, 3]}
    assert place_of(pair, "list.0.x") == ("list", 0, "x")
    assert place_of(pair, "list.2") == ("list", 2) and place_of(pair, "no.x") == ("no", "x")


def test_faults_of_overrides_come_after_those_of_the_file(folder):
    said = faults(BASE.replace("rate: 20/s", "rate: 20"), "horizon=30", "seed=x").splitlines()
    places = [line.split(": ")[0] for line in said if not line.startswith(" ")]
    assert places == ["scenario.yaml:11:31", "--set horizon=30", "--set seed=x"]


# --- files beside the scenario ------------------------------------------------------------------

CATALOGUE = """\
gpus:
  mine:
    memory: 96GiB
    bandwidth: 4TB/s
    bf16: 1PFLOP/s
    link: pcie
    link_bandwidth: 64GB/s
    source: my own measurements
    date: 2026-11
models:
  my/tiny:
    {layers: 2, hidden: 64, heads: 4, kv_heads: 2, head_dim: 16, intermediate: 256,
     vocabulary: 1000, context_tokens: 4096, source: mine, date: 2026-11}
"""
MINE = (
    BASE.replace("h100-sxm-80gb", "mine").replace("meta-llama/Llama-3.1-8B-Instruct", "my/tiny")
    + "catalogue: [mine.yaml]\n"
)
CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "max_position_embeddings": 131072, "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip


def test_a_users_own_catalogue_stands_beside_ours(folder):
    Path("mine.yaml").write_text(CATALOGUE)
    scenario = loaded(MINE)
    assert scenario.replica.gpu.memory_bytes == 96 * 2**30
    assert scenario.replica.gpu.bandwidth_bytes_per_s == 4e12
    assert (scenario.model.name, scenario.model.layers) == ("my/tiny", 2)
    assert scenario.replica.engine.facts == load_catalogue().engines["vllm"]
    Path("mine.yaml").unlink()
    assert restore(scenario.as_yaml_data()) == scenario


def test_facts_of_the_catalogue_are_part_of_the_identity(folder):
    Path("mine.yaml").write_text(CATALOGUE)
    before = loaded(MINE)
    Path("mine.yaml").write_text(CATALOGUE.replace("4TB/s", "5TB/s"))
    assert loaded(MINE).hash != before.hash


def test_files_are_sought_beside_the_scenario_wherever_we_stand(folder, monkeypatch):
    project = folder / "project"
    (project / "traces").mkdir(parents=True)
    (project / "mine.yaml").write_text(CATALOGUE)
    (project / "traces" / "rows.csv").write_text(TRACE)
    (project / "scenario.yaml").write_text(
        MINE.replace("{kind: poisson, rate: 20/s}", "{kind: trace, file: traces/rows.csv}")
    )
    scenario = load("project/scenario.yaml")
    assert scenario.replica.gpu.name == "mine"
    monkeypatch.chdir(project / "traces")
    assert load("../scenario.yaml") == scenario


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("memory: 96GiB", "memory: 96", "gpus.mine.memory: mine.yaml: got 96\n    allowed: a size"),
        ("    memory: 96GiB\n", "", "gpus.mine.memory: mine.yaml: got"),
        ("link: pcie", "link: pci", "gpus.mine.link: mine.yaml: got 'pci'"),
        ("bf16: 1P", "speed: 3\n    bf16: 1P", "gpus.mine.speed: mine.yaml: got 3"),
        ("layers: 2", "layers: 0", "models.my/tiny.layers: mine.yaml: got 0"),
        ("gpus:\n", "gpus: [\n", "catalogue.0: mine.yaml: "),
        ("gpus:\n", "gpu:\n", "gpu: mine.yaml: got"),
    ],
)
def test_a_fault_inside_a_catalogue_names_the_file_and_the_key(folder, old, new, message):
    assert CATALOGUE.count(old) == 1
    Path("mine.yaml").write_text(CATALOGUE.replace(old, new))
    said = faults(MINE)
    assert message in said
    assert "scenario.yaml:15:13: " in said  # where the scenario asks for the file


def test_a_catalogue_that_is_not_there_is_a_fault(folder):
    said = faults(BASE + "catalogue: [gone.yaml]\n")
    assert said.startswith("scenario.yaml:15:13: catalogue.0: gone.yaml: ")
    assert "No such file" in said


@pytest.mark.parametrize("value", ["mine.yaml", "3", "[3]", "{a: b}"])
def test_a_catalogue_is_a_list_of_names(folder, value):
    assert "scenario.yaml:15:" in faults(f"{BASE}catalogue: {value}\n")


def test_a_model_may_be_a_hugging_face_config(folder):
    Path("my-llama").mkdir()
    Path("my-llama/config.json").write_text(json.dumps(CONFIG))
    named = loaded(BASE).model
    model = loaded(BASE.replace(named.name, "my-llama/config.json")).model
    assert model.name == "my-llama"
    shape = set(type(model).model_fields) - {
        "name", "source", "date", "published_parameters", "published_active_parameters",
    }  # fmt: skip
    assert model.model_dump(include=shape) == named.model_dump(include=shape)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ("{}", "model_type None is not known"),
        (json.dumps(CONFIG | {"hidden_size": None}), "'hidden_size'"),
        (json.dumps(CONFIG | {"model_type": "mamba"}), "model_type 'mamba' is not known"),
        (json.dumps(CONFIG | {"num_hidden_layers": 0}), "layers"),
        ("[]", "config.json"),
    ],
)
def test_a_config_that_cannot_be_used_is_a_fault(folder, content, message):
    if content is not None:
        Path("config.json").write_text(content)
    said = faults(BASE.replace("meta-llama/Llama-3.1-8B-Instruct", "config.json"))
    assert said.startswith("scenario.yaml:5:1: model: got 'config.json'\n")
    assert message in said


# --- broken scenarios through the real command line ---------------------------------------------


def test_there_are_sixteen_broken_scenarios():
    assert len({case["name"] for case in BROKEN}) == len(BROKEN) == 16


def assert_says(case, code, stdout, stderr):
    assert code == 2
    assert stdout == ""
    assert "Traceback" not in stderr
    expected = case["expect"]
    count = f"{len(expected)} fault" + ("s" if len(expected) > 1 else "")
    assert stderr.startswith(f"Error: broken.yaml has {count}\n")
    for message in expected:
        assert message in stderr
    positions = [stderr.index(message) for message in expected]
    assert positions == sorted(positions), "faults come in the order of the file"


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case["name"])
def test_check_tells_what_is_broken(folder, monkeypatch, capsys, case):
    Path("broken.yaml").write_text(case["text"])
    monkeypatch.setattr(sys, "argv", ["fleetcast", "check", "broken.yaml"])
    with pytest.raises(SystemExit) as exit:
        main()
    printed = capsys.readouterr()
    assert_says(case, exit.value.code, printed.out, printed.err)


@pytest.mark.slow
@pytest.mark.parametrize("case", [BROKEN[0], BROKEN[-1]], ids=lambda case: case["name"])
def test_check_tells_the_same_as_a_process_of_its_own(folder, case):
    Path("broken.yaml").write_text(case["text"])
    done = subprocess.run(
        [sys.executable, "-m", "fleetcast", "check", "broken.yaml"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert_says(case, done.returncode, done.stdout, done.stderr)
