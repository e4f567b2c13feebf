"""What a trace or a population of clients is like, as lines for a terminal."""

import math
from collections.abc import Callable, Iterator

from calibration.traffic.figures.arrivals import ArrivalFigures
from calibration.traffic.figures.clients import SHARES, ClientFigures
from calibration.traffic.figures.file import Description
from calibration.traffic.figures.lengths import LengthFigures
from calibration.traffic.figures.prefixes import PrefixFigures
from calibration.traffic.figures.sessions import SessionFigures
from calibration.traffic.figures.traffic import TrafficFigures
from reports.tables import counted, number, percent

TOLD_SCALES_S = (1.0, 10.0, 60.0, 300.0)
LENGTH_COLUMNS = ("mean", "p50", "p90", "p95", "p99", "max")


def trace_lines(described: Description) -> Iterator[str]:
    """Everything that `fleetcast trace describe` says of a file of requests."""
    found = described.figures
    over = f" over {duration(found.span_s)}" if described.clock == "common" else ""
    yield f"{described.path.name}: {described.format}, {counted(found.requests, 'request')}{over}"
    yield from arrival_lines(found, described.clock)
    yield from length_lines(found)
    yield from prefix_lines(found.prefixes)
    yield from session_lines(found.sessions)
    yield from oddity_lines(described)


def row(label: str, text: str) -> str:
    return f"  {label:<14} {text}"


def arrival_lines(found: TrafficFigures, clock: str) -> Iterator[str]:
    if found.arrivals is None:
        why = "lengths only" if clock == "none" else "each session has a clock of its own"
        yield row("arrivals", f"not told: {why}")
        return
    arrivals = found.arrivals
    minute = arrivals.peak_minute_per_s
    busiest = "" if math.isnan(minute) else f", {number(minute)}/s in the busiest minute"
    yield row(
        "arrivals",
        f"{number(arrivals.rate_per_s)}/s on average{busiest}, "
        f"{arrivals.peak_second:,} in the busiest second",
    )
    yield row("gaps", gap_text(arrivals))
    told = [
        f"{number(index)} at {scale_s:g} s"
        for scale_s, index in arrivals.dispersion
        if scale_s in TOLD_SCALES_S
    ]
    if told:
        yield row("dispersion", f"{', '.join(told)} (variance / mean of counts; Poisson: 1)")
    if found.step_s:
        yield row("clock", f"ticks every {duration(found.step_s)}: requests are spread over a tick")


def gap_text(arrivals: ArrivalFigures) -> str:
    cv = "unknown" if math.isnan(arrivals.gap_cv) else number(arrivals.gap_cv)
    empty = arrivals.empty_seconds_share
    seconds = "" if math.isnan(empty) else f"; {share(empty)} of seconds are empty"
    spans = f"p50 {duration(arrivals.gap_s_p50)}, p99 {duration(arrivals.gap_s_p99)}"
    return f"CV {cv}, {spans}{seconds}"


def length_lines(found: TrafficFigures) -> Iterator[str]:
    yield row("tokens", "".join(f"{name:>10}" for name in LENGTH_COLUMNS))
    for label, side in (("  input", found.input_tokens), ("  output", found.output_tokens)):
        values = (getattr(side, name) for name in LENGTH_COLUMNS)
        yield row(label, "".join(f"{value:>10,.0f}" for value in values))
    atoms = [
        f"{name} {text}"
        for name, side in (("input", found.input_tokens), ("output", found.output_tokens))
        if (text := atom_text(side))
    ]
    if atoms:
        yield row("most frequent", "; ".join(atoms))
    if not math.isnan(found.rank_correlation):
        yield row("correlation", f"{found.rank_correlation:.2f} (ranks of input and output)")


def atom_text(side: LengthFigures) -> str:
    return ", ".join(f"{tokens:,} ({share(part)})" for tokens, part in side.atoms[:3])


def prefix_lines(found: PrefixFigures | None) -> Iterator[str]:
    if found is None:
        return
    blocks = f"{share(found.hit_block_share)} of {found.block_tokens}-token blocks, "
    yield row(
        "prefixes",
        f"an infinite cache finds {share(found.hit_token_share)} of prompt tokens, "
        f"{blocks if found.block_tokens > 1 else ''}"
        f"{share(found.request_hit_share_p50)} in the median request",
    )
    yield row(
        "new tokens",
        f"p50 {found.new_tokens_p50:,}, p90 {found.new_tokens_p90:,} per request, "
        f"{found.new_tokens_mean:,.0f} on average",
    )


def session_lines(found: SessionFigures | None) -> Iterator[str]:
    if found is None:
        return
    yield row(
        "sessions",
        f"{found.sessions:,} with p50 {found.requests_p50:,}, p90 {found.requests_p90:,}, "
        f"max {found.requests_max:,} requests",
    )
    if found.pauses:
        yield row(
            "pauses",
            f"p10 {duration(found.pause_s_p10)}, p50 {duration(found.pause_s_p50)}, "
            f"p90 {duration(found.pause_s_p90)}, p99 {duration(found.pause_s_p99)} "
            f"(told by {found.pauses:,} of {found.follow_ups:,} follow-ups)",
        )
    else:
        yield row("pauses", f"not told by any of {counted(found.follow_ups, 'follow-up')}")


def oddity_lines(described: Description) -> Iterator[str]:
    if described.out_of_order:
        yield row("out of order", f"{counted(described.out_of_order, 'row')}: sorted")
    for line in described.faults.lines():
        yield row("left out", line)
    for note, rows in described.faults.notes.items():
        yield row("note", f"{note} ({rows:,})")


def client_lines(name: str, found: ClientFigures) -> Iterator[str]:
    """Everything that is said of clients whose demand is told by windows."""
    yield (
        f"{name}: ServeGen, {counted(found.clients, 'client')} with demand, windows of "
        f"{duration(found.window_s)} over {duration(found.span_s)}"
    )
    yield row(
        "rate", f"{number(found.rate_per_s)}/s on average, "
        f"{number(found.peak_rate_per_s)}/s in the busiest window",
    )  # fmt: skip
    if found.clients:
        yield row("top 10", f"{share(found.top10_share)} of all requests")
        active = share(found.active_share_p50)
        yield row("activity", f"the median client asks in {active} of windows")
        yield row("gaps", f"CV {quantile_text(found.cv, number)}, weighted by requests")
        families = (f"{family} {share(part)}" for family, part in found.families.items())
        yield row("families", f"{', '.join(families)} of requests")
    for field, values in found.lengths.items():
        yield row(field, quantile_text(values, lambda value: f"{value:,.0f}"))
    for note in found.notes:
        yield row("note", note)


def quantile_text(values: tuple[float, ...], shown: Callable[[float], str]) -> str:
    pairs = zip(SHARES, values, strict=True)
    return ", ".join(f"p{100 * part:g} {shown(value)}" for part, value in pairs)


def share(part: float) -> str:
    """
    >>> share(0.35223), share(0.0041)
    ('35.2%', '0.41%')
    """
    return percent(round(part, 3 if part >= 0.01 else 4))


def duration(seconds: float) -> str:
    """In the unit people would choose.

    >>> [duration(s) for s in (0.0, 0.11194, 3.0, 2400.1, 9000, 1209600)]
    ['0 s', '112 ms', '3 s', '40 min', '2.5 h', '14 days']
    """
    if math.isnan(seconds):
        return "unknown"
    if 0 < seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if 0 < seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
