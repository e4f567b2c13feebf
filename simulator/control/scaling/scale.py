"""The processes that change the size of the pool.

`autoscale` decides as Kubernetes does, with at least one replica; from and to zero it goes as KEDA
does. Surplus replicas drain. https://keda.sh/docs/latest/concepts/scaling-deployments
"""

from collections import deque
from collections.abc import Callable, Sequence

from scenarios.fleet.scaling import Autoscaling
from simulator.control.books import CLOSING, DOWN, GONE, OFF, SERVING, STARTING
from simulator.control.lives import LOOK_S, Life, Lives, Process, nanoseconds
from simulator.control.scaling.hpa import History, decide
from simulator.control.scaling.metrics import Scrape, read, scrape, unknown
from simulator.control.scaling.proposals import Each, Observed, Reading, Total
from simulator.control.scaling.schedule import minimum
from simulator.traffic import NS_PER_S

LEAVE_FIRST = (GONE, STARTING, DOWN, CLOSING, SERVING)
"""Whom Kubernetes takes first when there are too many: pods without a node, pods that are not up,
pods that are not ready, and of those that are ready the youngest."""


class WarmPool:
    """Nodes that are kept provisioned, with the image and without an engine."""

    def __init__(self, lives: Lives, size: int, node_s: Callable[[], float]) -> None:
        """node_s: draws how long such a node takes to come."""
        self.lives, self.node_s, self.ready = lives, node_s, 0
        if size:
            self.hold(size)

    def hold(self, ready: int) -> None:
        self.ready = ready
        self.lives.books.ready_nodes.append((int(self.lives.env.now), ready))

    def start(self) -> str:
        """The kind of start of a new replica: on a node of the pool, as long as there are any."""
        if not self.ready:
            return "node"
        self.hold(self.ready - 1)
        self.lives.env.process(self.refill())
        return "warm"

    def refill(self) -> Process:
        yield self.lives.env.timeout(nanoseconds(self.node_s()))
        self.hold(self.ready + 1)


def autoscale(
    lives: Lives,
    ids: Sequence[int],
    settings: Autoscaling,
    starts_at_s: float | None,
    node_s: Callable[[], float],
) -> Process:
    """Every interval: measure, decide, and add or let go.

    ids: the replicas of the pool, as many as there may ever be; a rollout puts others in their
    places. starts_at_s: where in the week the period starts, for the schedule. node_s: draws how
    long a node of the warm pool takes.
    """
    warm = WarmPool(lives, settings.warm_pool, node_s)
    if settings.replicas[0] == 0:
        lives.env.process(activate(lives, ids, settings, starts_at_s, warm))
    lag, ahead_ns = divmod(nanoseconds(settings.scrape_delay_s), nanoseconds(settings.interval_s))
    scrapes: deque[Scrape | None] = deque([None] * (lag + 1), maxlen=lag + 2)
    scrapes.append(scrape(lives, ids))
    history = History()
    while True:
        yield lives.env.timeout(nanoseconds(settings.interval_s) - ahead_ns)
        scrapes.append(scrape(lives, ids))
        if ahead_ns:
            yield lives.env.timeout(ahead_ns)
        pool = [lives[id] for id in ids]
        current = sum(life.wanted for life in pool)
        if current == 0:
            continue  # KEDA's turn
        known = scrapes[1], scrapes[0]
        ready = sum(life.wanted and life.state == SERVING for life in pool)
        observed = Observed(ready, readings(lives, pool, settings, starts_at_s, *known))
        now_s = lives.env.now / NS_PER_S
        history, desired, _ = decide(history, now_s, current, observed, settings)
        resize(lives, pool, desired, warm)


def readings(
    lives: Lives,
    pool: Sequence[Life],
    settings: Autoscaling,
    starts_at_s: float | None,
    last: Scrape | None,
    before: Scrape | None,
) -> list[Reading]:
    """All triggers: the targets, if a scrape is old enough, and the schedule.

    KEDA's cron trigger is one metric among the others, which asks for one replica while its window
    is shut; tolerance, stabilisation and policies apply to it.
    """
    now_ns, delay_ns = int(lives.env.now), nanoseconds(settings.scrape_delay_s)
    if last is None or now_ns - last.at_ns < delay_ns:
        triggers = [unknown(target) for target in settings.targets]
    else:
        triggers = [read(target, last, before, pool) for target in settings.targets]
    if settings.schedule:
        asked = scheduled(settings, starts_at_s, now_ns) or 1
        triggers.append(Total("schedule", 1.0, asked))
    return triggers


def scheduled(settings: Autoscaling, starts_at_s: float | None, now_ns: int) -> int | None:
    """The minimum of the windows that are open now."""
    if not settings.schedule:
        return None
    assert starts_at_s is not None, "a schedule without `starts_at`"
    return minimum(settings.schedule, starts_at_s + now_ns / NS_PER_S)


def activate(
    lives: Lives,
    ids: Sequence[int],
    settings: Autoscaling,
    starts_at_s: float | None,
    warm: WarmPool,
) -> Process:
    """To zero once no trigger was active for the cooldown, and to one replica when one is.

    A trigger is active while its metric is above zero, or its window open. Requests that wait for
    any replica always wake the pool. The start counts as active.
    """
    active_ns, before = int(lives.env.now), scrape(lives, ids)
    while True:
        yield lives.env.timeout(nanoseconds(settings.poll_s))
        pool = [lives[id] for id in ids]
        last, now_ns = scrape(lives, ids), int(lives.env.now)
        wanted = any(life.wanted for life in pool)
        targets = (read(target, last, before, pool) for target in settings.targets)
        is_open = scheduled(settings, starts_at_s, now_ns) is not None
        if last.seen.stranded or is_open or any(above_zero(reading) for reading in targets):
            active_ns = now_ns
            if not wanted:
                resize(lives, pool, 1, warm)
        elif wanted and now_ns - active_ns > nanoseconds(settings.cooldown_s):
            resize(lives, pool, 0, warm)
        before = last


def above_zero(reading: Reading) -> bool:
    return any(reading.values) if isinstance(reading, Each) else bool(reading.value)


# --- adding and letting go -----------------------------------------------------------------------


def resize(lives: Lives, pool: Sequence[Life], size: int, warm: WarmPool) -> None:
    """So many replicas are wanted from now on."""
    wanted = [life for life in pool if life.wanted]
    for life in leaving(lives, wanted)[: max(len(wanted) - size, 0)]:
        lives.let_go(life)
        lives.env.process(leave(lives, life))
    for life in coming(pool)[: max(size - len(wanted), 0)]:
        lives.add(life, warm.start() if life.state == OFF else "node")


def leaving(lives: Lives, wanted: Sequence[Life]) -> list[Life]:
    """Those to let go, the first one first; of the same age the highest id."""
    since_ns = {change.replica: change.at_ns for change in lives.books.changes}
    return sorted(
        wanted, key=lambda life: (LEAVE_FIRST.index(life.state), -since_ns[life.id], -life.id)
    )


def coming(pool: Sequence[Life]) -> list[Life]:
    """Those to add, the first one first: who still serves is there at once, and what broke while
    nobody wanted it comes last."""

    def order(life: Life) -> tuple[bool, bool, int]:
        still_serves = life.state == CLOSING and not life.holds
        return not still_serves, life.state != OFF, life.id

    return sorted((life for life in pool if not life.wanted), key=order)


def leave(lives: Lives, life: Life) -> Process:
    """A replica that is let go is off within a second of its last request."""
    while life.state == CLOSING and not life.wanted:
        lives.sweep(life)
        yield lives.env.timeout(nanoseconds(LOOK_S))
