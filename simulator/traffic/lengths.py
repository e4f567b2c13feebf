"""How long prompts and answers are, in tokens."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import TOKENS_MAX, Constant, Lognormal, Mixture, Table

Tokens = NDArray[np.int64]


def draw_lengths(
    lengths: Constant | Lognormal | Table | Mixture, size: int, rng: np.random.Generator
) -> Tokens:
    """`size` independent lengths, whole tokens, at least 1."""
    match lengths:
        case Mixture(of=components):
            weights = np.array([component.weight for component in components])
            chosen = rng.choice(len(components), size, p=weights / weights.sum())
            # Every component is drawn in full: adding one never shifts the draws of another.
            drawn = np.stack([draw_lengths(part, size, rng) for part in components])
            return np.asarray(drawn[chosen, np.arange(size)])
        case Constant(tokens=tokens):
            return np.full(size, tokens, dtype=np.int64)
        case Table(tokens=tokens, weights=weights):
            return np.asarray(rng.choice(np.array(tokens), size, p=shares(weights)))
        case Lognormal():
            drawn = np.rint(rng.lognormal(lengths.mu, lengths.sigma, size))
            return np.clip(drawn, lengths.min, lengths.max or TOKENS_MAX).astype(np.int64)
    raise AssertionError(f"lengths of kind {lengths.kind}")


def shares(weights: tuple[float, ...] | None) -> Any:
    return None if weights is None else np.array(weights) / sum(weights)
