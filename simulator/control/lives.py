"""The life of each replica: what may be done to it, and what state it is in.

All that happens to a replica goes through here: processes of faults, repairs, maintenance and
scaling say what they do (`hit`, `mend`, `close` ...), and the books and the data plane hear of it
together. A replica that several faults keep down comes back when the last of them is mended.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from scenarios.fleet import Start
from simulator.control.books import CLOSING, DOWN, GONE, OFF, SERVING, STARTING, Books, Change
from simulator.data_plane import DataPlane
from simulator.traffic import NS_PER_S

Process = Generator[simpy.Event, Any, None]
Cause = Any
"""Whatever identifies one fault under way, or one piece of maintenance."""

LOOK_S = 1.0
"""How often somebody looks whether a closing replica is empty."""

STARTS: tuple[Start, ...] = ("none", "warm", "cold", "node")
"""Each of them longer than the one before."""


@dataclass
class Life:
    """What control knows of one replica."""

    id: int
    pool: int
    gpus: int
    wanted: bool = True
    """The fleet is to have it."""
    state: int = SERVING
    epoch: int = 0
    """Changes whenever a start under way is void."""
    faults: dict[Cause, int] = field(default_factory=dict)
    """What keeps it down, with the code of the fault."""
    slowness: dict[Cause, float] = field(default_factory=dict)
    holds: set[Cause] = field(default_factory=set)
    """What keeps it closed: notice of its end, maintenance."""
    start: str = "none"
    """The longest kind of start that is still to be made."""
    ready_ns: int = 0
    """If it starts: when it will serve."""

    @property
    def there(self) -> bool:
        """It has hardware that could break."""
        return self.state not in (OFF, GONE)

    @property
    def up(self) -> bool:
        """Its engine runs."""
        return self.state in (SERVING, CLOSING)


class Lives:
    """All replicas, by id, and what may be done to them."""

    def __init__(
        self,
        plane: DataPlane,
        lives: list[Life],
        books: Books,
        start_s: Callable[[Life, str], float],
    ) -> None:
        """start_s: draws how long a start of that kind takes; called once per start."""
        self.plane, self.env, self.books, self.start_s = plane, plane.env, books, start_s
        self.lives = lives
        for life in lives:
            if not life.wanted:
                self.plane.close(life.id)
                self.plane.stop(life.id)
                life.state = OFF
            self.enter(life, life.state)

    def __getitem__(self, id: int) -> Life:
        return self.lives[id]

    # --- faults ----------------------------------------------------------------------------------

    def hit(self, life: Life, cause: Cause, fault: int, known: bool, paid: bool = True) -> None:
        """A fault takes a replica; `known`: the router sees it at once. Not if nothing is there.
        With hardware that is taken away (not `paid`) goes whatever else was wrong with it."""
        if not life.there:
            return
        if not paid:
            life.faults.clear()
            life.holds.clear()
            self.full_speed(life)
        life.holds.discard(cause)
        life.faults[cause] = fault
        life.epoch += 1
        if life.up:
            self.plane.stop(life.id, fault)
        self.enter(life, DOWN if paid else GONE)
        if known:
            self.notice(life)

    def notice(self, life: Life) -> None:
        """The router learns that a replica is down, and who was there goes elsewhere."""
        if life.faults:
            self.empty(life)

    def mend(self, life: Life, cause: Cause, start: str) -> None:
        """What a fault broke is repaired; a start of that kind follows, once nothing else is broken
        and if the replica is still wanted."""
        if life.faults.pop(cause, None) is None:
            return
        life.start = max(life.start, start, key=STARTS.index)
        if life.faults:
            return
        self.empty(life)  # even if nobody noticed that it was down
        if life.wanted:
            self.begin(life, life.start)
        else:
            self.switch_off(life)

    def empty(self, life: Life) -> None:
        """Nothing new comes, and who is there goes elsewhere."""
        self.plane.close(life.id)
        self.plane.drain(life.id)

    def slow_down(self, life: Life, cause: Cause, slowness: float) -> None:
        """The slowest of its GPUs sets the pace. Not if nothing is there."""
        if life.there:
            life.slowness[cause] = slowness
            self.plane.slow(life.id, max(life.slowness.values()))

    def speed_up(self, life: Life, cause: Cause) -> None:
        if life.slowness.pop(cause, None) is not None:
            self.plane.slow(life.id, max(life.slowness.values(), default=1.0))

    def full_speed(self, life: Life) -> None:
        """What it starts on next is other hardware."""
        if life.slowness:
            life.slowness.clear()
            self.plane.slow(life.id, 1.0)

    # --- starts ----------------------------------------------------------------------------------

    def add(self, life: Life, start: str) -> None:
        """Wanted from now on: back at once if it still serves, started if nothing is there."""
        life.wanted = True
        if life.state == CLOSING:
            self.open(life)
        elif life.state == OFF:
            self.begin(life, start)
        else:
            self.enter(life, life.state)  # the books know that it is missed

    def begin(self, life: Life, start: str) -> None:
        """A start of that kind; the replica serves at its end. If a fault breaks it off, a start of
        that kind at least is still to be made."""
        life.start = start
        life.epoch += 1
        self.enter(life, STARTING)
        seconds = self.start_s(life, start) if start != "none" else 0.0
        if seconds == 0.0:
            self.serve(life)
        else:
            self.env.process(self.starting(life, life.epoch, seconds))

    def starting(self, life: Life, epoch: int, seconds: float) -> Process:
        life.ready_ns = int(self.env.now) + nanoseconds(seconds)
        yield self.env.timeout(nanoseconds(seconds))
        if life.epoch == epoch:
            self.serve(life)

    def find_starting(self, life: Life, start: str, left_s: float) -> None:
        """As control begins, a start of that kind is under way, with so much left of it."""
        if life.state == SERVING and left_s > 0.0:
            self.plane.close(life.id)
            self.plane.stop(life.id)
            life.start = start
            life.epoch += 1
            self.enter(life, DOWN)  # the books know that it starts after a repair
            self.enter(life, STARTING)
            self.env.process(self.starting(life, life.epoch, left_s))

    def serve(self, life: Life) -> None:
        life.start = "none"
        self.enter(life, SERVING)
        self.plane.start(life.id)
        if life.holds:
            self.enter(life, CLOSING)
        else:
            self.plane.open(life.id)

    # --- leaving ---------------------------------------------------------------------------------

    def close(self, life: Life) -> None:
        """Nothing new; what it holds is served."""
        if life.state == SERVING:
            self.plane.close(life.id)
            self.enter(life, CLOSING)

    def open(self, life: Life) -> None:
        """Back, unless something else keeps it closed."""
        if life.state == CLOSING and not life.holds:
            self.enter(life, SERVING)
            self.plane.open(life.id)

    def let_go(self, life: Life) -> None:
        """No longer wanted: closes, and is off once empty (`sweep`); a start is given up, and what
        is broken is off once it is repaired."""
        life.wanted = False
        if life.state == STARTING:
            life.epoch += 1
            self.switch_off(life)
        elif life.state == SERVING:
            self.close(life)
        else:
            self.plane.close(life.id)
            self.enter(life, life.state)  # the books know that nobody misses it

    def sweep(self, life: Life) -> None:
        """Off, if it is not wanted, serves and holds nothing any more."""
        if life.state == CLOSING and not life.wanted and self.held(life) == 0:
            self.plane.stop(life.id)
            self.switch_off(life)

    def switch_off(self, life: Life) -> None:
        """Its hardware is given back, with what was wrong with it."""
        life.start = "none"
        life.holds.clear()
        self.full_speed(life)
        self.enter(life, OFF)

    def hold(self, life: Life, cause: Cause) -> None:
        """Closed, whoever wants it, until it is hit."""
        if life.there:
            life.holds.add(cause)
            self.close(life)

    def held(self, life: Life) -> int:
        return int(self.plane.outstanding()[life.id])

    def emptied(self, life: Life, end_ns: int) -> Process:
        """Until a closing replica holds nothing, at most until that instant."""
        while life.state == CLOSING and self.held(life) > 0 and self.env.now < end_ns:
            yield self.env.timeout(min(nanoseconds(LOOK_S), end_ns - self.env.now))

    def started(self, life: Life) -> Process:
        """Until it does not start any more: it serves, or is broken again, or given up."""
        while life.state == STARTING:
            yield self.env.timeout(max(life.ready_ns - self.env.now, 1))

    # --- books -----------------------------------------------------------------------------------

    def enter(self, life: Life, state: int) -> None:
        life.state = state
        self.books.changes.append(Change(int(self.env.now), life.id, state, life.wanted))


def nanoseconds(seconds: float) -> int:
    return round(seconds * NS_PER_S)
