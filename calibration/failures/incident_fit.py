"""A log of incidents -> faults: a rate, detection and repair for each kind of what broke."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from calibration.failures.cautions import SPEED, fault_warnings, log_warnings, notes
from calibration.failures.fitted import (
    HOUR_S,
    FittedFailures,
    FittedFault,
    Rate,
    Yaml,
    confidence,
    time_yaml,
)
from calibration.failures.hazards import poisson_rate
from calibration.failures.instants import text_of
from calibration.failures.lifetimes import Fit, Floats, Lifetimes, best_fit
from calibration.failures.log import Incident, Log
from calibration.failures.renewals import between_failures
from calibration.failures.watched import Watched, Window, about, needs_counts, window_of, within
from simulator.traffic.formats.faults import TraceError


def fit_incidents(log: Log, watched: Watched, source: str) -> FittedFailures:
    """Raises TraceError where it is not known how much was watched."""
    needs_counts(log, watched)
    window = window_of(log, watched)
    inside = [each for each in log.incidents if within(window, each)]
    if not inside:
        raise TraceError(f"{log.path}: none of its incidents begins within --from and --to")
    named = list(by_kind(inside))
    fit_one = partial(fit_fault, window=window, watched=watched, source=source)
    faults = [fit_one(name, incidents) for name, incidents in named]
    begin, end = (text_of(each, log.dates) for each in (window.begin_s, window.end_s))
    warnings = [*log_warnings(log, watched, window, inside), *fault_warnings(faults, window)]
    return FittedFailures(
        "incidents", about(inside, window, watched), f"{begin} to {end}", window.span_s, faults,
        warnings, list(notes(log, inside)),
    )  # fmt: skip


def by_kind(incidents: Sequence[Incident]) -> Iterator[tuple[str, list[Incident]]]:
    """Those of one kind, scope and effect, most frequent first; names differ."""
    groups: dict[tuple[str, str, str], list[Incident]] = defaultdict(list)
    for each in incidents:
        groups[each.kind, each.scope, each.effect].append(each)
    kinds = Counter(kind for kind, _, _ in groups)
    scopes = Counter((kind, scope) for kind, scope, _ in groups)
    for (kind, scope, effect), found in sorted(
        groups.items(), key=lambda item: (-len(item[1]), item[0])
    ):
        name = kind if kinds[kind] == 1 else f"{kind}-{scope}"
        yield name if scopes[kind, scope] == 1 else f"{name}-{effect}", found


def fit_fault(
    name: str, incidents: list[Incident], window: Window, watched: Watched, source: str
) -> FittedFault:
    first = incidents[0]
    unit = first.scope if first.scope in watched.counts else "gpu"
    hours = watched.counts[unit] * window.span_s / HOUR_S
    rate = Rate(unit, poisson_rate(len(incidents), hours), len(incidents), hours)
    repair, detection = repair_of(incidents, window), detection_of(incidents, window)
    shape, shape_of = between_failures(
        incidents, window.begin_s, window.end_s, window.grain_s, watched.counts.get(first.scope)
    )
    yaml: Yaml = {"name": name, "scope": first.scope, "effect": first.effect, "rate": rate.text}
    if first.effect == "slow":
        yaml["speed"] = SPEED
    if detection is not None and first.effect != "drain":
        yaml["detection"] = time_yaml(detection)
    yaml["repair"] = {"time": time_yaml(repair), "start": "none"}
    yaml |= {"source": source, "confidence": confidence(rate)}
    still_open = sum(math.isnan(each.end_s) for each in incidents)
    return FittedFault(
        name, first.scope, first.effect, rate, repair, detection, shape, shape_of, yaml, still_open
    )


def repair_of(incidents: Sequence[Incident], window: Window) -> Fit:
    """From when it was noticed, or began, until it ended; open ones last until the log ends."""
    begins = np.array([begin_of_repair(each) for each in incidents])
    ends = np.array([each.end_s for each in incidents])
    is_open = np.isnan(ends)
    ended = ends[~is_open] - begins[~is_open]
    floor = window.grain_s / 2.0
    running = np.maximum(window.end_s - begins[is_open], floor)
    return best_fit(Lifetimes(np.maximum(ended, floor), running))


def begin_of_repair(incident: Incident) -> float:
    """What is planned is known from its beginning."""
    planned = incident.effect == "drain"
    known = not math.isnan(incident.detected_s) and not planned
    return incident.detected_s if known else incident.start_s


def detection_of(incidents: Sequence[Incident], window: Window) -> Fit | None:
    """None where the log does not tell, or everything was noticed at once."""
    delays: Floats = np.array([each.detected_s - each.start_s for each in incidents])
    delays = delays[~np.isnan(delays)]
    if not delays.size or not delays.any():
        return None
    return best_fit(Lifetimes(np.maximum(delays, window.grain_s / 2.0), np.empty(0)))
