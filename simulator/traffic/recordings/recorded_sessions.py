"""Which recorded requests follow which: the links of a file -> rows of a trace."""

from dataclasses import dataclass

import numpy as np

from simulator.traffic.formats.rows import ALONE, NOBODY, PREVIOUS, Floats, Ints, Links


@dataclass(frozen=True)
class Sessions:
    """The sessions of a trace's rows; a request that belongs to none is a session of its own.

    session int64[rows]: from 0 on. parent int64[rows]: the row that this one follows in its
    session, an earlier one, or -1. pause_s float64[rows]: from the end of that request to this
    arrival, as recorded: think and tool time. service_s float64[rows]: how long the request took
    when it was recorded. NaN where the file does not say.
    relative: arrivals count from the start of their own session; rows of different sessions have no
    clock in common, and stand session by session.
    """

    session: Ints
    parent: Ints
    pause_s: Floats
    service_s: Floats
    relative: bool


def resolved(links: Links, arrival_s: Floats, relative: bool) -> Sessions:
    """The sessions of rows in order of time (if relative: of session, then of time).

    A request that followed one which is not there, or stands later, follows its session's previous.
    """
    rows = np.arange(arrival_s.size)
    alone = links.session == ALONE
    names = np.where(alone, int(links.session.max(initial=0)) + 1 + rows, links.session)
    _, session = np.unique(names, return_inverse=True)
    before = previous(session)
    named = rows_of_turns(session, links)
    found = (named >= 0) & (named < rows)
    parent = np.where(found, named, np.where(links.parent == NOBODY, NOBODY, before))
    # A recorded pause counts from the request that the file names, not from its stand-in.
    stands_in = (parent == NOBODY) | ((links.parent >= 0) & ~found)
    pause_s = np.where(stands_in, np.nan, links.pause_s)
    ends_s = arrival_s[parent] + links.service_s[parent]
    measured_s = np.where(parent == NOBODY, np.nan, np.maximum(0.0, arrival_s - ends_s))
    pause_s = np.where(np.isnan(pause_s), measured_s, pause_s)
    return Sessions(session, parent, pause_s, links.service_s, relative)


def previous(session: Ints) -> Ints:
    """Of each row the one before it in its session, NOBODY for the first.

    >>> previous(np.array([0, 1, 0, 1, 1])).tolist()
    [-1, -1, 0, 1, 3]
    """
    order = np.argsort(session, kind="stable")
    before = np.full(session.size, NOBODY)
    follows = session[order[1:]] == session[order[:-1]]
    before[order[1:][follows]] = order[:-1][follows]
    return before


def rows_of_turns(session: Ints, links: Links) -> Ints:
    """The row of the turn that each row names as its parent; NOBODY where it names none or there
    is no such turn."""
    found = np.full(session.size, NOBODY)
    asking = np.flatnonzero(links.parent > PREVIOUS)
    asking = asking[links.parent[asking] != NOBODY]
    if not asking.size:
        return found
    turns, place = np.unique(
        np.concatenate([links.turn, links.parent[asking]]), return_inverse=True
    )
    known = session * turns.size + place[: session.size]
    wanted = session[asking] * turns.size + place[session.size :]
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], wanted), known.size - 1)
    there = known[order][at] == wanted
    found[asking[there]] = order[at[there]]
    return found
