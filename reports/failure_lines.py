"""Presets of failures and their faults, as lines for a terminal and as data."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from reports.columns import aligned
from reports.tables import counted, percent
from reports.trace_lines import duration
from scenarios.failures import (
    EmpiricalTime,
    ExponentialTime,
    Fault,
    FixedTime,
    LognormalTime,
    PresetFailures,
    Repair,
    Time,
    UniformTime,
    WeibullTime,
)

Data = dict[str, Any]

NODE_GPUS = 8
"""Of the node that rates are also told of."""
HOURS_PER_YEAR = 8760.0
GPUS_IN = {"gpu": 1.0, "node": float(NODE_GPUS)}
"""Of what a rate may be counted per, as far as that does not depend on the fleet."""


def per_gpu_hour(fault: Fault) -> float | None:
    """How often, per GPU-hour, on nodes of 8 GPUs; None where it depends on the fleet: how many
    GPUs a replica, a rack or a zone has."""
    if fault.rate is not None:
        gpus = GPUS_IN.get(fault.rate.unit)
        return None if gpus is None else fault.rate.per_hour / gpus
    gpus = GPUS_IN.get(fault.scope)
    between_s = fault.mtbf_s
    if fault.every is not None:
        # From the end of one to the next: repaired, it is there to fail again.
        between_s = fault.every.mean_s + fault.detection.mean_s + fault.mean_repair_s
    return None if gpus is None or between_s is None else 3600.0 / between_s / gpus


def total_per_gpu_hour(faults: Sequence[Fault]) -> tuple[float, list[str]]:
    """The sum over all faults of known rate, and the names of the others."""
    rates = {fault.name: per_gpu_hour(fault) for fault in faults}
    known = [rate for rate in rates.values() if rate is not None]
    return sum(known), [name for name, rate in rates.items() if rate is None]


# --- lines ---------------------------------------------------------------------------------------


def preset_lines(presets: Sequence[PresetFailures]) -> Iterator[str]:
    """Names and what they are."""
    rows = [["preset", "faults", "per 1e6 GPU-hours", "what it is"]]
    for preset in presets:
        total, _ = total_per_gpu_hour(preset.faults)
        rows.append([preset.name, str(len(preset.faults)), figure(total * 1e6), preset.description])
    yield from aligned(rows, right=(1, 2))
    yield ""
    yield "`fleetcast failures show NAME` has the faults of one; `failures: NAME` puts it to use."


def fault_lines(preset: PresetFailures) -> Iterator[str]:
    """One preset: every fault, what it does and where the numbers come from."""
    yield f"{preset.name}: {preset.description}"
    if not preset.faults:
        return
    yield ""
    header = ["fault", "scope", "rate", f"{NODE_GPUS}-GPU node/year", "effect", "known after",
              "repair"]  # fmt: skip
    rows = [row for fault in preset.faults for row in fault_rows(fault)]
    yield from aligned([header, *rows], right=(3,))
    yield ""
    sources = [["fault", "confidence", "source"]]
    sources += [[fault.name, fault.confidence, fault.source] for fault in preset.faults]
    yield from aligned(sources)
    yield ""
    total, unknown = total_per_gpu_hour(preset.faults)
    left_out = f", without {', '.join(unknown)}: per what the fleet has" if unknown else ""
    yield (
        f"total: {figure(total * 1e6)} per 1e6 GPU-hours, "
        f"{figure(total * NODE_GPUS * HOURS_PER_YEAR)} per {NODE_GPUS}-GPU node and year{left_out}"
    )
    yield f"source: {preset.source} ({preset.date})"


def fault_rows(fault: Fault) -> Iterator[list[str]]:
    """As many as it has repairs, or things to say of its effect."""
    rate = per_gpu_hour(fault)
    yearly = "" if rate is None else figure(rate * NODE_GPUS * HOURS_PER_YEAR)
    first = [fault.name, fault.scope, occurs_text(fault), yearly]
    repairs = [repair_text(each, fault.repairs) for each in fault.repairs]
    known = time_text(fault.detection)
    for effect, repair in zip_longest(effect_texts(fault), repairs, fillvalue=""):
        yield [*first, effect, known, repair]
        first, known = [""] * len(first), ""


def occurs_text(fault: Fault) -> str:
    if fault.rate is not None:
        unit = "GPU" if fault.rate.unit == "gpu" else fault.rate.unit
        if fault.rate.unit == "gpu":
            return f"{figure(fault.rate.per_hour * 1e6)} per 1e6 GPU-hours"
        if fault.rate.per_hour >= 0.01:
            return f"{figure(fault.rate.per_hour)} per {unit}-hour"
        return f"{figure(fault.rate.per_hour * HOURS_PER_YEAR)} per {unit}-year"
    if fault.mtbf_s is not None:
        return f"1 per {duration(fault.mtbf_s)} and {fault.scope}"
    assert fault.every is not None, "a fault occurs by a rate, an mtbf or a time between two"
    return f"every {time_text(fault.every)} per {fault.scope}"


def effect_texts(fault: Fault) -> list[str]:
    """The effect, and what is special about it."""
    told: list[str] = [fault.effect]
    if fault.speed is not None:
        low, high = fault.speed
        told[0] += f" to {low:g}x" if low == high else f" to {low:g}-{high:g}x"
    elif not fault.probed and fault.effect in ("crash", "silence"):
        told.append("/health does not see it")
    if fault.notice_s:
        told.append(f"after {duration(fault.notice_s)} of notice")
    if fault.burst is not None:
        others, within = percent(fault.burst.share), duration(fault.burst.within_s)
        told.append(f"with {others} of its zone within {within}")
    if fault.effect == "drain":
        told.append(f"{fault.at_most} at a time")
    if fault.lemons is not None:
        told.append(f"{percent(fault.lemons.share)} lemons {fault.lemons.times:g}x as often")
    return told


def repair_text(repair: Repair, among: Sequence[Repair]) -> str:
    """'60% 15 min (p95 2 h) + warm start' of one of several."""
    total = sum(each.share for each in among)
    share = f"{percent(round(repair.share / total, 4))} " if len(among) > 1 else ""
    what = f"{repair.what} " if repair.what else ""
    start = "" if repair.start == "none" else f" + {repair.start} start"
    hands = ", by hand" if repair.hands_on else ""
    return f"{share}{what}{time_text(repair.time)}{start}{hands}"


def time_text(time: Time) -> str:
    """
    >>> time_text(LognormalTime(median="15min", p95="2h"))
    '15 min (p95 2 h)'
    """
    match time:
        case FixedTime():
            return duration(time.fixed_s) if time.fixed_s else "at once"
        case LognormalTime():
            return f"{duration(time.median_s)} (p95 {duration(time.p95_s)})"
        case ExponentialTime():
            return f"mean {duration(time.exponential_s)} (exponential)"
        case WeibullTime():
            return f"mean {duration(time.weibull_s)} (Weibull, shape {time.shape:g})"
        case UniformTime():
            return f"{duration(time.uniform_s[0])} to {duration(time.uniform_s[1])}"
        case EmpiricalTime():
            recorded = counted(len(time.empirical_s), "recorded time")
            return f"mean {duration(time.mean_s)} ({recorded})"


def figure(value: float) -> str:
    """Three digits.

    >>> figure(58_818.0), figure(19.64), figure(0.0)
    ('58,818', '19.6', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


# --- data ----------------------------------------------------------------------------------------


def as_data(preset: PresetFailures) -> Data:
    """For machines: faults as a scenario has them, each with its rate per GPU-hour."""
    total, unknown = total_per_gpu_hour(preset.faults)
    return {
        "name": preset.name,
        "description": preset.description,
        "source": preset.source,
        "date": preset.date,
        "faults": [fault_data(fault) for fault in preset.faults],
        "total_per_million_gpu_hours": total * 1e6,
        "total_without": unknown,
    }


def fault_data(fault: Fault) -> Data:
    rate = per_gpu_hour(fault)
    own = {key: value for key, value in fault.as_yaml_data().items() if key != "remove"}
    return own | {
        "rate": occurs_text(fault) if fault.rate is None else str(fault.rate),
        "per_million_gpu_hours": None if rate is None else rate * 1e6,
        "per_node_year": None if rate is None else rate * NODE_GPUS * HOURS_PER_YEAR,
        "detection_mean_s": fault.detection.mean_s,
        "repair_mean_s": fault.mean_repair_s,
    }


def listed(presets: Sequence[PresetFailures]) -> list[Data]:
    return [
        {
            "name": preset.name,
            "description": preset.description,
            "faults": [fault.name for fault in preset.faults],
            "total_per_million_gpu_hours": total_per_gpu_hour(preset.faults)[0] * 1e6,
        }
        for preset in presets
    ]
