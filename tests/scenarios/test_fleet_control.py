"""What a fleet and its clients may say: topology, starts, scaling, admission, retries.

Values and their meaning, and what is refused.
"""

import json
from pathlib import Path

import pytest

from scenarios.catalogue import load_catalogue
from scenarios.fleet import Autoscaling, ColdStart, Shedding, Topology, WholeStart
from scenarios.loading import load, restore
from scenarios.memory import weight_bytes
from scenarios.schema import json_schema
from tests.scenarios.conftest import HEAD


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads the scenario with something in its fleet, on line 11, and something behind it."""
    monkeypatch.chdir(tmp_path)

    def load_text(fleet="", rest="", head=HEAD):
        inside = f", {fleet}" if fleet else ""
        Path("controlled.yaml").write_text(f"{head}fleet: {{replicas: 2{inside}}}\n{rest}")
        return load("controlled.yaml")

    return load_text


def autoscaling(**keys):
    return Autoscaling.model_validate({"replicas": "1..8", "target_outstanding": 20.0} | keys)


# --- cold starts --------------------------------------------------------------------------------


def mean_of(phases, *without):
    return sum(time.mean_s for name, time in phases if name not in without)


def median_of(phases, *without):
    counted = [time for name, time in phases if name not in without]
    return sum(getattr(time, "median_s", time.mean_s) for time in counted)


def test_phases_of_a_start_by_its_kind():
    start = ColdStart.model_validate({})
    names = {kind: [name for name, _ in start.phases(kind, 16e9)] for kind in
             ("none", "warm", "cold", "node")}  # fmt: skip
    cold = ["image", "framework", "weights", "compile"]
    assert names == {
        "none": [],
        "warm": ["framework", "weights", "compile"],
        "cold": cold,
        "node": ["provision", "node_init", *cold],
    }
    lengths = [mean_of(start.phases(kind, 16e9)) for kind in names]
    assert lengths == sorted(lengths)


def test_the_catalogues_phases_add_up_to_measured_starts():
    """KAITO's 27B on one A100 from no node: 52 GiB, 873 s. On a ready node with its own disk:
    70B in 5 to 7 minutes, 405B in fp8 in 8 to 12."""
    start = ColdStart.model_validate({})
    assert median_of(start.phases("node", 52 * 2**30)) == pytest.approx(873, rel=0.01)
    local = ColdStart.model_validate({"storage": "local-nvme"})
    assert 300 < median_of(local.phases("cold", 140e9), "image") < 420
    assert 480 < median_of(local.phases("cold", 405e9), "image") < 720


def test_weights_take_their_bytes_over_the_bandwidth():
    start = ColdStart.model_validate({"storage": "1.7GB/s", "page_cache": "8GB/s"})
    assert dict(start.phases("cold", 17e9))["weights"].mean_s == 10.0
    assert dict(start.phases("warm", 16e9))["weights"].mean_s == 2.0


@pytest.mark.parametrize("tier", load_catalogue().storage)
def test_a_storage_tier_stands_for_its_bandwidth(tier):
    known = load_catalogue().storage[tier].bandwidth_bytes_per_s
    assert ColdStart.model_validate({"storage": tier}).storage_bytes_per_s == known


def test_what_is_not_given_is_the_catalogues():
    start = ColdStart.model_validate({"image": "1min"})
    known = load_catalogue().cold_start
    assert start.image.mean_s == 60.0
    assert start.compile == known["compile"].time
    assert {*known, "storage", "page_cache"} == set(start.as_yaml_data())
    assert all(phase.source and phase.date for phase in known.values())


@pytest.mark.parametrize("written", ["3min", "{fixed: 3min}", "{median: 3min, p95: 5min}"])
def test_a_start_may_be_one_time(loaded, written):
    scenario = loaded(f"cold_start: {written}")
    start = scenario.fleet.cold_start
    assert type(start) is WholeStart
    assert start.phases("none", 1e9) == ()
    assert start.phases("warm", 1e9) == start.phases("node", 9e9) == (("start", start.total),)
    assert restore(json.loads(json.dumps(scenario.as_yaml_data()))) == scenario


FAILING = (
    "failures: {{replica: {{mtbf: 9h, detection: 1s, repair: {{median: 1min, p95: 1h}}{}}}}}\n"
)


def test_the_short_form_of_failures_may_say_how_long_any_start_takes(loaded):
    phases = loaded("", FAILING.format(""))
    assert phases.cold_start == phases.fleet.cold_start
    fixed = loaded("", FAILING.format(", cold_start: 3min"))
    assert [time.mean_s for _, time in fixed.cold_start.phases("node", 1e9)] == [180.0]


def test_bytes_to_load_are_shared_by_nodes(loaded):
    eight = loaded("topology: {gpus_per_node: 8}")
    of_eight = HEAD.replace("{gpu:", "{tensor_parallel: 8, gpu:")
    four = loaded("topology: {gpus_per_node: 2}", head=of_eight)
    whole = weight_bytes(eight.model, "bf16")
    assert eight.bytes_to_load(eight.replica) == whole
    assert four.bytes_to_load(four.replica) == whole / 4


# --- topology -----------------------------------------------------------------------------------


def test_a_topology_counts_its_gpus():
    assert (Topology().gpus_per_rack, Topology().gpus_per_zone) == (None, None)
    data = {"gpus_per_node": 4, "nodes_per_rack": 5, "racks_per_zone": 6, "zones": 3}
    large = Topology.model_validate(data)
    assert (large.gpus_per_rack, large.gpus_per_zone) == (20, 120)


@pytest.mark.parametrize(
    "topology, rest, message",
    [
        ("{zones: 27}", "", "topology.zones: got 27\n    allowed: less than or equal to 26"),
        ("{zone: 2}", "", "topology.zone: unknown key\n    allowed: gpus_per_node, nodes_per_rack, "
         "racks_per_zone, zones, placement\n    did you mean `zones`?"),
        ("{racks_per_zone: 2}", "", "topology.racks_per_zone: racks of no nodes"),
        ("{placement: spred}", "", "placement: got 'spred'\n    allowed: 'spread' or 'pack'\n"
         "    did you mean `spread`?"),
        ("{zones: 2, placement: pack}", "", "fleet.topology.zones: zones after the first, which "
         "never fills up\n    allowed: `nodes_per_rack` and `racks_per_zone` beside it, or `pla"),
        ("{gpus_per_node: 2, nodes_per_rack: 1}", "", "replica: a replica of 4 GPUs on racks of 2"),
        ("{gpus_per_node: 4, nodes_per_rack: 1, racks_per_zone: 1}", "", "fleet.topology: up to 8 "
         "GPUs where 4 have room\n    allowed: more `zones`, `racks_per_zone`, `nodes_per_rack` "),
        ("{gpus_per_node: 4, nodes_per_rack: 1, racks_per_zone: 2}", "plan: {replicas: 1..3}",
         "fleet.topology: up to 12 GPUs where 8 have room"),
    ],
)  # fmt: skip
def test_a_topology_that_holds_no_fleet_is_refused(faults, topology, rest, message):
    of_four = HEAD.replace("{gpu:", "{tensor_parallel: 4, gpu:")
    (told,) = faults(f"topology: {topology}", rest, head=of_four)
    assert message in told


def test_a_topology_with_just_enough_room_is_sound(loaded):
    loaded("topology: {gpus_per_node: 1, nodes_per_rack: 1, racks_per_zone: 1, zones: 2}")


# --- autoscaling --------------------------------------------------------------------------------


def test_the_defaults_of_autoscaling_are_kubernetes():
    scaling = autoscaling()
    up, down = scaling.scale_up, scaling.scale_down
    assert (scaling.interval_s, scaling.tolerance, scaling.cooldown_s) == (15.0, 0.1, 300.0)
    assert (up.stabilisation_s, up.select) == (0.0, "max")
    assert [(p.kind, p.value, p.period_s) for p in up.policies] == [
        ("percent", 100, 15.0), ("pods", 4, 15.0),
    ]  # fmt: skip
    assert (down.stabilisation_s, down.select) == (300.0, "max")
    assert [(p.kind, p.value, p.period_s) for p in down.policies] == [("percent", 100, 15.0)]
    assert (scaling.scrape_delay_s, scaling.warm_pool, scaling.startup) == (0.0, 0, None)


def test_a_behaviour_given_in_part_keeps_the_rest():
    scaling = autoscaling(scale_up={"stabilisation": "1min"}, scale_down={"select": "disabled"})
    assert scaling.scale_up.policies == autoscaling().scale_up.policies
    assert scaling.scale_down.stabilisation_s == 300.0


def test_one_target_may_be_written_in_short():
    (target,) = autoscaling().targets
    assert (target.metric, target.value) == ("outstanding", 20.0)
    targets = [{"kv": "70%"}, {"rate": "3/s"}, {"ttft": "500ms"}, {"queue": 4.0}, {"running": 9.0}]
    several = Autoscaling.model_validate({"replicas": "0..8", "targets": targets})
    assert [(target.metric, target.value) for target in several.targets] == [
        ("kv", 0.7), ("rate", 3.0), ("ttft", 0.5), ("queue", 4.0), ("running", 9.0),
    ]  # fmt: skip


def test_a_window_of_the_schedule(loaded):
    at_night = '{start: "22:30", end: "06:00", days: [Mon, Tue], replicas: 4}'
    always = "{start: 0:00, end: 24:00, replicas: 2}"
    scaling = f"autoscaling: {{replicas: 1..8, schedule: [{at_night}, {always}]}}"
    night, all_day = loaded(scaling, "starts_at: random\n").fleet.autoscaling.schedule
    assert (night.start_s, night.end_s, night.days) == (81000.0, 21600.0, ("Mon", "Tue"))
    assert (all_day.start_s, all_day.end_s, len(all_day.days)) == (0.0, 86400.0, 7)


@pytest.mark.parametrize(
    "keys, message",
    [
        ("replicas: 0..0, target_outstanding: 9", "replicas: got '0..0'"),
        ("replicas: 4..2, target_outstanding: 9", "replicas: got '4..2'"),
        ("replicas: 1..8", "fleet.autoscaling: nothing to scale by\n    allowed: `targets: "
         "[{outstanding: 20}]`, or a `schedule`"),
        ("replicas: 1..8, target_outstanding: 9, targets: [{kv: 70%}]", "target_outstanding: "
         "unknown key"),
        ("replicas: 1..8, targets: [{outstanding: 0}]", "targets.0.outstanding: got 0\n    "
         "allowed: greater than 0"),
        ("replicas: 1..8, targets: [{}]", "targets.0: no metrics in one target\n    allowed: "
         "one of outstanding, queue, running, kv, rate, ttft; list several"),
        ("replicas: 1..8, targets: [{que: 3}]", "targets.0.que: unknown key\n    allowed: "
         "outstanding, queue, running, kv, rate, ttft\n    did you mean `queue`?"),
        ("replicas: 1..8, targets: [{kv: 70%}, {kv: 80%}]", "targets: two targets of one metric"),
        ("replicas: 1..8, targets: [{kv: 170%}]", "kv: got '170%'\n    allowed: less than or"),
        ("replicas: 1..8, target_outstanding: 9, tolerance: 1", "tolerance: got 1\n    allowed: "
         "less than 1"),
        ("replicas: 1..8, target_outstanding: 9, scale_down: {stabilisation: 2h}",
         "scale_down.stabilisation: got '2h'\n    allowed: less than or equal to 3600"),
        ("replicas: 1..8, target_outstanding: 9, scale_up: {policies: []}",
         "scale_up.policies: got []\n    allowed: a list of at least 1"),
        ("replicas: 1..8, target_outstanding: 9, startup: 3", "startup: got 3\n    allowed: a"),
        ('replicas: 1..8, schedule: [{start: "08:00", end: "18:00", replicas: 4}]', "schedule: "
         "hours of the day, and no time at which a period starts\n    allowed: `starts_at: Tue"),
        ('replicas: 1..3, schedule: [{start: "08:00", end: "18:00", replicas: 4}]',
         "schedule.0.replicas: got 4\n    allowed: up to 3, the most of `replicas`"),
        ('replicas: 1..8, schedule: [{start: "08:00", end: "08:00", replicas: 4}]',
         "schedule.0.end: a window of no time\n    allowed: an end other than the start"),
        ('replicas: 1..8, schedule: [{start: "24:30", end: "08:00", replicas: 4}]',
         "schedule.0.start: got '24:30'\n    allowed: a time of day such as 08:30, up to 24:00"),
        ('replicas: 1..8, schedule: [{start: "09:00", end: "10:00", replicas: 0}]',
         "schedule.0.replicas: got 0\n    allowed: greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_fault_of_autoscaling_says_where_what_and_what_is_allowed(faults, keys, message):
    (told,) = faults(f"autoscaling: {{{keys}}}")
    assert message in told and told.startswith("controlled.yaml:11:")


# --- admission, health, clients -----------------------------------------------------------------


@pytest.mark.parametrize(
    "from_, to, priorities, thresholds",
    [
        (20.0, 60.0, [0, 1], {1: 20.0}),
        (20.0, 60.0, [0, 1, 2], {2: 20.0, 1: 60.0}),
        (20.0, 60.0, [0, 1, 2, 7, 2], {7: 20.0, 2: 40.0, 1: 60.0}),
        (20.0, None, [0, 1, 2], {2: 20.0, 1: 20.0}),
        (20.0, 60.0, [4, 4], {4: 20.0}),
    ],
)
def test_classes_are_shed_from_the_lowest(from_, to, priorities, thresholds):
    data = {"from": from_} | ({"to": to} if to else {})
    assert Shedding.model_validate(data).thresholds(priorities) == thresholds


@pytest.mark.parametrize(
    "fleet, rest, message",
    [
        ("shedding: {from: 40, to: 20}", "", "fleet.shedding.to: to below from\n    allowed: from"),
        ("shedding: {}", "", "fleet.shedding.from: missing\n    allowed: add, for example, `from"),
        ("buckets: [{class: gold, rate: 3/s}]", "", "fleet.buckets.0.class: for a class that no "
         "traffic has\n    allowed: the `sla_class` of traffic"),
        ("health_checks: {threshold: 0}", "", "fleet.health_checks.threshold: got 0"),
        ("breaker: {}", "", "fleet.breaker: a breaker counts first-token timeouts, and clients "
         "have none\n    allowed: `clients: {first_token_timeout: 10s}` beside it"),
        ("cold_start: {imag: 3min}", "", "fleet.cold_start.imag: unknown key\n    allowed: "
         "provision, node_init, image, framework, framework_warm, storage, page_cache, compile, "
         "compile_warm\n    did you mean `image`?"),
        ("cold_start: {storage: nvme}", "", "did you mean `local-nvme-tuned`?"),
        ("cold_start: {storage: 3}", "", "fleet.cold_start.storage: got 3\n    allowed: a band"),
        ("cold_start: {storage: 0GB/s}", "", "fleet.cold_start.storage: got '0GB/s'\n    allowed: "
         "greater than 0"),
        ("cold_start: 3", "", "fleet.cold_start: got 3\n    allowed: a time with its unit"),
        ("cold_start: -3s", "", "fleet.cold_start: got '-3s'\n    allowed: greater than or equal"),
        ("", "clients: {retry_on: [timeout], backoff: {first: 1s}}", "clients.retry_on: retries on "
         "timeout, and no timeout of an attempt\n    allowed: `first_token_timeout: 10s`"),
        ("", "clients: {retry_on: [rejection]}", "clients.retry_on: retries on rejection without a "
         "wait\n    allowed: `backoff: {first: 100ms}`, 1ms or more"),
        ("", "clients: {retry_on: [timeot]}", "clients.retry_on.0: got 'timeot'\n    allowed: "
         "'failure', 'rejection' or 'timeout'\n    did you mean `timeout`?"),
        ("", "clients: {retry_on: [failure, failure]}", "clients.retry_on: the same reason twice"),
        ("", "clients: {first_token_timeout: 10min}", "clients.first_token_timeout: later than the "
         "clients' patience ends\n    allowed: at most `timeout`, 300s"),
        ("", "clients: {hedge: {after: 5min}}", "clients.hedge.after: later than an attempt "
         "without a first token lasts\n    allowed: below 300s"),
        ("", "clients: {first_token_timeout: 5s, hedge: {after: 7s}}", "allowed: below 5s"),
        ("", "clients: {backoff: {first: 1h}}", "clients.backoff.first: first above most"),
        ("", "clients: {retry_budget: {share: 0}}", "clients.retry_budget.share: got 0"),
    ],
)  # fmt: skip
def test_a_fault_of_control_says_where_what_and_what_is_allowed(faults, fleet, rest, message):
    (told,) = faults(fleet, rest)
    assert message in told


def test_two_buckets_of_a_class_are_refused(faults):
    head = HEAD.replace("name: chat", "name: chat\n    sla_class: gold")
    (told,) = faults("buckets: [{class: gold, rate: 3/s}, {class: gold, rate: 4/s}]", head=head)
    assert "fleet.buckets: two buckets of one class" in told
    (told,) = faults("buckets: [{class: golden, rate: 3/s}]", head=head)
    assert "fleet.buckets.0.class: for a class that no traffic has\n    allowed: gold" in told


def test_a_bucket_of_a_class_that_is_shed_in_two_ranks_is_refused(faults, loaded):
    two = HEAD.replace("- name: chat", "- name: batch\n    sla_class: gold\n    priority: 3\n"
                       "    arrivals: {kind: poisson, rate: 1/s}\n"
                       "    input_tokens: {kind: constant, tokens: 5}\n"
                       "    output_tokens: {kind: constant, tokens: 5}\n"
                       "  - name: chat\n    sla_class: gold")  # fmt: skip
    bucket = "buckets: [{class: gold, rate: 3/s}]"
    loaded(bucket, head=two)
    (told,) = faults(f"{bucket}, shedding: {{from: 2, to: 4}}", head=two)
    assert "fleet.buckets.0.class: for a class of several priorities" in told
    assert "here batch 3, chat 0" in told


# --- for editors --------------------------------------------------------------------------------


def test_the_schema_offers_short_forms_and_the_catalogues_defaults():
    parts = json_schema()["$defs"]
    assert parts["Fleet"]["properties"]["cold_start"]["oneOf"] == [
        {"$ref": "#/$defs/ColdStart"}, {"$ref": "#/$defs/Time"},
    ]  # fmt: skip
    start = parts["ColdStart"]
    assert "required" not in start
    assert start["properties"]["image"]["default"] == {"median": "101s", "p95": "300s"}
    assert "network" in start["properties"]["storage"]["anyOf"][0]["enum"]
    assert "target_outstanding" in parts["Autoscaling"]["properties"]
    assert parts["Shedding"]["required"] == ["from"]
