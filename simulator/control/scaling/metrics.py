"""What the autoscaler can measure: the engines that serve, and the requests that wait for any."""

from collections.abc import Sequence
from typing import NamedTuple

from scenarios.fleet.scaling import Target
from simulator.control.books import CLOSING, GONE, SERVING, STARTING
from simulator.control.lives import Life, Lives
from simulator.control.scaling.proposals import Each, Reading, Total, Value
from simulator.data_plane import Observation
from simulator.traffic import NS_PER_S


class Scrape(NamedTuple):
    """What was measured at one instant."""

    at_ns: int
    seen: Observation
    serving: tuple[int, ...]
    """The replicas of the pool whose engines answered, by id."""


def scrape(lives: Lives, ids: Sequence[int]) -> Scrape:
    serving = tuple(id for id in ids if lives[id].state == SERVING)
    return Scrape(int(lives.env.now), lives.plane.observe(), serving)


def read(target: Target, last: Scrape, before: Scrape | None, pool: Sequence[Life]) -> Reading:
    """A metric as the last scrape has it; what counts events counts those since the one before.

    Requests that no replica can take wait in front of the fleet: they count to the queue, whatever
    pool may serve them in the end. `rate` and `ttft` are the whole fleet's. `pool` is as it stands
    when the decision is made.
    """
    name, aim, seen, serving = target.metric, target.value, last.seen, list(last.serving)
    waiting = int(seen.waiting[serving].sum()) + seen.stranded
    running = int(seen.running[serving].sum())
    match name:
        case "outstanding":
            return Total(name, aim, waiting + running)
        case "queue":
            return Total(name, aim, waiting)
        case "running":
            return Total(name, aim, running)
        case "rate":
            return Total(name, aim, rate_per_s(last, before))
        case "ttft":
            return Value(name, aim, ttft_s(last, before))
        case "kv":
            return kv(aim, last, pool)


def rate_per_s(last: Scrape, before: Scrape | None) -> float | None:
    """First arrivals per second."""
    if before is None or before.at_ns == last.at_ns:
        return None
    arrived = last.seen.arrivals - before.seen.arrivals
    return arrived * NS_PER_S / (last.at_ns - before.at_ns)


def ttft_s(last: Scrape, before: Scrape | None) -> float | None:
    """Mean of the first tokens; without any there is no data."""
    if before is None or last.seen.first_tokens == before.seen.first_tokens:
        return None
    spent_ns = last.seen.ttft_ns - before.seen.ttft_ns
    return spent_ns / (last.seen.first_tokens - before.seen.first_tokens) / NS_PER_S


def kv(target: float, last: Scrape, pool: Sequence[Life]) -> Each:
    """KV use of each replica. One that drains for maintenance is left out, as one that is let go; a
    broken one, or one that has come up since the scrape, should have told."""
    present = [life for life in pool if life.wanted and life.state != CLOSING]
    starting = sum(life.state in (STARTING, GONE) for life in present)
    told = [life.id for life in present if life.state == SERVING and life.id in last.serving]
    values = tuple(float(last.seen.kv_used[id]) for id in told)
    return Each("kv", target, values, starting, len(present) - starting - len(told))


def unknown(target: Target) -> Reading:
    """Nothing was measured yet."""
    if target.metric == "kv":
        return Each("kv", target.value, (), 0, 0)
    return Total(target.metric, target.value, None)
