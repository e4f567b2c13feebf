"""The books of attempts: pairs and their races, breakers, the retry budget, and deadlines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.kernel.attempts import COPY, MILLION, ORIGINAL
from simulator.kernel.state import CLOSED, EJECTED, NEVER_NS, State


def audit_attempts(s: State, held: Sequence[int]) -> None:
    """`held`: the rows that are held by replicas."""
    fleet, rows = s.fleet[0], int(s.fleet[0].rows)
    assert fleet.noted == 0, "what happened to attempts was looked at"
    assert 0 <= fleet.budget <= fleet.budget_most
    assert (s.requests.retries <= fleet.retries).all()
    here = np.isin(np.arange(2 * s.pairs.size), held).reshape(2, -1)
    pairs, (original, copy) = s.pairs.view(np.ndarray), here
    is_open, around = pairs["open"] == 1, pairs["around"]
    assert not pairs["winner"][is_open].any()
    assert (around[is_open] == ORIGINAL + COPY).all() and here[:, is_open].all()
    raced = around > 0
    assert (around == ORIGINAL * original + COPY * copy)[raced].all()
    assert not copy[~raced].any(), "a copy is there only as one of two"
    (racing,) = np.nonzero(is_open)
    racers = s.requests.view(np.ndarray)["replica"][np.concatenate([racing, racing + rows])]
    assert s.replicas.racers.tolist() == np.bincount(racers, minlength=s.replicas.size).tolist()


def held_attempts(s: State, held: Sequence[int]) -> list[int]:
    """The requests that have an attempt that matters: held, and neither ended by the other one nor
    the one that was lost; each once."""
    rows = np.array(held, dtype=int) % int(s.fleet[0].rows)
    if s.pairs.size:
        pairs = s.pairs.view(np.ndarray)[rows]
        rows = rows[(pairs["around"] == 0) | (pairs["completed"] == 0)]
    found: list[int] = np.unique(rows).tolist()
    return found


def audit_breaker(s: State) -> None:
    fleet, replicas = s.fleet[0], s.replicas
    assert not fleet.tripped and (replicas.trip_ns == NEVER_NS).all()
    ejected = replicas.back_ns < NEVER_NS
    assert fleet.ejected == ejected.sum()
    assert fleet.back_ns == replicas.back_ns.min()
    assert (s.load // EJECTED == ejected).all(), "and nobody is avoided"
    assert (s.load % CLOSED >= 0).all()
    assert (replicas.timeouts < fleet.breaker_failures).all()
    assert MILLION * fleet.ejected <= fleet.eject_ppm * replicas.size
    assert (replicas.fault[replicas.live == 1] == -1).all()
    assert (replicas.slowness >= 1).all()


def deadlines_ns(s: State, held: Sequence[int]) -> Any:
    """When the clients of requests that replicas hold hang up."""
    fleet, rows = s.fleet[0], int(s.fleet[0].rows)
    requests = s.requests.view(np.ndarray)[held]
    patience_ns = s.arrival_ns[held] + fleet.timeout_ns
    waits_ns = np.where(
        requests["first_token_ns"] == NEVER_NS,
        requests["joined_ns"] + fleet.first_token_timeout_ns,
        NEVER_NS,
    )
    lost_ns = np.full(len(held), NEVER_NS)
    if s.pairs.size:
        pairs = s.pairs[np.array(held, dtype=int) % rows]
        winning = np.where(np.array(held, dtype=int) < rows, ORIGINAL, COPY) == pairs.winner
        lost = (pairs.around > 0) & (pairs.winner > 0) & ~winning
        lost_ns[lost] = pairs.lost_ns[lost]
    return np.minimum(np.minimum(patience_ns, waits_ns), lost_ns)
