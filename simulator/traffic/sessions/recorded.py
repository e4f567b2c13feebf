"""Recorded sessions, drawn with replacement: their requests, what they share, their pauses."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from scenarios.demand import RecordedSessions, Traffic
from simulator.traffic.drawing import NS_PER_S, RngOf
from simulator.traffic.follow_ups import linked
from simulator.traffic.prefixes import Chains, first_of
from simulator.traffic.recordings.traces import TraceError, read_trace
from simulator.traffic.sessions.nominal import pauses_ns, response_ns
from simulator.traffic.sessions.session_rows import SessionRows, copied, draw_front


def draw_recorded(
    traffic: Traffic, wanted: RecordedSessions, size: int, rng_of: RngOf
) -> SessionRows:
    """`size` sessions of the file, each drawn independently of the others, behind `prefixes`."""
    sessions = recorded(wanted.file.path)
    drawn = copied(sessions, rng_of("sessions").integers(len(sessions), size=size))
    return replace(
        drawn,
        input_tokens=drawn.input_tokens + traffic.prefix_tokens,
        front=draw_front(traffic, size, rng_of),
    )


@lru_cache(maxsize=8)
def recorded(path: str) -> SessionRows:
    """The sessions of a file, as they were recorded, without prefixes in front of them.

    A pause that the file does not tell is what the recorded arrivals leave of it when the request
    before takes its nominal time. A request that follows nobody (a file may hold a second one in a
    session) follows the first of its session in this way. Raises TraceError."""
    trace = read_trace(path)
    if trace.sessions is None:
        raise TraceError(f"{path}: says of no request which one it follows; it has no sessions")
    rows = trace.arrival_s.size
    order = np.argsort(trace.sessions.session, kind="stable")
    first = first_of(np.bincount(trace.sessions.session))
    place = np.empty(rows, dtype=np.int64)
    place[order] = np.arange(rows)
    opening = np.repeat(first[:-1], np.diff(first))
    parent, pause_s = trace.sessions.parent[order], trace.sessions.pause_s[order]
    parent = np.where(parent >= 0, place[parent], opening)
    arrival_s, outputs = trace.arrival_s[order], trace.output_tokens[order]
    left_s = arrival_s - arrival_s[parent] - response_ns(outputs[parent]) / NS_PER_S
    pause_s = np.where(np.isnan(pause_s), left_s, pause_s)
    later = np.flatnonzero(parent != np.arange(rows))
    none = np.empty(0, dtype=np.int64)
    shared = trace.chains or Chains(np.zeros(rows + 1, dtype=np.int64), none, none)
    return SessionRows(
        first=first,
        input_tokens=trace.input_tokens[order],
        output_tokens=outputs,
        follow_ups=linked(parent[later], later, pauses_ns(pause_s)),
        front=Chains(np.zeros(first.size, dtype=np.int64), none, none),
        own=shared,
        own_row=order,
    )
