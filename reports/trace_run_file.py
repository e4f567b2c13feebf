"""The trace of one replication as a file of at most some size: whole, or thinned; never cut off."""

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from reports.tables import counted
from reports.trace_run_events import (
    Event,
    Lanes,
    Window,
    counters,
    ejections,
    encoded,
    faults,
    processes,
    request_events,
    states,
)
from scenarios.fleet import Fleet
from scenarios.model import Scenario
from simulator.control.stocks import stocks
from simulator.data_plane import Ints
from simulator.kernel.state import NEVER_NS
from simulator.run import OUTCOMES
from simulator.stories import Stories
from simulator.traffic import NS_PER_S
from simulator.watch import Watched

COUNTERS_SHARE = 4
"""Counters may take one of so many parts of the file."""
LOOKS_LEAST = 20
"""Coarser than that, counters would not be worth having."""
MARGIN = 0.9
"""How much of the room a guess uses."""
AT_ONCE = 1000
"""Requests between two looks at the size."""


class TooSmall(Exception):
    """What must be in a trace takes more than its size allows; the message says what that is."""


class Written(NamedTuple):
    """What came of it."""

    requests: int
    """In the window."""
    requests_shown: int
    counters_of_every: int
    """Look at the fleet: 1 is all of them."""
    size_bytes: int


class Subject(NamedTuple):
    """What is to be drawn."""

    watched: Watched
    stories: Stories
    window: Window
    groups: Sequence[str]
    """Names of the traffic groups."""
    replicas: Sequence[tuple[str, str]]
    """(name, hardware) of each."""
    always: frozenset[int]
    """Rows that are never left out."""
    about: Event
    """Where the run comes from."""


class Draft(NamedTuple):
    """How much of it."""

    share: float = 1.0
    """Of the requests that may be left out."""
    every: int = 1
    """Look of the counters."""


def write_trace(subject: Subject, path: Path, size_max_bytes: int) -> Written:
    """Write the file, whole if it can be. Same subject and size, same bytes. Raises TooSmall."""
    requests, draft = rows_shown(subject), Draft()
    temporary = path.with_name(path.name + ".tmp")
    while True:
        with temporary.open("wb") as raw:
            better = attempt(subject, raw, requests, draft, size_max_bytes)
        if better is None:
            os.replace(temporary, path)
            shown = len(thinned(requests, subject.always, draft.share))
            return Written(len(requests), shown, draft.every, path.stat().st_size)
        if better == draft:
            temporary.unlink()
            raise TooSmall(too_small(subject, requests))
        draft = better


def attempt(
    subject: Subject, raw: BinaryIO, requests: Ints, draft: Draft, size_max: int
) -> Draft | None:
    """Write a draft; what to try next, unless it fits."""
    chosen = thinned(requests, subject.always, draft.share)
    with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(head(subject, len(requests), len(chosen), draft.every).encode())
        for place, event in enumerate(fleet_events(subject, draft.every)):
            packed.write(item(event) if place else encoded(event).encode())
        packed.flush(zlib.Z_SYNC_FLUSH)
        begun = raw.tell()
        coarse = len(subject.watched.looks) // (2 * draft.every) < LOOKS_LEAST
        if begun * COUNTERS_SHARE > size_max and not coarse:
            return draft._replace(every=2 * draft.every)
        lanes, written = Lanes(), 0
        for events in events_of_requests(subject, chosen, lanes):
            packed.write(b"".join(map(item, events)))
            written += 1
            if written % AT_ONCE == 0 and raw.tell() > size_max:
                break
        packed.write(b"".join(map(item, lanes.names())) + b"\n]}\n")
    if raw.tell() <= size_max:
        return None
    affordable = (size_max - begun) / (raw.tell() - begun) * written
    return fewer(draft, affordable, len(requests), len(subject.always))


def fewer(draft: Draft, affordable: float, requests: int, always: int) -> Draft:
    """With about so many requests, of which some must be there."""
    others = max(MARGIN * affordable - always, 0.0)
    share = min(others / max(requests - always, 1), MARGIN * draft.share)
    return draft._replace(share=share)


def too_small(subject: Subject, requests: Ints) -> str:
    kept = int(np.isin(requests, sorted(subject.always)).sum())
    return (
        f"{counted(kept, 'request')} (the worst, and those that a fault hit) and the state of "
        f"{counted(len(subject.replicas), 'replica')} cannot be left out"
    )


# --- what it is of -------------------------------------------------------------------------------


def replica_names(scenario: Scenario, fleet: Fleet) -> list[tuple[str, str]]:
    """(name, hardware) of every replica there may be, by id."""
    kinds = [scenario.replica, *(pool.replica for pool in fleet.others)]
    named: list[tuple[str, str]] = []
    for stock, replica in zip(stocks(scenario, fleet), kinds, strict=True):
        pool = f" ({stock.name})" if stock.name else ""
        hardware = f"{replica.gpus} x {replica.gpu.name}"
        for _ in range(stock.replicas):
            named.append((f"replica {len(named)}{pool}", hardware))
    return named


def rows_hit(watched: Watched) -> set[int]:
    """Rows of the workload that a fault hit."""
    return set(np.flatnonzero(watched.played.outcome.fault >= 0).tolist())


# --- what is in it -------------------------------------------------------------------------------


def rows_shown(subject: Subject) -> Ints:
    """Rows that are around in the window, by arrival."""
    arrival_ns = subject.watched.played.outcome.arrival_ns
    window, ends_ns = subject.window, subject.stories.ends_ns()
    around = (arrival_ns < NEVER_NS) & (arrival_ns <= window.end_ns) & (ends_ns >= window.begin_ns)
    rows: Ints = np.flatnonzero(around)
    return rows[np.argsort(arrival_ns[rows], kind="stable")]


def thinned(rows: Ints, always: frozenset[int], share: float) -> Ints:
    """Those of `always`, and of all one after every 1 / share.

    >>> thinned(np.arange(10, 20), frozenset({11}), 0.25).tolist()
    [11, 13, 17]
    """
    places = np.arange(1, len(rows) + 1)
    kept = np.floor(places * share) > np.floor((places - 1) * share)
    there: Ints = rows[kept | np.isin(rows, sorted(always))]
    return there


def head(subject: Subject, requests: int, shown: int, every: int) -> str:
    """The begin of the file: what it is of, and what was left out."""
    told = subject.about | {
        "requests": requests,
        "requests_shown": shown,
        "counters_of_every": every,
    }
    return f'{{"displayTimeUnit":"ms","otherData":{encoded(told)},"traceEvents":[\n'


def item(event: Event) -> bytes:
    """Of the array of events; not its first one."""
    return f",\n{encoded(event)}".encode()


def fleet_events(subject: Subject, every: int) -> Iterator[Event]:
    """All but the requests."""
    watched, window = subject.watched, subject.window
    books = watched.played.books
    yield from processes(subject.replicas)
    yield from states(books, len(subject.replicas), window)
    yield from faults(books, window)
    yield from ejections(watched.journal, window)
    yield from counters(watched.looks[::every], books.changes, window)


def events_of_requests(subject: Subject, chosen: Ints, lanes: Lanes) -> Iterator[Iterator[Event]]:
    """Request by request."""
    numbers = numbered(subject.watched)
    groups = subject.watched.played.setup.workload.group
    for row in chosen.tolist():
        facts = {"request": int(numbers[row])} | facts_of(subject.watched, row)
        name = f"{subject.groups[int(groups[row])]} {facts['request']}"
        yield request_events(name, subject.stories[row], facts, lanes, subject.window)


def numbered(watched: Watched) -> Ints:
    """Per row of the workload: its place among the requests of the period, by arrival; below 0 for
    those that came before it."""
    arrival_ns = watched.played.outcome.arrival_ns
    numbers = np.empty(arrival_ns.size, dtype=np.int64)
    numbers[np.argsort(arrival_ns, kind="stable")] = np.arange(arrival_ns.size)
    return numbers - int((arrival_ns < 0).sum())


def facts_of(watched: Watched, row: int) -> dict[str, Any]:
    """What a click on a request shows."""
    outcome, demand = watched.played.outcome, watched.played.setup.workload
    facts: dict[str, Any] = {
        "arrival_s": int(outcome.arrival_ns[row]) / NS_PER_S,
        "prompt_tokens": int(demand.input_tokens[row]),
        "output_tokens": int(demand.output_tokens[row]),
        "outcome": OUTCOMES[int(outcome.outcome[row])],
    }
    for name, column in (("ttft_ms", outcome.first_token_ns), ("e2e_ms", outcome.finish_ns)):
        if column[row] < NEVER_NS:
            facts[name] = int(column[row] - outcome.arrival_ns[row]) / 1e6
    for name in ("cached_tokens", "preemptions", "retries"):
        if count := int(getattr(outcome, name)[row]):
            facts[name] = count
    if outcome.fault[row] >= 0:
        facts["hit_by"] = watched.played.books.faults[int(outcome.fault[row])]
    return facts
