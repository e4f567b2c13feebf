"""What a prefix cache that forgets nothing would find: the most that sharing can save."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.figures.lengths import Tally
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.recorded_chains import Hashes, prefix_hashes

Ints = NDArray[np.int64]
SEEN_MAX = 8_000_000
"""Segments that are remembered, 8 bytes each; once there are more, figures stop growing."""
ENGINE_BLOCK_TOKENS = 16
PER_MILLE = 1000


@dataclass(frozen=True)
class PrefixFigures:
    """With an infinite cache that holds every prompt from its request on.

    requests: how many were counted, all unless memory ran out. hit_token_share: prompt tokens found
    over all prompt tokens; hit_block_share: blocks of `block_tokens` found over all blocks that
    prompts have. request_hit_share_p50: of single requests, the share found in the median one.
    new_tokens: prompt tokens of a request that were not found.
    """

    requests: int
    block_tokens: int
    hit_token_share: float
    hit_block_share: float
    request_hit_share_p50: float
    new_tokens_mean: float
    new_tokens_p50: int
    new_tokens_p90: int


class Prefixes:
    """Learns from requests in the order they come."""

    def __init__(self, block_tokens: int | None) -> None:
        self.block_tokens = block_tokens or ENGINE_BLOCK_TOKENS
        self.seen = Seen()
        self.new, self.shares = Tally(), Tally()
        self.hit_tokens = self.tokens = self.hit_blocks = self.blocks = 0

    def add(self, chains: Chains | None, input_tokens: Ints) -> None:
        if self.seen.size > SEEN_MAX:
            return
        found = np.zeros(input_tokens.size, dtype=np.int64)
        if chains is not None and chains.keys.size:
            found = np.minimum(self.found_tokens(chains), input_tokens)
        self.new.add(input_tokens - found)
        self.shares.add(found * PER_MILLE // input_tokens)
        self.hit_tokens += int(found.sum())
        self.tokens += int(input_tokens.sum())
        self.hit_blocks += int((-(-found // self.block_tokens)).sum())
        self.blocks += int((-(-input_tokens // self.block_tokens)).sum())

    def found_tokens(self, chains: Chains) -> Ints:
        """Per row the end of the last segment that, with all before it, an earlier row had."""
        hashes = prefix_hashes(chains)
        rows = np.repeat(np.arange(len(chains)), chains.counts)
        different, first, place = np.unique(hashes, return_index=True, return_inverse=True)
        known = self.seen.has(different)[place] | (rows[first][place] < rows)
        self.seen.add(different)
        # Behind the first segment that is not known nothing else is: chains tell what is before.
        ends = np.where(known, chains.ends, 0)
        found = np.zeros(len(chains), dtype=np.int64)
        np.maximum.at(found, rows, ends)
        return found

    def figures(self) -> PrefixFigures | None:
        """None where nothing is shared."""
        if not self.hit_tokens:
            return None
        p50, p90 = self.new.quantiles([0.5, 0.9])
        return PrefixFigures(
            requests=self.new.size,
            block_tokens=self.block_tokens,
            hit_token_share=self.hit_tokens / self.tokens,
            hit_block_share=self.hit_blocks / self.blocks,
            request_hit_share_p50=self.shares.quantiles([0.5])[0] / PER_MILLE,
            new_tokens_mean=self.new.mean,
            new_tokens_p50=p50,
            new_tokens_p90=p90,
        )


class Seen:
    """A set of numbers, as sorted arrays of which each is at most half of the one before."""

    def __init__(self) -> None:
        self.parts: list[Hashes] = []

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def has(self, numbers: Hashes) -> NDArray[np.bool_]:
        found = np.zeros(numbers.size, dtype=bool)
        for part in self.parts:
            places = np.minimum(np.searchsorted(part, numbers), part.size - 1)
            found |= part[places] == numbers
        return found

    def add(self, numbers: Hashes) -> None:
        """Sorted ones."""
        fresh = numbers[~self.has(numbers)]
        if fresh.size:
            self.parts.append(fresh)
        while len(self.parts) > 1 and 2 * self.parts[-1].size > self.parts[-2].size:
            last = self.parts.pop()
            self.parts[-1] = np.sort(np.concatenate([self.parts[-1], last]))
