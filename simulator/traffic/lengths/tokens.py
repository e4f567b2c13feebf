"""How long prompts and answers are, in tokens."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scenarios.demand import (
    TOKENS_MAX,
    Constant,
    FromFile,
    FromTrace,
    Gamma,
    Lognormal,
    Mixture,
    OwnLengths,
    Quantiles,
    Table,
    Traffic,
    Uniform,
    Weibull,
)
from simulator.traffic.arrivals.weibull import weibull_shape
from simulator.traffic.drawing import RngOf
from simulator.traffic.lengths.choices import draw_choices, draw_values
from simulator.traffic.lengths.rank_correlation import reordered
from simulator.traffic.recordings.traces import read_lengths

Tokens = NDArray[np.int64]
PAIR = ("input_tokens", "output_tokens")


def draw_pairs(
    traffic: Traffic, size: int, rng_of: RngOf, recorded: tuple[Tokens, Tokens] | None = None
) -> tuple[Tokens, Tokens]:
    """Prompts behind their prefixes, and answers without reasoning, of `size` requests.

    `recorded`: both lengths of each row as a recording has them, where one is replayed.
    """
    parts = (traffic.input_tokens, traffic.output_tokens)
    match parts:
        case (FromFile(file=one), FromFile(file=other)) if one.sha256 == other.sha256:
            columns = read_lengths(one.path)
            rows = rng_of("rows").integers(columns[0].size, size=size)
            return columns[0][rows], columns[1][rows]
    drawn = []
    for column, part in enumerate(parts):
        if isinstance(part, FromTrace):
            assert recorded is not None
            drawn.append(recorded[column])
        else:
            drawn.append(draw_lengths(part, size, rng_of(PAIR[column]), column))
    inputs, outputs = drawn
    if traffic.rank_correlation:
        rng = rng_of("rank_correlation")
        outputs = reordered(outputs, inputs, traffic.rank_correlation, rng)
    return inputs, outputs


def draw_lengths(
    lengths: OwnLengths | FromFile, size: int, rng: np.random.Generator, column: int = 1
) -> Tokens:
    """`size` independent lengths, whole tokens, at least 1.

    column: of a file, 0 for prompts, 1 for answers.
    """
    match lengths:
        case Mixture(of=components):
            chosen = draw_choices([component.weight for component in components], size, rng)
            # Every component is drawn in full: adding one never shifts the draws of another.
            drawn = np.stack([draw_lengths(part, size, rng) for part in components])
            return np.asarray(drawn[chosen, np.arange(size)])
        case Constant(tokens=tokens):
            return np.full(size, tokens, dtype=np.int64)
        case Uniform():
            return rng.integers(lengths.min, lengths.max, size, endpoint=True)
        case Table():
            return draw_values(lengths.tokens, lengths.weights, size, rng)
        case Quantiles(tokens=tokens):
            # Straight lines between whole numbers: rounding to the nearest keeps the mean.
            values = np.array(tokens, dtype=np.float64)
            places = rng.random(size) * (values.size - 1)
            piece = places.astype(np.int64)
            exact = values[piece] + (places - piece) * np.diff(values)[piece]
            return np.rint(exact).astype(np.int64)
        case Lognormal():
            return clipped(lengths, rng.lognormal(lengths.mu, lengths.sigma, size))
        case Gamma(mean=mean, cv=cv):
            return clipped(lengths, rng.gamma(1.0 / cv**2, mean * cv**2, size))
        case Weibull(mean=mean, cv=cv):
            shape = weibull_shape(cv)
            scale = mean / special.gamma(1.0 + 1.0 / shape)
            return clipped(lengths, scale * rng.weibull(shape, size))
        case FromFile(file=file):
            rows = read_lengths(file.path)[column]
            return rows[rng.integers(rows.size, size=size)]
    raise AssertionError(f"lengths of kind {lengths.kind}")


def clipped(bounds: Lognormal | Gamma | Weibull, drawn: NDArray[np.float64]) -> Tokens:
    """Rounded to whole tokens within the bounds."""
    return np.clip(np.rint(drawn), bounds.min, bounds.max or TOKENS_MAX).astype(np.int64)
