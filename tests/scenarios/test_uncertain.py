"""Uncertain inputs of a file: where they stand, what they are in full, and what is a mistake."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.inputs import without_uncertainty
from scenarios.lines import lines
from scenarios.loading import load, restore
from scenarios.schema import json_schema
from scenarios.spread import Spread, scaled, shown_number, split
from tests.scenarios.conftest import HEAD

RATE = "traffic.0.arrivals.rate"
CHAT = "scenarios/examples/chat.yaml"
GUIDE = (Path(__file__).parents[2] / "docs/guides/uncertain-inputs.md").read_text(encoding="utf-8")


@pytest.fixture
def loaded(tmp_path):
    """Loads the head with a fleet, more text, and overrides."""

    def load_text(*text, overrides=(), head=HEAD):
        path = tmp_path / "uncertain.yaml"
        fleet = "" if any(each.startswith("fleet:") for each in text) else "fleet: {replicas: 2}\n"
        path.write_text(head + fleet + "".join(text))
        return load(path, overrides)

    return load_text


def spreads(scenario):
    return {path: str(spread) for path, spread in (scenario.uncertain or {}).items()}


# --- what is read --------------------------------------------------------------------------------


def test_the_number_stands_where_it_stood_and_its_spread_apart(loaded):
    scenario = loaded(head=HEAD.replace("20/s", "{around: 20/s, within: 20%}"))
    assert spreads(scenario) == {RATE: "within 20 %"}
    assert without_uncertainty(scenario) == loaded()


@pytest.mark.parametrize(
    "override",
    [
        f"{RATE}={{around: 20/s, within: 20%}}",
        f"uncertain={{{RATE}: {{within: 0.2}}}}",
        f"uncertain.{RATE}={{within: 20%}}",
        f"uncertain.{RATE}.within=20%",
        "uncertain.traffic.chat.arrivals.rate.within=20%",
        "uncertain={traffic.chat.arrivals.rate: {within: 20%}}",
    ],
)
def test_all_ways_to_say_it_are_one_scenario(loaded, override):
    inline = loaded(head=HEAD.replace("20/s", "{around: 20/s, within: 20%}"))
    assert loaded(overrides=[override]).hash == inline.hash


def test_an_override_of_the_number_keeps_a_spread_in_long_form_and_ends_one_beside_it(loaded):
    long = loaded(f"uncertain: {{{RATE}: {{sd: 10%}}}}\n", overrides=[f"{RATE}=30/s"])
    assert (long.traffic[0].arrivals.rate_per_s, spreads(long)) == (30.0, {RATE: "sd 10 %"})
    inline = HEAD.replace("20/s", "{around: 20/s, within: 20%}")
    assert loaded(head=inline, overrides=[f"{RATE}=30/s"]).uncertain is None
    wider = loaded(head=inline, overrides=[f"{RATE}.within=30%"])
    assert spreads(wider) == {RATE: "within 30 %"}


FAULT = "failures: {{faults: [{{name: x, scope: node, rate: {}, repair: {}}}]}}\n"


@pytest.mark.parametrize(
    "text, path",
    [
        (FAULT.format("{around: 0.06 per node-hour, sd: 30%}", "15min"), "faults.0.rate"),
        (FAULT.format("1 per node-day", "{around: 15min, within: 20%}"), "faults.0.repair.0.time"),
        (
            FAULT.format("1 per node-day", "{median: {around: 15min, within: 20%}, p95: 2h}"),
            "faults.0.repair.0.time.median",
        ),
        (
            FAULT.format("1 per node-day", "[3min, {time: 2h, share: {around: 2, within: 10%}}]"),
            "faults.0.repair.1.share",
        ),
    ],
)
def test_short_forms_are_found_in_full(loaded, text, path):
    scenario = loaded(text)
    assert list(scenario.uncertain) == [f"failures.{path}"]
    assert restore(scenario.as_yaml_data()) == scenario


def test_what_a_preset_or_a_default_says_may_be_uncertain(loaded):
    path = "failures.presets.0.faults.0.rate"
    scenario = loaded(
        f"failures: {{preset: h100-mature}}\n"
        f"uncertain: {{{path}: {{sd: 50%}}, clients.timeout: {{within: 10%}}}}\n"
    )
    assert list(scenario.uncertain) == [path, "clients.timeout"]


def test_users_carry_their_rate_along(loaded):
    users = "{concurrent: {around: 2000, within: 20%}, requests_per_user: 12/h}"
    scenario = loaded(head=HEAD.replace("rate: 20/s", f"users: {users}"))
    assert list(scenario.uncertain) == ["traffic.0.arrivals.users.concurrent"]


def test_a_manifest_carries_it_and_the_hash_knows_it(loaded):
    certain = loaded()
    scenario = loaded(f"uncertain: {{{RATE}: {{within: 20%}}, step_time: calibrated}}\n")
    assert restore(scenario.as_yaml_data()) == scenario
    assert restore(scenario.as_yaml_data()).hash == scenario.hash != certain.hash
    other = loaded(f"uncertain: {{{RATE}: {{within: 21%}}, step_time: calibrated}}\n")
    assert other.hash != scenario.hash
    assert without_uncertainty(scenario).hash == certain.hash
    assert "uncertain" not in certain.as_yaml_data()


def test_lines_keep_it(loaded):
    scenario = loaded(
        f"uncertain: {{{RATE}: {{within: 20%}}}}\n",
        "plan: {replicas: 1..8, choices: {replica.precision: [bf16, fp8]}}\n",
    )
    for line in lines(scenario):
        assert line.scenario.uncertain == scenario.uncertain


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override, told",
    [
        ("horizon={around: 1h, within: 5%}", "horizon: cannot be uncertain: it is what is asked"),
        ("fleet.replicas={around: 2, within: 50%}", "fleet.replicas: cannot be uncertain"),
        ("uncertain.price={sd: 5%}", "uncertain.price: cannot be uncertain"),
        (f"{RATE}={{arround: 20/s, within: 5%}}", "did you mean `around`?"),
        (f"{RATE}={{around: 20/s, withn: 5%}}", f"{RATE}.withn: unknown key"),
        (f"{RATE}={{around: 20/s, withn: 5%}}", "did you mean `within`?"),
        (f"{RATE}={{around: 20/s}}", f"{RATE}: how far?"),
        (f"{RATE}={{around: 20/s, within: 5%, sd: 5%}}", f"{RATE}: how far?"),
        (f"{RATE}={{around: 20, within: 5%}}", f"{RATE}: got 20\n    allowed: a rate"),
        (f"{RATE}={{around: 20/s, within: 20}}", f"{RATE}.within: got 20"),
        ("uncertain.traffic.0.arrivals.rte={sd: 5%}", f"did you mean `{RATE}`?"),
        (f"uncertain.trafic.{RATE[8:]}={{sd: 5%}}", f"did you mean `{RATE}`?"),
        (f"uncertain={{{RATE}: 20%}}", "got '20%'\n    allowed: `{within: 20%}` or"),
        (f"uncertain={{{RATE}: calibrated}}", "got calibrated, which is for step_time"),
        ("uncertain.traffic.0.priority={sd: 5%}", "around 0"),
        ("uncertain=20%", "uncertain: got '20%'\n    allowed: a mapping"),
        ("uncertain.traffic.0.input_tokens={sd: 5%}", "around {"),
    ],
)
def test_a_wrong_input_is_told_at_its_place(faults, override, told):
    (fault,) = faults(overrides=[override])
    assert fault.startswith(f"--set {override}: ")
    assert told in fault


def test_the_fault_of_a_spread_in_the_file_has_its_line(faults):
    (fault,) = faults(head=HEAD.replace("20/s", "{around: 20/s, within: 200%}"))
    assert re.match(rf".*uncertain.yaml:8:\d+: {re.escape(RATE)}.within: got '200%'", fault)


def test_twice_is_once_too_often(faults):
    head = HEAD.replace("20/s", "{around: 20/s, within: 20%}")
    (fault,) = faults(f"uncertain: {{{RATE}: {{sd: 10%}}}}\n", head=head)
    assert "its spread stands in `uncertain`, too" in fault


def test_the_end_that_makes_no_sound_scenario_is_named(faults):
    repair = "{median: 10min, p95: {around: 12min, within: 20%}}"
    (fault,) = faults(f"failures: {{replica: {{mtbf: 9h, detection: 1s, repair: {repair}}}}}\n")
    assert "its lower end, 576s, makes no sound scenario" in fault
    assert "p95 below the median" in fault
    (fault,) = faults("clients: {retry_budget: {share: {around: 60%, sd: 50%}}}\n")
    assert "clients.retry_budget.share: its upper end" in fault


def test_ends_that_do_not_go_together_are_told(faults):
    told = faults(
        "failures: {replica: {mtbf: 9h, detection: 1s, repair: {median: 10min, p95: 14min}}}\n"
        "uncertain: {failures.replica.repair.median: {within: 20%},\n"
        "  failures.replica.repair.p95: {within: 20%}}\n"
    )
    assert any("at its lower end" in fault and "at its upper one" in fault for fault in told)


def test_a_number_that_stands_for_two_is_refused(faults):
    (fault,) = faults("failures: {faults: [{name: x, scope: node, effect: slow, repair: 1h, "
                      "rate: 1 per node-day, speed: {around: 0.7, within: 10%}}]}\n")  # fmt: skip
    assert "stands for 2 numbers" in fault


def test_a_choice_is_not_uncertain(faults):
    (fault,) = faults(
        "latency: {per_step: {around: 10ms, within: 5%}}\n"
        "plan: {replicas: 1..8, choices: {latency.per_step: [10ms, 12ms]}}\n"
    )
    assert "plan.choices.latency.per_step: an uncertain input is not chosen" in fault


def test_nobody_knows_the_error_of_a_step_time_that_is_given(faults, loaded):
    (fault,) = faults("latency: {per_step: 10ms}\n", "uncertain: {step_time: calibrated}\n")
    assert "uncertain.step_time: the error of the step time in `latency` is not known" in fault
    stated = loaded("latency: {per_step: 10ms}\n", "uncertain: {step_time: {sd: 8%}}\n")
    assert spreads(stated) == {"step_time": "sd 8 %"}


# --- numbers -------------------------------------------------------------------------------------


@given(st.floats(1e-6, 1e9), st.sampled_from(["s", "/s", "B/s", "%", " per 1e6 GPU-hours"]))
def test_a_number_keeps_its_unit(number, unit):
    twice = scaled(f"{number!r}{unit}", 2.0)
    assert split(twice) == (2.0 * number, unit)


@given(st.integers(1, 10**6), st.floats(0.01, 3.0))
def test_whole_numbers_stay_whole_and_one_or_more(count, factor):
    drawn = scaled(count, factor)
    assert type(drawn) is int and drawn == max(1, round(count * factor))


@pytest.mark.parametrize(
    "told", ["1..16", "08:30", "Tue 09:30", "2026-11-01", "gamma", "4f2a", True, None, [1], {}]
)
def test_what_is_no_number_has_none(told):
    assert split(told) is None


def test_quantiles_of_a_spread():
    even = Spread(within=0.2)
    assert [even.factor(luck) for luck in (0.0, 0.5, 1.0)] == pytest.approx([0.8, 1.0, 1.2])
    normal = Spread(sd=0.1)
    assert normal.factor(0.5) == pytest.approx(1.0, abs=1e-12)
    assert normal.factor(0.841344746) == pytest.approx(2.718281828**0.09975135, rel=1e-4)
    assert normal.factor(1.0) == pytest.approx(2.718281828 ** (4 * 0.09975135), rel=1e-6)


# --- for editors and readers ---------------------------------------------------------------------


def test_the_schema_takes_a_spread_where_a_number_is_an_input():
    schema = json_schema()
    parts, spread = schema["$defs"], {"$ref": "#/$defs/Uncertain"}
    assert spread in parts["PoissonArrivals"]["properties"]["rate"]["anyOf"]
    assert spread in parts["Lognormal"]["properties"]["median"]["anyOf"]
    assert spread in parts["LinearLatency"]["properties"]["per_step"]["anyOf"]
    assert spread in parts["Time"]["anyOf"][0]["anyOf"]
    assert parts["Uncertain"]["required"] == ["around"]
    assert "anyOf" not in schema["properties"]["horizon"]
    assert "anyOf" not in parts["Fleet"]["properties"]["replicas"]
    assert parts["Replica"]["properties"]["pipeline_parallel"]["type"] == "integer"


def test_the_guide_s_overrides_load():
    overrides = re.findall(r"--set '?([a-z_0-9.]+=(?:\{[^}]*\}|[^'\s]+))", GUIDE)
    assert any("around" in each for each in overrides)
    for override in overrides:
        load(Path(__file__).parents[2] / CHAT, [override])


def test_the_guide_s_examples_load(loaded):
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL):
        own = {line.split(":")[0] for line in block.splitlines() if line[0] not in " #"}
        head = re.sub(r"traffic:\n(  .*\n)+", "", HEAD) if "traffic" in own else HEAD
        assert loaded(block, head=head).uncertain


def test_ends_are_shown_to_six_digits():
    assert shown_number("0.30000000000000004s") == "0.3s"
