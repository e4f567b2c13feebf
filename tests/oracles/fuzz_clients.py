"""Random clients and what stands before the fleet, for fuzz_cases.py: attempts, circuit breakers,
gates, hedging."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.data_plane import Attempts, Breaker, Gate
from tests.oracles.twin_attempts import MILLION

MANY_RETRIES = 100
"""From here on clients wait long enough for a case to end."""


def random_choices(rng: np.random.Generator) -> dict[str, Any]:
    """Which of them a case has: none in a third of all cases; all of them, and failures, in a
    sixth, because what is rare takes several at once."""
    luck = rng.random()
    chances = {
        "attempts": 0.7, "first_token_timeout": 0.6, "retry_budget": 0.4, "breaker": 0.6,
        "gates": 0.4, "hedging": 0.4,
    }  # fmt: skip
    if luck < 1 / 6:
        return dict.fromkeys([*chances, "failures"], True)
    return {name: bool(rng.random() < chance) and luck < 2 / 3 for name, chance in chances.items()}


def some_steps(rng: np.random.Generator, most: int, grid_ns: int) -> int:
    """One to `most` steps, in half of the draws a whole number of them."""
    return int(rng.integers(1, most + 1)) * grid_ns + int(rng.choice([0, grid_ns // 3]))


def random_attempts(
    rng: np.random.Generator, choices: dict[str, Any], retries: int, grid_ns: int
) -> Attempts:
    drawn = Attempts(
        first_token_timeout_ns=some_steps(rng, int(rng.choice([3, 15])), grid_ns),
        hedge_ns=int(rng.choice([1, some_steps(rng, 2, grid_ns), some_steps(rng, 12, grid_ns)])),
        budget_ppm=int(rng.choice([0, 50_000, 333_333, MILLION])),
        budget_burst=int(rng.choice([0, 1, 3, 20])),
    )
    if not choices["first_token_timeout"]:
        drawn = drawn._replace(first_token_timeout_ns=None)
    if not choices["hedging"]:
        drawn = drawn._replace(hedge_ns=None)
    if not choices["retry_budget"]:
        drawn = drawn._replace(budget_ppm=None, budget_burst=0)
    first_ns, most_ns = random_waits(rng, retries, grid_ns)
    if not choices["attempts"]:
        return drawn
    return drawn._replace(
        on_failure=bool(rng.random() < 0.8),
        on_rejection=bool(rng.random() < 0.6),
        on_timeout=bool(rng.random() < 0.7),
        wait_first_ns=first_ns,
        wait_most_ns=most_ns,
        jitter_ppm=int(rng.choice([0, MILLION, rng.integers(1, MILLION)])),
    )


def random_waits(rng: np.random.Generator, retries: int, grid_ns: int) -> tuple[int, int]:
    """Before the first retry, and at most: none, too short to be kept, or some steps."""
    first_ns = int(rng.choice([0, 1000, some_steps(rng, 3, grid_ns), some_steps(rng, 20, grid_ns)]))
    if first_ns and retries > MANY_RETRIES:
        first_ns = 10 * grid_ns
    return first_ns, int(first_ns * rng.choice([1, 1.5, 4, 100]))


def random_breaker(rng: np.random.Generator, replicas: int, grid_ns: int) -> Breaker:
    """Ejects one replica at a time, some, or all."""
    one = -(-MILLION // replicas)
    at_most_ppm = int(rng.choice([one, one - 1, int(rng.integers(one, MILLION + 1)), MILLION]))
    return Breaker(int(rng.integers(1, 4)), some_steps(rng, 20, grid_ns), at_most_ppm)


def random_gates(
    rng: np.random.Generator, group: NDArray[Any], grid_ns: int
) -> tuple[tuple[Gate, ...], NDArray[Any]]:
    """One for all, or for each group, or as it comes; and the gate of each row."""
    gates = tuple(random_gate(rng, grid_ns) for _ in range(int(rng.integers(1, 4))))
    kinds = [group % len(gates), rng.integers(0, len(gates), len(group))]
    return gates, kinds[rng.integers(2)].astype(np.int64)


def random_gate(rng: np.random.Generator, grid_ns: int) -> Gate:
    """Sheds from one to ten per replica; a token in a tenth of a step to five steps."""
    shed_ppm = int(rng.choice([rng.integers(1, 11) * MILLION, rng.integers(MILLION, 10 * MILLION)]))
    interval_ns = int(rng.choice([grid_ns // 10, some_steps(rng, 5, grid_ns)]))
    burst = int(rng.choice([1, rng.integers(1, 11)]))
    return Gate(
        shed_ppm if rng.random() < 0.6 else None,
        interval_ns if rng.random() < 0.6 else None,
        burst,
    )
