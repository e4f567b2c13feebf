"""One replica of the twin on the clock: every boundary is a SimPy event.

Where instants tie, control events (SimPy's own priorities, 0 and 1) come first, then samples, the
end of the run, the return of ejected replicas, arrivals, step boundaries, and what is looked at
after all of these.
"""

from collections import Counter
from typing import Any

import simpy

from simulator.data_plane import Pool
from simulator.kernel.attempts import FAILURE
from simulator.kernel.journal import LEFT, SENT
from simulator.kernel.step_time import in_python
from tests.oracles.twin_engine import Left, Request, Scheduler, Step

SAMPLE, END, BACK, ARRIVAL, BOUNDARY, SETTLE = 2, 3, 4, 5, 6, 7


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
        self.up, self.closed, self.ejected = True, False, False
        self.next: Wake | None = None
        """The boundary to come; None while idle or stopped."""
        self.step: Step | None = None
        self.begin_ns = 0
        """When the step in flight began."""
        self.slowness = 1.0
        self.fault = -1
        """What it was stopped by; -1 while it lives, or stands still by no fault."""
        self.busy_ns = 0

    @property
    def outstanding(self) -> int:
        return self.scheduler.outstanding

    @property
    def routable(self) -> bool:
        return not self.closed and not self.ejected

    @property
    def queued(self) -> int:
        return len(self.scheduler.waiting) + len(self.scheduler.inbox)

    def take(self, request: Request) -> None:
        request.replica, request.held, request.left = self.id, True, None
        self.twin.write(SENT, request, self.id, self.queued, len(self.scheduler.running))
        self.scheduler.join(request, self.twin.env.now)
        if not self.up:
            self.await_hang_up(request)
        elif self.next is None:
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
        self.hang_up()
        scheduler.read_inbox(previous_ns)
        self.step, self.next = scheduler.compose(), None
        self.write_told()
        if self.step is not None:
            self.begin_ns = now_ns
            self.wake_in(self.duration_ns(self.step))

    def write_told(self) -> None:
        """What the scheduler has told."""
        for event, request, value, beside in self.scheduler.told:
            self.twin.write(event, request, self.id, value, beside)
        self.scheduler.told.clear()

    def hang_up(self) -> None:
        """Rule 2; on a dead replica it is the fault's doing."""
        for request in self.scheduler.hang_up(self.twin.env.now):
            self.twin.happened["hang-ups on the dead"] += not self.up
            self.hit(request)
            self.twin.left(request, request.reason_to_hang_up)

    def hit(self, request: Request) -> None:
        if self.fault >= 0:
            request.fault = self.fault

    def end_step(self, step: Step, now_ns: int) -> None:
        counts = Counts()
        if self.twin.in_period(now_ns):
            counts = self.twin.counts
            self.busy_ns += now_ns - max(self.begin_ns, 0)
        counts.steps += 1
        counts.prefill_tokens += step.prefill_tokens
        reply_ns = self.reply.fixed_ns + self.reply.sequence_ns * len(step.granted)
        completed = self.scheduler.end_step(step.granted, now_ns, counts.gaps, reply_ns)
        self.write_told()
        for request in step.granted:
            if request.generated == 1 and request.last_token_ns == now_ns:
                self.twin.first_token(request)
        for request in completed:
            self.twin.left(request, Left.COMPLETED)

    def duration_ns(self, step: Step) -> int:
        seconds = in_python(
            self.time,
            step.prefill_tokens,
            step.decode_tokens,
            len(step.granted),
            step.kv_tokens,
            step.attention_pairs,
        )
        self.twin.happened["slow steps"] += self.slowness > 1
        return max(round(seconds * (self.slowness * 1e9)), 1)

    def stop(self, fault: int) -> None:
        """Dead: from now on all that happens is that clients hang up, those first of all whose
        deadline passed in the step that is lost."""
        if not self.up:
            return
        self.up, self.next, self.step, self.fault = False, None, None, fault
        for request in self.scheduler.everyone():
            self.await_hang_up(request)

    def hangs_up_earlier(self, request: Request) -> None:
        """A client that is to hang up earlier than it would have done: the living notice it at
        their next boundary."""
        if not self.up:
            self.await_hang_up(request)

    def await_hang_up(self, request: Request) -> None:
        """Look at a dead replica when a client hangs up, to the instant."""
        delay_ns = max(request.deadline_ns - self.twin.env.now, 0)
        Wake(self.twin.env, delay_ns, BOUNDARY).callbacks.append(self.look_at_the_dead)

    def look_at_the_dead(self, event: Wake) -> None:
        if not self.up:
            self.hang_up()

    def drain(self) -> list[Request]:
        """Everyone leaves, and all that was computed is lost."""
        running, everyone = self.scheduler.running, self.scheduler.everyone()
        if self.twin.in_period(self.twin.env.now):
            self.twin.counts.tokens_lost += sum(request.computed for request in running)
        self.scheduler.drain()
        for request in everyone:
            self.hit(request)
            self.twin.write(LEFT, request, self.id, FAILURE, self.fault)
            request.held, request.left = False, Left.DRAINED
        return everyone

    def start(self) -> None:
        assert self.outstanding == 0, "a replica starts empty"
        self.scheduler.clear_memory()
        self.up, self.fault = True, -1


class Counts:
    """What the fleet does in steps that end in the period; first tokens are counted always."""

    def __init__(self) -> None:
        self.steps = self.prefill_tokens = self.tokens_lost = 0
        self.first_tokens = self.ttft_ns = 0
        self.gaps: Counter[int] = Counter()
