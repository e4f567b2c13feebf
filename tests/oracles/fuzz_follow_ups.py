"""Random graphs of requests that wait for others, for fuzz_cases.py."""

import numpy as np

from simulator.traffic.follow_ups import NOBODY, FollowUps

GRAPHS = ("chains", "closed loop", "forks and joins", "anything")


def random_follow_ups(rng: np.random.Generator, rows: int, grid_ns: int) -> FollowUps:
    """Who waits for whom among `rows`; rows that wait for nobody come first or are mixed in."""
    waits_for = predecessors(rng, str(rng.choice(GRAPHS)), rows)
    followers: list[list[int]] = [[] for _ in range(rows)]
    for row, earlier in enumerate(waits_for):
        for one in earlier:
            followers[one].append(row)
    waits = np.array([len(earlier) for earlier in waits_for], dtype=np.int32)
    return FollowUps(
        first=np.cumsum([0, *map(len, followers)], dtype=np.int64),
        rows=np.array([row for later in followers for row in later], dtype=np.int32),
        waits=waits,
        pause_ns=np.where(waits > 0, random_pauses(rng, rows, grid_ns), 0),
        otherwise=random_otherwise(rng, waits, followers),
    )


def predecessors(rng: np.random.Generator, graph: str, rows: int) -> list[list[int]]:
    """Of each row: those it waits for, all of them before it."""
    width = int(rng.integers(1, max(rows // 3, 2)))
    share, most = float(rng.choice([0.3, 0.8, 0.95])), int(rng.integers(2, 6))

    def some(row: int) -> list[int]:
        if graph == "closed loop":
            return [row - width] if row >= width else []
        if row == 0 or rng.random() > share:
            return []
        recent = max(row - 2 * width, 0) if graph != "anything" else 0
        count = 1 if graph == "chains" else int(rng.integers(1, most + 1))
        return rng.choice(np.arange(recent, row), min(count, row - recent), replace=False).tolist()

    return [some(row) for row in range(rows)]


def random_pauses(rng: np.random.Generator, rows: int, grid_ns: int) -> np.ndarray:
    """The shortest there is, some steps in whole or not, or long; all alike in a third of cases."""
    kinds = [
        np.ones(rows, dtype=np.int64),
        rng.integers(1, 10, rows) * grid_ns,
        rng.integers(1, 5 * grid_ns, rows),
        rng.integers(1, 60 * grid_ns, rows),
    ]
    if rng.random() < 0.3:
        return kinds[rng.integers(len(kinds))]
    return np.choose(rng.integers(len(kinds), size=rows), kinds)


def random_otherwise(
    rng: np.random.Generator, waits: np.ndarray, followers: list[list[int]]
) -> np.ndarray:
    """Rows that arrive when others fail: later ones that wait, often those that wait for them."""
    share, chosen = float(rng.choice([0.0, 0.5, 1.0])), np.full(waits.size, NOBODY, dtype=np.int32)
    waiting = np.flatnonzero(waits)
    for row in range(waits.size):
        later = waiting[np.searchsorted(waiting, row, side="right") :]
        if later.size and rng.random() < share:
            near = followers[row] if rng.random() < 0.4 else later[:8]
            chosen[row] = rng.choice(near if len(near) else later)
    return chosen
