"""Traffic presets: what the user writes comes first, and a manifest needs no catalogue."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from scenarios.catalogue import load_catalogue
from scenarios.demand import Traffic
from scenarios.faults import ScenarioError
from scenarios.loading import load, restore
from scenarios.schema import json_schema

PRESETS = load_catalogue().presets
BASE = """\
version: 1
name: named
horizon: 5min
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
fleet: {replicas: 2}
traffic:
"""


def group(**keys):
    return Traffic.model_validate({"name": "mine"} | keys)


@pytest.fixture
def loaded(tmp_path):
    def load_text(traffic, extra=""):
        path = tmp_path / "named.yaml"
        path.write_text(BASE + traffic + extra)
        return load(path)

    return load_text


def test_the_usual_kinds_are_there():
    assert set(PRESETS) >= {"chat", "code-completion", "rag", "summarisation", "reasoning", "agent"}


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_sound_and_says_where_it_comes_from(name):
    preset = PRESETS[name]
    assert preset.source and preset.date.startswith("20") and preset.description
    keys = {key.strip() for named in preset.figures for key in named.split(",")}
    said = {"arrivals", "lengths"} | set(preset.traffic) - {"input_tokens", "output_tokens"}
    assert keys >= said - {"rank_correlation"}, "every part has a remark"
    assert "name" not in preset.traffic
    with pytest.raises(ValidationError, match="rate"):
        group(preset=name)
    traffic = group(preset=name, arrivals={"rate": "2/s"})
    assert traffic.arrivals.rate_per_s == 2.0
    assert traffic.preset.name == name and traffic.preset.source == preset.source


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_no_copy_of_a_recording(name):
    """Numbers are derived: no table has more than about a hundred entries."""

    def longest(value):
        if isinstance(value, dict):
            return max(map(longest, value.values()), default=0)
        if isinstance(value, list):
            return max(len(value), *map(longest, value)) if value else 0
        return 0

    assert longest(PRESETS[name].traffic) <= 100


def test_mappings_are_merged_and_other_kinds_replace():
    agent = PRESETS["agent"].traffic
    traffic = group(
        preset="agent",
        arrivals={"kind": "closed", "clients": 40},
        sessions={"compaction": {"above": 100_000}},
        output_tokens={"kind": "lognormal", "median": 150.0, "p95": 900.0},
        prefixes=[],
    )
    assert traffic.arrivals.kind == "closed"
    assert traffic.sessions.compaction.above == 100_000
    assert traffic.sessions.compaction.to == agent["sessions"]["compaction"]["to"]
    assert traffic.sessions.turns.kind == agent["sessions"]["turns"]["kind"]
    assert (traffic.output_tokens.kind, traffic.output_tokens.median) == ("lognormal", 150.0)
    assert traffic.prefixes == ()


def test_the_same_kind_is_merged():
    hidden = PRESETS["code-completion"].traffic["arrivals"]["states"]
    traffic = group(preset="code-completion", arrivals={"kind": "mmpp", "rate": "9/s"})
    assert len(traffic.arrivals.states) == len(hidden)


def test_users_may_say_the_rate():
    users = {"concurrent": 2000, "requests_per_user": "6/h"}
    assert group(preset="chat", arrivals={"users": users}).arrivals.rate_per_s == pytest.approx(
        2000 * 6 / 3600
    )


def test_nothing_takes_a_part_away_and_it_stays_away():
    traffic = group(preset="agent", arrivals={"rate": "1/s"}, sessions=None)
    assert traffic.sessions is None
    assert Traffic.model_validate(traffic.as_yaml_data()) == traffic


@pytest.mark.parametrize("name", PRESETS)
def test_a_manifest_restores_the_scenario_without_the_catalogue(name, loaded, monkeypatch):
    scenario = loaded(f"  - {{name: mine, preset: {name}, arrivals: {{rate: 2/s}}}}\n")
    data = scenario.as_yaml_data()
    known = load_catalogue()
    bare = replace(known, presets={}, failures={}, cold_start={}, storage={})
    monkeypatch.setattr("scenarios.references.load_catalogue", lambda: bare)
    again = restore(data)
    assert again == scenario and again.hash == scenario.hash
    assert data["traffic"][0]["preset"] == {
        "name": name, "source": PRESETS[name].source, "date": PRESETS[name].date,
    }  # fmt: skip


def test_an_unknown_preset_is_one_fault_with_the_nearest_name(loaded):
    with pytest.raises(ScenarioError) as error:
        loaded("  - {name: mine, preset: agnet, arrivals: {rate: 2/s}}\n")
    said = str(error.value)
    assert "has 1 fault" in said
    assert "traffic.0.preset: got 'agnet'" in said
    assert "did you mean `agent`?" in said


def test_a_preset_without_a_rate_is_told_what_to_add(loaded):
    with pytest.raises(ScenarioError) as error:
        loaded("  - {name: mine, preset: chat}\n")
    assert "traffic.0.arrivals" in str(error.value) and "rate" in str(error.value)


def test_a_wrong_key_beside_a_preset_is_told_where_it_stands(loaded):
    with pytest.raises(ScenarioError) as error:
        loaded("  - {name: mine, preset: chat, arrivals: {rate: 2/s, burst: 3}}\n")
    assert "traffic.0.arrivals.burst: unknown key" in str(error.value)


OWN = """\
presets:
  tickets:
    description: answers to support tickets
    figures: {lengths: measured in March}
    traffic:
      arrivals: {kind: gamma, cv: 1.4}
      input_tokens: {kind: lognormal, median: 800, p95: 3000}
      output_tokens: {kind: lognormal, median: 120, p95: 400}
    source: our logs
    date: 2026-11
"""


def test_a_users_own_presets_stand_beside_ours(loaded, tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN)
    scenario = loaded(
        "  - {name: a, preset: tickets, arrivals: {rate: 2/s}}\n"
        "  - {name: b, preset: chat, arrivals: {rate: 2/s}}\n",
        "catalogue: [mine.yaml]\n",
    )
    assert scenario.traffic[0].arrivals.cv == 1.4
    (tmp_path / "mine.yaml").unlink()
    assert restore(scenario.as_yaml_data()) == scenario


def test_the_schema_offers_presets_and_asks_for_the_rest_without_one():
    traffic = json_schema()["$defs"]["Traffic"]
    offered = traffic["properties"]["preset"]["anyOf"][0]["anyOf"][0]["enum"]
    assert set(offered) == set(PRESETS)
    assert traffic["required"] == ["name", "arrivals"]
    assert traffic["else"]["required"] == ["input_tokens", "output_tokens"]


def test_the_guide_shows_a_preset_of_ones_own():
    page = (Path(__file__).parents[2] / "docs" / "guides" / "presets.md").read_text()
    assert OWN in page and "<!-- presets -->" in page
