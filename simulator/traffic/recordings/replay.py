"""Recorded traffic replayed: windows of a trace laid out anew in every replication, or the trace as
it was recorded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import TraceArrivals
from simulator.traffic.arrivals.steps import Floats
from simulator.traffic.drawing import Period
from simulator.traffic.lengths.choices import Ints
from simulator.traffic.recordings.traces import Trace, TraceError, read_trace

Drawn = tuple[Floats, Ints, Ints]
"""Arrival instants, the row that each repeats, and the number of its window."""


@dataclass(frozen=True)
class Recording:
    """The part of a trace that is used.

    at_s float64[rows]: instants from its beginning on, in [0, span_s); step_s: of the clock that
    recorded it, 0 unless it lumps requests together.
    """

    at_s: Floats
    span_s: float
    step_s: float

    def spread(self, rng: np.random.Generator) -> Floats:
        """Requests lumped on one tick are spread over the tick, anew in every replication."""
        if not self.step_s:
            return self.at_s
        return self.at_s + rng.random(self.at_s.size) * self.step_s


def draw_trace_rows(
    arrivals: TraceArrivals, period: Period, rng: np.random.Generator
) -> tuple[Trace, Floats, Ints, Ints]:
    """Arrival instants in [start_s, end_s), the trace row each one repeats, and the number of the
    window it was drawn with. Raises TraceError for a trace that does not hold what is asked for.

    `rate_scale` 2.5 lays two drawings over each other and half of a third: bursts keep their shape.
    """
    trace = read_trace(arrivals.file.path)
    first, recording = used_part(arrivals, trace)
    copies = [1.0] * int(arrivals.rate_scale)
    copies += [arrivals.rate_scale % 1.0] if arrivals.rate_scale % 1.0 else []
    drawn = []
    for number, keep in enumerate(copies):
        if arrivals.order == "blocks":
            times, rows, windows = bootstrap(recording, arrivals.block_s, period, rng)
        else:
            fits(arrivals, recording, period)
            shift_s = recording.span_s * number / len(copies)
            times, rows, windows = as_recorded(recording, arrivals.loop, shift_s, period, rng)
        kept = rng.random(times.size) < keep
        drawn.append((times[kept], rows[kept], windows[kept] * len(copies) + number))
    times, rows, windows = (np.concatenate(column) for column in zip(*drawn, strict=True))
    order = np.argsort(times, kind="stable")
    return trace, times[order], first + rows[order], windows[order]


def used_part(arrivals: TraceArrivals, trace: Trace) -> tuple[int, Recording]:
    """What is recorded between `from` and `until`, and its first row. Raises TraceError where there
    is nothing."""
    path, from_s = arrivals.file.path, arrivals.from_s
    if trace.sessions is not None and trace.sessions.relative:
        raise TraceError(
            f"{path}: its arrivals count from the start of each session: "
            "there is no common clock to draw windows of"
        )
    end_s = trace.span_s if arrivals.until_s is None else arrivals.until_s
    if end_s > trace.span_s:
        raise TraceError(f"{path}: until {end_s:g} s; the recording ends at {trace.span_s:.6g} s")
    first, last = np.searchsorted(trace.arrival_s, [from_s, end_s])
    if first >= last:
        raise TraceError(
            f"{path}: no request from {from_s:g} s to {end_s:g} s; "
            f"the recording ends at {trace.span_s:.6g} s"
        )
    at_s = trace.arrival_s[first:last] - from_s
    return int(first), Recording(at_s, end_s - from_s, trace.step_s)


def bootstrap(
    recording: Recording, block_s: float, period: Period, rng: np.random.Generator
) -> Drawn:
    """The period in blocks, each a window of the recording from a random instant on, which goes on
    at its beginning where it ends: a circular block bootstrap."""
    span_s = recording.span_s
    block_s = min(block_s, span_s)
    at_s = recording.spread(rng) % span_s
    order = np.argsort(at_s, kind="stable")
    in_order_s = at_s[order]
    blocks = np.arange(period.start_s, period.end_s, block_s)
    offsets_s = rng.random(blocks.size) * span_s
    times, rows = [], []
    for begin_s, offset_s in zip(blocks, offsets_s, strict=True):
        length_s = min(block_s, period.end_s - begin_s)
        near = np.sort(order[around(in_order_s, offset_s, length_s, span_s)])
        since_s = (at_s[near] - offset_s) % span_s
        inside = since_s < length_s
        times.append(begin_s + since_s[inside])
        rows.append(near[inside])
    windows = np.repeat(np.arange(blocks.size), [inside.size for inside in rows])
    return np.concatenate(times), np.concatenate(rows), windows


def around(in_order_s: Floats, begin_s: float, length_s: float, span_s: float) -> Ints:
    """Places, on a circle of span_s, of the instants in [begin_s, begin_s + length_s) and perhaps
    one more at either end."""
    first, last = np.searchsorted(in_order_s, [begin_s, (begin_s + length_s) % span_s])
    first, last = first - 1, last + 1
    if begin_s + length_s >= span_s:
        last += in_order_s.size
    return np.arange(first, min(last, first + in_order_s.size)) % in_order_s.size


def as_recorded(
    recording: Recording, loop: bool, shift_s: float, period: Period, rng: np.random.Generator
) -> Drawn:
    """The recording from instant 0 on, once, or in laps without end (before 0 too), each of them a
    window. `shift_s` later than recorded; what is pushed beyond the end comes at the beginning."""
    at_s = recording.spread(rng) + shift_s
    if loop or shift_s:
        at_s %= recording.span_s
    laps: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
    if loop:
        laps = np.arange(
            np.floor(period.start_s / recording.span_s), np.ceil(period.end_s / recording.span_s)
        ).astype(np.int64)
    times = (at_s + laps[:, None] * recording.span_s).ravel()
    inside = np.flatnonzero((times >= period.start_s) & (times < period.end_s))
    return times[inside], inside % at_s.size, inside // at_s.size


def fits(arrivals: TraceArrivals, recording: Recording, period: Period) -> None:
    """Raises TraceError where a recording that is not repeated ends before the period does."""
    if not arrivals.loop and recording.span_s < period.horizon_s:
        raise TraceError(
            f"{arrivals.file.path}: {recording.span_s:.6g} s of recording for a period of "
            f"{period.horizon_s:g} s; say `loop: true`, or choose a shorter horizon"
        )
