"""What recorded prompts share: the ids of a file -> chains of a workload."""

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.prefixes import Chains, first_of, positions

Hashes = NDArray[np.uint64]
FINE_BLOCK_TOKENS = 512
"""Blocks below this are laid together where they only occur together: a prompt of 100,000 tokens
has 1,500 blocks of 64 tokens, and a dozen places where another prompt leaves it."""


def numbered(recorded: Chains, block_tokens: int) -> Chains:
    """The same with dense keys. A block of which a prompt holds a part is another one than the
    whole; and so is one behind other blocks, where ids tell content and not everything before it.
    """
    if not recorded.keys.size:
        return recorded
    _, seen, block = np.unique(recorded.keys, return_index=True, return_inverse=True)
    place = positions(np.zeros(len(recorded), dtype=np.int64), recorded.counts)
    before = np.where(place > 0, np.roll(block, 1), -1)
    if np.any(before != before[seen][block]):
        _, block = np.unique(prefix_hashes(recorded), return_inverse=True)
    part = recorded.ends % block_tokens
    _, keys = np.unique(block * block_tokens + part, return_inverse=True)
    return Chains(recorded.first, keys, recorded.ends)


def in_runs(chains: Chains) -> Chains:
    """Segments laid together that occur only together. Keys are dense, equal ones follow equal
    ones: a key's row count can only fall along a chain, and where it does not, nobody leaves."""
    if not chains.keys.size:
        return chains
    rows = np.repeat(np.arange(len(chains)), chains.counts)
    uses = np.bincount(chains.keys)[chains.keys]
    ends_here = np.ones(chains.keys.size, dtype=bool)
    ends_here[:-1] = (rows[:-1] != rows[1:]) | (uses[:-1] != uses[1:])
    counts = np.bincount(rows[ends_here], minlength=len(chains))
    return Chains(first_of(counts), chains.keys[ends_here], chains.ends[ends_here])


def prefix_hashes(chains: Chains) -> Hashes:
    """A number per segment that tells it, its end and all before it from any other."""
    keys = mixed(mixed(chains.keys.view(np.uint64)) + chains.ends.view(np.uint64))
    place = positions(np.zeros(len(chains), dtype=np.int64), chains.counts)
    weights = np.full(int(chains.counts.max(initial=0)), 0x9E3779B97F4A7C15, dtype=np.uint64)
    sums = np.cumsum(keys * np.cumprod(weights)[place], dtype=np.uint64)
    before = np.concatenate([np.zeros(1, dtype=np.uint64), sums])[chains.first[:-1]]
    hashes: Hashes = sums - np.repeat(before, chains.counts)
    return hashes


def mixed(words: Hashes) -> Hashes:
    """Every bit of a word into every other: the finalizer of splitmix64 (Steele et al. 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
