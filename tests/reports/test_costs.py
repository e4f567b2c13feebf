"""Costs in words: only what the first line does not say, and all of it on the page."""

import re

from reports.answer import plan_lines
from reports.costs import cost_facts
from reports.facts import fact_lines
from reports.page import write_report
from tests.reports.conftest import make_plan

POOL = {
    "pool": "main", "gpu": "h100-sxm-80gb", "purchase": "on_demand", "gpus": 6.0,
    "usd_per_gpu_hour": 2.95, "usd_per_hour": 17.7, "usd_per_month": 12744.0, "kw": 2.5,
}  # fmt: skip
BURST = POOL | {"pool": "burst", "purchase": "spot", "gpus": 2.25, "usd_per_gpu_hour": 0.7,
                "usd_per_month": 1134.0, "kw": None}  # fmt: skip
ENERGY = {
    "kwh_per_month": 1800.0, "kwh_per_million_tokens": 0.0815, "co2_kg_per_month": 684.0,
    "co2_kg_per_million_tokens": 0.031, "idle": 0.2, "busy": 0.7, "assumed": True, "asked": True,
}  # fmt: skip
PLAIN = {"pools": [POOL], "energy": ENERGY | {"asked": False}, "price_source": "",
         "price_date": None}  # fmt: skip


def test_nothing_is_added_to_what_the_first_line_says():
    assert cost_facts(PLAIN) == []
    plan = make_plan()
    before = plan_lines(plan)
    plan["cost"] |= PLAIN
    assert plan_lines(plan) == before


def test_pools_energy_and_prices_have_their_lines():
    facts = cost_facts(
        {"pools": [POOL, BURST], "energy": ENERGY, "price_source": "our contract",
         "price_date": "2026-11-01"}
    )  # fmt: skip
    assert fact_lines(facts) == [
        "  paid for: main: 6 h100-sxm-80gb on demand at 2.95 USD per GPU-hour, 12,744 USD/month",
        "  paid for: burst: 2.25 h100-sxm-80gb spot at 0.70 USD per GPU-hour, 1,134 USD/month",
        "  energy: 1,800 kWh/month, 0.0815 kWh per million tokens, 684 kg CO2/month, 0.031 kg per "
        "million tokens (GPUs draw 70% of their power while they compute, else 20%: assumed)",
        "  prices: our contract, 2026-11-01",
    ]


def test_one_pool_that_is_not_on_demand_says_so():
    (line,) = fact_lines(cost_facts(PLAIN | {"pools": [POOL | {"purchase": "reserved"}]}))
    assert "h100-sxm-80gb reserved at 2.95 USD" in line


def test_without_a_carbon_factor_nothing_is_said_of_carbon():
    no_carbon = {"co2_kg_per_month": None, "co2_kg_per_million_tokens": None}
    measured = ENERGY | no_carbon | {"assumed": False}
    (line,) = fact_lines(cost_facts(PLAIN | {"energy": measured}))
    assert "CO2" not in line
    assert "assumed" not in line


def page(write_folder, **cost):
    path = write_report(write_folder(lambda plan, scenario: plan["cost"].update(PLAIN | cost)))
    return re.sub(r"\s+", " ", path.read_text())


def test_the_page_tells_cost_by_pool_energy_and_prices(write_folder):
    text = page(
        write_folder, pools=[POOL, BURST], energy=ENERGY, price_source="<us>",
        price_date="2026-11-01",
    )  # fmt: skip
    assert "<h2>What it costs</h2>" in text
    assert "<td>burst</td><td>h100-sxm-80gb</td><td>spot</td>" in text
    assert "unknown" in text
    assert "1,800 kWh per month" in text
    assert "684 kg CO2 per month" in text
    assert "Prices: &lt;us&gt;, 2026-11-01." in text
    assert "else 20%: assumed" in text


def test_the_cost_of_other_sizes_is_not_known_where_the_draw_is_paid_for(write_folder):
    rented = page(write_folder)
    assert "8,496</td>" in rented
    assert "kWh per month" not in rented
    assert "8,496</td>" not in page(write_folder, pools=[POOL | {"purchase": "owned"}])
