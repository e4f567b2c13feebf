"""Which request follows which: sessions, seen in what prompts repeat or told by the file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.prefixes import Chains

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOBODY = -1
REPEATED = 0.95
"""Of an earlier prompt: a request that begins with this much of it follows it ..."""
BLOCKS_APART = 2
"""... as does one that misses no more than this many blocks: the last of a prompt is not whole."""


@dataclass(frozen=True)
class Following:
    """Requests in order of arrival, and what each has in common with earlier ones.

    parent int64[rows]: the request it follows, NOBODY for the first of a session. hit_tokens
    int64[rows]: of its prompt, how many some earlier prompt began with. depth int64[rows]: requests
    before it in its session. root int64[rows]: the first one.
    """

    parent: Ints
    hit_tokens: Ints
    depth: Ints
    root: Ints

    @property
    def followed_by(self) -> Ints:
        """The earliest request that follows each, NOBODY where none does."""
        found = np.full(self.parent.size, NOBODY, dtype=np.int64)
        rows = np.flatnonzero(self.parent != NOBODY)[::-1]
        found[self.parent[rows]] = rows
        return found


def infer_following(
    chains: Chains, input_tokens: Ints, block_tokens: int, common_tokens: int
) -> Following:
    """Sessions by what prompts repeat, in blocks of `block_tokens`: a request whose prompt begins
    with nearly all of an earlier one, and with more than the `common_tokens` of all, follows the
    latest such."""
    before = earlier_segments(chains)
    counts = np.add.reduceat(np.append(before != NOBODY, False), chains.first[:-1], dtype=np.int64)
    # Keys stand for a prompt from its start on: where one was seen, so were all before it.
    hits = np.where(chains.counts > 0, counts, 0)
    some = np.flatnonzero(hits)
    last = chains.first[some] + hits[some] - 1
    hit_tokens = np.zeros(len(chains), dtype=np.int64)
    hit_tokens[some] = np.minimum(chains.ends[last], chains.ends[before[last]])
    candidate = np.full(len(chains), NOBODY, dtype=np.int64)
    candidate[some] = np.repeat(np.arange(len(chains)), chains.counts)[before[last]]
    whole = input_tokens[candidate]
    near = (whole - hit_tokens <= block_tokens * BLOCKS_APART) | (hit_tokens >= REPEATED * whole)
    follows = (hits > 0) & (hit_tokens > common_tokens) & near
    return following(np.where(follows, candidate, NOBODY), hit_tokens)


def following(parent: Ints, hit_tokens: Ints) -> Following:
    """With depth and root, parents standing before their children."""
    depth, root = np.zeros(parent.size, dtype=np.int64), np.arange(parent.size)
    for row in np.flatnonzero(parent != NOBODY).tolist():
        depth[row], root[row] = depth[parent[row]] + 1, root[parent[row]]
    return Following(parent, hit_tokens, depth, root)


def earlier_segments(chains: Chains) -> Ints:
    """Per segment, the latest earlier one with the same key; NOBODY where it is new."""
    order = np.argsort(chains.keys, kind="stable")
    same = np.diff(chains.keys[order], prepend=-1) == 0
    found = np.full(chains.keys.size, NOBODY, dtype=np.int64)
    found[order] = np.where(same, np.roll(order, 1), NOBODY)
    return found


def common_prefix_tokens(chains: Chains, share: float = 0.9) -> int:
    """Tokens that at least `share` of the prompts begin with."""
    if not chains.keys.size:
        return 0
    _, at, times = np.unique(chains.keys, return_index=True, return_counts=True)
    usual = times >= share * len(chains)
    return int(chains.ends[at[usual]].max(initial=0))
