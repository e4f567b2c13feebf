"""The block of failures and fleet: short in the terminal, complete on the page."""

import re
from copy import deepcopy
from typing import Any

import pandas as pd
import pytest

from reports.accounts import account_facts, account_rows, fault_rows, mean_time, tally_text
from reports.answer import answer_line
from reports.facts import fact_lines
from reports.fleet_inputs import failures, fleet_parts
from reports.folder import read_results
from reports.inputs import parts
from reports.page import write_report
from reports.sizes import size_rows
from scenarios.loading import restore

Data = dict[str, Any]


@pytest.fixture
def plan(write_folder: Any) -> Data:
    return deepcopy(read_results(write_folder()).answer)


def test_the_block_has_a_line_for_each_question(plan: Data) -> None:
    lines = fact_lines(account_facts(plan["accounts"]))
    assert len(lines) <= 12
    assert lines == [
        "  failures and fleet in 8 periods: availability 100% (minutes with at most 1% errors)",
        "    incidents, with those under way at the start 2: replica 2",
        "    replicas down 1 or more for 25% [0%, 75%] of the time; at most 1 at once",
        "    requests hit, and retried 5: replica 5",
        "    requests hit, and lost 2: replica 2",
        "    tokens to compute again 0.25 [0, 0.75] per period",
        "    starting 0.25 [0, 0.75] replica-minutes per period",
        "    0.25 [0, 0.75] GPU-hours paid per period, 25% of them useful",
    ]
    assert account_facts(None) == []


def test_many_kinds_of_faults_are_summed_up() -> None:
    faults = [{"fault": f"f{n}", "incidents": n} for n in range(8)]
    assert tally_text(faults, "incidents") == "28: f7 7, f6 6, f5 5, 4 other kinds 10"


def test_nothing_happened_is_said_in_a_line(plan: Data) -> None:
    nothing = {"value": 0.0, "low": None, "high": None}
    accounts = plan["accounts"] | {"down": [], "faults": []}
    accounts["means"] = accounts["means"] | {"cold_start_minutes": nothing}
    assert fact_lines(account_facts(accounts)) == [
        "  failures none in 8 periods: availability 100% (minutes with at most 1% errors); "
        "0.25 [0, 0.75] GPU-hours paid per period, 25% of them useful"
    ]


def test_the_page_tells_each_fault_that_struck(write_folder: Any) -> None:
    results = read_results(write_folder())
    (row,) = fault_rows(results.answer["accounts"], results.incidents)
    assert row == ("replica", "2", "2", "10 s", "50 s", "1", "5", "2")
    rows = account_rows(results.answer["accounts"])
    assert rows[0] == ("Availability: minutes with at most 1% errors", "100%", "not known")
    assert rows[-1] == ("Time with 1 or more replicas down", "25%", "[0%, 75%]")
    assert mean_time(pd.Series([3600.0, 7200.0])) == "90 min"


def test_the_page_has_the_block_where_there_is_one(write_folder: Any, undrawn: None) -> None:
    text = write_report(write_folder()).read_text()
    assert "<h2>Failures and recovery</h2>" in text
    assert re.search(r"<td>replica</td><td class=\"n\">2</td>", text)
    assert "A row per fault." in text

    def nothing_to_tell(plan: Data, scenario: Data) -> None:
        plan["accounts"] = None

    assert (
        "Failures and recovery</h2>" not in write_report(write_folder(nothing_to_tell)).read_text()
    )


def test_the_cost_of_other_sizes_is_not_known_where_the_fleet_varies(plan: Data) -> None:
    assert [round(row.usd_per_month) for row in size_rows(plan)] == [4248, 8496, 12744]
    plan["cost"]["varies"] = True
    assert [row.usd_per_month for row in size_rows(plan)] == [None, None, 12744.0]


def test_the_answer_says_what_is_paid_for_if_that_is_something_else(plan: Data) -> None:
    assert "paid for" not in answer_line(plan)
    plan["cost"]["gpus_paid"] = 4.25
    assert "= 6 GPUs, 4.25 GPUs paid for, 12,744 USD/month" in answer_line(plan)


# --- inputs --------------------------------------------------------------------------------------


def scenario_data(**changes: Any) -> Data:
    base = restore(
        {
            "version": 1, "name": "s", "horizon": "60s",
            "model": "meta-llama/Llama-3.1-8B-Instruct",
            "replica": {"gpu": "h100-sxm-80gb", "engine": {"name": "vllm"}},
            "traffic": [{
                "name": "all", "arrivals": {"kind": "poisson", "rate": "5/s"},
                "input_tokens": {"kind": "constant", "tokens": 5},
                "output_tokens": {"kind": "constant", "tokens": 5},
            }],
            "fleet": {"replicas": 2},
        } | changes
    )  # fmt: skip
    return base.as_yaml_data()


def test_inputs_list_every_fault_with_source_and_confidence() -> None:
    data = scenario_data(failures={"presets": ["h100-mature"], "scale": 10.0})
    told = failures(data["failures"])
    assert told["presets"] == ["h100-mature"]
    assert told["gpu-hard"].startswith("gpu, 69.7 per 1e6 GPU-hours: silence")
    assert "Confidence rate high / repair low. Source: Llama 3 Herd" in told["gpu-hard"]
    on_page = dict(dict(parts(data))["Failures"])
    assert on_page["gpu-hard"] == told["gpu-hard"]
    assert dict(dict(parts(data))["Starts"])["provision"] == "284 s (p95 15 min)"


def test_inputs_of_a_fleet_where_nothing_happens_are_short() -> None:
    titles = {title for title, part in fleet_parts(scenario_data()) if part}
    assert titles == {"Failures"}
    assert dict(parts(scenario_data()))["Failures"] == [("failures", "none")]


def test_the_short_form_of_failures_is_told() -> None:
    replica = {"mtbf": "400h", "detection": "10s", "repair": {"median": "5min", "p95": "15min"},
               "cold_start": "3min"}  # fmt: skip
    told = failures(scenario_data(failures={"replica": replica})["failures"])
    assert "known after 10 s; repair 5 min (p95 15 min) + cold start" in told["replica"]
    assert told["every start"] == "180.0s"


def test_shown_lines_fit_a_terminal(plan: Data) -> None:
    assert max(map(len, fact_lines(account_facts(plan["accounts"])))) <= 100
