"""The twin's scheduler: one replica's boundary, rule by rule, without a clock.

docs/background/serving-engine.md, "One boundary of one replica". The caller decides when a boundary
is and what becomes of those who leave.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from simulator.data_plane import Limits
from simulator.kernel.journal import ADMITTED, DECODES, PREEMPTED, PREFILLED
from simulator.kernel.state import NEVER_NS
from simulator.run import UNFINISHED
from tests.oracles.twin_cache import Holding, PlainBlocks, PrefixCache, shareable


class Left(Enum):
    """How an attempt left its replica."""

    COMPLETED = auto()
    DRAINED = auto()
    OUT_OF_PATIENCE = auto()
    NO_FIRST_TOKEN = auto()
    LOST_RACE = auto()


@dataclass(slots=True, eq=False)
class Request:
    """One row of the workload and all that happens to it; or a copy of one, sent besides."""

    row: int
    prompt: int
    output: int
    arrival_ns: int = 0
    patience_ns: int = NEVER_NS
    """When the patience of its client ends."""
    priority: int = 0
    group: int = 0
    counted: bool = True
    chain: tuple[tuple[int, int], ...] = ()
    """(key, end in tokens) of each segment."""
    followers: tuple[int, ...] = ()
    """Rows that wait for this one to complete."""
    waits_for: int = 0
    """How many this one waits for."""
    pause_ns: int = 0
    otherwise: int | None = None
    """The row that arrives if this one fails."""

    lot: int = -1
    """Its place among all that are sent at one instant, and its luck: the row, of a copy a number
    above all rows."""
    race: Any = None
    """With its copy, or that of which it is one."""
    copy: "Request | None" = None
    """Set if it was its copy that decided how it ended."""

    ends_ns: list[int] = field(default_factory=list)
    """Of those it waits for, when they ended."""
    planned_ns: int = NEVER_NS
    """When it is to arrive, once that is known."""

    computed: int = 0
    """Tokens whose KV is in the cache."""
    generated: int = 0
    decoding: bool = False
    """A token has come out since it was admitted."""
    holding: Holding = field(default_factory=Holding)
    held: bool = False
    """By a replica."""
    left: Left | None = None
    """How, if it is not held any more."""
    joined_ns: int = 0
    first_token_by_ns: int = NEVER_NS
    """Else its client hangs up."""
    race_lost_ns: int = NEVER_NS
    """When its client hangs up because the other one of two was faster."""
    last_token_ns: int = NEVER_NS

    first_token_ns: int = NEVER_NS
    finish_ns: int = NEVER_NS
    replica: int = -1
    preemptions: int = 0
    retries: int = 0
    outcome: int = UNFINISHED
    cached_tokens: int = 0
    fault: int = -1
    """The last one that hit it."""

    def __post_init__(self) -> None:
        if self.lot < 0:
            self.lot = self.row

    @property
    def story(self) -> "Request":
        """The attempt that is told of."""
        return self.copy or self

    @property
    def deadline_ns(self) -> int:
        """When its client hangs up."""
        first_token_by_ns = NEVER_NS if self.generated else self.first_token_by_ns
        return min(self.patience_ns, self.race_lost_ns, first_token_by_ns)

    @property
    def reason_to_hang_up(self) -> Left:
        """At its deadline."""
        if self.deadline_ns == self.patience_ns:
            return Left.OUT_OF_PATIENCE
        if self.deadline_ns == self.race_lost_ns:
            return Left.LOST_RACE
        return Left.NO_FIRST_TOKEN

    @property
    def todo(self) -> int:
        """Tokens to compute before the next one comes out: 1 while decoding."""
        return self.prompt + self.generated - self.computed

    def goes_on_alone(self) -> None:
        """After its first attempt: without a copy, but with what that one had to tell."""
        self.replica, self.fault = self.story.replica, self.story.fault
        self.copy = self.race = None

    def lose_progress(self) -> None:
        """The replica is gone, and with it the KV cache and the generated tokens."""
        self.computed = self.generated = self.cached_tokens = 0
        self.decoding = False
        self.holding = Holding()
        self.first_token_ns = self.last_token_ns = NEVER_NS


Granted = dict[Request, int]
"""The tokens each request of a step computes, in running order."""


class Step(NamedTuple):
    """One composed engine step and its load."""

    granted: Granted
    prefill_tokens: int
    decode_tokens: int
    kv_tokens: int
    attention_pairs: int


class Scheduler:
    """Inbox, waiting and running requests of one replica, and its blocks."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inbox: list[Request] = []
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self.told: list[tuple[int, Request, int, int]] = []
        """For the journal: (event, request, value, beside), until its replica writes them down."""
        self.clear_memory()

    def clear_memory(self) -> None:
        kind = PrefixCache if self.limits.prefix_caching else PlainBlocks
        self.memory = kind(self.limits.blocks, self.limits.block_tokens)

    @property
    def outstanding(self) -> int:
        return len(self.running) + len(self.waiting) + len(self.inbox)

    def join(self, request: Request, now_ns: int) -> None:
        request.joined_ns = now_ns
        self.inbox.append(request)

    def number(self, request: Request) -> int:
        """The rank of a request; all are equal without the priority policy."""
        return request.priority if self.limits.priority_policy else 0

    def end_step(
        self, granted: Granted, now_ns: int, gaps: Counter[int], reply_ns: int = 0
    ) -> list[Request]:
        """Rule 1: tokens come out, `gaps` counts the time since the last one (ns). The completed
        leave and are returned."""
        completed = []
        for request, tokens in granted.items():
            request.computed += tokens
            if not request.decoding:
                self.told.append((PREFILLED, request, tokens, len(granted)))
            if request.computed < request.prompt + request.generated:
                continue
            request.generated += 1
            if not request.decoding:
                self.told.append((DECODES, request, request.generated, len(granted)))
            request.decoding = True
            if request.generated == 1:
                request.first_token_ns = now_ns + reply_ns
            else:
                gaps[now_ns - request.last_token_ns] += 1
            request.last_token_ns = now_ns
            if request.generated == request.output:
                request.finish_ns = max(now_ns + reply_ns, request.first_token_ns)
                completed.append(request)
        for request in completed:
            self.running.remove(request)
            self.memory.leave(request, preempted=False)
        return completed

    def hang_up(self, now_ns: int) -> list[Request]:
        """Rule 2: those whose client is gone leave and are returned."""
        gone = []
        for queue in (self.running, self.waiting, self.inbox):
            for request in list(queue):
                if request.deadline_ns <= now_ns:
                    queue.remove(request)
                    if queue is self.running:
                        self.memory.leave(request, preempted=False)
                    request.holding = Holding()
                    gone.append(request)
        return gone

    def read_inbox(self, previous_ns: int | None) -> None:
        """Rule 3: new requests queue up. `previous_ns` is when the step that just ended began; None
        if none did."""
        if previous_ns is None or not self.limits.async_scheduling:
            previous_ns = NEVER_NS
        old = [request for request in self.inbox if request.joined_ns <= previous_ns]
        new = [request for request in self.inbox if request.joined_ns > previous_ns]
        if not (self.running or self.waiting or old):
            old, new = new, []
        self.inbox = new
        for request in old:
            place = bisect_right(self.waiting, self.number(request), key=self.number)
            self.waiting.insert(place, request)

    def compose(self) -> Step | None:
        """The next step; None when there is nothing to do."""
        granted = self.mixed_step() if self.limits.mixed_steps else self.step_apart()
        return measured(granted) if granted else None

    def mixed_step(self) -> Granted:
        """Rules 4 to 6."""
        granted: Granted = {}
        while not granted and (self.running or self.waiting):
            budget, preempted = self.grant_running(granted, list(self.running))
            if not preempted:
                self.admit(granted, budget)
            assert granted or not self.running, "whoever runs gets tokens or is preempted"
        return granted

    def step_apart(self) -> Granted:
        """Rules 4a to 6a: prefills only; decodes only when no prefill was granted anything."""
        granted: Granted = {}
        preempted = False
        while not granted and (self.running or self.waiting):
            decodes = [request for request in self.running if request.decoding]
            prefills = [request for request in self.running if not request.decoding]
            assert len(prefills) <= 1
            if not decodes or all(self.has_blocks_for(request) for request in prefills):
                budget, someone = self.grant_running(granted, prefills)
                preempted |= someone
                if not preempted or not self.running:
                    self.admit(granted, budget)
            if not granted:
                _, someone = self.grant_running(granted, decodes)
                preempted |= someone
        return granted

    def has_blocks_for(self, prefill: Request) -> bool:
        """Whether the next chunk of an unfinished prefill fits without a preemption."""
        tokens = min(prefill.todo, self.limits.max_num_batched_tokens)
        return self.need(prefill, tokens) <= self.memory.free

    def need(self, request: Request, tokens: int) -> int:
        """Blocks a running request lacks to compute so many tokens."""
        held = request.holding.blocks
        return blocks_for(request.computed + tokens, self.limits.block_tokens) - held

    def grant_running(self, granted: Granted, requests: list[Request]) -> tuple[int, bool]:
        """Rule 4, for these. Returns the budget left, and whether anyone was preempted."""
        budget, preempted = self.limits.max_num_batched_tokens, False
        memory = self.memory
        for request in requests:
            if budget == 0:
                break
            if preempted and request not in self.running:
                continue
            tokens = min(request.todo, budget)
            need = self.need(request, tokens)
            victim = None
            while need > 0 and need > memory.free and victim is not request:
                victim = self.preempt()
                budget += granted.pop(victim, 0)
                preempted = True
            if victim is request:
                continue
            if need > 0:
                memory.grow(request, need)
            budget -= tokens
            granted[request] = tokens
            if not is_decode(request, tokens):
                self.register(request, tokens)
        return budget, preempted

    def preempt(self) -> Request:
        """The last running request of the highest number waits again, first of its number."""
        highest = max(self.number(request) for request in self.running)
        victim = next(r for r in reversed(self.running) if self.number(r) == highest)
        self.running.remove(victim)
        self.memory.leave(victim, preempted=True)
        self.told.append((PREEMPTED, victim, victim.computed, len(self.running)))
        victim.computed, victim.decoding = 0, False
        victim.preemptions += 1
        self.waiting.insert(bisect_left(self.waiting, highest, key=self.number), victim)
        return victim

    def admit(self, granted: Granted, budget: int) -> None:
        """Rule 5: the waiting are admitted in order while budget, seats and blocks last."""
        limits, memory = self.limits, self.memory
        while self.waiting and budget > 0 and len(self.running) < limits.max_num_seqs:
            request = self.waiting[0]
            found = memory.find(request)
            hits = found.shared + found.own
            cached_tokens = hits * limits.block_tokens
            todo = request.prompt + request.generated - cached_tokens
            tokens = min(todo, budget)
            new = blocks_for(cached_tokens + tokens, limits.block_tokens) - hits
            if memory.cost(found, new) > memory.free:
                return
            if not limits.chunked_prefill and tokens < min(todo, limits.max_num_batched_tokens):
                return
            self.told.append((ADMITTED, request, cached_tokens, len(self.running)))
            self.running.append(self.waiting.pop(0))
            memory.take(request, found, new)
            request.computed = request.cached_tokens = cached_tokens
            budget -= tokens
            granted[request] = tokens
            self.register(request, tokens)

    def register(self, request: Request, tokens: int) -> None:
        """The blocks that a grant fills enter the prefix cache."""
        size = self.limits.block_tokens
        filled = (request.computed + tokens) // size
        self.memory.register(request, min(filled, shareable(request, size)))

    def everyone(self) -> list[Request]:
        return [*self.running, *self.waiting, *self.inbox]

    def drain(self) -> list[Request]:
        """Everyone leaves and loses all progress; the cache is empty afterwards."""
        everyone = self.everyone()
        self.running, self.waiting, self.inbox = [], [], []
        self.clear_memory()
        for request in everyone:
            request.lose_progress()
        return everyone


def blocks_for(tokens: int, block_tokens: int) -> int:
    return -(-tokens // block_tokens)


def is_decode(request: Request, tokens: int) -> bool:
    return tokens == 1 and request.generated > 0


def measured(granted: Granted) -> Step:
    """The step's load."""
    prefill_tokens = decode_tokens = kv_tokens = attention_pairs = 0
    for request, tokens in granted.items():
        if is_decode(request, tokens):
            decode_tokens += 1
        else:
            prefill_tokens += tokens
        kv_tokens += request.computed
        attention_pairs += tokens * request.computed + tokens * (tokens + 1) // 2
    return Step(granted, prefill_tokens, decode_tokens, kv_tokens, attention_pairs)
