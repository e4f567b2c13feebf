"""One replication as events of the Trace Event Format, which ui.perfetto.dev and chrome://tracing
read.

The fleet is a process and so is each replica. What a replica holds are slices on its lanes, as
many as it held requests at once; in the slice of a request lie its phases. Times are whole
microseconds of the period. Google, "Trace Event Format", 2016.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from simulator.control.books import CLOSING, SERVING, STARTING, STATES, Books, Change
from simulator.control.spans import spans
from simulator.data_plane import Observation
from simulator.journal import Entries
from simulator.kernel.journal import EJECTION, RETURN
from simulator.kernel.state import NEVER_NS
from simulator.stories import NOWHERE, Stay, Story
from simulator.traffic import NS_PER_S

Event = dict[str, Any]
FLEET = 1
"""The process of what happens at no replica; process 0 has a meaning of its own to viewers."""
FIRST_REPLICA = 1000
"""Of replica 3 it is 1003: viewers show the number behind the name."""
STATE = 1
"""The thread of a process for its state and its faults; the lanes of requests come after it."""


class Window(NamedTuple):
    """The part of the run that is shown."""

    begin_ns: int
    end_ns: int

    def clip(self, begin_ns: int, end_ns: int) -> tuple[int, int] | None:
        """What of an interval lies in it; None: nothing, or no time at all."""
        begin_ns, end_ns = max(begin_ns, self.begin_ns), min(end_ns, self.end_ns)
        return (begin_ns, end_ns) if begin_ns < end_ns else None

    def has(self, ns: int) -> bool:
        return self.begin_ns <= ns <= self.end_ns


def encoded(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def microseconds(ns: int) -> int:
    """Whole ones, rounded down: what lies in a slice stays in it whatever a viewer rounds."""
    return int(ns) // 1000


# --- one event -----------------------------------------------------------------------------------


def slice_of(
    name: str, category: str, process: int, thread: int, at: tuple[int, int], **args: Any
) -> Event:
    begin_ns, end_ns = at
    place = {"pid": process, "tid": thread, "ts": microseconds(begin_ns)}
    event: Event = {"name": name, "cat": category, "ph": "X", **place}
    event["dur"] = microseconds(end_ns) - microseconds(begin_ns)
    return event | ({"args": args} if args else {})


def instant(name: str, category: str, process: int, ns: int, **args: Any) -> Event:
    place = {"pid": process, "tid": STATE, "ts": microseconds(ns), "s": "p"}
    return {"name": name, "cat": category, "ph": "I", **place} | ({"args": args} if args else {})


def counter(name: str, process: int, ns: int, **series: float) -> Event:
    return {"name": name, "ph": "C", "pid": process, "ts": microseconds(ns), "args": series}


def metadata(kind: str, process: int, thread: int = STATE, **args: Any) -> Event:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "ts": 0, "args": args}


# --- the fleet -----------------------------------------------------------------------------------


def processes(replicas: Iterable[tuple[str, str]]) -> Iterator[Event]:
    """Their names, and what they are, in order; replicas: (name, hardware) of each."""
    numbered = enumerate(replicas, FIRST_REPLICA)
    for process, (name, label) in [(FLEET, ("fleet", "")), *numbered]:
        yield metadata("process_name", process, name=name)
        yield metadata("process_sort_index", process, sort_index=process)
        yield metadata("thread_name", process, name="state" if process > FLEET else "faults")
        if label:
            yield metadata("process_labels", process, labels=label)


def states(books: Books, replicas: int, window: Window) -> Iterator[Event]:
    """What state each replica is in, and in a start its phases."""
    for span in spans(books.changes, replicas, window.end_ns):
        at = window.clip(span.begin_ns, span.end_ns)
        process = FIRST_REPLICA + span.replica
        if at is not None:
            yield slice_of(STATES[span.state], "state", process, STATE, at)
        if span.state == STARTING:
            yield from start_phases(books, span.replica, span.begin_ns, span.end_ns, window)


def start_phases(
    books: Books, replica: int, begin_ns: int, end_ns: int, window: Window
) -> Iterator[Event]:
    """Of the start that began then, as far as it went; phases of no time are left out."""
    for start in books.starts:
        if start.replica == replica and start.at_ns == begin_ns:
            at_ns = begin_ns
            for name, seconds in start.phases:
                until_ns = at_ns + round(seconds * NS_PER_S)
                at = window.clip(at_ns, min(until_ns, end_ns))
                if at is not None:
                    process = FIRST_REPLICA + replica
                    yield slice_of(name, "start", process, STATE, at, kind=start.kind)
                at_ns = until_ns


def faults(books: Books, window: Window) -> Iterator[Event]:
    """Struck, noticed, repaired: at the fleet, and at every replica that was hit."""
    for incident in books.incidents:
        named = {"component": incident.component, "replicas": list(incident.replicas)}
        instants = {
            "struck": incident.begin_ns,
            "noticed": incident.noticed_ns,
            "repaired": incident.end_ns,
        }
        for what, ns in instants.items():
            if ns is not None and window.has(ns):
                name = f"{books.faults[incident.fault]} {what}"
                for process in (FLEET, *(FIRST_REPLICA + id for id in incident.replicas)):
                    yield instant(name, "fault", process, ns, **named)


def ejections(journal: Entries, window: Window) -> Iterator[Event]:
    """What circuit breakers did."""
    names = {EJECTION: "ejected by its breaker", RETURN: "back from its breaker"}
    for entry in journal[journal["row"] < 0]:
        if window.has(int(entry["ns"])):
            process = FIRST_REPLICA + int(entry["replica"])
            yield instant(names[int(entry["event"])], "breaker", process, int(entry["ns"]))


# --- counters ------------------------------------------------------------------------------------


def counters(
    looks: Sequence[tuple[int, Observation]], changes: list[Change], window: Window
) -> Iterator[Event]:
    """Of the looks, those values that differ from the look before; how many replicas are up and
    missing, at the instants at which that changes."""
    yield from replica_counts(changes, window)
    yield from arrival_rates(looks)
    told: dict[tuple[str, int], dict[str, float]] = {}
    for ns, seen in looks:
        for name, process, series in counted_at(seen):
            if told.get((name, process)) != series:
                told[name, process] = series
                yield counter(name, process, ns, **series)


def counted_at(seen: Observation) -> Iterator[tuple[str, int, dict[str, float]]]:
    """(name, process, values) of one look."""
    running, waiting = seen.running.tolist(), seen.waiting.tolist()
    yield "requests", FLEET, {"running": sum(running), "waiting": sum(waiting) + seen.stranded}
    used = np.round(100.0 * seen.kv_used, 2).tolist()
    for process, one in enumerate(zip(running, waiting, used, strict=True), FIRST_REPLICA):
        yield "requests", process, {"running": one[0], "waiting": one[1]}
        yield "KV cache used", process, {"percent": one[2]}


def arrival_rates(looks: Iterable[tuple[int, Observation]]) -> Iterator[Event]:
    """Since the look before, or the last one that is a second away."""
    since_ns, arrivals = None, 0
    for ns, seen in looks:
        if since_ns is not None and ns - since_ns < NS_PER_S:
            continue
        if since_ns is not None:
            per_s = (seen.arrivals - arrivals) / ((ns - since_ns) / NS_PER_S)
            yield counter("arrivals", FLEET, since_ns, **{"per second": round(per_s, 3)})
        since_ns, arrivals = ns, seen.arrivals


def replica_counts(changes: list[Change], window: Window) -> Iterator[Event]:
    """Missing is who is wanted and not up."""
    latest: dict[int, Change] = {}
    told: dict[str, float] = {}
    ordered = sorted(changes, key=lambda change: change.at_ns)
    for place, change in enumerate(ordered):
        latest[change.replica] = change
        following_ns = ordered[place + 1].at_ns if place + 1 < len(ordered) else NEVER_NS
        at_ns = max(change.at_ns, window.begin_ns)
        if following_ns <= at_ns or at_ns > window.end_ns:
            continue  # more happens before anybody looks
        up = [one.state in (SERVING, CLOSING) for one in latest.values()]
        wanted = [one.wanted for one in latest.values()]
        missing = sum(w and not u for w, u in zip(wanted, up, strict=True))
        series = {"up": sum(up), "missing": missing}
        if told != series:
            told = dict(series)
            yield counter("replicas", FLEET, at_ns, **series)


# --- requests ------------------------------------------------------------------------------------


class Lanes:
    """Threads of processes: a slice goes to one whose last slice is over."""

    def __init__(self) -> None:
        self.free: dict[int, list[tuple[int, int]]] = {}
        """Per process: (end of the last slice, thread), a heap."""

    def take(self, process: int, at: tuple[int, int]) -> int:
        lanes = self.free.setdefault(process, [])
        if lanes and lanes[0][0] <= at[0]:
            thread = lanes[0][1]
            heapq.heapreplace(lanes, (at[1], thread))
        else:
            thread = STATE + 1 + len(lanes)
            heapq.heappush(lanes, (at[1], thread))
        return thread

    def names(self) -> Iterator[Event]:
        for process, lanes in sorted(self.free.items()):
            for _, thread in sorted(lanes, key=lambda lane: lane[1]):
                yield metadata("thread_name", process, thread, name="requests")


def request_events(
    name: str, story: Story, facts: Event, lanes: Lanes, window: Window
) -> Iterator[Event]:
    """One slice for each attempt at a replica, with its phases inside; one for each wait at none;
    refusals as instants. facts: what is told of the request, beside what it is called."""
    for number, stay in enumerate(story.stays):
        at = window.clip(stay.begin_ns, stay.end_ns)
        if at is None:
            continue
        process = FIRST_REPLICA + stay.replica
        thread = lanes.take(process, at)
        title = name + (" (copy)" if stay.is_copy else f" (attempt {number + 1})" * (number > 0))
        yield slice_of(title, "request", process, thread, at, **facts)
        yield from phases(stay, process, thread, window)
    for wait in story.waits:
        at = window.clip(wait.begin_ns, wait.end_ns)
        if at is not None:
            thread = lanes.take(FLEET, at)
            yield slice_of(f"{name}: {wait.why}", "wait", FLEET, thread, at, **facts)
    for ns, replica in story.refusals:
        if window.has(ns):
            process = FLEET if replica == NOWHERE else FIRST_REPLICA + replica
            yield instant(f"{name} turned away", "refusal", process, ns, **facts)


def phases(stay: Stay, process: int, thread: int, window: Window) -> Iterator[Event]:
    """Those that took time."""
    for phase in stay.phases:
        at = window.clip(phase.begin_ns, phase.end_ns)
        if at is None:
            continue
        args: Event = {}
        if phase.steps:
            batch = round(phase.batch / phase.steps, 1)
            args = {"steps": phase.steps, "tokens": phase.tokens, "batch": batch}
        if phase.cached_tokens:
            args["cached_tokens"] = phase.cached_tokens
        yield slice_of(phase.name, "phase", process, thread, at, **args)
