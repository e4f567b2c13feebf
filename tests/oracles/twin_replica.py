"""One replica of the twin on the clock: every boundary is a SimPy event.

Where instants tie, control events (SimPy's own priorities, 0 and 1) come first, then samples, the
end of the run, arrivals, and step boundaries last.
"""

from collections import Counter
from typing import Any

import simpy

from simulator.data_plane import Pool
from simulator.kernel.step_time import in_python
from simulator.run import COMPLETED, TIMED_OUT
from tests.oracles.twin_engine import Request, Scheduler, Step

SAMPLE, END, ARRIVAL, BOUNDARY = 2, 3, 4, 5


class Wake(simpy.Event):  # type: ignore[misc]  # simpy has no types
    """A timeout with a rank among events of the same instant."""

    def __init__(self, env: simpy.Environment, delay_ns: int, rank: int) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, rank, delay_ns)


class Replica:
    """One engine on the clock: a boundary is an event; a failure forgets the one to come."""

    def __init__(self, twin: Any, id: int, pool: int, kind: Pool) -> None:
        self.twin, self.id, self.pool = twin, id, pool
        self.time, self.reply = kind.time, kind.reply
        self.scheduler = Scheduler(kind.limits)
        self.up = self.routable = True
        self.next: Wake | None = None
        """The boundary to come; None while idle or stopped."""
        self.step: Step | None = None
        self.begin_ns = 0
        """When the step in flight began."""

    @property
    def outstanding(self) -> int:
        return self.scheduler.outstanding

    @property
    def queued(self) -> int:
        return len(self.scheduler.waiting) + len(self.scheduler.inbox)

    def take(self, request: Request) -> None:
        request.replica = self.id
        self.scheduler.join(request, self.twin.env.now)
        if self.up and self.next is None:
            self.wake_in(0)

    def wake_in(self, delay_ns: int) -> None:
        self.next = Wake(self.twin.env, delay_ns, BOUNDARY)
        self.next.callbacks.append(self.boundary)

    def boundary(self, event: Wake) -> None:
        """End the step in flight, if any, and compose the next."""
        if event is not self.next:
            return
        now_ns, scheduler = self.twin.env.now, self.scheduler
        previous_ns = None
        if self.step is not None:
            previous_ns = self.begin_ns
            self.end_step(self.step, now_ns)
        for request in scheduler.hang_up(now_ns):
            self.twin.end(request, TIMED_OUT, request.deadline_ns)
        scheduler.read_inbox(previous_ns)
        self.step, self.next = scheduler.compose(), None
        if self.step is not None:
            self.begin_ns = now_ns
            self.wake_in(self.duration_ns(self.step))

    def end_step(self, step: Step, now_ns: int) -> None:
        counts = self.twin.counts if self.twin.in_period(now_ns) else Counts()
        counts.steps += 1
        counts.prefill_tokens += step.prefill_tokens
        counts.busy_ns += now_ns - max(self.begin_ns, 0)
        reply_ns = self.reply.fixed_ns + self.reply.sequence_ns * len(step.granted)
        for request in self.scheduler.end_step(step.granted, now_ns, counts.gaps, reply_ns):
            self.twin.end(request, COMPLETED, request.finish_ns)

    def duration_ns(self, step: Step) -> int:
        seconds = in_python(
            self.time,
            step.prefill_tokens,
            step.decode_tokens,
            len(step.granted),
            step.kv_tokens,
            step.attention_pairs,
        )
        return max(round(seconds * 1e9), 1)

    def stop(self) -> None:
        self.up, self.next, self.step = False, None, None

    def start(self) -> None:
        assert self.outstanding == 0, "a replica starts empty"
        self.scheduler.clear_memory()
        self.up = True


class Counts:
    """What the fleet does in steps that end in the period."""

    def __init__(self) -> None:
        self.steps = self.prefill_tokens = self.busy_ns = 0
        self.gaps: Counter[int] = Counter()
