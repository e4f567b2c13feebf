"""What recorded prompts share, as chains for the prefix cache."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.traffic import Chains
from simulator.traffic.prefixes import first_of

Ints = NDArray[np.int64]
BLOCK_TOKENS = 16


def repeated_prompts(
    prompt: Ints, input_tokens: Ints, output_tokens: Ints, groups: int, system_tokens: int
) -> Chains:
    """Requests with equal `prompt` (int64[n], from 0) have the whole prompt in common, those of one
    group its first `system_tokens`; prompt p belongs to group p % groups.

    A prompt's length is that of most of its copies; a request much unlike it (recorded out of
    order) keeps the common beginning only.
    """
    kinds = int(prompt.max(initial=-1)) + 1
    usual = np.array([most_frequent(input_tokens[prompt == kind]) for kind in range(kinds)])
    whole = usual[prompt]
    shares_all = (whole > system_tokens) & (whole <= input_tokens + output_tokens)
    shares_all &= np.abs(whole - input_tokens) <= 2 * BLOCK_TOKENS
    shares_front = (input_tokens >= system_tokens) & (system_tokens > 0) & (groups > 0)
    keys = np.stack([prompt % max(groups, 1), groups + prompt], axis=1)
    ends = np.stack([np.full(prompt.size, system_tokens), whole], axis=1)
    kept = np.stack([shares_front, shares_all], axis=1)
    return Chains(first_of(kept.sum(axis=1)), keys[kept], ends[kept])


def most_frequent(values: Ints) -> int:
    """The value that most have, the smallest of several; 0 of none."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()]) if found.size else 0


def likely_parents(input_tokens: Ints, hit_tokens: Ints) -> list[int | None]:
    """For each request that may hit `hit_tokens`: the latest earlier one, not yet followed, whose
    whole blocks are as many. A second turn repeats the first one's prompt and not, for the engine,
    its answer, whose tokens were pinned to another text.

    >>> likely_parents(np.array([40, 100, 90]), np.array([0, 0, 32]))
    [None, None, 0]
    """
    blocks = input_tokens // BLOCK_TOKENS * BLOCK_TOKENS
    parents: list[int | None] = []
    followed: set[int] = set()
    for row, hit in enumerate(hit_tokens.tolist()):
        earlier = np.flatnonzero(blocks[:row] == hit) if hit > 0 else np.empty(0, np.int64)
        free = [j for j in earlier.tolist() if j not in followed] or earlier.tolist()
        parents.append(free[-1] if free else None)
        followed |= set(free[-1:])
    return parents


def turns(parents: Sequence[int | None], hit_tokens: Ints) -> Chains:
    """Each request begins with the first `hit_tokens` of its parent, and whatever these begin
    with."""
    segments: list[list[tuple[int, int]]] = [[] for _ in parents]
    for row, parent in enumerate(parents):
        if parent is not None:
            shared = (parent, int(hit_tokens[row]))
            if shared not in segments[parent]:
                segments[parent].append(shared)
            segments[row].extend(segments[parent])
    return Chains(
        first_of(np.array([len(each) for each in segments])),
        np.array([key for each in segments for key, _ in each], dtype=np.int64),
        np.array([end for each in segments for _, end in each], dtype=np.int64),
    )
