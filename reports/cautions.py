"""How far to trust step times, beside the answer and in tables of their coefficients."""

from typing import Any

from reports import inputs, tables

Data = dict[str, Any]

LARGE_ERROR_PCT = 20.0
"""One step time of ten is further off than this: the page says so beside the answer."""


def cautions(step_times: list[Data]) -> list[str]:
    """What to know of step times that may be far off, before buying by them."""
    return list(dict.fromkeys(caution(entry) for entry in step_times if doubtful(entry)))


def doubtful(entry: Data) -> bool:
    most: float = entry["error_pct"].get("tpot_p90", 0.0)
    return entry["origin"] == "assumed" or most >= LARGE_ERROR_PCT


def caution(entry: Data) -> str:
    names = " and ".join(entry["never_measured"])
    what = f"of {names} were never measured" if names else f"({entry['rests_on']})"
    if "tpot_p90" not in entry["error_pct"]:
        return f"Step times {what}: how far off they are is not known"
    half, most = tables.error_band(entry)
    expect = f"expect them to be off by up to {half} in half of such cases"
    return f"Step times {what}: {expect}, up to {most} in nine of ten"


def step_time_tables(step_times: list[Data]) -> list[tuple[str, list[Data]]]:
    """(pools, coefficients in words): pools with the same step time share a table."""
    pools: dict[str, list[str]] = {}
    rows: dict[str, list[Data]] = {}
    for entry in step_times:
        words = inputs.coefficient_rows(entry["coefficients"])
        rows[repr(words)] = words
        pools.setdefault(repr(words), []).append(entry["pool"])
    return [(", ".join(names), rows[same]) for same, names in pools.items()]
