"""A new version rolls out, as a Kubernetes Deployment's rolling update does.

Every replica of the pool is replaced by one that starts cold. At most `max_surge` more of them than
the pool's size are there, and at most `max_unavailable` fewer serve: a new one beside the old ones
takes its place once it serves, or an old one makes room first. Either way it drains before it goes.
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

from collections import deque

from scenarios.failures import Rollout
from simulator.control.books import CLOSING, SERVING
from simulator.control.lives import LOOK_S, Life, Lives, Process, nanoseconds

CAUSE = "rollout"


def roll_out(
    lives: Lives, ids: list[int], surge: list[int], settings: Rollout, code: int, drain_s: float
) -> Process:
    """From its start on, in order of `ids`: those of the pool, kept up to date in place. `surge`:
    ids that nothing runs on yet. Requests get `drain_s` to end."""
    yield lives.env.timeout(nanoseconds(settings.starts_s) - lives.env.now)
    old = deque(lives[id] for id in ids if lives[id].wanted)
    for id in surge:
        lives.env.process(replace_beside(lives, ids, lives[id], old))
    for _ in range(settings.max_unavailable):
        lives.env.process(replace_in_place(lives, ids, settings, old, code, drain_s))


def replace_beside(lives: Lives, ids: list[int], free: Life, old: deque[Life]) -> Process:
    """One new replica after the other, each in the place that the last old one has left."""
    while (life := next_old(old)) is not None:
        lives.add(free, "cold")
        while free.state != SERVING:
            yield lives.env.timeout(nanoseconds(LOOK_S))
        if life.wanted:
            ids[ids.index(life.id)] = free.id
            free, life = life, free
        lives.let_go(free)
        yield from gone(lives, free)


def next_old(old: deque[Life]) -> Life | None:
    """The next one that was not scaled down meanwhile."""
    while old:
        life = old.popleft()
        if life.wanted:
            return life
    return None


def gone(lives: Lives, life: Life) -> Process:
    """Until one that was let go holds nothing and is off."""
    while life.state == CLOSING and not life.wanted:
        lives.sweep(life)
        if life.state == CLOSING:
            yield lives.env.timeout(nanoseconds(LOOK_S))


def replace_in_place(
    lives: Lives, ids: list[int], settings: Rollout, old: deque[Life], code: int, drain_s: float
) -> Process:
    """One old replica after the other drains and starts anew."""
    while old:
        if serving(lives, ids) <= wanted(lives, ids) - settings.max_unavailable:
            yield lives.env.timeout(nanoseconds(LOOK_S))  # others are down
            continue
        life = next_old(old)
        if life is None:
            return
        lives.hold(life, CAUSE)
        yield from lives.emptied(life, lives.env.now + nanoseconds(drain_s))
        lives.hit(life, CAUSE, code, known=True)
        lives.mend(life, CAUSE, "cold")
        yield from lives.started(life)


def serving(lives: Lives, ids: list[int]) -> int:
    return sum(lives[id].state == SERVING for id in ids)


def wanted(lives: Lives, ids: list[int]) -> int:
    return sum(lives[id].wanted for id in ids)
