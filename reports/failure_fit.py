"""A fit of failures: as a scenario's YAML, as lines for a terminal, as data."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from calibration.failures.fitted import Bursts, FittedFailures, FittedFault, Rate
from calibration.failures.lifetimes import Fit, Interval
from reports.columns import aligned
from reports.failure_lines import figure
from reports.inputs import yaml_text
from reports.tables import counted
from reports.trace_lines import duration, share

Data = dict[str, Any]

WIDTH = 100
QUOTED_TIME = re.compile(r'"(\d[\d.]*(?:s|min|h|d))"')


def yaml_of(fitted: FittedFailures, day: str) -> str:
    """What to put into a scenario, with where it comes from and what to know as comments.

    day: of the fit, as the reader should see it."""
    said = [
        f"Fitted to {fitted.about} ({fitted.span}) by `fleetcast failures fit` on {day}.",
        *(f"Beware: {warning}." for warning in fitted.warnings),
        *(f"{note[0].upper()}{note[1:]}." for note in fitted.notes),
    ]
    comments = (wrapped(text, "# ", "#   ")
                for text in said)  # fmt: skip
    text = QUOTED_TIME.sub(r"\1", yaml_text(fitted.section))
    return "\n".join(line for lines in comments for line in lines) + f"\n{text}\n"


def wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def lines(fitted: FittedFailures) -> Iterator[str]:
    """The table, and what to know before believing it."""
    yield f"{fitted.kind}: {fitted.about}; {fitted.span}"
    yield ""
    yield from aligned([HEADER, *map(row, fitted.faults)], right=(2,))
    for fault in fitted.faults:
        if fault.bursts is not None:
            yield from burst_lines(fault.bursts)
    if len(fitted.zones) > 1:
        yield ""
        yield from aligned(list(zone_rows(fitted)), right=(1, 2, 3, 4, 5))
    for label, texts in (("beware", fitted.warnings), ("note", fitted.notes)):
        if texts:
            yield ""
        for text in texts:
            yield from wrapped(f"{label}: {text}", "  ", "    ")


HEADER = [
    "fault", "scope", "incidents", "rate [95 %]", "known after", "repair", "median [95 %]", "p95",
    "shape [95 %]",
]  # fmt: skip


def row(fault: FittedFault) -> list[str]:
    still_open = f" ({fault.open:,} open)" if fault.open else ""
    repair = fault.repair
    return [
        fault.name, fault.scope, f"{fault.rate.incidents:,}{still_open}", rate_text(fault.rate),
        "not told" if fault.detection is None else median_text(fault.detection),
        repair.family, median_text(repair), duration(repair.p95),
        "few" if fault.shape is None else numbers_text(fault.shape),
    ]  # fmt: skip


def rate_text(rate: Rate) -> str:
    return f"{numbers_text(rate.told)} {rate.scale[1]}"


def numbers_text(interval: Interval) -> str:
    """
    >>> numbers_text(Interval(36.24, 25.8, 49.21))
    '36.2 [25.8, 49.2]'
    """
    value, low, high = map(figure, interval)
    return f"{value} [{low}, {high}]"


def median_text(fit: Fit) -> str:
    """
    >>> median_text(Fit("exponential", Interval(900.0, 600.0, 1500.0), 1.0, 12, 0))
    '15 min [10 min, 25 min]'
    """
    if fit.family == "fixed":
        return duration(fit.median.value)
    low, high = fit.median.low, fit.median.high
    most = "any" if high == float("inf") else duration(high)
    return f"{duration(fit.median.value)} [{duration(low)}, {most}]"


def burst_lines(bursts: Bursts) -> Iterator[str]:
    yield (
        f"  {bursts.losses:,} lost in {counted(bursts.number, 'burst')}; "
        f"{share(bursts.together)} of losses had company"
    )
    yield (
        f"  when one goes, each other instance of its zone follows within "
        f"{duration(bursts.within_s)} with probability {bursts.follow:.2f}"
    )


def zone_rows(fitted: FittedFailures) -> Iterator[list[str]]:
    yield ["zone", "most up", "instance-hours", "lost", "per instance-hour", "none up"]
    for zone in fitted.zones:
        hourly = zone.losses / zone.instance_hours if zone.instance_hours else 0.0
        yield [
            zone.name, str(zone.instances_max), figure(zone.instance_hours), f"{zone.losses:,}",
            figure(hourly), share(zone.unavailable),
        ]  # fmt: skip


# --- data ----------------------------------------------------------------------------------------


def as_data(fitted: FittedFailures) -> Data:
    """For machines. `failures` is ready to be used."""
    return {
        "kind": fitted.kind,
        "about": fitted.about,
        "span": fitted.span,
        "span_s": fitted.span_s,
        "faults": [fault_data(fault) for fault in fitted.faults],
        "zones": [
            {
                "name": zone.name,
                "instances_max": zone.instances_max,
                "instance_hours": zone.instance_hours,
                "losses": zone.losses,
                "bursts": zone.bursts,
                "none_up_share": zone.unavailable,
            }
            for zone in fitted.zones
        ],
        "warnings": fitted.warnings,
        "notes": fitted.notes,
        **fitted.section,
    }


def fault_data(fault: FittedFault) -> Data:
    data: Data = {
        "name": fault.name,
        "scope": fault.scope,
        "effect": fault.effect,
        "incidents": fault.rate.incidents,
        "open": fault.open,
        "rate": {
            "text": fault.rate.text,
            "unit": fault.rate.scale[1],
            **fault.rate.told._asdict(),
            f"{fault.rate.unit}_hours": fault.rate.unit_hours,
        },
        "detection": None if fault.detection is None else time_data(fault.detection),
        "repair": time_data(fault.repair),
        "shape": None
        if fault.shape is None
        else {**fault.shape._asdict(), "between": fault.shape_of},
    }
    bursts = fault.bursts
    if bursts is not None:
        data["bursts"] = {
            "number": bursts.number,
            "losses": bursts.losses,
            "within_s": bursts.within_s,
            "losses_in_company_share": bursts.together,
            "follow_probability": bursts.follow,
        }
    return data


def time_data(fit: Fit) -> Data:
    return {
        "family": fit.family,
        "mean_s": fit.mean,
        "median_s": fit.median._asdict(),
        "p95_s": fit.p95,
        "ended": fit.ended,
        "open": fit.running,
    }
