"""vLLM's prefix cache block by block, for requests that come one after the other.

Every block has a hash of all tokens up to its end and a place in one queue of free blocks. This is
how vLLM V1 does it (vllm/v1/core/block_pool.py); our cache deals in segments instead and must find
the same.
"""

from collections.abc import Iterator

from simulator.traffic import Workload


class BlockCache:
    """The blocks of one replica that serves one request at a time."""

    def __init__(self, blocks: int, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self.blank = blocks
        self.free: dict[object, None] = {}
        """Hashes of free blocks, the next to be evicted first."""
        self.unhashed = 0

    def serve(self, hashes: list[object], prompt: int, computed: int) -> int:
        """One request from admission to its last token; returns the tokens it found.

        hashes: of its full blocks; prompt, computed: tokens of the prompt, and at its end.
        """
        hits = 0
        while hits < (prompt - 1) // self.block_tokens and hashes[hits] in self.free:
            hits += 1
        for used in hashes[:hits]:
            del self.free[used]
        for _ in range(-(-computed // self.block_tokens) - hits):
            if self.blank:
                self.blank -= 1
            else:
                del self.free[next(iter(self.free))]
        if computed % self.block_tokens:
            self.unhashed += 1
            self.free["unhashed", self.unhashed] = None
        for used in reversed(hashes):
            if used in self.free:  # the same block twice: the older one counts as blank
                del self.free[used]
                self.blank += 1
            self.free[used] = None
        return hits * self.block_tokens


def tokens_found(workload: Workload, blocks: int, block_tokens: int) -> Iterator[int]:
    """Per request, in order: the tokens found in the cache."""
    cache = BlockCache(blocks, block_tokens)
    for row in range(len(workload)):
        prompt, output = int(workload.input_tokens[row]), int(workload.output_tokens[row])
        computed = prompt + output - 1
        ends = range(block_tokens, computed + 1, block_tokens)
        yield cache.serve([content(workload, row, end) for end in ends], prompt, computed)


def content(workload: Workload, row: int, end: int) -> object:
    """What tells the tokens 0 .. end - 1 of a request from others."""
    chains = workload.chains
    if chains is not None:
        for segment in range(chains.first[row], chains.first[row + 1]):
            if chains.ends[segment] >= end:
                return int(chains.keys[segment]), end
    return "own", row, end
