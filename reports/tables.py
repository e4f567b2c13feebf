"""Figures in words: fleets, estimates with their units, how far to trust them."""

from typing import Any

from reports.facts import Fact
from scenarios.objectives import LATENCIES

Data = dict[str, Any]

NUMBERS = (
    "requests_per_s", "input_tokens_per_s", "output_tokens_per_s", "prefill_tokens_per_s",
    "waiting_max", "preemptions", "retries", "gpu_hours_paid", "gpu_hours_useful",
    "cold_start_minutes", "some_down_s", "replicas_down_max", "incidents", "requests_hit",
    "tokens_lost",
)  # fmt: skip
"""Metrics that are neither times nor shares."""

INTERVAL_PERIODS_MIN = 6
"""With fewer periods the 95 % interval of a median by order statistics is unbounded."""


def fleet_text(fleet: Data) -> str:
    """'7 replicas of 2 h100-sxm-80gb + 3 of 1 l4-24gb = 17 GPUs', of a fleet that was found; '2 to
    9 replicas of 1 h100-sxm-80gb by autoscaling'."""
    most, kind = fleet.get("most"), f"of {fleet['gpus_per_replica']} {fleet['gpu']}"
    count = counted(fleet["replicas"], "replica")
    main = f"{fleet['replicas']} to {most} replicas {kind}" if most else f"{count} {kind}"
    others = [
        f"{pool['replicas']} of {pool['gpus_per_replica']} {pool['gpu']}"
        for pool in fleet["others"]
    ]
    if most:
        return f"{' + '.join([main, *others])} by autoscaling"
    return f"{' + '.join([main, *others])} = {counted(fleet['gpus'], 'GPU')}"


def one_fewer_line(data: Data) -> str:
    fewer = data["one_fewer"]
    name = counted(fewer["replicas"], "replica")
    if fewer["replicas"] == 0:
        return "one replica fewer: no fleet"
    if fewer["runs"] == 0:
        return f"{name}: not tried (below the scenario's range)"
    low, high = fewer["interval"]
    return (
        f"{name}: {fewer['status']} ({fewer['failed']} of {fewer['runs']} periods failed; "
        f"P(SLA) in [{low:.2f}, {high:.2f}])"
    )


def estimate_text(metric: str, estimate: Data) -> str:
    """'205 ms in the median period [201 ms, 210 ms]' of an Estimate as data."""
    if not estimate["replications"]:
        return "not run"
    return (
        f"{shown(metric, estimate['value'])} in the median period {interval_text(metric, estimate)}"
    )


def interval_text(metric: str, estimate: Data) -> str:
    if estimate["replications"] < INTERVAL_PERIODS_MIN:
        return f"[no interval from {counted(estimate['replications'], 'period')}]"
    return f"[{shown(metric, estimate['low'])}, {shown(metric, estimate['high'])}]"


def shown(metric: str, value: float | None) -> str:
    """A metric's value with its unit: seconds for 'ttft' and its kin, counts and rates as they are,
    the others shares of one."""
    if metric in LATENCIES:
        return milliseconds(value)
    return number(value) if metric in NUMBERS else percent(value)


def accuracy_facts(step_time: list[Data]) -> list[Fact]:
    return [Fact("accuracy", text) for text in accuracy_texts(step_time)]


def accuracy_texts(step_time: list[Data]) -> list[str]:
    """How far to trust the step time of a fleet (simulator.provenance), per pool if they differ."""
    texts = {entry["pool"]: accuracy_text(entry) for entry in step_time}
    if len(set(texts.values())) == 1:
        return [accuracy_text(step_time[0])]
    return [f"{text} (pool {pool})" for pool, text in texts.items()]


def accuracy_text(entry: Data) -> str:
    """What a step time rests on, and the error to expect.

    >>> error = {"tpot_median": 4.1, "tpot_p90": 12.0}
    >>> accuracy_text({"rests_on": "physics", "origin": "measured", "error_pct": error})
    'physics; TPOT within 4 % in half of such cases, within 12 % in nine of ten'
    """
    if entry["origin"] == "given":
        return str(entry["rests_on"])
    if "tpot_p90" not in entry["error_pct"]:
        return f"{entry['rests_on']}; its error is not known"
    half, most = error_band(entry)
    band = f"TPOT within {half} in half of such cases, within {most} in nine of ten"
    return f"{entry['rests_on']}; {band}"


def error_band(entry: Data) -> tuple[str, str]:
    """Of TPOT: half of the errors are below the first, nine of ten below the second."""
    error = entry["error_pct"]
    half, most = error["tpot_median"], error["tpot_p90"]
    return few_percent(half), few_percent(most)


def few_percent(value: float) -> str:
    """
    >>> few_percent(12.3), few_percent(0.67)
    ('12 %', '0.7 %')
    """
    return f"{value:.{0 if value >= 1 else 1}f} %"


def milliseconds(seconds: float | None) -> str:
    """'205 ms', '1.20 s', 'never' for an infinite one.

    >>> milliseconds(0.2051), milliseconds(12.0), milliseconds(0.9998), milliseconds(None)
    ('205 ms', '12.00 s', '1.00 s', 'never')
    """
    if seconds is None or seconds == float("inf"):
        return "never"
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms"


def percent(share: float | None) -> str:
    """Percent to three decimals, as many as it needs.

    >>> percent(0.95), percent(0.999512), percent(0.0)
    ('95%', '99.951%', '0%')
    """
    return "unknown" if share is None else f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"


def number(value: float | None) -> str:
    """'15,823', '11.9', '0': three digits are enough for a measured rate.

    >>> number(15822.775), number(11.9166), number(3.0)
    ('15,823', '11.9', '3')
    """
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def usd(amount: float | None, decimals: int = 2) -> str:
    return "unknown USD" if amount is None else f"{amount:,.{decimals}f} USD"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
