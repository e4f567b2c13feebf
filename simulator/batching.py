"""The scheduler of one replica: continuous batching with a token budget, seats and KV blocks.

It follows vLLM V1 (vllm/v1/core/sched/scheduler.py): running requests first, each decode one token,
a prefill what the budget leaves; when blocks run out the last running request is preempted and
recomputed later; only then are waiting requests admitted, in order, without look-ahead.
No clock here: `schedule` composes a step, the caller decides how long it takes, `complete` ends it.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from simulator.latency import StepTime

NEVER_NS = 1 << 62


class Limits(NamedTuple):
    """What one replica can hold."""

    max_num_seqs: int
    max_num_batched_tokens: int
    chunked_prefill: bool
    blocks: int
    block_tokens: int
    context_tokens: int

    def can_ever_serve(self, prompt: int, output: int) -> bool:
        """Whether a request fits the context, the KV pool and, unchunked, the token budget."""
        return (
            prompt + output <= self.context_tokens
            and blocks_for(prompt + output, self.block_tokens) <= self.blocks
            and (self.chunked_prefill or prompt <= self.max_num_batched_tokens)
        )


@dataclass(slots=True, eq=False)
class Request:
    """One request on its way; `row` is its place in the Workload."""

    row: int
    prompt: int
    output: int
    deadline_ns: int
    todo: int = field(init=False)
    """Tokens to compute before the next token comes out: the prompt at first, 1 while decoding."""
    computed: int = 0
    """Tokens whose KV is in the cache; computed + todo = prompt + generated."""
    blocks: int = 0
    """KV blocks held."""
    generated: int = 0
    preemptions: int = 0
    retries: int = 0
    first_token_ns: int = NEVER_NS
    last_token_ns: int = NEVER_NS

    def __post_init__(self) -> None:
        self.todo = self.prompt

    def lose_cache(self) -> None:
        """Preempted: all tokens so far must be computed again."""
        self.computed = self.blocks = 0
        self.todo = self.prompt + self.generated

    def lose_progress(self) -> None:
        """The replica is gone, and with it the KV cache and the generated tokens."""
        self.generated = 0
        self.first_token_ns = self.last_token_ns = NEVER_NS
        self.lose_cache()


class Step(NamedTuple):
    """One composed engine step: who computes how many tokens, and what that amounts to."""

    grants: list[tuple[Request, int]]
    prefill_tokens: int
    decode_tokens: int
    kv_tokens: int
    attention_pairs: int

    def duration_s(self, time: StepTime) -> float:
        return time.step_s(
            self.prefill_tokens,
            self.decode_tokens,
            len(self.grants),
            self.kv_tokens,
            self.attention_pairs,
        )


def blocks_for(tokens: int, block_tokens: int) -> int:
    return -(-tokens // block_tokens)


@dataclass(slots=True)
class Scheduler:
    """Waiting and running requests of one replica, and its free KV blocks."""

    limits: Limits
    waiting: deque[Request] = field(default_factory=deque)
    running: list[Request] = field(default_factory=list)
    free_blocks: int = field(init=False)
    next_deadline_ns: int = NEVER_NS
    """No deadline passes before this; a lower bound, made exact at each expiry."""

    def __post_init__(self) -> None:
        self.free_blocks = self.limits.blocks

    @property
    def outstanding(self) -> int:
        return len(self.waiting) + len(self.running)

    def add(self, request: Request) -> None:
        self.waiting.append(request)
        self.next_deadline_ns = min(self.next_deadline_ns, request.deadline_ns)

    def schedule(self) -> Step | None:
        """Compose the next step; None when there is nothing to do."""
        budget, size = self.limits.max_num_batched_tokens, self.limits.block_tokens
        grants: list[tuple[Request, int]] = []
        preempted = False
        # Preemption shortens `running` from the end: an index says where we are, no iterator.
        while len(grants) < len(self.running) and budget > 0:
            request = self.running[len(grants)]
            granted = request.todo if request.todo < budget else budget
            if request.computed + granted > request.blocks * size:
                need = blocks_for(request.computed + granted, size) - request.blocks
                if need > self.free_blocks:
                    preempted = True
                    if self.preempt_last() is request:
                        break
                    continue
                self.free_blocks -= need
                request.blocks += need
            budget -= granted
            grants.append((request, granted))
        if not preempted:
            self.admit(budget, grants)
        return measured(grants) if grants else None

    def admit(self, budget: int, grants: list[tuple[Request, int]]) -> None:
        """Waiting requests join while budget, seats and blocks last; the head blocks the queue."""
        limits = self.limits
        while self.waiting and budget > 0 and len(self.running) < limits.max_num_seqs:
            request = self.waiting[0]
            granted = min(request.todo, budget)
            # Unchunked, a prompt waits for a step that holds all of it. (A recompute may have grown
            # above the whole budget; it takes a full step and then the rest.)
            whole = min(request.todo, limits.max_num_batched_tokens)
            need = blocks_for(granted, limits.block_tokens)
            if need > self.free_blocks or (not limits.chunked_prefill and granted < whole):
                return
            self.waiting.popleft()
            self.running.append(request)
            self.free_blocks -= need
            request.blocks = need
            budget -= granted
            grants.append((request, granted))

    def preempt_last(self) -> Request:
        """The last running request gives its blocks back and waits, first in line, to recompute."""
        request = self.running.pop()
        self.free_blocks += request.blocks
        request.lose_cache()
        request.preemptions += 1
        self.waiting.appendleft(request)
        return request

    def complete(self, step: Step, now_ns: int, gaps: Counter[int]) -> list[Request]:
        """End a step: tokens come out, `gaps` counts each inter-token latency (ns), the finished
        leave and are returned."""
        finished = []
        for request, granted in step.grants:
            request.computed += granted
            if granted < request.todo:
                request.todo -= granted
                continue
            request.todo = 1
            if request.generated:
                gaps[now_ns - request.last_token_ns] += 1
            else:
                request.first_token_ns = now_ns
            request.generated += 1
            request.last_token_ns = now_ns
            if request.generated == request.output:
                finished.append(request)
        if finished:
            self.leave(finished)
        return finished

    def expire(self, now_ns: int) -> list[Request]:
        """Requests whose client has hung up by now leave and are returned."""
        if now_ns < self.next_deadline_ns:
            return []
        everyone = [*self.running, *self.waiting]
        expired = [request for request in everyone if request.deadline_ns <= now_ns]
        self.leave(expired)
        self.next_deadline_ns = min(
            (request.deadline_ns for request in everyone if request.deadline_ns > now_ns),
            default=NEVER_NS,
        )
        return expired

    def leave(self, requests: list[Request]) -> None:
        leaving = {id(request) for request in requests}
        for request in requests:
            self.free_blocks += request.blocks
        self.running = [request for request in self.running if id(request) not in leaving]
        if any(id(request) in leaving for request in self.waiting):
            self.waiting = deque(r for r in self.waiting if id(r) not in leaving)

    def drain(self) -> list[Request]:
        """Everyone leaves, running first; the cache is empty afterwards."""
        everyone = [*self.running, *self.waiting]
        self.running, self.waiting = [], deque()
        self.free_blocks = self.limits.blocks
        self.next_deadline_ns = NEVER_NS
        return everyone


def measured(grants: list[tuple[Request, int]]) -> Step:
    """The step's load: a decode is one token after the first, all else is prefill."""
    prefill_tokens = decode_tokens = kv_tokens = attention_pairs = 0
    for request, tokens in grants:
        computed = request.computed
        kv_tokens += computed
        if tokens == 1 and request.generated:
            decode_tokens += 1
            attention_pairs += computed + 1
        else:
            prefill_tokens += tokens
            attention_pairs += tokens * computed + tokens * (tokens + 1) // 2
    return Step(grants, prefill_tokens, decode_tokens, kv_tokens, attention_pairs)
