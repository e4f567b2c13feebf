"""What a fleet costs and draws, against sums by hand; what must grow, grows."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost import as_data, fleet_cost, objective_floor, objective_value
from tests.oracles.small import small_scenario

OWNED = {
    "capital": "35040 USD", "years": 4, "electricity": "0.10 USD/kWh", "pue": 1.5,
    "upkeep": "0.25 USD/h",
}  # fmt: skip
KINDS = {"on_demand": "3 USD/h", "reserved": "2 USD/h", "spot": "1 USD/h", "owned": OWNED}
PRICE = {"h100-sxm-80gb": KINDS, "l4-24gb": {"spot": "0.5 USD/h"}}
SPOT = {"name": "burst", "replicas": 3,
        "replica": {"gpu": "l4-24gb", "purchase": "spot", "engine": {"name": "vllm"}}}  # fmt: skip
ENERGY = {"pue": 1.2, "carbon": "0.5 kg/kWh", "idle": 0.2, "busy": 0.8}
NEVER_RUN = pd.DataFrame(columns=["output_tokens_per_s", "input_tokens_per_s"])


def scenario_of(purchase="on_demand", price=PRICE, **parts):
    replica = {"gpu": "h100-sxm-80gb", "purchase": purchase, "engine": {"name": "vllm"}}
    return small_scenario(replica=replica, price=price, **parts)


def periods_of(computing=(1.0,), paid=(4.0,), count=2, tokens_per_s=1000.0):
    """So many periods alike: 9 of 10 tokens are of prompts."""
    row = {"input_tokens_per_s": 0.9 * tokens_per_s, "output_tokens_per_s": 0.1 * tokens_per_s}
    row |= {f"gpus_useful_{pool}": gpus for pool, gpus in enumerate(computing)}
    row |= {f"gpus_paid_{pool}": gpus for pool, gpus in enumerate(paid)}
    return pd.DataFrame([row] * count)


# --- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("purchase, usd", [("on_demand", 3.0), ("reserved", 2.0), ("spot", 1.0)])
def test_rented_gpus_cost_their_rate(purchase, usd):
    cost = fleet_cost(scenario_of(purchase), 4, periods_of())
    assert cost.usd_per_hour == 4 * usd
    assert cost.usd_per_month == 4 * usd * 720
    assert (cost.usd_per_gpu_hour, cost.usd_per_replica_hour) == (usd, usd)
    # 1,000 tokens per second are 3.6 million per hour.
    assert cost.usd_per_million_tokens == pytest.approx(4 * usd / 3.6)
    (pool,) = cost.pools
    assert (pool.pool, pool.gpu, pool.purchase, pool.gpus) == ("main", "h100-sxm-80gb", purchase, 4)
    assert pool.usd_per_month == cost.usd_per_month


def test_owned_gpus_cost_capital_upkeep_and_what_they_draw():
    """35,040 USD over 4 x 8,760 hours are 1 USD per hour. Of 4 GPUs of 700 W one computes at 0.8,
    three idle at 0.2 of that: 0.98 kW, at the meter 1.47 kW, 0.147 USD per hour."""
    cost = fleet_cost(scenario_of("owned", energy=ENERGY), 4, periods_of())
    assert cost.pools[0].kw == pytest.approx(1.47)
    assert cost.usd_per_hour == pytest.approx(4 * (1.0 + 0.25) + 0.147)
    assert cost.usd_per_gpu_hour == pytest.approx(1.28675)
    assert cost.usd_per_replica_hour == pytest.approx(1.28675)
    assert cost.energy.kwh_per_month == pytest.approx(1.47 * 720)


def test_owned_gpus_are_at_the_site_of_energy_unless_they_have_their_own():
    price = {"h100-sxm-80gb": {"owned": {k: v for k, v in OWNED.items() if k != "pue"}}}
    cost = fleet_cost(scenario_of("owned", price, energy=ENERGY), 4, periods_of())
    assert cost.pools[0].kw == pytest.approx(0.98 * 1.2)


def test_energy_and_carbon_are_of_what_was_drawn():
    """0.98 kW of GPUs as above, 1.176 kW at the meter, for 3.6 million tokens an hour."""
    energy = fleet_cost(scenario_of(energy=ENERGY), 4, periods_of()).energy
    assert energy.kwh_per_month == pytest.approx(1.176 * 720)
    assert energy.kwh_per_million_tokens == pytest.approx(1.176 / 3.6)
    assert energy.co2_kg_per_month == pytest.approx(1.176 * 720 / 2)
    assert energy.co2_kg_per_million_tokens == pytest.approx(1.176 / 3.6 / 2)
    assert (energy.idle, energy.busy, energy.assumed, energy.asked) == (0.2, 0.8, True, True)


def test_without_energy_the_catalogue_assumes_and_there_is_no_carbon():
    energy = fleet_cost(scenario_of(), 4, periods_of()).energy
    assert energy.kwh_per_month == pytest.approx(0.7 * (0.7 + 3 * 0.2) * 720)
    assert (energy.co2_kg_per_month, energy.assumed, energy.asked) == (None, True, False)
    own = {"idle": 0.1, "busy": 0.6}
    assert not fleet_cost(scenario_of(energy=own), 4, periods_of()).energy.assumed


def test_pools_are_paid_for_each_in_its_way():
    scenario = scenario_of("reserved", fleet={"replicas": 2, "others": [SPOT]}, energy=ENERGY)
    cost = fleet_cost(scenario, 2, periods_of(computing=(1.0, 3.0)))
    main, burst = cost.pools
    assert (main.purchase, main.usd_per_hour) == ("reserved", 4.0)
    assert (burst.pool, burst.purchase, burst.usd_per_hour) == ("burst", "spot", 1.5)
    assert cost.usd_per_hour == 5.5
    assert cost.usd_per_gpu_hour == 5.5 / 5
    assert main.kw == pytest.approx(0.7 * (0.8 + 0.2) * 1.2)
    assert burst.kw == pytest.approx(0.072 * 3 * 0.8 * 1.2)


BY_HAND = {"faults": [{"name": "gpu", "scope": "gpu", "mtbf": "100h",
                       "repair": {"time": "1h", "hands_on": True}}]}  # fmt: skip


def test_spares_are_the_main_pools_and_idle():
    parts = {"fleet": {"replicas": 2, "topology": {"gpus_per_node": 4}},
             "failures": BY_HAND | {"spares": {"nodes": 2}}}  # fmt: skip
    cost = fleet_cost(scenario_of(energy=ENERGY, **parts), 2, periods_of(computing=(2.0,)))
    assert cost.pools[0].gpus == 10
    assert cost.usd_per_hour == 30.0
    assert cost.pools[0].kw == pytest.approx(0.7 * (2 * 0.8 + 8 * 0.2) * 1.2)


SCALING = {"replicas": 2, "autoscaling": {"replicas": "1..6", "target_outstanding": 3}}


def test_a_fleet_that_scales_pays_for_what_runs_and_for_all_that_it_owns():
    periods = periods_of(computing=(1.0,), paid=(2.5,))
    rented = fleet_cost(scenario_of(fleet=SCALING), 2, periods)
    assert (rented.gpus_paid, rented.usd_per_hour) == (2.5, 7.5)
    owned = fleet_cost(scenario_of("owned", fleet=SCALING, energy=ENERGY), 2, periods)
    assert owned.gpus_paid == 6
    drawn_kw = 0.7 * (0.8 + 1.5 * 0.2) * 1.5
    assert owned.usd_per_hour == pytest.approx(6 * 1.25 + drawn_kw * 0.10)


def test_a_fleet_that_was_not_run_costs_what_it_costs_idle():
    cost = fleet_cost(scenario_of("owned", energy=ENERGY), 4, NEVER_RUN)
    assert cost.usd_per_hour == pytest.approx(4 * 1.25 + 4 * 0.7 * 0.2 * 1.5 * 0.10)
    assert cost.energy is None


def test_a_gpu_of_unknown_power_has_a_cost_and_no_energy():
    scenario = scenario_of()
    gpu = scenario.replica.gpu.model_copy(update={"power_w": None})
    replica = scenario.replica.model_copy(update={"gpu": gpu})
    scenario = scenario.model_copy(update={"replica": replica})
    cost = fleet_cost(scenario, 4, periods_of())
    assert (cost.usd_per_hour, cost.pools[0].kw, cost.energy) == (12.0, None, None)
    with pytest.raises(ValueError, match="power"):
        objective_value("energy", scenario, 4, periods_of())


def test_the_data_of_a_cost_are_plain():
    price = {"source": "ours", "date": "2026-11-01", "gpus": PRICE}
    scenario = scenario_of("spot", price, energy=ENERGY)
    data = as_data(scenario, fleet_cost(scenario, 4, periods_of()))
    assert data["pools"][0]["purchase"] == "spot"
    assert data["energy"]["asked"]
    assert (data["price_source"], data["price_date"]) == ("ours", "2026-11-01")
    assert (data["varies"], data["hours_per_month"]) == (False, 720.0)


# --- what a search asks --------------------------------------------------------------------------


def test_objectives_are_dollars_gpus_and_kilowatts():
    scenario = scenario_of("owned", energy=ENERGY)
    cost = fleet_cost(scenario, 4, periods_of())
    assert objective_value("cost", scenario, 4, periods_of()) == cost.usd_per_hour
    assert objective_value("gpus", scenario, 4, periods_of()) == 4
    assert objective_value("energy", scenario, 4, periods_of()) == cost.pools[0].kw


RECLAIMED = {"name": "spot", "scope": "node", "mtbf": "1h", "repair": "5min", "paid": False}
UNPAID = {"faults": [*BY_HAND["faults"], RECLAIMED], "spares": {"nodes": 1}}


def test_the_floor_is_of_the_smallest_fleet_there_may_be():
    assert objective_floor("cost", scenario_of(), 4) == 12.0
    assert objective_floor("cost", scenario_of(fleet=SCALING), 1) == 3.0
    assert objective_floor("cost", scenario_of(failures=UNPAID), 4) == 8 * 3.0
    idle = 0.7 * 0.2 * 1.5 * 0.10
    assert objective_floor("cost", scenario_of("owned", energy=ENERGY), 4) == pytest.approx(
        4 * (1.25 + idle)
    )
    scaling = scenario_of("owned", fleet=SCALING, energy=ENERGY)
    assert objective_floor("cost", scaling, 1) == pytest.approx(6 * 1.25 + idle)


KINDS_OF = st.sampled_from(["on_demand", "reserved", "spot", "owned"])


@settings(max_examples=30, deadline=None)
@given(KINDS_OF, st.integers(1, 50), st.floats(0.0, 1.0), st.floats(1.0, 3.0), st.booleans())
def test_more_costs_more_and_the_floor_is_below(purchase, replicas, busy, dearer, spot_pool):
    """With more replicas, with a higher price, and with more that computes."""
    fleet = {"replicas": replicas, "others": [SPOT] if spot_pool else []}
    scenario = scenario_of(purchase, fleet=fleet, energy=ENERGY)
    periods = periods_of(computing=(busy * replicas, 1.0))
    cost = fleet_cost(scenario, replicas, periods)
    assert objective_floor("cost", scenario, replicas) <= cost.usd_per_hour * (1 + 1e-12)
    assert fleet_cost(scenario, replicas + 1, periods).usd_per_hour > cost.usd_per_hour
    raised = {
        "on_demand": f"{3 * dearer} USD/h", "reserved": f"{2 * dearer} USD/h",
        "spot": f"{dearer} USD/h", "owned": OWNED | {"capital": f"{35040 * dearer} USD"},
    }  # fmt: skip
    more = scenario_of(purchase, PRICE | {"h100-sxm-80gb": raised}, fleet=fleet, energy=ENERGY)
    assert fleet_cost(more, replicas, periods).usd_per_hour >= cost.usd_per_hour
    all_busy = periods_of(computing=(float(replicas), 1.0))
    drawn = fleet_cost(scenario, replicas, all_busy)
    assert drawn.energy.kwh_per_month >= cost.energy.kwh_per_month * (1 - 1e-12)
    assert cost.usd_per_hour == pytest.approx(sum(pool.usd_per_hour for pool in cost.pools))


def test_the_short_form_costs_what_the_long_form_does():
    short = fleet_cost(scenario_of(price={"h100-sxm-80gb": "3 USD/h"}), 4, periods_of())
    assert short == fleet_cost(scenario_of(), 4, periods_of())
