"""Clients differ in what they ask: each multiplies all its lengths by factors of its own."""

import numpy as np

from scenarios.demand import TOKENS_MAX, Lengths, Mixture, PopulationArrivals
from scenarios.demand.lengths import Clipped
from simulator.traffic.arrivals.steps import Floats
from simulator.traffic.lengths.choices import Ints


def draw_factors(arrivals: PopulationArrivals, rng: np.random.Generator) -> Floats:
    """float64[2, clients]: of each client one for prompts and one for answers, lognormal of median
    one."""
    return np.exp(arrivals.length_sigma * rng.standard_normal((2, arrivals.clients)))


def scaled(tokens: Ints, factors: Floats, lengths: Lengths) -> Ints:
    """Lengths times factors, rounded, within the `min` and `max` that they are clipped to."""
    return np.clip(np.rint(tokens * factors), *bounds(lengths)).astype(np.int64)


def bounds(lengths: Lengths) -> tuple[int, int]:
    """The clipping that lengths ask for; of a mixture, the widest of its components."""
    match lengths:
        case Clipped():
            return lengths.min, lengths.max or TOKENS_MAX
        case Mixture(of=components):
            lows, highs = zip(*(bounds(component) for component in components), strict=True)
            return min(lows), max(highs)
    return 1, TOKENS_MAX
