"""Failures of a scenario: presets, faults of one's own, what they mean, what is refused."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.failures import catalogue as written_by_the_command
from scenarios.catalogue import load_catalogue
from scenarios.failures import Failures, Fault, Rate, parse_rate, preset_failures
from scenarios.loading import load, restore
from scenarios.schema import json_schema
from tests.scenarios.conftest import HEAD

SHARED = Path(__file__).parents[3] / "shared" / "data" / "failure-presets.json"
CATALOGUE = load_catalogue()
PRESETS = {name: preset_failures(entry) for name, entry in CATALOGUE.failures.items()}
FLEET = "fleet: {replicas: 2}\n"


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads the scenario with something behind it; its fleet is on line 11."""
    monkeypatch.chdir(tmp_path)

    def load_text(rest, fleet=FLEET):
        Path("failing.yaml").write_text(HEAD + fleet + rest)
        return load("failing.yaml")

    return load_text


def failures(**keys):
    return Failures.model_validate(keys)


def one(**keys):
    """A fault that is sound, with other keys on top."""
    sound = {"name": "a", "scope": "node", "mtbf": "9h", "repair": "1h"}
    together = {key: value for key, value in (sound | keys).items() if value is not None}
    return Fault.model_validate(together)


# --- presets ------------------------------------------------------------------------------------


def test_the_presets_are_these():
    assert set(PRESETS) == {
        "none", "h100-mature", "a100-rsc1", "a100-rsc2", "neocloud-pessimistic", "spot-moderate",
        "spot-hostile", "planned-maintenance",
    }  # fmt: skip


@pytest.mark.skipif(not SHARED.exists(), reason="the file of rates is not here")
def test_the_presets_are_what_the_command_writes():
    file = Path(__file__).parents[2] / "scenarios" / "catalogue" / "failures.yaml"
    assert file.read_text() == written_by_the_command(json.loads(SHARED.read_text()))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_fault_of_a_preset_says_where_it_comes_from(preset):
    assert preset.source and preset.date and preset.description
    for fault in preset.faults:
        assert fault.source and fault.confidence
        for abbreviation in ("L3", "GUESS", "BYTE", "SNS", "RMA"):
            assert abbreviation not in fault.source


@pytest.mark.parametrize(
    "name, events_per_million",
    [("h100-mature", 19.4), ("a100-rsc1", 33.2), ("a100-rsc2", 12.0)],
)
def test_interruptions_of_a_preset_add_up(name, events_per_million):
    """All but what only slows down: 19.6, 33.9 and 12.2 with the thermal ones, which L3 counts."""
    gpu_hours = [
        fault.rate.per_hour * 1e6 for fault in PRESETS[name].faults if fault.effect != "slow"
    ]
    assert sum(gpu_hours) == pytest.approx(events_per_million, rel=0.02)


def test_who_sees_what():
    seen = {f.name: (f.scope, f.effect, f.probed) for f in PRESETS["spot-hostile"].faults}
    assert seen["gpu-hard"] == ("gpu", "silence", False)  # /health stays 200
    assert seen["nic-host-hw"] == ("node", "silence", True)
    assert seen["engine-crash"] == ("replica", "crash", True)
    assert seen["engine-hang"] == ("replica", "hang", False)
    assert seen["thermal-throttle"] == ("gpu", "slow", False)
    assert seen["spot-preempt"] == ("node", "crash", True)


def test_numbers_of_some_faults():
    by_name = {fault.name: fault for fault in PRESETS["spot-moderate"].faults}
    hard, spot = by_name["gpu-hard"], by_name["spot-preempt"]
    reboot, replaced = hard.repairs
    assert (reboot.share, reboot.start, reboot.hands_on) == (0.6, "warm", False)
    assert (replaced.share, replaced.start, replaced.hands_on) == (0.4, "cold", True)
    assert (replaced.time.median_s, replaced.time.p95_s) == (172800.0, 1209600.0)
    assert hard.rate == Rate(6.97e-6, "gpu")
    assert (spot.rate, spot.notice_s, spot.paid) == (Rate(0.06, "node"), 30.0, False)
    assert (spot.burst.share, spot.burst.within_s) == (0.92, 180.0)
    assert (spot.repairs[0].time.mean_s, spot.repairs[0].start) == (4960.0, "node")
    assert by_name["straggler-slow"].speed == (0.5, 0.9)
    (drain,) = PRESETS["planned-maintenance"].faults
    assert (drain.effect, drain.at_most, drain.drain_timeout_s) == ("drain", 1, 300.0)
    assert drain.rate.per_hour == 1 / 672


@pytest.mark.parametrize(
    "text",
    [
        "failures: h100-mature\n",
        "failures: [h100-mature]\n",
        "failures: {preset: h100-mature}\n",
        "failures: {presets: h100-mature}\n",
        "failures: {preset: [h100-mature]}\n",
        "failures:\n  presets: [h100-mature]\n  scale: 1.0\n",
    ],
)
def test_a_preset_may_be_named_in_short(loaded, text):
    scenario = loaded(text)
    assert scenario.failures.all == PRESETS["h100-mature"].faults
    assert scenario.hash == loaded("failures: h100-mature\n").hash


def test_none_is_a_preset_without_faults(loaded):
    assert loaded("failures: none\n").failures.all == ()


def test_what_two_presets_have_alike_occurs_once(loaded):
    both = loaded("failures: [h100-mature, spot-moderate, planned-maintenance]\n").failures
    names = [fault.name for fault in both.all]
    assert len(names) == len(set(names)) == 12
    assert names[-2:] == ["spot-preempt", "rolling-drain"]


def test_a_manifest_needs_no_catalogue(loaded, monkeypatch):
    scenario = loaded("failures:\n  preset: h100-mature\n"
                      "  faults: [{name: engine-crash, mtbf: 90h}]\n")  # fmt: skip
    data = json.loads(json.dumps(scenario.as_yaml_data()))
    monkeypatch.setattr(
        "scenarios.references.load_catalogue", lambda: pytest.fail("the catalogue was asked")
    )
    again = restore(data)
    assert again == scenario and again.hash == scenario.hash


OWN = """\
failures:
  my-racks:
    description: what our logs of 2026 say
    faults:
      - name: node-lost
        scope: node
        rate: 3 per 100 node-years
        detection: {median: 45s, p95: 5min}
        repair: {median: 4h, p95: 3d}
        source: our logs
        confidence: 41 incidents
    source: our logs
    date: 2026-11
"""


def test_presets_of_ones_own_stand_beside_ours(loaded):
    Path("mine.yaml").write_text(OWN)
    rest = "failures: [my-racks, planned-maintenance]\n"
    scenario = loaded(rest + "catalogue: [mine.yaml]\n")
    assert [fault.name for fault in scenario.failures.all] == ["node-lost", "rolling-drain"]
    Path("elsewhere.yaml").write_text(OWN)
    Path("mine.yaml").unlink()
    assert restore(scenario.as_yaml_data()) == scenario
    moved = loaded(rest + "catalogue: [elsewhere.yaml]\n")
    assert moved.failures == scenario.failures


def test_a_fault_inside_a_preset_of_ones_own_is_told(faults):
    Path("mine.yaml").write_text(OWN.replace("scope: node", "scope: nodes"))
    first, second = faults("failures: my-racks\ncatalogue: [mine.yaml]\n")
    assert "failures.my-racks.faults.0.scope: mine.yaml: got 'nodes'" in second
    assert "failures: got 'my-racks'" in first


GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "failures.md").read_text()
SHOWN = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_shows_a_preset_of_ones_own():
    assert f'```yaml title="mine.yaml"\n{OWN}```' in GUIDE


@pytest.mark.parametrize("text", SHOWN[:-1])
def test_what_the_guide_says_can_be_said(loaded, text):
    scenario = loaded(text, fleet="" if "fleet:" in text else FLEET)
    assert restore(scenario.as_yaml_data()) == scenario


def test_the_guide_tells_of_every_preset():
    assert all(f"`{name}`" in GUIDE for name in PRESETS)


# --- faults of one's own ------------------------------------------------------------------------


def test_a_fault_by_the_name_of_a_presets_changes_the_keys_it_gives():
    preset = {fault.name: fault for fault in PRESETS["h100-mature"].faults}["gpu-hard"]
    changed = failures(preset="h100-mature", faults=[{"name": "gpu-hard", "detection": "5min"}])
    (hard,) = [fault for fault in changed.all if fault.name == "gpu-hard"]
    assert hard.detection.mean_s == 300.0
    assert hard.source == f"{preset.source}; changed here: detection"
    assert hard.model_copy(
        update={"detection": preset.detection, "source": preset.source}
    ) == preset  # fmt: skip
    assert [fault.name for fault in changed.all] == [
        fault.name for fault in PRESETS["h100-mature"].faults
    ]


def test_another_way_to_occur_replaces_the_presets():
    changed = failures(preset="h100-mature", faults=[{"name": "engine-crash", "mtbf": "30h"}])
    crash = next(fault for fault in changed.all if fault.name == "engine-crash")
    assert (crash.rate, crash.mtbf_s) == (None, 108000.0)


def test_another_effect_takes_what_only_the_first_had():
    changed = failures(
        preset="h100-mature", faults=[{"name": "thermal-throttle", "effect": "crash"}]
    )
    crash = next(fault for fault in changed.all if fault.name == "thermal-throttle")
    assert (crash.speed, crash.probed) == (None, True)


def test_a_fault_can_be_taken_out():
    rest = failures(preset="h100-mature", faults=[{"name": "gpu-hard", "remove": True}])
    assert "gpu-hard" not in [fault.name for fault in rest.all]
    assert len(rest.all) == len(PRESETS["h100-mature"].faults) - 1


def test_faults_come_in_a_stable_order():
    """Presets, own faults that change none, `replica`."""
    many = failures(
        presets=["planned-maintenance", "spot-moderate"],
        faults=[
            {"name": "zz", "scope": "zone", "mtbf": "9d", "repair": "1h"},
            {"name": "gpu-hard", "mtbf": "9h"},
            {"name": "aa", "scope": "zone", "mtbf": "9d", "repair": "1h"},
        ],
        replica={"mtbf": "9h", "detection": "1s", "repair": {"median": "1min", "p95": "1h"}},
    )
    names = [fault.name for fault in many.all]
    assert names[:2] == ["rolling-drain", "gpu-hard"]
    assert names[-3:] == ["zz", "aa", "replica"]


def test_a_difference_between_presets_is_settled_by_ones_own():
    both = failures(
        presets=["spot-moderate", "spot-hostile"],
        faults=[{"name": "spot-preempt", "rate": "0.2 per node-hour"}],
    )
    spot = next(fault for fault in both.all if fault.name == "spot-preempt")
    assert (spot.rate, spot.notice_s) == (Rate(0.2, "node"), 30.0)


def test_scale_multiplies_how_often_everything_occurs():
    faults = [
        {"name": "a", "scope": "gpu", "rate": "3 per 1e6 GPU-hours", "repair": "1h"},
        {"name": "b", "scope": "node", "every": {"weibull": "8h", "shape": 0.7}, "repair": "1h"},
        {"name": "c", "scope": "node", "every": {"empirical": ["1h", "3h"]}, "repair": "1h"},
    ]
    replica = {"mtbf": "9h", "detection": "1s", "repair": {"median": "1min", "p95": "1h"}}
    a, b, c, short = failures(scale=4, faults=faults, replica=replica).all
    assert a.rate.per_hour == pytest.approx(12e-6)
    assert (b.every.mean_s, b.every.shape) == (7200.0, 0.7)
    assert c.every.empirical_s == (900.0, 2700.0)
    assert short.mtbf_s == 8100.0
    assert a.repairs[0].time.mean_s == 3600.0


def test_the_short_form_is_a_fault_like_others():
    replica = {"mtbf": "9h", "detection": "30s", "repair": {"median": "15min", "p95": "2h"}}
    (fault,) = failures(replica=replica).all
    assert fault == one(name="replica", scope="replica", detection="30s", repair=replica["repair"])


@pytest.mark.parametrize(
    "repair",
    ["2min", {"fixed": "2min"}, {"time": "2min"}, ["2min"], [{"time": "2min", "share": 1.0}]],
)
def test_one_repair_may_be_written_in_short(repair):
    assert one(repair=repair) == one(repair=[{"time": {"fixed": "120s"}, "start": "cold"}])


def test_what_is_slow_starts_nothing():
    slow = one(effect="slow", speed="50%", repair=["1h", {"time": "2h", "share": 2}])
    assert [repair.start for repair in slow.repairs] == ["none", "none"]
    assert slow.speed == (0.5, 0.5)
    assert slow.mean_repair_s == 6000.0


# --- rates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, per_hour, unit",
    [
        ("6.97 per 1e6 GPU-hours", 6.97e-6, "gpu"),
        ("0.06 per node-hour", 0.06, "node"),
        ("6 per 100 node-hours", 0.06, "node"),
        ("1 per zone-year", 1 / 8760, "zone"),
        ("6.5 per 1000 Node-Days", 6.5 / 24000, "node"),
        ("0.057 per 100 rack-months", 0.00057 / 720, "rack"),
        (" 2.  per  replica-week ", 2 / 168, "replica"),
    ],
)
def test_a_rate_is_read_in_its_unit(text, per_hour, unit):
    rate = parse_rate(text)
    assert (rate.per_hour, rate.unit) == (pytest.approx(per_hour, rel=1e-15), unit)
    assert rate.per_s == rate.per_hour / 3600
    assert parse_rate(str(rate)) == rate


FAULT = "failures:\n  faults:\n    - {{{}}}\n"
SOUND = {"name": "a", "scope": "node", "mtbf": "9h", "repair": "1h"}


def fault_with(**keys):
    """YAML of one fault, on line 14."""
    together = {key: value for key, value in (SOUND | keys).items() if value is not None}
    return FAULT.format(", ".join(f"{key}: {value}" for key, value in together.items()))


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"scope": "raack"}, "scope: got 'raack'\n    allowed: 'gpu', 'replica', 'node', 'rack' or "
         "'zone'\n    did you mean `rack`?"),
        ({"scope": "rack"}, "scope: fault a takes a rack, and there are none\n    allowed: "
         "`fleet: {topology: {nodes_per_rack: 4}}`"),
        ({"scope": "zone", "mtbf": None, "rate": "1 per rack-year"}, "rate: fault a is counted per "
         "rack, and there are none"),
        ({"mtbf": "-9h"}, "mtbf: got '-9h'\n    allowed: greater than or equal to 0.001"),
        ({"detection": "-3s"}, "detection: got '-3s'\n    allowed: greater than or equal to 0"),
        ({"repair": "-3s"}, "repair: got '-3s'\n    allowed: greater than or equal to 0"),
        ({"repair": "3"}, "repair: got 3\n    allowed: a time with its unit"),
        ({"repair": "[]"}, "repair: got []\n    allowed: a list of at least 1"),
        ({"repair": "[1h, {time: 2h, shre: 1}]"}, "repair.1.shre: unknown key\n    allowed: time, "
         "share, start, hands_on, swap, what\n    did you mean `share`?"),
        ({"repair": "{share: 1}"}, "repair.time: missing\n    allowed: add, for example, `time: "
         "{median: 15min, p95: 2h}`"),
        ({"repair": "{time: {mean: 3h}}"}, "repair.time: not a time\n    allowed: a time such as"),
        ({"repair": "{time: 1h, start: hot}"}, "repair.start: got 'hot'\n    allowed: 'none', "
         "'warm', 'cold' or 'node'"),
        ({"repair": "{uniform: [2h, 1h]}"}, "repair: the longest below the shortest"),
        ({"repair": "{uniform: [2h]}"}, "repair.uniform: got ['2h']\n    allowed: a list of two"),
        ({"repair": "{empirical: []}"}, "repair.empirical: got []\n    allowed: a list of at"),
        ({"repair": "{weibull: 3h}"}, "repair.shape: missing"),
        ({"repair": "{exponential: 0s}"}, "repair.exponential: got '0s'\n    allowed: greater"),
        ({"repair": "{time: 1h, swap: 3min}"}, "repair.swap: a swap of what nobody touches\n"
         "    allowed: `hands_on: true` beside it"),
        ({"repair": "{time: 1h, hands_on: true, swap: 3min}"}, "repair.swap: fault a swaps for a "
         "spare, and there are none\n    allowed: `spares: {nodes: 2}` beside `faults`"),
        ({"scope": "zone", "repair": "{time: 1h, hands_on: true, swap: 3min}"}, "repair.swap: a "
         "spare node in place of a whole zone\n    allowed: with scope gpu, replica or node"),
        ({"mtbf": None}, "failures.faults.0: how often?\n    allowed: `rate: 0.06 per node-hour`, "
         "`mtbf: 400h` or `every: ...`"),
        ({"rate": "1 per node-year"}, "mtbf: rate beside mtbf\n    allowed: one of rate, mtbf and"),
        ({"mtbf": None, "every": "0s"}, "every: a fault without end\n    allowed: a mean time of"),
        ({"mtbf": None, "rate": "0.06/h"}, "rate: got '0.06/h'\n    allowed: a rate such as 6.97 "
         "per 1e6 GPU-hours, 0.06 per node-hour or 1 per zone-year"),
        ({"mtbf": None, "rate": "1 per nod-hour"}, "rate: got '1 per nod-hour'"),
        ({"mtbf": None, "rate": "1 per nod-hour"}, "did you mean `1 per node-hour`?"),
        ({"mtbf": None, "rate": "2 per 1e6 GPU-minutes"}, "rate: got '2 per 1e6 GPU-minutes'"),
        ({"mtbf": None, "rate": "0 per node-hour"}, "rate: got '0 per node-hour'\n    allowed: "
         "above 0"),
        ({"mtbf": None, "rate": "1 per 0 node-hours"}, "rate: got '1 per 0 node-hours'"),
        ({"mtbf": None, "rate": "1 per zone-year"}, "rate: a rate per zone of a fault that takes a "
         "node\n    allowed: per gpu or node"),
        ({"effect": "explode"}, "effect: got 'explode'\n    allowed: 'crash', 'silence', 'hang', "
         "'slow' or 'drain'"),
        ({"effect": "slow"}, "failures.faults.0: slow, but how slow?\n    allowed: `speed: 0.7`"),
        ({"effect": "slow", "speed": "0%"}, "speed: got 0.0\n    allowed: greater than 0"),
        ({"effect": "slow", "speed": "[0.9, 0.5]"}, "speed: got [0.9, 0.5]\n    allowed: a list of "
         "two, the smaller first"),
        ({"effect": "slow", "speed": "0.5", "repair": "{time: 1h, start: warm}"}, "repair.start: a "
         "start of what never stopped\n    allowed: no such key with effect slow"),
        ({"speed": "0.5"}, "speed: nothing to the effect silence\n    allowed: with effect slow"),
        ({"at_most": "2"}, "at_most: nothing to the effect silence\n    allowed: with effect dr"),
        ({"drain_timeout": "1min"}, "drain_timeout: nothing to the effect silence"),
        ({"effect": "hang", "notice": "1min"}, "notice: nothing to the effect hang"),
        ({"effect": "hang", "probed": "true"}, "probed: nothing to the effect hang"),
        ({"effect": "drain", "detection": "1min"}, "detection: nothing to the effect drain"),
        ({"effect": "drain", "burst": "{share: 0.1, within: 1min}"}, "burst: nothing to the "),
        ({"scope": "zone", "burst": "{share: 0.1, within: 1min}"}, "burst: nothing in a zone is "
         "beside the zone"),
        ({"burst": "{share: 0.1, within: 1min}", "lemons": "{share: 10%, times: 3}"},
         "lemons: lemons among what goes in bursts"),
        ({"burst": "{share: 0, within: 1min}"}, "burst.share: got 0\n    allowed: greater than 0"),
        ({"lemons": "{share: 100%, times: 3}"}, "lemons.share: got '100%'\n    allowed: less than"),
        ({"name": "replica"}, None),
        ({"name": "a b"}, "name: got 'a b'\n    allowed: letters, digits"),
        ({"remove": "true"}, "name: nothing to remove: no preset has a fault of this name\n"
         "    allowed: a `preset` beside it"),
    ],
)  # fmt: skip
def test_a_fault_of_a_fault_says_where_what_and_what_is_allowed(faults, loaded, keys, message):
    if message is None:
        loaded(fault_with(**keys))
        return
    (told,) = faults(fault_with(**keys))
    place = "" if message.startswith(("failures", "did")) else "failures.faults.0."
    assert f"{place}{message}" in told
    assert told.startswith("failing.yaml:14:")


@pytest.mark.parametrize(
    "text, message",
    [
        ("h100-mture", "12:1: failures: got 'h100-mture'\n    allowed: a100-rsc1, a100-rsc2, "
         "h100-mature, neocloud-pessimistic, none, planned-maintenance, spot-hostile, "
         "spot-moderate\n    did you mean `h100-mature`?"),
        ("[h100-mature, non]", "12:25: failures.1: got 'non'"),
        ("{preset: h100-mture}", "12:12: failures.preset: got 'h100-mture'"),
        ("{presets: [h100-mature, h100-mature]}", "12:35: failures.presets.1: the same preset "
         "twice\n    allowed: presets that differ"),
        ("[h100-mature, a100-rsc1]", "12:25: failures.1: a100-rsc1 has another fault gpu-hard than "
         "h100-mature\n    allowed: one of the two, or a `gpu-hard` of your own in `faults`"),
        ("{preset: h100-mature, presets: []}", "12:12: failures.preset: unknown key"),
        ("3", "12:1: failures: got 3\n    allowed: a mapping of keys"),
        ("{scale: -1}", "12:12: failures.scale: got -1\n    allowed: greater than 0"),
        ("{preset: h100-mature, faults: [{name: gpu-hrad, remove: true}]}", "failures.faults.0.name"
         ": nothing to remove: no preset has a fault of this name\n    allowed: gpu-hard, hbm-"),
        ("{preset: h100-mature, faults: [{name: gpu-hrad, remove: true}]}",
         "did you mean `gpu-hard`?"),
        ("{preset: h100-mture, faults: [{name: gpu-hard, repair: 1h}]}",
         "12:12: failures.preset: got 'h100-mture'"),
        ("{preset: none, spares: {nodes: 2}}", "12:26: failures.spares: no repair by hand here is "
         "of one node\n    allowed: no spares, or a fault with `repair: {time: 2d, hands_on: "),
        ("{spares: {nodes: 2}, faults: [{name: a, scope: zone, mtbf: 9h, repair: {time: 1h, "
         "hands_on: true}}]}", "failures.spares: no repair by hand here is of one node"),
        ("{preset: none, repair_crews: 2}", "12:26: failures.repair_crews: no repair here is done"),
        ("{preset: h100-mature, spares: {nodes: -1}}", "failures.spares.nodes: got -1"),
        ("{rollout: {starts: 2h}}", "failures.rollout.starts: after the end of the period\n"
         "    allowed: before `horizon`, 3600s"),
        ("{rollout: {starts: 2min, max_surge: 0}}", "failures.rollout: a rollout that may neither"),
        ("{replica: {mtbf: 9h, detection: 1s, repair: {median: 1h, p95: 2h}}, faults: [{name: "
         "replica, scope: gpu, mtbf: 9h, repair: 1h}]}", "failures.faults.0.name: got replica, the "
         "name of what `replica` says in short"),
        ("{faults: [{name: a, scope: gpu, mtbf: 9h, repair: 1h}, {name: a, scope: gpu, mtbf: 9h, "
         "repair: 1h}]}", "failures.faults.1.name: two faults of one name"),
        ("{faults: [{name: rollout, scope: gpu, mtbf: 9h, repair: 1h}]}",
         "failures.faults.0.name: got rollout, the name of what `rollout` does"),
        ("{faults: [{name: drill, scope: gpu, mtbf: 9h, repair: 1h}]}",
         "failures.faults.0.name: got drill, the name of the incidents of `fleetcast drill`"),
    ],
)  # fmt: skip
def test_a_fault_of_failures_says_where_what_and_what_is_allowed(faults, text, message):
    (told,) = faults(f"failures: {text}\n")
    assert message in told


def test_racks_that_are_there_may_fail(loaded):
    rack = fault_with(scope="rack", mtbf=None, rate="1 per rack-year")
    assert loaded(rack, "fleet: {replicas: 2, topology: {nodes_per_rack: 4}}\n").failures.all


def test_spares_and_crews_find_work_in_a_preset(loaded):
    text = "failures: {preset: h100-mature, spares: {nodes: 2}, repair_crews: 1}\n"
    assert loaded(text).failures.spares.swap_s == 300.0


# --- for editors --------------------------------------------------------------------------------


def test_the_schema_offers_the_presets_and_the_short_forms():
    schema = json_schema()
    named = schema["$defs"]["FailuresPreset"]["anyOf"][0]["enum"]
    assert named == sorted(PRESETS)
    name, names, whole, nothing = schema["properties"]["failures"]["anyOf"]
    assert name == names["items"] == {"$ref": "#/$defs/FailuresPreset"}
    assert whole == {"$ref": "#/$defs/Failures"} and nothing == {"type": "null"}
    repair = schema["$defs"]["Fault"]["properties"]["repair"]["anyOf"]
    assert {"$ref": "#/$defs/Time"} in repair and {"$ref": "#/$defs/Repair"} in repair
