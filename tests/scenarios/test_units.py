"""Quantities: exact values, a round trip for every float, and no number without its unit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from scenarios import units
from scenarios.part import yaml_key

QUANTITIES = {
    name: getattr(units, name)
    for name in (
        "Seconds", "PerSecond", "Bytes", "BytesPerSecond", "FlopsPerSecond", "UsdPerHour", "Share",
    )
}  # fmt: skip
ADAPTERS = {name: TypeAdapter(quantity) for name, quantity in QUANTITIES.items()}
# What each unit is, exactly. Written apart from scenarios/units.py, whose factors are floats.
EXACT = {
    "Seconds": {
        "ps": Fraction(1, 10**12), "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6),
        "ms": Fraction(1, 1000), "s": 1, "min": 60, "h": 3600, "d": 86_400,
    },
    "PerSecond": {
        "/s": 1, "/min": Fraction(1, 60), "/h": Fraction(1, 3600), "/d": Fraction(1, 86_400),
    },
    "Bytes": {
        "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    "FlopsPerSecond": {"FLOP/s": 1, "GFLOP/s": 10**9, "TFLOP/s": 10**12, "PFLOP/s": 10**15},
    "UsdPerHour": {"USD/h": 1},
    "Share": {"%": Fraction(1, 100)},
}  # fmt: skip
EXACT["BytesPerSecond"] = {f"{unit}/s": size for unit, size in EXACT["Bytes"].items()}
EVERY_UNIT = [(name, unit) for name, known in EXACT.items() for unit in known]

finite = st.floats(allow_nan=False, allow_infinity=False)


def parse(name, text):
    return ADAPTERS[name].validate_python(text)


def refusal(name, value):
    """The one fault of a refused value: its type and what it says is allowed."""
    with pytest.raises(ValidationError) as caught:
        parse(name, value)
    (error,) = caught.value.errors()
    return error["type"], error.get("ctx", {}).get("allowed", "")


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("Seconds", "500ms", 0.5),
        ("Seconds", "15min", 900.0),
        ("Seconds", "2h", 7200.0),
        ("Seconds", "7d", 604_800.0),
        ("Seconds", "1.5 s", 1.5),
        ("Seconds", "  .5s  ", 0.5),
        ("Seconds", "1e3ms", 1.0),
        ("Seconds", "+3s", 3.0),
        ("Seconds", "0s", 0.0),
        ("Seconds", "200us", 0.0002),
        ("PerSecond", "12/s", 12.0),
        ("PerSecond", "30/min", 0.5),
        ("PerSecond", "900/h", 0.25),
        ("PerSecond", "86400/d", 1.0),
        ("Bytes", "80GiB", 85_899_345_920.0),
        ("Bytes", "80GB", 80e9),
        ("BytesPerSecond", "3350GB/s", 3.35e12),
        ("FlopsPerSecond", "989TFLOP/s", 9.89e14),
        ("UsdPerHour", "2.95 USD/h", 2.95),
        ("Share", "95%", 0.95),
        ("Share", "0.1%", 0.001),
        ("Share", "99.9%", 0.999),
        ("Share", "0.7%", 0.007),
        ("Share", 0.95, 0.95),
        ("Share", 1, 1.0),
    ],
)
def test_a_quantity_has_its_exact_value(name, text, value):
    assert parse(name, text) == value


@pytest.mark.slow
@pytest.mark.parametrize("name, unit", EVERY_UNIT)
@given(number=st.decimals(-10_000, 10_000, places=3))
def test_every_unit_has_its_exact_factor(name, unit, number):
    """The float nearest to the exact product: 99.9 / 100 in floats would be above 0.999."""
    assert parse(name, f"{number:f}{unit}") == float(Fraction(number) * EXACT[name][unit])


def test_the_exact_table_knows_every_unit():
    written = {
        "Seconds": units.TIME_S, "PerSecond": units.RATE_PER_S, "Bytes": units.SIZE_BYTES,
        "BytesPerSecond": units.BANDWIDTH_BYTES_PER_S, "FlopsPerSecond": units.COMPUTE_FLOPS_PER_S,
        "UsdPerHour": units.PRICE_USD_PER_HOUR, "Share": units.SHARE,
    }  # fmt: skip
    assert {name: set(known) for name, known in written.items()} == {
        name: set(known) for name, known in EXACT.items()
    }


@pytest.mark.parametrize("name", QUANTITIES)
@given(value=finite)
def test_what_is_written_is_read_back_to_the_last_bit(name, value):
    written = ADAPTERS[name].dump_python(value, mode="json")
    assert parse(name, written) == value


@pytest.mark.parametrize("name", [name for name in QUANTITIES if name != "Share"])
@given(number=st.one_of(finite, st.integers(), st.booleans(), st.none()))
def test_a_bare_number_is_refused(name, number):
    """As a number and as text: `timeout: 30` must not mean 30 of something."""
    for bare in (number, str(number)):
        kind, allowed = refusal(name, bare)
        assert kind == "quantity"
        assert "such as" in allowed


@pytest.mark.parametrize(
    "text",
    ["", "s", "30 sec", "30S", "5 m", "5ms 3", "1,5s", "nan s", "inf s", "0x5s", "5s/s", "--5s",
     "1e s", "1e9999s", "5%", ["5s"], {"s": 5}],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    assert refusal("Seconds", text) == ("quantity", units.A_TIME)


@pytest.mark.parametrize("value", ["0.95", "95 percent", True, None, "5s"])
def test_what_is_no_share_is_refused(value):
    assert refusal("Share", value)[0] == "quantity"


@pytest.mark.parametrize("text", ["1e999s", "-1e999s"])
def test_a_quantity_is_finite(text):
    assert refusal("Seconds", text)[0] == "finite_number"


@pytest.mark.parametrize("text, ends", [("1..16", (1, 16)), (" 2 .. 3 ", (2, 3)), ("5..5", (5, 5))])
def test_a_range_is_two_whole_numbers(text, ends):
    assert units.parse_range(text) == ends


@given(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)).map(lambda e: (e[0], sum(e))))
def test_a_range_is_read_back(ends):
    adapter = TypeAdapter(units.Range)
    assert adapter.validate_python(adapter.dump_python(ends, mode="json")) == ends


@pytest.mark.parametrize(
    "text", ["0..3", "4..1", "1-4", "1...4", "1..", "-1..4", "1.5..3", "4", 4, None, [1, 4]]
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(PydanticCustomError) as caught:
        units.parse_range(text)
    assert "1..16" in caught.value.context["allowed"]


@pytest.mark.parametrize(
    "field, key",
    [
        ("horizon_s", "horizon"),
        ("rate_per_s", "rate"),
        ("bandwidth_bytes_per_s", "bandwidth"),
        ("bf16_flops_per_s", "bf16"),
        ("memory_bytes", "memory"),
        ("low_usd_per_hour", "low"),
        ("max_num_seqs", "max_num_seqs"),
        ("layers", "layers"),
    ],
)
def test_yaml_keys_leave_the_unit_to_the_value(field, key):
    assert yaml_key(field) == key
