"""Sessions of coding agents: who follows whom, and prompts that grow by blocks."""

from collections.abc import Sequence

import numpy as np

from simulator.traffic.formats.rows import NOBODY, Floats, Ints, Links
from simulator.traffic.formats.turns import not_negative
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.recorded_chains import in_runs

BLOCK_TOKENS = 64


def session_links(
    session: int, at_s: Floats, agents: Sequence[str], service_s: Floats, think_s: Floats
) -> Links:
    """The links of one session's rows, in order of time; the first row's agent is the main one.

    A request follows its agent's previous one, `think_s` after it where that is recorded. The first
    of a sub-agent follows the main agent's latest: that started it.
    """
    last: dict[str, int] = {}
    parent, pause_s = np.full(at_s.size, NOBODY), np.full(at_s.size, np.nan)
    service_s = not_negative(service_s)
    for row, agent in enumerate(agents):
        parent[row] = last.get(agent, last.get(agents[0], NOBODY))
        if parent[row] != NOBODY:
            end_s = at_s[parent[row]] + service_s[parent[row]]
            pause_s[row] = max(0.0, at_s[row] - end_s) if np.isfinite(end_s) else np.nan
        if agent in last and think_s[row] >= 0:
            pause_s[row] = think_s[row]
        last[agent] = row
    return Links(np.full(at_s.size, session), np.arange(at_s.size), parent, pause_s, service_s)


def shared_blocks(
    n_blocks: Ints, hit_blocks: Ints, prefix_parent: Ints
) -> tuple[Chains, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """The chains of one session, and which rows are broken: row i begins with the first
    hit_blocks[i] blocks of row prefix_parent[i], an earlier one or NOBODY; the rest is new."""
    ids: list[Ints] = []
    broken = np.zeros(n_blocks.size, dtype=bool)
    new = 0
    for row in range(n_blocks.size):
        blocks, hits, before = int(n_blocks[row]), int(hit_blocks[row]), int(prefix_parent[row])
        known = ids[before][:hits] if 0 <= before < row else np.empty(0, dtype=np.int64)
        broken[row] = before >= row or not 0 <= known.size == hits <= blocks
        if broken[row]:
            known, blocks = known[:0], max(0, blocks)
        fresh = blocks - known.size
        ids.append(np.concatenate([known, np.arange(new, new + fresh)]))
        new += fresh
    counts = np.array([row.size for row in ids], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(counts)])
    ends = (np.arange(first[-1]) - np.repeat(first[:-1], counts) + 1) * BLOCK_TOKENS
    return in_runs(Chains(first, np.concatenate(ids), ends)), broken
