"""The journal: what happens to each attempt, written down as it happens, for one run looked at.

It has no place unless asked for (`Plane(setup, journal=...)`): then each of the few events in the
life of an attempt costs one look at an array's size. Replicas are brought up to an instant one
after the other, so entries are in order for each row only.
"""

import numpy as np

from simulator.kernel import kernel

ENTRY = np.dtype(
    [
        ("ns", "i8"),
        ("event", "i4"),
        ("row", "i4"),  # rows from the number of requests on are copies; -1: none
        ("replica", "i4"),  # -1: none
        ("value", "i4"),
        ("beside", "i4"),
    ],
    align=True,
)
EVENTS = (
    "sent", "admitted", "prefilled", "decodes", "preempted", "left", "stranded", "full", "failed",
    "ended", "ejection", "return",
)  # fmt: skip
(
    SENT,  # to a replica; value: how many wait there already, beside: how many run
    ADMITTED,  # to run; value: tokens found in the prefix cache, beside: how many run already
    PREFILLED,  # a step has ended; value: tokens of it, beside: requests in it, with this one
    DECODES,  # its prefill is done and a token came out; value: its number, beside: as above
    PREEMPTED,  # value: tokens to compute again, beside: how many still run
    LEFT,  # a replica; value: how (attempts.py), beside: the fault that has stopped it, or -1
    STRANDED,  # no replica is routable
    FULL,  # turned away by the replica; value: how many wait there
    FAILED,  # an attempt; value: why (attempts.py), beside: 1 if the request is sent again
    ENDED,  # a request; value: its outcome
    EJECTION,  # of a replica, by its breaker
    RETURN,  # of an ejected replica
) = range(len(EVENTS))


@kernel
def write(s, ns, event, row, replica_id, value, beside):
    """One entry, if a journal is kept; one that finds no place is counted all the same."""
    if s.journal.size > 0:
        fleet = s.fleet[0]
        if fleet.journaled < s.journal.size:
            entry = s.journal[fleet.journaled]
            entry.ns, entry.event, entry.row = ns, event, row
            entry.replica, entry.value, entry.beside = replica_id, value, beside
        fleet.journaled += 1
