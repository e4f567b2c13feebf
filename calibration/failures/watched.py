"""How much was watched, and for how long: without that a number of incidents is no rate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.failures.fitted import DAY_S, UNIT_WORDS
from calibration.failures.fitted import incidents as counted
from calibration.failures.instants import grain_s, text_of
from calibration.failures.log import SCOPES, Incident, Log
from simulator.traffic.formats.faults import TraceError


@dataclass(frozen=True)
class Watched:
    """Whose incidents the log holds, and from when to when; None: as the log itself tells.

    counts: how many there were of each scope, as far as they were told."""

    counts: dict[str, int] = field(default_factory=dict)
    from_s: float | None = None
    to_s: float | None = None

    @property
    def whole(self) -> bool:
        return self.from_s is not None and self.to_s is not None


@dataclass(frozen=True)
class Window:
    begin_s: float
    end_s: float
    grain_s: float

    @property
    def span_s(self) -> float:
        return self.end_s - self.begin_s


def needs_counts(log: Log, watched: Watched) -> None:
    """Without the number of components there is no rate, and those in the log are only the bad
    ones."""
    missing = [
        scope
        for scope in SCOPES
        if any(each.scope == scope for each in log.incidents)
        and scope not in watched.counts
        and "gpu" not in watched.counts
    ]
    if missing:
        options = " and ".join(f"--{scope}s N" for scope in missing)
        raise TraceError(
            f"{log.path}: how many were watched? Incidents of scope {', '.join(missing)} need "
            f"{options}" + ("" if missing == ["gpu"] else ", or --gpus N for a rate per GPU-hour")
        )
    for scope, count in watched.counts.items():
        seen = {each.component for each in log.incidents if each.scope == scope} - {""}
        if len(seen) > count:
            raise TraceError(
                f"{log.path}: {len(seen)} different components of scope {scope}, and "
                f"--{scope}s says that there were {count}"
            )


def window_of(log: Log, watched: Watched) -> Window:
    starts = np.array([each.start_s for each in log.incidents])
    ends = np.array([each.end_s for each in log.incidents])
    last_s = float(max(starts.max(), np.nanmax(ends, initial=-np.inf)))
    begin_s = float(starts.min()) if watched.from_s is None else watched.from_s
    end_s = last_s if watched.to_s is None else watched.to_s
    if end_s <= begin_s:
        raise TraceError(
            f"{log.path}: nothing was watched between {text_of(begin_s, log.dates)} and "
            f"{text_of(end_s, log.dates)}; say --from and --to, the later one second"
        )
    noticed = np.array([each.detected_s for each in log.incidents])
    told = np.concatenate([starts, ends, noticed])
    return Window(begin_s, end_s, grain_s(told[np.isfinite(told)]))


def within(window: Window, incident: Incident) -> bool:
    return window.begin_s <= incident.start_s <= window.end_s


def about(incidents: Sequence[Incident], window: Window, watched: Watched) -> str:
    words = [f"{count:,} {UNIT_WORDS.get(s, s)}s" for s, count in watched.counts.items()]
    return f"{counted(len(incidents))} in {window.span_s / DAY_S:.4g} days of {', '.join(words)}"
