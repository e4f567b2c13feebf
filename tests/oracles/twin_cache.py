"""KV blocks of the twin's replicas: plain ones, and the prefix cache.

docs/background/serving-engine.md, "KV blocks" and "Prefix cache", word by word. Blocks have no
identity here: what matters is how many there are, and in which order they would be evicted.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(slots=True, eq=False)
class Run:
    """Blocks that are evicted together, the last one first: a node of the cache, or what a request
    left behind."""

    blocks: int
    key: int | None = None
    """The segment whose leading blocks these are; None for leftovers."""
    users: int = 0


@dataclass(slots=True, eq=False)
class Holding:
    """The blocks of one request on one replica."""

    nodes: list[Run] = field(default_factory=list)
    """Those it uses, in chain order."""
    shared: int = 0
    """Its leading blocks, which are in those nodes."""
    own: int = 0
    """All blocks after these."""
    kept: Run | None = None
    """Preempted: the own blocks it left behind, as far as they are still resident."""
    kept_begin: int = 0
    """Which block of the request the first of them is."""
    kept_full: int = 0
    """How many of them were full."""

    @property
    def blocks(self) -> int:
        return self.shared + self.own


class Found(NamedTuple):
    """What a request would find resident if it were admitted now, in blocks."""

    parts: tuple[tuple[Run, int], ...] = ()
    """Each node, and how many of its blocks are needed: not all where the segment or the request is
    shorter than what others have left there."""
    shared: int = 0
    own: int = 0


class Segment(NamedTuple):
    """The blocks that end inside one segment of a chain."""

    key: int
    begin: int
    end: int


def segments(chain: tuple[tuple[int, int], ...], block_tokens: int) -> list[Segment]:
    """A chain of (key, end in tokens), in blocks; segments that own none are passed over."""
    owned, begin = [], 0
    for key, end_tokens in chain:
        end = end_tokens // block_tokens
        if end > begin:
            owned.append(Segment(key, begin, end))
        begin = end
    return owned


def shareable(request: Any, block_tokens: int) -> int:
    """S: the leading blocks that could be shared, at least one token being always computed."""
    if not request.chain:
        return 0
    last_end = request.chain[-1][1]
    return min(last_end // block_tokens, (request.prompt + request.generated - 1) // block_tokens)


class PlainBlocks:
    """Without prefix caching: a count. The same doors as PrefixCache."""

    def __init__(self, blocks: int, block_tokens: int) -> None:
        self.free = blocks

    def find(self, request: Any) -> Found:
        return Found()

    def cost(self, found: Found, new: int) -> int:
        return new

    def take(self, request: Any, found: Found, new: int) -> None:
        self.grow(request, new)

    def grow(self, request: Any, new: int) -> None:
        self.free -= new
        request.holding.own += new

    def register(self, request: Any, filled: int) -> None:
        pass

    def leave(self, request: Any, preempted: bool) -> None:
        self.free += request.holding.own
        request.holding = Holding()


class PrefixCache:
    """Blocks are blank, in a used node, a request's own, or in the eviction queue."""

    def __init__(self, blocks: int, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self.blank = blocks
        self.nodes: dict[int, Run] = {}
        self.queue: dict[Run, None] = {}
        """To be evicted from the front. A dict for its order."""

    @property
    def free(self) -> int:
        return self.blank + sum(run.blocks for run in self.queue)

    def find(self, request: Any) -> Found:
        """Walk the chain as far as it is resident."""
        limit = shareable(request, self.block_tokens)
        parts: list[tuple[Run, int]] = []
        shared = 0
        for key, begin, end in segments(request.chain, self.block_tokens):
            if begin >= limit or key not in self.nodes:
                break
            node, wanted = self.nodes[key], min(end, limit) - begin
            needed = min(node.blocks, wanted)
            parts.append((node, needed))
            shared = begin + needed
            if needed < wanted:
                break
        own = 0
        holding = request.holding
        if shared == limit and holding.kept is not None:
            resident = min(holding.kept.blocks, holding.kept_full)
            own = max(holding.kept_begin + resident - limit, 0)
        return Found(tuple(parts), shared, own)

    def cost(self, found: Found, new: int) -> int:
        """Free blocks that an admission uses up: new ones, and those it takes from the queue."""
        from_queue = sum(needed for node, needed in found.parts if node.users == 0)
        return new + from_queue + found.own

    def take(self, request: Any, found: Found, new: int) -> None:
        """Admit: use what was found, drop what nobody needs of it, and add `new` blocks."""
        holding = request.holding
        for node, needed in found.parts:
            if node.users == 0:
                del self.queue[node]
                self.blank += node.blocks - needed
                node.blocks = needed
            node.users += 1
        holding.nodes = [node for node, _ in found.parts]
        holding.shared, holding.own = found.shared, found.own
        if found.own:
            holding.kept.blocks -= found.own
            if holding.kept.blocks == 0:
                del self.queue[holding.kept]
        holding.kept = None
        self.grow(request, new)

    def grow(self, request: Any, new: int) -> None:
        """Give a request new blocks: blank ones first, then evicted ones."""
        request.holding.own += new
        blank = min(new, self.blank)
        self.blank -= blank
        for _ in range(new - blank):
            self.evict()

    def evict(self) -> None:
        run = next(iter(self.queue))
        run.blocks -= 1
        if run.blocks == 0:
            del self.queue[run]
            if run.key is not None:
                del self.nodes[run.key]

    def register(self, request: Any, filled: int) -> None:
        """A request's own blocks enter their nodes in chain order, up to block `filled`."""
        holding = request.holding
        for key, begin, end in segments(request.chain, self.block_tokens):
            while begin <= holding.shared < min(end, filled):
                node = self.nodes.get(key)
                if node is None:
                    node = self.nodes[key] = Run(0, key, users=1)
                    holding.nodes.append(node)
                if node not in holding.nodes or node.blocks != holding.shared - begin:
                    return
                node.blocks += 1
                holding.shared += 1
                holding.own -= 1

    def leave(self, request: Any, preempted: bool) -> None:
        """A running request gives up its blocks; after a preemption it may find them again."""
        self.register(request, request.computed // self.block_tokens)
        before, request.holding = request.holding, Holding()
        if before.own:
            run = Run(before.own)
            self.queue[run] = None
            if preempted:
                full = max(request.computed // self.block_tokens - before.shared, 0)
                request.holding = Holding(kept=run, kept_begin=before.shared, kept_full=full)
        for node in reversed(before.nodes):
            node.users -= 1
            if node.users == 0:
                self.queue[node] = None
