"""What to know of a log and of its fit before believing it."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from calibration.failures.fitted import FEW, FittedFault, incidents, time_text
from calibration.failures.instants import nearest, text_of
from calibration.failures.lifetimes import Interval
from calibration.failures.log import NEEDED, OPTIONAL, Incident, Log
from calibration.failures.watched import Watched, Window

SPANS_OF_REPAIR = 10.0
SILENCE_CHANCE = 1e-3
"""A pause between incidents that is less likely than this is told."""
SPEED = [0.5, 0.9]
"""Stands in where a log has slow-downs: it does not tell how slow."""


def log_warnings(
    log: Log, watched: Watched, window: Window, inside: Sequence[Incident]
) -> Iterator[str]:
    if not watched.whole:
        missing = [
            option
            for option, given in (("--from", watched.from_s), ("--to", watched.to_s))
            if given is None
        ]
        yield (
            f"{' and '.join(missing)} not given: the log is taken to reach from its first instant "
            "to its last. Quiet times before and after are lost, so rates come out too high: by "
            f"about one incident in {len(inside):,}"
        )
    outside = len(log.incidents) - len(inside)
    if outside:
        yield f"not counted, since before --from or after --to: {incidents(outside)}"
    yield from silence(inside, window, log.dates)
    overlapping = overlaps(inside)
    if overlapping:
        yield (
            f"{incidents(overlapping)} of a component whose last one still lasts: written down "
            "twice? All of them are counted"
        )


def silence(found: Sequence[Incident], window: Window, dates: bool) -> Iterator[str]:
    """A pause that is too long to be chance at this rate, if it was constant."""
    starts = [each.start_s for each in found]
    edges = np.array([window.begin_s, *starts, window.end_s])
    pauses = np.diff(edges)
    longest = int(pauses.argmax())
    pause_s = float(pauses[longest])
    chance = len(edges) * math.exp(-len(found) * pause_s / window.span_s)
    if chance < SILENCE_CHANCE:
        begin, end = (text_of(each, dates) for each in edges[longest : longest + 2])
        yield (
            f"no incident for {time_text(pause_s)} ({begin} to {end}): was the log kept then? At a "
            "constant rate such a pause is very unlikely"
        )


def overlaps(found: Sequence[Incident]) -> int:
    until: dict[tuple[str, str], float] = {}
    overlapping = 0
    for each in found:
        if not each.component:
            continue
        key = each.scope, each.component
        overlapping += each.start_s < until.get(key, -math.inf)
        end_s = math.inf if math.isnan(each.end_s) else each.end_s
        until[key] = max(until.get(key, -math.inf), end_s)
    return overlapping


def fault_warnings(faults: Sequence[FittedFault], window: Window) -> Iterator[str]:
    few = [fault for fault in faults if fault.rate.incidents < FEW]
    for fault in few:
        low, high = fault.rate.per_hour.low, fault.rate.per_hour.high
        yield (
            f"{fault.name}: {incidents(fault.rate.incidents)}: the ends of the rate's interval are "
            f"a factor of {high / low:.2g} apart"
        )
    for fault in faults:
        yield from repair_warnings(fault, window.span_s)
        yield from shape_warnings(fault)
        if fault.effect == "slow":
            yield f"{fault.name}: the log does not tell how slow; `speed: {SPEED}` stands in"


def repair_warnings(fault: FittedFault, span_s: float) -> Iterator[str]:
    repair, name = fault.repair, fault.name
    if repair.family == "unknown":
        yield (
            f"{name}: none of its incidents has ended; the repair is a guess: at that mean, seeing "
            "none end is about as likely as not"
        )
        return
    if span_s < SPANS_OF_REPAIR * repair.mean:
        yield (
            f"{name}: the log spans {span_s / repair.mean:.2g} times the mean repair "
            f"({time_text(repair.mean)}); with less than {SPANS_OF_REPAIR:g} the long repairs are "
            "hardly in it"
        )
    if repair.misfit:
        yield (
            f"{name}: {repair.family} fits its repairs badly (distribution functions are up to "
            f"{repair.distance:.2f} apart): two kinds of repair in one? Then give them two kinds "
            "in the log, or say `repair: {time: {empirical: [...]}, start: none}`"
        )


def shape_warnings(fault: FittedFault) -> Iterator[str]:
    shape = fault.shape
    if shape is None or shape.low <= 1.0 <= shape.high:
        return
    why = "failures follow one another more closely" if shape.value < 1 else "they come more evenly"
    yield (
        f"{fault.name}: the hazard is not constant (Weibull shape {interval_text(shape)} between "
        f"{fault.shape_of}): {why} than a rate says, and its interval is too "
        f"{'narrow' if shape.value < 1 else 'wide'}"
    )


def interval_text(interval: Interval) -> str:
    """
    >>> interval_text(Interval(0.71234, 0.6, 0.83))
    '0.71 [0.60, 0.83]'
    """
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def notes(log: Log, inside: Sequence[Incident]) -> Iterator[str]:
    """How the log was understood."""
    yield (
        "`end` is taken for the instant at which it serves again: `start: none`. If it is when the "
        "hardware was whole, say `start: cold`, and the start-up comes on top"
    )
    undetected = sum(math.isnan(each.detected_s) for each in inside)
    if undetected == len(inside):
        yield (
            "no column `detected`: nobody says when incidents were noticed, so the repair includes "
            "detection, and the router knows at once unless health checks are slower"
        )
    elif undetected:
        yield f"{incidents(undetected)} without `detected`: there the repair counts from the start"
    if all(each.effect == "silence" for each in inside):
        yield "no column `effect`: all are taken for `silence`"
    for column in log.unused:
        close = nearest(column, [*NEEDED, *OPTIONAL])
        yield f"column `{column}` is not used" + (f"; did you mean `{close}`?" if close else "")
