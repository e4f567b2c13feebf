"""Sessions: how many requests they have, and the pauses inside."""

from dataclasses import dataclass

import numpy as np

from calibration.traffic.figures.lengths import Tally
from calibration.traffic.figures.seconds import Spans
from simulator.traffic.formats.names import REMEMBERED
from simulator.traffic.formats.rows import ALONE, NOBODY, PREVIOUS, Floats, Links


@dataclass(frozen=True)
class SessionFigures:
    """requests_*: per session. follow_ups: requests that follow another one; pauses: how many of
    them say how long they waited, from the end of that one (think and tool time), and quantiles of
    it, NaN where none says."""

    sessions: int
    requests_p50: int
    requests_p90: int
    requests_max: int
    follow_ups: int
    pauses: int
    pause_s_p10: float
    pause_s_p50: float
    pause_s_p90: float
    pause_s_p99: float


class SessionsSeen:
    """Learns from rows in order of time. Of more than a million sessions at once the one longest
    untouched is taken to be over."""

    def __init__(self) -> None:
        self.requests = Tally()
        self.pauses = Spans()
        self.open: dict[int, tuple[int, float]] = {}
        self.follow_ups = 0

    def add(self, links: Links | None, arrival_s: Floats) -> None:
        if links is None:
            self.requests.add(np.ones(arrival_s.size, dtype=np.int64))
            return
        self.requests.add(np.ones(int((links.session == ALONE).sum()), dtype=np.int64))
        told = np.isfinite(links.pause_s) & (links.parent != NOBODY)
        self.pauses.add(links.pause_s[told])
        measured = []
        for row in np.flatnonzero(links.session != ALONE).tolist():
            count, end_s = self.open.pop(int(links.session[row]), (0, np.nan))
            if count and links.parent[row] == PREVIOUS and not told[row] and np.isfinite(end_s):
                measured.append(max(0.0, float(arrival_s[row]) - end_s))
            self.follow_ups += int(count > 0 and links.parent[row] != NOBODY)
            end_s = float(arrival_s[row] + links.service_s[row])
            self.open[int(links.session[row])] = count + 1, end_s
        self.pauses.add(np.array(measured))
        if len(self.open) > REMEMBERED:
            self.end(len(self.open) - REMEMBERED // 2)

    def end(self, sessions: int) -> None:
        """The longest untouched ones are over."""
        oldest = list(self.open)[:sessions]
        counts = [self.open.pop(session)[0] for session in oldest]
        self.requests.add(np.array(counts, dtype=np.int64))

    def figures(self) -> SessionFigures:
        """Of all sessions so far, which are over now."""
        self.end(len(self.open))
        p50, p90, most = self.requests.quantiles([0.5, 0.9, 1.0])
        pauses = self.pauses.quantiles([0.1, 0.5, 0.9, 0.99])
        return SessionFigures(
            self.requests.size, p50, p90, most, self.follow_ups, self.pauses.size, *pauses
        )
