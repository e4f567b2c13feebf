"""What GPUs cost, by how they are paid for: every form that a file may give it, and its faults."""

import json
import re
from pathlib import Path

import pytest

from reports.inputs import parts
from scenarios.catalogue import load_catalogue
from scenarios.loading import load, restore
from scenarios.price import Energy, Owned
from scenarios.reference import reference_markdown
from scenarios.schema import json_schema
from tests.scenarios.conftest import HEAD

OWNED = "{capital: 25000 USD, years: 4, electricity: 0.09 USD/kWh}"
KINDS = f"{{on_demand: 2.95 USD/h, reserved: 2 USD/h, spot: 1.2 USD/h, owned: {OWNED}}}"
PRICES = f"""\
source: our contract
date: 2026-11-01
gpus:
  h100-sxm-80gb: {KINDS}
  l4-24gb: 0.71 USD/h
"""
MINE = """\
gpus:
  mine:
    {memory: 80GB, bandwidth: 2TB/s, bf16: 300TFLOP/s, link: pcie, link_bandwidth: 32GB/s,
     source: ours, date: '2026-11'}
"""


@pytest.fixture
def loaded(tmp_path):
    """Loads HEAD with a price (or what else), beside a file of prices and one of GPUs."""

    def made(*lines, prices=PRICES, overrides=()):
        (tmp_path / "prices.yaml").write_text(prices)
        (tmp_path / "mine.yaml").write_text(MINE)
        text = "\n".join([HEAD + "fleet: {replicas: 2}", *lines, ""])
        (tmp_path / "headed.yaml").write_text(text)
        return load(tmp_path / "headed.yaml", overrides)

    return made


# --- forms ---------------------------------------------------------------------------------------


def test_the_short_form_is_the_price_on_demand(loaded):
    short = loaded("price: {h100-sxm-80gb: 2.95 USD/h}")
    long = loaded("price: {h100-sxm-80gb: {on_demand: 2.95 USD/h}}")
    whole = loaded("price: {gpus: {h100-sxm-80gb: {on_demand: 2.95 USD/h}}}")
    assert short == long == whole
    assert short.hash == long.hash == whole.hash
    assert short.price.gpus["h100-sxm-80gb"].on_demand_usd_per_hour == 2.95


def test_a_price_on_demand_can_be_changed_from_the_command_line(loaded):
    scenario = loaded(
        "price: {h100-sxm-80gb: 2.95 USD/h}", overrides=("price.h100-sxm-80gb=3 USD/h",)
    )
    assert scenario.price.gpus["h100-sxm-80gb"].on_demand_usd_per_hour == 3.0


def test_a_file_of_prices_becomes_part_of_the_scenario(loaded):
    scenario = loaded("price: {file: prices.yaml}")
    assert scenario.price.source == "our contract"
    assert scenario.price.date == "2026-11-01"
    price = scenario.price.gpus["h100-sxm-80gb"]
    assert price.kinds == ["on_demand", "reserved", "spot", "owned"]
    assert price.owned.capital_usd == 25000.0
    data = json.loads(json.dumps(scenario.as_yaml_data()))
    assert restore(data) == scenario
    assert restore(data).hash == scenario.hash
    # What it says counts, not how it is written.
    assert loaded("price: {file: prices.yaml}", prices="# ours\n" + PRICES).hash == scenario.hash
    dearer = loaded("price: {file: prices.yaml}", prices=PRICES.replace("2.95", "2.96"))
    assert dearer.hash != scenario.hash


def test_source_and_date_may_stand_in_the_scenario(loaded):
    scenario = loaded("price: {source: ours, date: 2026-11-01, gpus: {h100-sxm-80gb: 3 USD/h}}")
    assert (scenario.price.source, scenario.price.date) == ("ours", "2026-11-01")


def test_units_of_money_power_and_carbon(loaded):
    scenario = loaded("energy: {pue: 1.3, carbon: 380 g/kWh, idle: 10%, busy: 0.8}")
    energy = scenario.energy
    assert (energy.pue, energy.carbon_kg_per_kwh, energy.idle, energy.busy) == (1.3, 0.38, 0.1, 0.8)
    assert scenario.replica.gpu.power_w == 700.0


def test_what_a_gpu_draws_is_the_catalogues_unless_given(loaded):
    draws = load_catalogue().draws
    assert Energy.model_validate({}).busy == draws["busy"].share
    given = loaded("energy: {busy: 90%}").energy
    assert (given.idle, given.busy) == (draws["idle"].share, 0.9)


def test_capital_is_spread_over_the_years():
    owned = Owned.model_validate(
        {"capital": "35040 USD", "years": 4, "electricity": "0.1 USD/kWh", "upkeep": "0.25 USD/h"}
    )
    assert owned.usd_per_hour == 1.25


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "price, purchase, said",
    [
        (
            "{h100-sxm-80gb: 2.95 USD/h}",
            "spot",
            "headed.yaml:12:9: price.h100-sxm-80gb: no spot price for h100-sxm-80gb; it has "
            "on_demand\n    allowed: add `spot: ... USD/h`, or `purchase: on_demand` to the ",
        ),
        (
            "{file: prices.yaml}",
            "spot",
            "price: no spot price for h100-sxm-80gb; it has on_demand and owned\n",
        ),
        (
            "{h100-sxm-80gb: 2.95 USD/h}",
            "owned",
            "add `owned: {capital: 25000 USD, years: 4, electricity: 0.09 USD/kWh}`, or",
        ),
        (
            "{l4-24gb: 1 USD/h}",
            "reserved",
            "price: no price for h100-sxm-80gb\n    allowed: add `h100-sxm-80gb: {reserved: ... "
            "USD/h}` (seen on demand: 3.5 to 5 USD/h)",
        ),
        ("{}", "on_demand", "add `h100-sxm-80gb: ... USD/h` (seen on demand"),
    ],
)
def test_every_gpu_in_use_has_a_price_of_the_kind_in_use(faults, price, purchase, said):
    prices = PRICES.replace("reserved: 2 USD/h, spot: 1.2 USD/h, ", "")
    (fault,) = faults(f"price: {price}", prices=prices, overrides=(f"replica.purchase={purchase}",))
    assert said in fault


def test_other_pools_are_paid_for_in_their_own_way(loaded, faults):
    other = (
        "[{name: b, replicas: 1, replica: {gpu: l4-24gb, purchase: spot, engine: {name: vllm}}}]"
    )
    given = {"prices": PRICES, "overrides": ("replica.tensor_parallel=1", f"fleet.others={other}")}
    (fault,) = faults("price: {file: prices.yaml}", **given)
    assert "price: no spot price for l4-24gb; it has on_demand\n" in fault
    given["prices"] = PRICES.replace("0.71 USD/h", "{spot: 0.3 USD/h}")
    assert loaded("price: {file: prices.yaml}", **given).fleet.others[0].replica.purchase == "spot"


@pytest.mark.parametrize(
    "line, said",
    [
        ("price: 3", "price: got 3\n    allowed: a mapping of keys"),
        ("price: {h100-sxm-80gb: 3}", "price.h100-sxm-80gb: got 3\n    allowed: a price per GPU"),
        ("price: {h100-sxm-80gb: -2 USD/h}", "price.h100-sxm-80gb: got '-2 USD/h'\n"),
        ("price: {h100-sxm-80gb: {}}", "price.h100-sxm-80gb: no price\n    allowed: one of on_dem"),
        ("price: {h100-sxm-80gb: null}", "price.h100-sxm-80gb: "),
        ("price: {h100-sxm-80gb: {sport: 1 USD/h}}", "price.h100-sxm-80gb.sport: unknown key"),
        ("price: {h100-sxm-80gb: {spot: 1 USD}}", "price.h100-sxm-80gb.spot: got '1 USD'"),
        ("price: {gpus: {h100-sxm-80gb: {spot: 1}}}", "price.gpus.h100-sxm-80gb.spot: got 1"),
        ("price: {source: we, h100-sxm-80gb: 1 USD/h}", "price.gpus: missing"),
        ("price: {date: 2026, gpus: {h100-sxm-80gb: 3 USD/h}}", "price.date: got 2026\n"),
        ("price: {date: soon, gpus: {h100-sxm-80gb: 3 USD/h}}", "price.date: got 'soon'\n"),
        ("price: {date: '2026-02-29', gpus: {}}", "price.date: got '2026-02-29'\n"),
        (
            "price: {file: none.yaml}",
            "price: no readable prices: none.yaml\n    allowed: a file of",
        ),
        ("price: {file: 3}", "price: a price file with other keys\n    allowed: `{file: FILE}`"),
        ("price: {file: prices.yaml, date: 2026-11-01}", "price: a price file with other keys"),
        ("energy: {pue: 0.9}", "energy.pue: got 0.9\n    allowed: greater than or equal to 1"),
        ("energy: {carbon: 0.4}", "energy.carbon: got 0.4\n    allowed: the carbon of electricity"),
        ("energy: {idle: 80%}", "energy: idle 0.8 above busy 0.7\n"),
        ("energy: {idle: 120%}", "energy.idle: got '120%'\n"),
        ("energy: {watts: 3}", "energy.watts: unknown key\n    allowed: pue, carbon, idle, busy"),
    ],
)
def test_every_mistake_is_told_at_its_place(faults, line, said):
    told = faults(line)
    assert any(said in fault for fault in told)
    assert all("headed.yaml:12:" in fault for fault in told)


@pytest.mark.parametrize(
    "change, said",
    [
        (("years: 4", "years: 0"), "owned.years: got 0\n    allowed: greater than 0"),
        (("25000 USD", "-1 USD"), "owned.capital: got '-1 USD'"),
        (("0.09 USD/kWh", "0.09 USD/h"), "owned.electricity: got '0.09 USD/h'\n    allowed: a pri"),
        (("years: 4, ", ""), "owned.years: missing\n    allowed: add, for example, `years: 4`"),
        (("years: 4", "years: 4, pue: 0.5"), "owned.pue: got 0.5"),
        (("years: 4", "years: 4, rent: 1 USD/h"), "owned.rent: unknown key"),
    ],
)
def test_owned_hardware_is_checked(faults, change, said):
    (fault,) = faults(f"price: {{h100-sxm-80gb: {{owned: {OWNED.replace(*change)}}}}}",
                      overrides=("replica.purchase=owned",))  # fmt: skip
    assert f"price.h100-sxm-80gb.{said}" in fault


@pytest.mark.parametrize(
    "prices, said",
    [
        ("", "price: no prices in prices.yaml\n"),
        ("[", "price: no readable prices: prices.yaml\n"),
        ("date: 2026-11-01\n", "price: wrong prices in prices.yaml\n    allowed: gpus: missing"),
        (PRICES.replace("years: 4", "years: 0"), "owned.years: got 0, allowed: greater than 0"),
        (PRICES.replace("spot", "sport"), "gpus.h100-sxm-80gb.sport: unknown key"),
        (PRICES.replace("2026-11-01", "2026-11"), "date: got '2026-11', allowed: a date such as"),
    ],
)
def test_a_file_of_prices_is_checked_too(faults, prices, said):
    (fault,) = faults("price: {file: prices.yaml}", prices=prices)
    assert "headed.yaml:12:1: price: " in fault
    assert said in fault


def test_energy_needs_the_power_of_the_gpu(loaded, faults):
    mine = ("catalogue: [mine.yaml]", "price: {mine: {on_demand: 1 USD/h, owned: " + OWNED + "}}")
    use = "replica.gpu=mine"
    loaded(*mine, overrides=(use,))
    for more in ("replica.purchase=owned", "energy={pue: 1.2}"):
        (fault,) = faults(*mine, overrides=(use, more))
        assert "replica.gpu: the catalogue does not know what mine draws\n" in fault
        assert "`power: 700W`" in fault


# --- for readers and editors ---------------------------------------------------------------------


def test_the_schema_and_the_reference_know_every_form():
    schema = json_schema()
    gpus, file, whole, nothing = schema["properties"]["price"]["anyOf"]
    short, kinds = gpus["additionalProperties"]["anyOf"]
    assert re.fullmatch(short["pattern"], "2.95 USD/h")
    assert kinds == {"$ref": "#/$defs/GpuPrice"}
    assert "h100-sxm-80gb" in gpus["propertyNames"]["anyOf"][0]["enum"]
    assert (file["$ref"], whole["$ref"]) == ("#/$defs/PriceFile", "#/$defs/Prices")
    assert nothing == {"type": "null"}
    parts = schema["$defs"]
    assert parts["Prices"]["properties"]["gpus"] == gpus
    assert list(parts["GpuPrice"]["properties"]) == ["on_demand", "reserved", "spot", "owned"]
    assert parts["Owned"]["required"] == ["capital", "years", "electricity"]
    assert "required" not in parts["Energy"]
    assert parts["Energy"]["properties"]["busy"]["default"] == load_catalogue().draws["busy"].share
    page = reference_markdown()
    assert "## Owned\n" in page
    assert "[GpuPrice](#gpuprice) or [PriceFile](#pricefile)" in page


def test_the_page_tells_the_prices(loaded):
    scenario = loaded("price: {file: prices.yaml}", "energy: {pue: 1.3, carbon: 0.38 kg/kWh}")
    told = dict(parts(json.loads(json.dumps(scenario.as_yaml_data()))))
    price = dict(told["Price of a GPU"])
    assert price["h100-sxm-80gb: on demand"] == "2.95 USD per h"
    assert price["h100-sxm-80gb: owned: capital"] == "25,000.00 USD"
    assert (price["source"], price["date"]) == ("our contract", "2026-11-01")
    assert ("carbon", "0.38 kg per kWh") in told["Energy"]
    assert ("power", "700 W") in told["GPU: h100-sxm-80gb"]
    # A folder of before prices had kinds.
    old = scenario.as_yaml_data() | {"price": {"h100-sxm-80gb": "2.95USD/h"}}
    assert dict(parts(old))["Price of a GPU"] == [("h100-sxm-80gb", "2.95 USD per h")]


GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "costs.md").read_text(encoding="utf-8")


def test_the_file_of_the_guide_is_one(loaded):
    prices = re.search(r"```yaml title=\"prices.yaml\"\n(.*?)```", GUIDE, re.DOTALL)[1]
    told = re.search(r"--set '(energy=.*?)'", GUIDE)[1]
    change = ("replica.purchase=owned", told)
    scenario = loaded("price: {file: prices.yaml}", prices=prices, overrides=change)
    owned = scenario.price.gpus["h100-sxm-80gb"].owned
    assert round(owned.capital_usd / owned.years / 8760, 3) == 0.913
    assert "32,000 / 35,040 = 0.913" in GUIDE
