"""What happened to each request, from the journal: where it was, in which phase, until when."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.data_plane import Ints
from simulator.journal import Entries
from simulator.kernel import journal
from simulator.kernel.attempts import REJECTION

QUEUED, PREFILL, DECODE, WAITS_AGAIN = "queued", "prefill", "decode", "preempted"
NO_REPLICA, BEFORE_RETRY = "no replica", "before a retry"
NOWHERE = -1
"""The replica of what happened at none."""


@dataclass
class Phase:
    """A part of a stay."""

    name: str
    """QUEUED, PREFILL, DECODE or WAITS_AGAIN."""
    begin_ns: int
    end_ns: int
    steps: int = 0
    """Of a prefill, and ..."""
    tokens: int = 0
    """... the tokens computed in them; after a preemption: those that are lost."""
    cached_tokens: int = 0
    """Found in the prefix cache at its begin."""
    batch: int = 0
    """Requests in those steps, with this one, summed over the steps."""


@dataclass
class Stay:
    """One attempt, at one replica."""

    replica: int
    is_copy: bool
    """Sent besides, by hedging."""
    begin_ns: int
    end_ns: int
    ahead: int
    """Requests that waited there already."""
    running: int
    """Requests that ran there already."""
    how: int | None = None
    """It left (simulator/kernel/attempts.py); None: it had not when the run ended."""
    fault: int = -1
    """That the replica was stopped by when it left."""
    phases: list[Phase] = field(default_factory=list)


@dataclass
class Wait:
    """Time at no replica."""

    why: str
    """NO_REPLICA or BEFORE_RETRY."""
    begin_ns: int
    end_ns: int


@dataclass
class Story:
    """One request; everything by its beginning."""

    row: int
    stays: list[Stay] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    refusals: list[tuple[int, int]] = field(default_factory=list)
    """(instant, replica whose queue was full, or NOWHERE: a gate or a rule)."""
    ended_ns: int | None = None
    """When the fleet knew of its end; None: it had not ended by the end of the run."""


class Stories:
    """The stories of a journal, each told when it is asked for."""

    def __init__(self, entries: Entries, rows: int, end_ns: int) -> None:
        """rows: of the workload; end_ns: of the run, for what was under way."""
        own = entries[entries["row"] >= 0]
        row = own["row"] % rows
        order = np.argsort(row, kind="stable")
        self.entries, self.rows, self.end_ns = own[order], rows, end_ns
        self.first: Ints = np.searchsorted(row[order], np.arange(rows + 1))

    def __getitem__(self, row: int) -> Story:
        own = self.entries[self.first[row] : self.first[row + 1]]
        return story(row, own.tolist(), self.rows, self.end_ns)

    def ends_ns(self) -> Ints:
        """Per row: when the last thing happened to it; the end of the run if it had not ended."""
        told = self.first[1:] > self.first[:-1]
        ends = np.full(self.rows, self.end_ns)
        ends[told] = self.entries["ns"][self.first[1:][told] - 1]
        has_ended = np.zeros(self.rows, dtype=np.bool_)
        has_ended[self.entries["row"][self.entries["event"] == journal.ENDED]] = True
        ends[~has_ended] = self.end_ns
        return ends


Entry = tuple[int, int, int, int, int, int]


def story(row: int, entries: Sequence[Entry], rows: int, end_ns: int) -> Story:
    """Of the entries of one row and its copy, in order."""
    told = Story(row)
    held: dict[bool, Stay] = {}
    refused_ns = None
    for ns, event, attempt, replica, value, beside in entries:
        is_copy = attempt >= rows
        match event:
            case journal.SENT:
                close(told.waits, ns)
                held[is_copy] = Stay(replica, is_copy, ns, end_ns, value, beside)
                held[is_copy].phases.append(Phase(QUEUED, ns, end_ns))
                told.stays.append(held[is_copy])
            case journal.STRANDED:
                close(told.waits, ns)
                told.waits.append(Wait(NO_REPLICA, ns, end_ns))
            case journal.FULL:
                refused_ns = ns
                told.refusals.append((ns, replica))
            case journal.FAILED:
                close(told.waits, ns)
                if value == REJECTION and refused_ns != ns:
                    told.refusals.append((ns, NOWHERE))
                if beside:
                    told.waits.append(Wait(BEFORE_RETRY, ns, end_ns))
            case journal.ENDED:
                close(told.waits, ns)
                told.ended_ns = ns
            case _:
                goes_on(held[is_copy], ns, event, value, beside)
    return told


def goes_on(stay: Stay, ns: int, event: int, value: int, beside: int) -> None:
    """What happens to a request at its replica."""
    phase = stay.phases[-1]
    if event == journal.PREFILLED:
        phase.steps += 1
        phase.tokens += value
        phase.batch += beside
        return
    unknown_ns, phase.end_ns = phase.end_ns, ns
    match event:
        case journal.ADMITTED:
            stay.phases.append(Phase(PREFILL, ns, unknown_ns, cached_tokens=value))
        case journal.DECODES:
            stay.phases.append(Phase(DECODE, ns, unknown_ns))
        case journal.PREEMPTED:
            stay.phases.append(Phase(WAITS_AGAIN, ns, unknown_ns, tokens=value))
        case journal.LEFT:
            stay.end_ns, stay.how, stay.fault = ns, value, beside


def close(waits: list[Wait], ns: int) -> None:
    """The wait under way, if any, is over; one that took no time was none."""
    if waits and waits[-1].end_ns > ns:
        waits[-1].end_ns = ns
        if waits[-1].begin_ns == ns:
            waits.pop()
