"""What a file may say about traffic: every rule of it, where a fault is told, and in which words.

The base scenario is cut to the bone; tests put other traffic into it.
"""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from scenarios.demand import Counts, UserDemand
from scenarios.faults import ScenarioError
from scenarios.loading import load, restore
from scenarios.reference import reference_markdown
from scenarios.schema import json_schema
from scenarios.units import parse_week_time, week_time

ARRIVALS = "{kind: poisson, rate: 20/s}"
INPUT = "{kind: constant, tokens: 500}"
BASE = f"""\
version: 1
name: base
horizon: 5min
model: meta-llama/Llama-3.1-8B-Instruct
replica:
  gpu: h100-sxm-80gb
  engine: {{name: vllm}}
traffic:
  - name: chat
    arrivals: {ARRIVALS}
    input_tokens: {INPUT}
    output_tokens: {{kind: lognormal, median: 90, p95: 300}}
fleet: {{replicas: 2}}
"""
SESSIONS = (
    "sessions: {kind: drawn, turns: {kind: constant, count: 3}, follow_up_tokens: "
    "{kind: constant, tokens: 5}, think: {kind: exponential, mean: 3s}}"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder that is also the current one, so that places read 'scenario.yaml:1:1'."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(text):
    Path("scenario.yaml").write_text(text)
    return load("scenario.yaml")


def said_of(text):
    """The faults as printed, without the line that counts them."""
    with pytest.raises(ScenarioError) as caught:
        loaded(text)
    assert caught.value.faults
    return str(caught.value).split("\n", 1)[1]


def arriving(described):
    return loaded(BASE.replace(ARRIVALS, described)).traffic[0].arrivals


# --- faults -------------------------------------------------------------------------------------


def states(*described):
    return "{kind: mmpp, rate: 3/s, states: [" + ", ".join(described) + "]}"


def modulated(described):
    return "{kind: poisson, rate: 20/s, modulation: [" + described + "]}"


@pytest.mark.parametrize(
    "described, said",
    [
        ("{kind: poisson}", "10:5: traffic.0.arrivals.rate: missing\n"
         "    allowed: add, for example, `rate: 20/s`"),
        ("{kind: poisson, rate: 20/s, users: {concurrent: 100, requests_per_user: 12/h}}",
         "10:31: traffic.0.arrivals.rate: rate beside users\n"
         "    allowed: one of the two: these users ask at 0.333333/s"),
        ("{kind: poisson, users: {concurrent: 100}}",
         "10:31: traffic.0.arrivals.users: how often do they ask?\n"
         "    allowed: `requests_per_user` or `sessions_per_user`, such as 12/h"),
        ("{kind: poisson, users: {concurrent: 9, requests_per_user: 1/h, sessions_per_user: 1/h}}",
         "10:31: traffic.0.arrivals.users: how often do they ask?"),
        ("{kind: poisson, users: {requests_per_user: 12/h}}",
         "10:31: traffic.0.arrivals.users: how many users?\n"
         "    allowed: `registered` (and `concurrent_share`), or `concurrent`"),
        ("{kind: poisson, users: {concurrent: 9, registered: 99, requests_per_user: 12/h}}",
         "10:31: traffic.0.arrivals.users: how many users?"),
        ("{kind: poisson, users: {concurrent: 9, concurrent_share: 1%, requests_per_user: 12/h}}",
         "10:31: traffic.0.arrivals.users: how many users?"),
        ("{kind: poisson, users: {concurrent: 0, requests_per_user: 12}}",
         "10:39: traffic.0.arrivals.users.concurrent: got 0\n"
         "    allowed: greater than or equal to 1\nscenario.yaml:10:54: "
         "traffic.0.arrivals.users.requests_per_user: got 12\n    allowed: a rate with its unit"),
        ("{kind: poisson, users: {concurrent: 9, requests_per_user: 12/h, peak_factor: 0.5}}",
         "traffic.0.arrivals.users.peak_factor: got 0.5\n    allowed: greater than or equal to 1"),
        ("{kind: poisson, users: 3}", "10:31: traffic.0.arrivals.users: got 3\n"
         "    allowed: a mapping of keys"),
        ("{kind: poisson, users: {concurrent: 100, sessions_per_user: 12/h}}",
         "10:31: traffic.0.arrivals.users: what do users ask for?\n"
         "    allowed: `requests_per_user`, since this group has no `sessions`"),
        ("{kind: poisson, rate: 20/s, batch: {kind: constant, count: 0}}",
         "10:43: traffic.0.arrivals.batch: batches of nobody\n    allowed: counts from 1 on"),
        ("{kind: gamma, rate: 20/s, cv: 2, batch: {kind: table, counts: [3, 0]}}",
         "10:48: traffic.0.arrivals.batch: batches of nobody"),
        ("{kind: poisson, rate: 20/s, batch: {kind: geometric, mean: 0.5, least: 0}}",
         "10:43: traffic.0.arrivals.batch: batches of nobody"),
        ("{kind: poisson, rate: 20/s, batch: {kind: lognormal, median: 3, p95: 9, least: 0}}",
         "10:43: traffic.0.arrivals.batch: batches of nobody"),
        ("{kind: poisson, rate: 20/s, batch: {kind: geometric, mean: 3, least: 4}}",
         "10:43: traffic.0.arrivals.batch: mean below the least\n    allowed: mean >= least"),
        ("{kind: poisson, rate: 20/s, batch: {kind: lognormal, median: 3, p95: 2}}",
         "10:43: traffic.0.arrivals.batch: p95 below the median"),
        ("{kind: poisson, rate: 2/s, batch: {kind: lognormal, median: 3, p95: 9, least: 5, "
         "most: 4}}", "10:42: traffic.0.arrivals.batch: most below the least\n"
         "    allowed: least <= most"),
        ("{kind: poisson, rate: 20/s, batch: {kind: table, counts: [1, 2], weights: [1]}}",
         "10:43: traffic.0.arrivals.batch: weights do not match counts\n"
         "    allowed: 2 weights, not all zero"),
        ("{kind: poisson, rate: 20/s, batch: {mean: 3}}",
         "10:43: traffic.0.arrivals.batch.kind: missing\n"
         "    allowed: constant, geometric, lognormal, table"),
        ("{kind: weibull, rate: 20/s, cv: 51}", "10:43: traffic.0.arrivals.cv: got 51\n"
         "    allowed: less than or equal to 50"),
        ("{kind: onoff, rate: 20/s, on: 5s, off: 5s}", "traffic.0.arrivals.kind: got 'onoff'\n"
         "    allowed: constant, poisson, gamma, weibull, on-off, mmpp, population, trace, "
         "servegen, closed\n    did you mean `on-off`?"),
        ("{kind: on-off, rate: 20/s, on: 5s, off: 0s}",
         "10:50: traffic.0.arrivals.off: got '0s'\n    allowed: greater than or equal to 0.001"),
        (states("{level: 1, lasts: 5s}"), "10:39: traffic.0.arrivals.states: got [{'level': 1, "
         "'lasts': '5s'}]\n    allowed: a list of at least 2"),
        (states("{level: 0, lasts: 5s}", "{level: 0, lasts: 5s}"),
         "10:39: traffic.0.arrivals.states: all levels are 0\n    allowed: one above 0"),
        (states("{level: 1, lasts: 5s, next: [0, 1, 1]}", "{level: 0, lasts: 5s}"),
         "10:70: traffic.0.arrivals.states.0.next: weights that do not fit the states\n"
         "    allowed: 2 weights, 0 for state 0 itself, another one above 0"),
        (states("{level: 1, lasts: 5s}", "{level: 0, lasts: 5s, next: [1, 1]}"),
         "10:93: traffic.0.arrivals.states.1.next: weights that do not fit the states"),
        (states("{level: 1, lasts: 5s}", "{level: 0, lasts: 5s, next: [0, 0]}"),
         "10:93: traffic.0.arrivals.states.1.next: weights that do not fit the states"),
        (states("{level: 1, lasts: 5s, next: [0, 1, 0]}", "{level: 0, lasts: 5s, next: [1, 0, 0]}",
                "{level: 0, lasts: 5s}"),
         "10:39: traffic.0.arrivals.states: states that fall apart: 2 never follows 0\n"
         "    allowed: weights by which each leads to all others"),
        ("{kind: population, rate: 20/s, clients: 10, cv: 3, cv_p95: 2}",
         "10:66: traffic.0.arrivals.cv_p95: below cv\n    allowed: a cv_p95 of at least cv"),
        ("{kind: population, rate: 20/s, clients: 100001}",
         "traffic.0.arrivals.clients: got 100001\n    allowed: less than or equal to 100000"),
        ("{kind: population, rate: 20/s, clients: 9, active_share: 0, family: gama}",
         "10:58: traffic.0.arrivals.active_share: got 0\n    allowed: greater than 0\n"
         "scenario.yaml:10:75: traffic.0.arrivals.family: got 'gama'\n"
         "    allowed: 'gamma' or 'weibull'\n    did you mean `gamma`?"),
        ("{kind: trace, file: scenario.yaml, loop: true}",
         "10:50: traffic.0.arrivals.loop: loop with blocks, which always begin again\n"
         "    allowed: `order: recorded` beside it"),
        ("{kind: trace, file: scenario.yaml, order: recorded, loop: 1}",
         "10:67: traffic.0.arrivals.loop: got 1\n    allowed: true or false"),
        ("{kind: trace, file: scenario.yaml, from: 5min, until: 1min}",
         "10:62: traffic.0.arrivals.until: not after from\n    allowed: from < until"),
        ("{kind: servegen, file: gone}", "10:32: traffic.0.arrivals.file: got 'gone'\n"
         "    allowed: the path of a trace or of demand (No such file or directory)"),
        ("{kind: closed, clients: 3, pause: {kind: normal, mean: 3s}}",
         "10:50: traffic.0.arrivals.pause.kind: got 'normal'\n"
         "    allowed: constant, exponential, lognormal, mixture\n    did you mean `lognormal`?"),
        ("{kind: closed, clients: 3, pause: {time: 3s}}",
         "10:42: traffic.0.arrivals.pause.kind: missing\n"
         "    allowed: constant, exponential, lognormal, mixture"),
        ("{kind: closed, clients: 3, pause: {kind: lognormal, median: 3s, p95: 2s}}",
         "10:42: traffic.0.arrivals.pause: p95 below the median"),
    ],
)  # fmt: skip
def test_faults_of_arrivals_are_told_with_their_place(described, said):
    assert said in said_of(BASE.replace(ARRIVALS, described))


@pytest.mark.parametrize(
    "described, said",
    [
        ("{kind: daily, factors: [1, 2]}", "10:70: traffic.0.arrivals.modulation.0.factors: got "
         "[1, 2]\n    allowed: a list of at least 24"),
        ("{kind: weekly, factors: [1, 2, 3, 4, 5, 6, 7, 8]}", "traffic.0.arrivals.modulation.0."
         "factors: got [1, 2, 3, 4, 5, 6, 7, 8]\n    allowed: a list of at most 7"),
        ("{kind: table, every: 5, factors: []}", "10:70: traffic.0.arrivals.modulation.0.every: "
         "got 5\n    allowed: a time with its unit"),
        ("{kind: spike, at: 5s, factor: -1, lasts: 5s}", "10:78: traffic.0.arrivals.modulation.0."
         "factor: got -1\n    allowed: greater than or equal to 0"),
        ("{kind: level, every: 1h, sigma: 5}", "10:81: traffic.0.arrivals.modulation.0.sigma: got "
         "5\n    allowed: less than or equal to 3"),
        ("{kind: level, every: 1h, sigma: 1, correlation: 1}", "traffic.0.arrivals.modulation.0."
         "correlation: got 1\n    allowed: less than 1"),
        ("{kind: file, file: gone.csv}", "10:69: traffic.0.arrivals.modulation.0.file: got "
         "'gone.csv'\n    allowed: the path of a trace or of demand"),
        ("{kind: table, every: 5s, factors: [1], start: 3s, random_start: true}", "10:95: traffic."
         "0.arrivals.modulation.0.start: start beside random_start\n    allowed: one of them"),
        ("{kind: surge, every: 1h}", "10:57: traffic.0.arrivals.modulation.0.kind: got 'surge'\n"
         "    allowed: table, daily, weekly, ramp, spike, level, file"),
        ("{every: 1h}", "10:56: traffic.0.arrivals.modulation.0.kind: missing\n"
         "    allowed: table, daily, weekly, ramp, spike, level, file"),
        ("{kind: ramp, lasts: 5min, factor: 2}, {kind: weekly, factors: [1, 1, 1, 1, 1, 1, 1]}",
         "10:94: traffic.0.arrivals.modulation.1: a profile of the day or week, and no time at "
         "which a period starts\n    allowed: `starts_at: Tue 09:30`, or `starts_at: random`"),
    ],
)  # fmt: skip
def test_faults_of_modulation_are_told_with_their_place(described, said):
    assert said in said_of(BASE.replace(ARRIVALS, modulated(described)))


@pytest.mark.parametrize(
    "described, said",
    [
        ("{kind: uniform, min: 5, max: 3}", "11:5: traffic.0.input_tokens: max below min"),
        ("{kind: quantiles, tokens: [5, 3]}", "11:5: traffic.0.input_tokens: quantiles that fall\n"
         "    allowed: tokens in ascending order"),
        ("{kind: quantiles, tokens: [5]}", "11:37: traffic.0.input_tokens.tokens: got [5]\n"
         "    allowed: a list of at least 2"),
        ("{kind: gamma, mean: 500}", "11:5: traffic.0.input_tokens.cv: missing"),
        ("{kind: weibull, mean: 500, cv: 2, min: 10, max: 5}",
         "11:5: traffic.0.input_tokens: max below min\n    allowed: min <= max"),
        ("{kind: file, file: gone.csv}", "11:32: traffic.0.input_tokens.file: got 'gone.csv'"),
        ("{kind: mixture, of: [{kind: trace, weight: 1}]}",
         "11:41: traffic.0.input_tokens.of.0.kind: got 'trace'\n"
         "    allowed: constant, uniform, lognormal, gamma, weibull, table, quantiles"),
        ("{kind: mixture, of: [{kind: gamma, mean: 5, cv: 2}]}",
         "11:40: traffic.0.input_tokens.of.0.weight: missing"),
        ("{tokens: 3}", "11:5: traffic.0.input_tokens.kind: missing\n    allowed: constant, "
         "uniform, lognormal, gamma, weibull, table, quantiles, mixture, file, trace"),
    ],
)  # fmt: skip
def test_faults_of_lengths_are_told_with_their_place(described, said):
    assert said_of(BASE.replace(INPUT, described)).startswith(f"scenario.yaml:{said}")


@pytest.mark.parametrize(
    "described, said",
    [
        ("rank_correlation: 1", "10:5: traffic.0.rank_correlation: got 1\n    allowed: less than"),
        (f"rank_correlation: 0.5\n    {SESSIONS}", "10:5: traffic.0.rank_correlation: lengths that "
         "come together already\n    allowed: 0, or lengths that are drawn independently"),
        ("reasoning_tokens: {kind: trace}", "10:24: traffic.0.reasoning_tokens.kind: got 'trace'"),
        ("sla_class: my class", "10:5: traffic.0.sla_class: got 'my class'\n    allowed: letters"),
        ("sessions: {turns: 3}", "10:5: traffic.0.sessions.kind: missing\n    allowed: drawn, "
         "recorded"),
        ("sessions: {kind: recorded, file: scenario.yaml}", "9:5: traffic.0: recorded sessions "
         "with lengths of their own"),
        (SESSIONS.replace("exponential, mean: 3s", "normal"), "10:119: traffic.0.sessions.think."
         "kind: got 'normal'\n    allowed: constant, exponential, lognormal, mixture"),
        (SESSIONS.replace("exponential, mean: 3s", "mixture, of: [{kind: constant, time: 1s}]"),
         "traffic.0.sessions.think.of.0.weight: missing"),
        (SESSIONS[:-1] + ", compaction: {above: 5, to: 10}}", "traffic.0.sessions.compaction: "
         "compaction to no less\n    allowed: to < above"),
    ],
)  # fmt: skip
def test_faults_of_groups_are_told_with_their_place(described, said):
    text = BASE.replace("  - name: chat\n", f"  - name: chat\n    {described}\n")
    assert said in said_of(text)


def test_an_objective_speaks_of_a_class_that_exists():
    promise = "sla: {probability: 0.9, objectives: [ttft p95 <= 500ms for fast]}\n"
    assert said_of(BASE + promise) == (
        "scenario.yaml:14:38: sla.objectives.0: for a class that no traffic has\n"
        "    allowed: for the `sla_class` of traffic"
    )
    of_fast = BASE.replace("  - name: chat\n", "  - name: chat\n    sla_class: fast\n")
    assert loaded(of_fast + promise).objectives[0].groups == {0}


def test_sessions_do_not_stand_on_recorded_arrivals():
    text = BASE.replace(ARRIVALS, "{kind: trace, file: scenario.yaml}")
    text = text.replace("fleet:", f"    {SESSIONS}\nfleet:")
    assert "traffic.0: sessions on recorded arrivals" in said_of(text)


def test_users_of_sessions_begin_sessions():
    users = "{kind: poisson, users: {concurrent: 100, %s: 12/h}}"
    text = BASE.replace("fleet:", f"    {SESSIONS}\nfleet:")
    loaded(text.replace(ARRIVALS, users % "sessions_per_user"))
    said = said_of(text.replace(ARRIVALS, users % "requests_per_user"))
    assert "allowed: `sessions_per_user`, since this group has `sessions`" in said


# --- users --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "users, rate_per_s, words",
    [
        ({"concurrent": 2000, "requests_per_user": "12/h", "peak_factor": 2.5}, 50 / 3,
         "2,000 users x 12 requests/h x peak factor 2.5 = 16.67 requests/s"),
        ({"registered": 90_000, "concurrent_share": "2%", "requests_per_user": "1/min"}, 30.0,
         "90,000 users x 2% at once x 60 requests/h = 30 requests/s"),
        ({"registered": 3600, "sessions_per_user": "1/h"}, 1.0,
         "3,600 users x 1 sessions/h = 1 sessions/s"),
    ],
)  # fmt: skip
def test_users_are_converted_into_a_rate(users, rate_per_s, words):
    said = UserDemand.model_validate(users)
    assert said.rate_per_s == pytest.approx(rate_per_s, rel=1e-12)
    assert said.conversion == words


def test_a_manifest_carries_users_and_their_rate():
    users = "{registered: 70000, concurrent_share: 1.3%, requests_per_user: 7/h, peak_factor: 1.7}"
    scenario = loaded(BASE.replace("rate: 20/s", f"users: {users}"))
    data = json.loads(json.dumps(scenario.as_yaml_data()))
    arrivals = data["traffic"][0]["arrivals"]
    assert arrivals["rate"] == f"{scenario.traffic[0].arrivals.users.rate_per_s!r}/s"
    assert restore(data) == scenario
    assert restore(data).hash == scenario.hash


def test_the_rate_of_users_cannot_be_overridden_by_the_way():
    users = "{concurrent: 100, requests_per_user: 7/h}"
    Path("scenario.yaml").write_text(BASE.replace("rate: 20/s", f"users: {users}"))
    with pytest.raises(ScenarioError, match="rate beside users"):
        load("scenario.yaml", ("traffic.0.arrivals.rate=3/s",))
    assert load("scenario.yaml", ("traffic.0.arrivals.users.concurrent=200",))


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Mon 00:00", "Tue 09:30", "Sun 23:59", "random"])
def test_instants_of_the_week_are_written_back(text):
    assert week_time(parse_week_time(text)) == text


@pytest.mark.parametrize("text, value", [("tue 9:05", 86400 + 9 * 3600 + 300), ("Mon 00:00", 0)])
def test_instants_of_the_week_are_seconds(text, value):
    assert loaded(f"{BASE}starts_at: {text}\n").starts_at == value


@pytest.mark.parametrize("text", ["Tuesday", "Tue 25:00", "Tue 12:60", "Die 12:00", "12:00", "3"])
def test_what_is_no_instant_of_the_week_is_told(text):
    said = said_of(f"{BASE}starts_at: {text}\n")
    assert "14:1: starts_at: got " in said
    assert "allowed: such as Tue 09:30, or random" in said


@pytest.mark.parametrize(
    "described, fewest",
    [
        ({"kind": "constant", "count": 3}, 3),
        ({"kind": "geometric", "mean": 9, "least": 2}, 2),
        ({"kind": "lognormal", "median": 9, "p95": 20}, 1),
        ({"kind": "table", "counts": [7, 4, 9]}, 4),
    ],
)
def test_counts_know_their_fewest(described, fewest):
    assert TypeAdapter(Counts).validate_python(described).fewest == fewest


def test_defaults_of_traffic_are_these():
    """A change of a default changes every user's answer: it must be meant."""
    population = arriving("{kind: population, rate: 20/s, clients: 10}")
    assert (population.zipf, population.family, population.cv) == (1.0, "gamma", 1.0)
    assert (population.cv_p95, population.active_share, population.window_s) == (None, 1.0, 600.0)
    assert population.length_sigma == 0.0
    bursts = arriving("{kind: on-off, rate: 20/s, on: 5s, off: 5s}")
    assert (bursts.cv, bursts.batch, bursts.modulation, bursts.rate_table) == (1.0, None, (), ())
    Path("rows.csv").write_text("")
    trace = arriving("{kind: trace, file: rows.csv}")
    assert (trace.block_s, trace.order, trace.loop) == (300.0, "blocks", False)
    assert (trace.from_s, trace.until_s, trace.rate_scale) == (0.0, None, 1.0)
    clients = arriving("{kind: servegen, file: rows.csv}")
    assert (clients.random_start, clients.lengths_file) == (True, None)
    closed = arriving("{kind: closed, clients: 4}")
    assert closed.pause.time_s == 0.0


# --- schema and reference -----------------------------------------------------------------------

PARTS = json_schema()["$defs"]


def test_the_schema_asks_for_a_rate_or_for_users():
    for part in ("PoissonArrivals", "MarkovArrivals", "PopulationArrivals"):
        assert "rate" not in PARTS[part]["required"]
        assert PARTS[part]["anyOf"] == [{"required": ["rate"]}, {"required": ["users"]}]
    assert "anyOf" not in PARTS["TraceArrivals"]
    assert "anyOf" not in PARTS["ClosedArrivals"]


def test_kinds_come_first():
    with_kind = [part for part in PARTS.values() if "kind" in part.get("properties", {})]
    assert len(with_kind) > 40
    assert {next(iter(part["properties"])) for part in with_kind} == {"kind"}


def test_times_of_traffic_have_their_units_in_the_schema():
    assert PARTS["PopulationArrivals"]["properties"]["window"]["default"] == "600s"
    assert PARTS["RampModulation"]["properties"]["at"]["default"] == "0s"


def test_the_reference_has_a_section_for_every_part_of_traffic():
    text = reference_markdown()
    for part in ("OnOffArrivals", "ArrivalState", "LevelModulation", "UserDemand", "Quantiles",
                 "GeometricCount", "MixtureDuration", "Agents", "Compaction"):  # fmt: skip
        assert f"\n## {part}\n" in text
    arrivals = next(line for line in text.splitlines() if line.startswith("| `arrivals` |"))
    assert "[on-off](#onoffarrivals)" in arrivals
    rates = [line for line in text.splitlines() if line.startswith("| `users` |")]
    assert all("| **required** or `rate` |" in line for line in rates)


def test_every_part_of_traffic_is_described():
    """By a sentence of its own, or by names that say it."""
    silent = {name for name, part in PARTS.items()
              if "properties" in part and not part.get("description")}  # fmt: skip
    said_by_their_names = {"Constant", "ConstantCount", "ConstantDuration", "ExponentialDuration",
                           "Failures"}  # fmt: skip
    assert {name for name in silent if not name.startswith("Weighted")} <= said_by_their_names


# --- the guide ----------------------------------------------------------------------------------

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "traffic.md").read_text(encoding="utf-8")
TRAFFIC = BASE[BASE.index("traffic:") : BASE.index("fleet:")]
REST = BASE.replace(TRAFFIC, "")
LENGTHS = f"    input_tokens: {INPUT}\n    output_tokens: {INPUT}\n"


def guided():
    """Whole scenarios of the guide's YAML: several `arrivals` of one block are several."""
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL):
        if not block.startswith(" "):
            yield REST + block + ("" if "input_tokens" in block else LENGTHS)
        elif block.startswith("        - {kind: file"):
            head = "    arrivals:\n      kind: poisson\n      rate: 20/s\n      modulation:\n"
            yield f"{REST}traffic:\n  - name: chat\n{head}{block}{LENGTHS}"
        else:
            for arrivals in re.split(r"(?m)^(?=    arrivals:)", block)[1:]:
                lengths = "" if "input_tokens" in arrivals else LENGTHS
                yield f"{REST}traffic:\n  - name: chat\n{arrivals}{lengths}"


@pytest.mark.parametrize("text", list(guided()))
def test_what_the_guide_says_can_be_said(folder, text):
    (folder / "requests_per_hour.csv").write_text("timestamp,value\n0,1\n3600,2\n")
    (folder / "m-large").mkdir()
    assert restore(loaded(text).as_yaml_data()).traffic


def test_the_guide_has_all_its_examples():
    assert len(list(guided())) >= 10


def test_the_guide_tells_the_conversion_that_check_prints():
    users = next(text for text in guided() if "users:" in text)
    assert f"`users    chat: {loaded(users).traffic[0].arrivals.users.conversion}`" in GUIDE
