"""The tiles beside the answer, and where inputs come from."""

import pandas as pd
import pytest

from reports.first_screen import tiles
from reports.sources import Source, sources
from scenarios.loading import load, restore
from scenarios.objectives import parse_objective
from tests.reports.conftest import EXAMPLE, make_plan, make_step_time

OBJECTIVES = [parse_objective("ttft p95 <= 500ms"), parse_objective("error_rate <= 0.1%")]
USED = pd.DataFrame({OBJECTIVES[0].text: [0.5, 0.6, 0.7], OBJECTIVES[1].text: [0.0, 0.9, 0.0]})


def told(plan, used=USED):
    return {tile.about: (tile.value, tile.detail) for tile in tiles(plan, used, OBJECTIVES)}


def test_a_certified_plan_has_four_tiles():
    found = told(make_plan())
    assert found == {
        "How sure": ("P(SLA) ≥ 0.95", "at 95% confidence: 8 of 8 fresh periods kept"),
        "What it costs": ("12,744 USD/month", "17.70 USD per hour, 0.200 USD per million tokens"),
        "Room to grow": ("not asked", "--no-explain"),
        "What breaks first": ("ttft p95 <= 500ms", "the median period uses 60% of it"),
    }


@pytest.mark.parametrize(
    "headroom, value, detail",
    [
        ({"factor": 1.15, "replications": 78, "refused": 1.2}, "1.15 × the traffic", "1.2 ×"),
        ({"factor": 2.0, "replications": 78, "refused": None}, "2 × the traffic", "most that was"),
        ({"factor": 1.0, "replications": 0, "refused": 1.05}, "none certified", "1.05 × the"),
    ],
)  # fmt: skip
def test_room_and_what_binds_come_from_the_explanation(headroom, value, detail):
    plan = make_plan()
    plan["explanation"] = {"headroom": headroom, "constraint": {"binding": ["compute", "seats"]}}
    found = told(plan)
    assert found["Room to grow"][0] == value and detail in found["Room to grow"][1]
    assert found["What breaks first"][1].endswith("; one fewer lacks compute and seats")


def test_an_objective_that_the_median_period_breaks_is_the_first():
    used = USED.assign(**{OBJECTIVES[1].text: [1.5, float("inf"), float("inf")]})
    assert told(make_plan(), used)["What breaks first"] == ("error_rate <= 0.1%", "broken")
    used = USED.assign(**{OBJECTIVES[1].text: 1.0})  # at the limit, which is kept
    assert told(make_plan(), used)["What breaks first"][1] == "the median period uses 100% of it"
    assert told(make_plan(), USED[:0])["What breaks first"] == ("not known", "no period was run")


def test_inputs_of_the_example_say_what_they_rest_on():
    rows = {row.input: row for row in sources(load(EXAMPLE).as_yaml_data(), [make_step_time()])}
    assert rows["Traffic chat"] == Source(
        "Traffic chat", "gamma arrivals, lengths", "given", "the scenario"
    )
    assert rows["Model"].origin == "published" and "config.json" in rows["Model"].source
    assert (
        rows["Step time"].origin == "measured" and "12 % in nine of ten" in rows["Step time"].source
    )
    assert rows["Failures"].what == "replica"
    assert "kaito-project/kaito issue 2325" in rows["Cold start"].source
    assert rows["Prices"].source == "the scenario, without a source"


def test_presets_recordings_guesses_and_changes_are_told_apart():
    data = load(EXAMPLE).as_yaml_data()
    data["model"] |= {"source": "Hugging Face config.json, from memory, not looked up"}
    data["traffic"][0]["preset"] = {"name": "chat", "source": "Azure 2024", "date": "2026-11"}
    data["failures"] = {"presets": ["h100-mature"]}
    data["fleet"]["cold_start"]["image"] = "7s"
    data["uncertain"] = {"step_time": {"sd": 0.1}}
    rows = sources(restore(data).as_yaml_data(), [])
    origins = {(row.input, row.what): row.origin for row in rows}
    assert origins[("Model", data["model"]["name"])] == "assumed"
    assert origins[("Traffic chat", "preset chat")] == "measured"
    assert origins[("Failures", "preset h100-mature")] == "published"
    assert origins[("Cold start", "image")] == "given"
    assert origins[("Uncertain", "step_time")] == "given"
