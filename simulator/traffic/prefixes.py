"""What prompts have in common, as chains of segments: the prefix cache's view of a workload.

Keys are whole numbers of one workload and mean nothing beyond it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import Prefix

Ints = NDArray[np.int64]
KEYS_MAX = 1 << 62


@dataclass(frozen=True)
class Chains:
    """The prompts as chains of segments, for the prefix cache.

    Segments of row i are first[i] .. first[i + 1] - 1 (int64[rows + 1]). keys int64[segments], at
    least 0: equal keys mean equal tokens from the start of the prompt to the end of that segment,
    to the nearer end where two differ, and the same begin (the end of the segment before): the
    turns of a session are one segment that grows.
    ends int64[segments]: tokens up to there, increasing within a row; beyond the prompt they reach
    into the output, at most to its end. Tokens after the last end are the request's own.
    """

    first: Ints
    keys: Ints
    ends: Ints

    def __len__(self) -> int:
        return self.first.size - 1

    @property
    def counts(self) -> Ints:
        """Segments of each row."""
        return np.diff(self.first)

    @property
    def key_count(self) -> int:
        """Above every key."""
        return int(self.keys.max(initial=-1)) + 1


def draw_chains(
    prefixes: Sequence[Prefix],
    size: int,
    rng_of: Callable[[int], np.random.Generator],
    recorded: Chains | None = None,
    window: Ints | None = None,
) -> Chains:
    """The chains of `size` requests of one traffic group.

    rng_of(level) draws the variants of one level of `prefixes`. Behind them stands what a trace
    recorded of each request (`recorded`, one row each), shared by requests of one drawn `window`
    (int64[size]) behind the same prefixes only: windows are independent drawings, so what all of
    them share in the trace is shared within each and computed once in each.
    """
    front, variant = draw_prefixes(prefixes, size, rng_of)
    if recorded is None or window is None or not recorded.keys.size:
        return front
    space = window * math.prod(prefix.variants for prefix in prefixes) + variant
    if int(space.max()) > KEYS_MAX // recorded.key_count:
        _, space = np.unique(space, return_inverse=True)
    keys = np.repeat(space * recorded.key_count + front.key_count, recorded.counts)
    keys += recorded.keys
    ends = recorded.ends + sum(prefix.tokens for prefix in prefixes)
    return behind(front, Chains(recorded.first, keys, ends))


def draw_prefixes(
    prefixes: Sequence[Prefix], size: int, rng_of: Callable[[int], np.random.Generator]
) -> tuple[Chains, Ints]:
    """A chain of one segment per level for each request, and the number of the chain as a whole."""
    keys = np.empty((size, len(prefixes)), dtype=np.int64)
    chain, kinds, taken = np.zeros(size, dtype=np.int64), 1, 0
    for level, prefix in enumerate(prefixes):
        chain = chain * prefix.variants + draw_variants(prefix, size, rng_of(level))
        keys[:, level] = taken + chain
        kinds *= prefix.variants
        taken += kinds
    ends = np.cumsum([prefix.tokens for prefix in prefixes], dtype=np.int64)
    first = np.arange(size + 1, dtype=np.int64) * len(prefixes)
    return Chains(first, keys.ravel(), np.tile(ends, size)), chain


def draw_variants(prefix: Prefix, size: int, rng: np.random.Generator) -> Ints:
    """`size` independent variants, 0 the most popular: Zipf's law over `prefix.variants`."""
    weights = np.arange(1, prefix.variants + 1, dtype=float) ** -prefix.zipf
    return rng.choice(prefix.variants, size, p=weights / weights.sum())


def take(chains: Chains, rows: Ints) -> Chains:
    """The chains of `rows`, in their order; a row may come more than once."""
    counts = chains.counts[rows]
    at = positions(chains.first[rows], counts)
    return Chains(first_of(counts), chains.keys.take(at), chains.ends.take(at))


def behind(front: Chains, back: Chains) -> Chains:
    """Row by row, the segments of `back` after those of `front`."""
    if not front.keys.size:
        return back
    first = front.first + back.first
    return laid_out(first, [(front, first[:-1]), (back, first[1:] - back.counts)])


def merged(groups: Sequence[Chains], order: Ints) -> Chains:
    """The rows of all groups, which have no key in common, in `order`: position i holds the row
    order[i] of the groups one after the other."""
    if len(groups) == 1:
        return take(groups[0], order)
    first = first_of(np.concatenate([group.counts for group in groups])[order])
    starts = np.empty(order.size, dtype=np.int64)
    starts[order] = first[:-1]
    parts, row, taken = [], 0, 0
    for group in groups:
        if taken + group.key_count > KEYS_MAX:
            group = renumbered(group)
        apart = Chains(group.first, group.keys + taken, group.ends)
        parts.append((apart, starts[row : row + len(group)]))
        row, taken = row + len(group), taken + group.key_count
    return laid_out(first, parts)


def renumbered(chains: Chains) -> Chains:
    """The same with the lowest keys that tell them apart."""
    _, keys = np.unique(chains.keys, return_inverse=True)
    return Chains(chains.first, keys, chains.ends)


def laid_out(first: Ints, parts: Sequence[tuple[Chains, Ints]]) -> Chains:
    """Chains with `first`, filled by parts: the segments of each part's row i from starts[i] on."""
    keys, ends = np.empty(first[-1], dtype=np.int64), np.empty(first[-1], dtype=np.int64)
    for part, starts in parts:
        at = positions(starts, part.counts)
        keys[at], ends[at] = part.keys, part.ends
    return Chains(first, keys, ends)


def first_of(counts: Ints) -> Ints:
    """Where each row's segments begin, and where the last row's end."""
    return np.concatenate([[0], np.cumsum(counts)])


def positions(starts: Ints, counts: Ints) -> Ints:
    """starts[i], starts[i] + 1, ... counts[i] of them, row after row.

    >>> positions(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    found = np.repeat(starts - np.cumsum(counts) + counts, counts)
    found += np.arange(found.size)
    return found
