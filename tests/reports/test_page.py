"""The page says what plan.json says, needs nothing from outside, and is the same every time."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reports.facts import fact_lines
from reports.folder import OtherResults, read_results
from reports.inputs import parts, yaml_text
from reports.page import write_report
from reports.tables import accuracy_facts
from scenarios.loading import load

Data = dict[str, Any]
EXAMPLES = Path(__file__).parents[2] / "scenarios" / "examples"
FIGURES = ("p_sla", "latency_ttft", "timeline_waiting", "periods_0", "heat_map", "recovery")
VOID = {"meta", "link", "br", "img", "hr", "input"}


def uncertified(plan: Data, status: str) -> None:
    plan["fleet"] |= {"replicas": None, "gpus": None}
    plan["certificate"] |= {"status": status, "failed": 2, "interval": [0.3, 0.97]}
    plan |= {"one_fewer": None, "sizes": plan["sizes"][:1], "figures_of": 2}


def not_certified(plan: Data, scenario: Data) -> None:
    uncertified(plan, "not certified")


def infeasible(plan: Data, scenario: Data) -> None:
    uncertified(plan, "infeasible")
    plan["sizes"][0]["status"] = "rejected"


def never_run(plan: Data, scenario: Data) -> None:
    """The largest allowed fleet was not reached: nothing to show of it."""
    uncertified(plan, "not certified")
    nothing = {"value": None, "low": None, "high": None, "replications": 0}
    plan["certificate"] |= {"replications": 0, "failed": 0, "interval": [0.0, 1.0]}
    plan["objectives"] = [row | nothing for row in plan["objectives"]]
    plan["cost"] |= {"usd_per_million_tokens": None, "usd_per_million_output_tokens": None}
    plan |= {"metrics": {}, "sizes": [], "screened": [], "figures_of": 16}


def one_replica(plan: Data, scenario: Data) -> None:
    plan["fleet"] |= {"replicas": 1, "gpus": 1, "gpus_per_replica": 1}
    nothing = {"replicas": 0, "runs": 0, "failed": 0, "status": "rejected", "inherited": 0}
    plan["one_fewer"] = nothing | {"interval": [0.0, 1.0]}
    plan["sizes"] = [plan["sizes"][1] | {"replicas": 1}]
    plan |= {"figures_of": 1, "screened": []}


def bare_scenario(plan: Data, scenario: Data) -> None:
    """No failures, an explicit step time, a second group."""
    del scenario["failures"]
    scenario["latency"] = {"per_step": "0.02s"}
    scenario["traffic"].append(scenario["traffic"][0] | {"name": "batch"})


def certified(plan: Data, scenario: Data) -> None:
    """The folder as it is."""


@pytest.mark.parametrize(
    "change, status, said",
    [
        (certified, "Certified", "3 replicas of 2 h100-sxm-80gb = 6 GPUs"),
        (not_certified, "not certified", "No fleet of up to 16 replicas could be certified"),
        (infeasible, "infeasible", "No fleet of up to 16 replicas keeps this SLA"),
        (one_replica, "Certified", "1 replica of 1 h100-sxm-80gb = 1 GPU"),
        (bare_scenario, "Certified", "No failures: this scenario declares none"),
    ],
)
def test_page_answers_first(
    write_folder: Any, undrawn: None, change: Any, status: str, said: str
) -> None:
    text = write_report(write_folder(change)).read_text()
    plain = text_of(text)
    assert said in plain
    assert plain.index(status) < plain.index("How sure") < plain.index("All sizes tried")
    assert "In this model a period meets [ttft p95 <= 500ms] & is certified." in plain
    assert balanced(text)


def simulated(folder: Path, **changes: Any) -> Path:
    """The same folder, had it been left by `simulate`."""
    plan, manifest = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("plan", "manifest")
    )
    keys = ("name", "scenario_hash", "seed", "objectives", "metrics", "accounts", "step_time")
    told = {"replicas": 3, "autoscaling": None, "replications": 8, "kept": 7} | changes
    (folder / "simulation.json").write_text(json.dumps({key: plan[key] for key in keys} | told))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"command": "simulate"}))
    (folder / "plan.json").unlink()
    return folder


def test_a_simulation_has_a_page_that_certifies_nothing(write_folder: Any, undrawn: None) -> None:
    text = write_report(simulated(write_folder())).read_text()
    plain = text_of(text)
    assert balanced(text)
    assert "simulated, not certified 3 replicas of h100-sxm-80gb" in plain
    assert "7 of 8 periods of 5 min keep every objective" in plain
    assert "✗ error_rate <= 0.1%" in plain and "All sizes tried" not in plain
    assert 'href="#cost"' not in text and 'href="#users"' in text


def test_a_simulation_without_a_promise_says_so(write_folder: Any, undrawn: None) -> None:
    def no_sla(plan: Data, scenario: Data) -> None:
        del scenario["sla"]
        plan["objectives"] = []

    folder = simulated(write_folder(no_sla), kept=None, autoscaling=[2, 9])
    plain = text_of(write_report(folder).read_text())
    assert "h100-sxm-80gb, 2 to 9 by autoscaling" in plain
    assert "The scenario promises nothing" in plain


@pytest.mark.slow
def test_figures_are_on_the_page_and_beside_it(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    assert text.count("<svg") == 15 and balanced(text)
    assert not list(finished.glob("*.tmp"))
    for name in FIGURES:
        png = (finished / f"{name}.png").read_bytes()
        assert (finished / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")


def test_a_fleet_that_was_never_run_has_no_figures_of_it(write_folder: Any) -> None:
    folder = write_folder(never_run, files=[])
    (folder / "report.html").write_text('<div data-panel="latency_ttft"></div>')
    (folder / "latency_ttft.png").write_bytes(b"of an earlier plan")
    (folder / "holiday.png").write_bytes(b"of somebody")
    text = write_report(folder).read_text()
    assert text.count("<svg") == 1 and balanced(text)
    assert "the largest fleet allowed, were not reached" in text_of(text)
    assert not (folder / "latency_ttft.png").exists() and (folder / "holiday.png").exists()


def test_uncertified_plans_say_what_to_do(write_folder: Any, undrawn: None) -> None:
    plain = text_of(write_report(write_folder(not_certified)).read_text())
    assert "Allow more replicas than 16: in plan.replicas" in plain
    # Period 0 lost two requests; the gaps between tokens are too long in all of them.
    assert "the one that most periods break is itl mean <= 40ms" in plain


def test_objectives_count_their_periods(finished: Path) -> None:
    plain = text_of((finished / "report.html").read_text())
    assert "✓ ttft p95 <= 500ms 200 ms [190 ms, 210 ms]" in plain
    assert re.search(r"✗ error_rate <= 0.1% 0% \[0%, 2.5%\] 5% 7 of 8", plain)
    assert "✗ itl mean <= 40ms 200 ms [190 ms, 210 ms] 200 ms 0 of 8" in plain
    assert "in 1 of 8 periods a replica was down" in plain
    assert "never [never, never]" in plain  # E2E p99


def never_measured(plan: Data, scenario: Data) -> None:
    plan["step_time"][0] |= {
        "origin": "assumed",
        "rests_on": "physics fitted to measurements, dense model, mi300x-192gb never measured",
        "error_pct": {"tpot_median": 13.2, "tpot_p90": 30.4},
        "never_measured": ["mi300x-192gb"],
    }


def error_unknown(plan: Data, scenario: Data) -> None:
    never_measured(plan, scenario)
    plan["step_time"][0]["error_pct"] = {}


def far_off(plan: Data, scenario: Data) -> None:
    """The fit knew GPU and engine, but such models are hard."""
    plan["step_time"][0]["error_pct"] = {"tpot_median": 9.0, "tpot_p90": 34.0}


def given(plan: Data, scenario: Data) -> None:
    told = {"origin": "given", "rests_on": "step time given by the scenario", "error_pct": {}}
    cost = {"name": "per_step_s", "of": "scenario", "value": 0.02, "unit": "s", "uncertainty": None}
    plan["step_time"][0] |= told | {"coefficients": [cost | {"origin": "given"}]}
    bare_scenario(plan, scenario)


ORDINARY = "dense model; TPOT within 4 % in half of such cases, within 12 % in nine of ten."
BUY = "Calibrate before you buy"


@pytest.mark.parametrize(
    "change, warns, said",
    [
        (certified, False, ORDINARY),
        (given, False, "Step time: step time given by the scenario."),
        (
            never_measured,
            True,
            "of mi300x-192gb were never measured: expect them to be off by up to 13 % in half of "
            "such cases, up to 30 % in nine of ten.",
        ),
        (error_unknown, True, "of mi300x-192gb were never measured: how far off they are is not"),
        (far_off, True, "(physics fitted to measurements, dense model): expect them to be off by"),
    ],
)
def test_the_answer_says_how_far_to_trust_the_step_time(
    write_folder: Any, undrawn: None, change: Any, warns: bool, said: str
) -> None:
    text = write_report(write_folder(change)).read_text()
    plain = text_of(text)
    top = plain[: plain.index("What users feel")]
    assert said in top and balanced(text)
    assert (BUY in top) is warns
    assert ("fleetcast calibrate" in top) is warns


def test_the_page_shows_where_the_step_time_comes_from(finished: Path) -> None:
    plain = text_of((finished / "report.html").read_text())
    table = plain[plain.index("Where the step time comes from") :]
    assert ORDINARY in table
    assert "0.980 share ± 2 % measured , h100" in table
    assert "0.15 ns not known assumed , vllm" in table
    assert "Share of bandwidth that weight and KV reads reach." in table


def test_pools_share_a_table_unless_they_differ(write_folder: Any, undrawn: None) -> None:
    def change(plan: Data, scenario: Data) -> None:
        main = plan["step_time"][0]
        slower = [main["coefficients"][0] | {"of": "l4", "value": 0.8}]
        plan["step_time"] += [main | {"pool": "second"}]
        plan["step_time"] += [main | {"pool": "slow", "coefficients": slower}]

    plain = text_of(write_report(write_folder(change)).read_text())
    assert plain.count("0.15 ns not known") == 1 and plain.count("0.800 share") == 1
    assert "Pool main, second" in plain and "Pool slow" in plain


def test_lines_name_pools_where_their_words_differ() -> None:
    entry = {"pool": "main", "rests_on": "a", "origin": "given", "error_pct": {}}
    same, other = entry | {"pool": "b"}, entry | {"pool": "c", "rests_on": "d"}
    assert fact_lines(accuracy_facts([entry, same])) == ["  accuracy a"]
    assert fact_lines(accuracy_facts([entry, other])) == [
        "  accuracy a (pool main)",
        "  accuracy d (pool c)",
    ]


def test_a_profile_is_told_as_calibrated(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(PROFILE)
    lines = (EXAMPLES / "chat.yaml").read_text() + "latency: {profile: ours.yaml}\n"
    (tmp_path / "chat.yaml").write_text(lines)
    scenario = load(tmp_path / "chat.yaml")
    told = dict(parts(scenario.as_yaml_data()))["Step time, calibrated"]
    assert ("step factor", "1.07") in told and ("source", "a load test of 2026-11") in told
    (tmp_path / "again.yaml").write_text(yaml_text(scenario.as_yaml_data()))
    assert load(tmp_path / "again.yaml").hash == scenario.hash


PROFILE = """\
measured_on: {model: meta-llama/Llama-3.1-8B-Instruct, gpu: h100-sxm-80gb, engine: vllm}
step_factor: 1.07
reply: 6ms
uncertainty: {step_factor: 0.03, reply: 0.2}
source: a load test of 2026-11
date: 2026-11
"""


def test_nothing_comes_from_outside(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    assert "http://" not in text and "https://" not in text
    assert "src=" not in text and "@import" not in text and "<link" not in text
    assert set(re.findall(r'href="(#|data:image/png;|.)', text)) <= {"#", "data:image/png;"}
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_names_are_text_and_never_markup(write_folder: Any, finished: Path, undrawn: None) -> None:
    def change(plan: Data, scenario: Data) -> None:
        hostile = "<script>alert(1)</script>"
        plan["name"] = plan["fleet"]["model"] = plan["statement"] = hostile
        scenario |= {"name": hostile, "description": hostile}
        scenario["traffic"][0]["name"] = scenario["replica"]["gpu"]["source"] = hostile

    text = write_report(write_folder(change)).read_text()
    assert text.count("<script") == 2  # ours
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 7
    # The name of a traffic group goes through matplotlib, where $ would start a formula.
    assert "group $batch &lt;b&gt;" in (finished / "report.html").read_text()


@pytest.mark.slow
def test_same_results_same_bytes(write_folder: Any, finished: Path) -> None:
    folder = write_folder()
    write_report(folder)
    for name in ("report.html", *(f"{name}.png" for name in FIGURES)):
        assert (folder / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_yaml_on_the_page_is_the_scenario(path: Path, tmp_path: Path) -> None:
    scenario = load(path)
    text = yaml_text(scenario.as_yaml_data())
    assert YAML(typ="safe").load(text) == scenario.as_yaml_data()
    if all(group.arrivals.kind != "trace" for group in scenario.traffic):
        (tmp_path / "again.yaml").write_text(text)
        assert load(tmp_path / "again.yaml").hash == scenario.hash


@pytest.mark.parametrize("text", ["no", "1e5", "a: b", "x # y", "- z", "", "ü\n", '"', "~", "null"])
def test_awkward_text_survives_yaml(text: str) -> None:
    data = {"top": {"text": text, "list": [text, 1], "nested": [{"a": text, "b": [{"c": text}]}]}}
    assert YAML(typ="safe").load(yaml_text(data)) == data


def text_of(text: str) -> str:
    """What a reader sees, spaces and lines joined."""
    body = re.sub(r"<(style|svg|script).*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def balanced(text: str) -> bool:
    """Whether every element is closed where it should be."""
    open_tags: list[str] = []
    wrong: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in VOID:
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            """Closed at once."""

        def handle_endtag(self, tag: str) -> None:
            if not open_tags or open_tags.pop() != tag:
                wrong.append(tag)

    Tags().feed(text)
    return not open_tags and not wrong


@pytest.mark.parametrize("name", ["plan.json", "timeline.parquet"])
def test_a_set_that_lacks_a_file_is_one_message(write_folder: Any, name: str) -> None:
    folder = write_folder()
    (folder / name).write_text("{")
    with pytest.raises(OtherResults, match=f"{name} is missing or damaged"):
        read_results(folder)
    (folder / name).unlink()
    with pytest.raises(OtherResults):
        read_results(folder)
