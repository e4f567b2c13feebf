"""Sessions as a scenario says them: first prompts, turns, what each adds, the pauses between."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.durations import fit_durations
from calibration.traffic.following import NOBODY, Following
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.turns import chances, follow_ups, mean_turns, turns_of
from simulator.traffic.drawing import NS_PER_S
from simulator.traffic.sessions.nominal import FIRST_TOKEN_NS, TOKEN_NS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Yaml = dict[str, Any]

STEADY = 0.6
"""Sessions that begin in the last quarter over those of the second: below this the recording is of
sessions that all began with it, not of a part of steady traffic."""


@dataclass(frozen=True)
class SessionFit:
    """The parts of a traffic group that its sessions say.

    first_tokens: first prompts behind the prefix, as recorded. begins_s: when the sessions that
    were counted begin. from_s: from here on sessions are seen from their first request.
    """

    sessions: Yaml
    first_tokens: Ints
    begins_s: Floats
    from_s: float
    steady: bool

    @property
    def mean_turns(self) -> float:
        return mean_turns(self.sessions["turns"])


def fit_sessions(
    seen: Following, arrival_s: Floats, input_tokens: Ints, output_tokens: Ints, span_s: float,
    prefix_tokens: int, ours: Bools, pause_s: Floats | None = None,
) -> SessionFit:  # fmt: skip
    """The sessions of a recording of [0, span_s) whose prompts begin with `prefix_tokens`; of
    these the requests `ours` (bool[rows]), which are whole sessions. pause_s float64[rows]: from
    the end of what a request follows to it, NaN where the recording does not say; there requests
    are taken to last their nominal time.

    Of steady traffic the first part is left out: what looks like a first request there is mostly a
    later one, whose session began before the recording.
    """
    firsts = (seen.parent == NOBODY) & ours
    steady = is_steady(arrival_s[seen.parent == NOBODY], span_s)
    from_s = warm_up_s(seen, arrival_s, span_s) if steady else 0.0
    known = ours & (arrival_s >= from_s)
    found = follow_ups(seen, arrival_s, span_s, known)
    grown = input_tokens[found.child] - input_tokens[found.parent]
    added = np.maximum(grown - output_tokens[found.parent], 1)
    gaps_s = arrival_s[found.child] - arrival_s[found.parent]
    pauses_s = np.maximum(gaps_s - response_s(output_tokens[found.parent]), 0.0)
    if pause_s is not None:
        told_s = pause_s[found.child]
        pauses_s = np.where(np.isfinite(told_s), told_s, pauses_s)
    first = firsts & known
    return SessionFit(
        {
            "kind": "drawn",
            "turns": turns_of(chances(seen, found, known)),
            "follow_up_tokens": fit_lengths(added, found.weight),
            "think": fit_durations(pauses_s, found.weight),
        },
        np.maximum(input_tokens[first] - prefix_tokens, 1),
        arrival_s[first],
        from_s,
        steady,
    )


def is_steady(begins_s: Floats, span_s: float) -> bool:
    """Whether sessions begin throughout the recording."""
    quarters = np.histogram(begins_s, bins=4, range=(0.0, span_s))[0]
    return bool(quarters[3] >= STEADY * quarters[1])


def warm_up_s(seen: Following, arrival_s: Floats, span_s: float) -> float:
    """The pause that 95 % of follow-ups keep, a third of the recording at most."""
    child = np.flatnonzero(seen.parent != NOBODY)
    if not child.size:
        return 0.0
    gaps_s = arrival_s[child] - arrival_s[seen.parent[child]]
    return min(float(np.quantile(gaps_s, 0.95)), span_s / 3.0)


def response_s(output_tokens: Ints) -> Floats:
    """The time a request is taken to last: as in the drawing of sessions (nominal.py)."""
    return np.asarray((FIRST_TOKEN_NS + TOKEN_NS * output_tokens) / NS_PER_S)
