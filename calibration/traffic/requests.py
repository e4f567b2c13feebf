"""A recording with one clock -> a traffic group: single requests, or sessions of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic import match
from calibration.traffic.arrival_figures import BINS_LEAST
from calibration.traffic.arrivals import fit_arrivals
from calibration.traffic.conversations import fit_conversations
from calibration.traffic.drawn import replications
from calibration.traffic.figures.arrivals import BINS_MIN
from calibration.traffic.figures.traffic import figures_of_trace
from calibration.traffic.fitted import Fitted
from calibration.traffic.following import (
    NOBODY,
    Following,
    common_prefix_tokens,
    following,
    infer_following,
)
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.rounding import significant
from calibration.traffic.shared_prompts import Shared, fit_shared
from simulator.streams import stream
from simulator.traffic.recordings.traces import Trace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Yaml = dict[str, Any]

FOLLOWERS_LEAST = 0.05
"""Of requests that follow others, from which on traffic is told as sessions."""
CORRELATION_MAX = 0.99


def fit_requests(trace: Trace, name: str, number: int) -> Fitted:
    """Judged by `number` replications of the recording's length."""
    arrival_s = spread(trace)
    prefix = 0 if trace.chains is None else common_prefix_tokens(trace.chains)
    seen = followed(trace, prefix)
    if seen is not None and (seen.parent != NOBODY).mean() >= FOLLOWERS_LEAST:
        kind = "sessions"
        block, notes = fit_conversations(trace, arrival_s, seen, prefix, name)
    else:
        kind = "requests"
        block, notes = single(trace, arrival_s, name)
    measured = figures_of_trace(trace)
    drawn = replications(block, trace.span_s, number, match.SEED, trace.block_tokens)
    compared = match.compared(match.flat(measured), map(match.flat, drawn), match.REQUESTS)
    notes += little_known(trace.span_s)
    about = f"{measured.requests:,} requests in {trace.span_s:,.0f} s"
    return Fitted(kind, about, block, notes, compared, number)


def little_known(span_s: float) -> list[str]:
    """Scales at which the recording has too few bins to say much."""
    return [
        f"dispersion at {scale_s:g} s: the recording has {int(span_s / scale_s)} bins of that "
        "length; their variance is mostly chance, and nothing is fitted to it"
        for scale_s in match.SCALES_S
        if BINS_MIN <= span_s / scale_s < BINS_LEAST
    ]


def spread(trace: Trace) -> Floats:
    """Arrivals in order; those lumped on one tick of the clock are spread over the tick."""
    if not trace.step_s:
        return trace.arrival_s
    rng = stream(match.SEED, "trace", "spread")
    return np.sort(trace.arrival_s + rng.random(trace.arrival_s.size) * trace.step_s)


def followed(trace: Trace, prefix: int) -> Following | None:
    """Who follows whom: as the file says, or as prompts repeat others; None where nothing tells."""
    if trace.sessions is not None:
        return following(trace.sessions.parent, np.zeros_like(trace.input_tokens))
    if trace.chains is None or trace.block_tokens is None:
        return None
    return infer_following(trace.chains, trace.input_tokens, trace.block_tokens, prefix)


# --- single requests ---------------------------------------------------------------------------


def single(trace: Trace, arrival_s: Floats, name: str) -> tuple[list[Yaml], list[str]]:
    found = fit_arrivals(arrival_s, trace.span_s)
    shared = Shared() if trace.chains is None else fit_shared(trace.chains, trace.input_tokens)
    group: Yaml = {"name": name, "arrivals": found.yaml}
    if shared.prefixes:
        group["prefixes"] = shared.prefixes
    behind = np.maximum(trace.input_tokens - shared.tokens, 1)
    return [group | fit_pairs(behind, trace.output_tokens)], [found.reason, *shared.notes]


def fit_pairs(input_tokens: Ints, output_tokens: Ints) -> Yaml:
    """The keys of a group that say how long its requests are."""
    lengths: Yaml = {
        "input_tokens": fit_lengths(input_tokens),
        "output_tokens": fit_lengths(output_tokens),
    }
    correlation = rank_correlation(input_tokens, output_tokens)
    return lengths | ({"rank_correlation": correlation} if correlation else {})


def rank_correlation(first: Ints, second: Ints) -> float:
    """Spearman's; 0 where chance explains it (two standard errors) or a length never changes."""
    one, other = midranks(first), midranks(second)
    spread = float(one.std() * other.std())
    found = float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0
    if abs(found) < 2.0 / np.sqrt(first.size):
        return 0.0
    return significant(min(max(found, -CORRELATION_MAX), CORRELATION_MAX))


def midranks(values: Ints) -> Floats:
    """Ranks, ties in the middle of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[place])
