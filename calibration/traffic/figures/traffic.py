"""Figures of traffic: the same of a recording, chunk by chunk, and of requests that were drawn."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.figures.arrivals import ArrivalFigures, Arrivals, Spread
from calibration.traffic.figures.lengths import LengthFigures, RankCorrelation, Tally
from calibration.traffic.figures.prefixes import Prefixes, PrefixFigures
from calibration.traffic.figures.sessions import SessionFigures, SessionsSeen
from simulator.traffic.formats.rows import Links, Rows, take, unknown
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.recorded_sessions import Sessions
from simulator.traffic.recordings.traces import Trace

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""Where, and how much there."""


@dataclass(frozen=True)
class Curves:
    """Lines to draw. rate: start of a bin (s), requests per second in it. gaps: seconds, share of
    gaps beyond. input_tokens, output_tokens: tokens, share of requests with at most so many."""

    rate: Curve
    gaps: Curve
    input_tokens: Curve
    output_tokens: Curve


@dataclass(frozen=True)
class TrafficFigures:
    """What is to be said of some traffic.

    span_s: its length, one mean gap behind the last arrival. step_s: of a clock that lumps; then
    arrivals were spread over it first. rank_correlation: Spearman's, of prompt and output tokens;
    NaN where one of them never changes. None where there is nothing to say: arrivals of lengths
    alone or of sessions with a clock each, prefixes where nothing is shared, sessions where none
    are told.
    """

    requests: int
    span_s: float
    step_s: float
    arrivals: ArrivalFigures | None
    input_tokens: LengthFigures
    output_tokens: LengthFigures
    rank_correlation: float
    prefixes: PrefixFigures | None
    sessions: SessionFigures | None
    curves: Curves


def figures(
    arrival_s: Floats,
    input_tokens: NDArray[np.integer[Any]],
    output_tokens: NDArray[np.integer[Any]],
    chains: Chains | None = None,
    step_s: float = 0.0,
    block_tokens: int | None = None,
    sessions: Sessions | None = None,
) -> TrafficFigures:
    """Of plain arrays with a row per request, in any order; at least one row.

    chains: what the prompts share. block_tokens: of blocks that are counted, 16 if not given.
    step_s: of a clock that lumps requests together. Figures of a recording and of what was drawn
    after it are comparable.

    >>> found = figures(np.array([0.0, 1.0, 3.0]), np.array([5, 5, 9]), np.array([1, 2, 3]))
    >>> found.span_s, found.input_tokens.p50, found.prefixes
    (4.5, 5, None)
    """
    relative = sessions is not None and sessions.relative
    order = np.arange(arrival_s.size) if relative else np.argsort(arrival_s, kind="stable")
    links = None
    if sessions is not None:
        turns = np.arange(arrival_s.size)
        links = Links(
            sessions.session, turns, sessions.parent, sessions.pause_s, unknown(turns.size)
        )
    since_s = arrival_s.astype(np.float64) - (0.0 if relative else arrival_s.min())
    tokens = input_tokens.astype(np.int64), output_tokens.astype(np.int64)
    rows = take(Rows(since_s, *tokens, chains, links), order)
    return figures_of_rows(lambda: [rows], not relative, step_s, block_tokens)


def figures_of_trace(trace: Trace) -> TrafficFigures:
    """Of a trace in memory."""
    return figures(
        trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.chains, trace.step_s,
        trace.block_tokens, trace.sessions,
    )  # fmt: skip


def figures_of_rows(
    chunks: Callable[[], Iterable[Rows]], timed: bool, step_s: float, block_tokens: int | None
) -> TrafficFigures:
    """Of rows in order of time, which can be gone through twice, in bounded memory.

    timed: whether arrivals are on one clock, counted from the first.
    """
    arrivals, inputs, outputs = Arrivals(), Tally(), Tally()
    prefixes, sessions, linked = Prefixes(block_tokens), SessionsSeen(), False
    spread = Spread(step_s)
    for rows in chunks():
        if timed:
            arrivals.add(spread.moved(rows.arrival_s))
        inputs.add(rows.input_tokens)
        outputs.add(rows.output_tokens)
        prefixes.add(rows.chains, rows.input_tokens)
        sessions.add(rows.links, rows.arrival_s)
        linked |= rows.links is not None
    arrivals.add(spread.waiting)
    together = RankCorrelation(inputs, outputs)
    for rows in chunks():
        together.add(rows.input_tokens, rows.output_tokens)
    return TrafficFigures(
        requests=inputs.size,
        span_s=arrivals.span_s if timed else np.nan,
        step_s=step_s,
        arrivals=arrivals.figures() if timed else None,
        input_tokens=inputs.figures(),
        output_tokens=outputs.figures(),
        rank_correlation=together.value,
        prefixes=prefixes.figures(),
        sessions=sessions.figures() if linked else None,
        curves=Curves(
            arrivals.rate.curve(arrivals.last_s), arrivals.gaps.survival(), inputs.curve(),
            outputs.curve(),
        ),
    )  # fmt: skip


def as_json(found: TrafficFigures) -> dict[str, Any]:
    """All figures as plain data, without the curves."""
    data = {name: value for name, value in asdict(found).items() if name != "curves"}
    if found.arrivals is not None:
        data["arrivals"]["dispersion"] = {
            f"{scale_s:g}": index for scale_s, index in found.arrivals.dispersion
        }
    for side in ("input_tokens", "output_tokens"):
        data[side]["atoms"] = [
            {"tokens": tokens, "share": share} for tokens, share in data[side]["atoms"]
        ]
    return data
