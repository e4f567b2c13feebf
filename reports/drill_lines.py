"""What a drill found, as lines for a terminal."""

from collections.abc import Iterator
from typing import Any

from reports.columns import aligned
from reports.tables import counted, milliseconds, percent
from reports.trace_lines import duration

Data = dict[str, Any]

COUNTS = {
    "lost": "requests lost",
    "rejected": "requests rejected",
    "timed_out": "requests timed out",
    "unfinished": "requests unfinished",
    "retried": "requests retried",
    "retries": "retries",
    "tokens_lost": "tokens whose KV was lost",
    "prefill_tokens": "prompt tokens computed",
}
ALWAYS = ("lost", "retried", "tokens_lost")
"""Told even if they are none."""
EFFECTS = {
    "silence": "goes silent",
    "crash": "crashes",
    "hang": "hangs, /health answering",
    "slow": "slows down",
    "drain": "is drained",
}


def drill_lines(data: Data) -> Iterator[str]:
    """Everything, medians over replications with the least and the most."""
    number = counted(data["replications"], "replication")
    yield f"{data['name']}: {fleet_text(data)}, {number} of {duration(data['period_s'])}"
    for kill in data["kills"]:
        yield f"  {kill_text(kill)}"
    yield f"  {incident_text(data)}"
    yield ""
    yield from aligned(list(table(data)), right=(1, 2, 3))
    yield ""
    yield from (f"  {line}" for line in verdicts(data))


def fleet_text(data: Data) -> str:
    return counted(data["replicas"], "replica")


def kill_text(kill: Data) -> str:
    """'zone-a goes silent at 5 min, for 10 min; a cold start follows; noticed after 30 s'"""
    lasts = "not repaired" if kill["lasts_s"] is None else f"for {duration(kill['lasts_s'])}"
    told = [f"{kill['component']} {EFFECTS[kill['effect']]} at {duration(kill['at_s'])}, {lasts}"]
    if kill["lasts_s"] is not None and kill["effect"] != "slow" and kill["start"] != "none":
        told.append(f"a {kill['start']} start follows")
    if kill["effect"] in ("silence", "hang"):
        how = "noticed by health checks, or when repaired"
        given = kill["noticed_s"]
        told.append(how if given is None else f"noticed after {duration(given)}")
    return "; ".join(told)


def incident_text(data: Data) -> str:
    hit = ranged(data["replicas_hit"], lambda value: f"{value:.0f}")
    after_s = data["all_up_after_s"]
    word = "after " if after_s["median"] not in (None, float("inf")) else ""
    return f"replicas hit: {hit}; all up again: {word}{ranged(after_s, lasting)}"


def table(data: Data) -> Iterator[list[str]]:
    yield ["", "without", "with", "extra"]
    for name, figures in data["ttft_s"].items():
        yield [f"TTFT {name} during it", *cells(figures, milliseconds)]
    for name, label in COUNTS.items():
        figures = data["counts"][name]
        some = figures["with"]["high"] or figures["without"]["high"]
        if some or name in ALWAYS:
            yield [label, *cells(figures, whole)]


def cells(figures: Data, shown: Any) -> list[str]:
    sides = [ranged(figures[side], shown) for side in ("without", "with")]
    return [*sides, ranged(figures["extra"], lambda value: more(value, shown))]


def more(value: float, shown: Any) -> str:
    """With its sign."""
    if value is None or value == float("inf"):
        return str(shown(value))
    return f"{'-' if value < 0 else '+'}{shown(abs(value))}"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def lasting(seconds: float | None) -> str:
    """A time, or that it did not come."""
    never = seconds is None or seconds == float("inf")
    return "not in the period" if never or seconds is None else duration(seconds)


def ranged(spread: Data, shown: Any) -> str:
    """The median, and the least and the most where they differ from it as shown.

    >>> ranged({"median": 2.0, "low": 1.0, "high": 4.0}, whole)
    '2 (1 .. 4)'
    """
    middle, low, high = (shown(spread[key]) for key in ("median", "low", "high"))
    return middle if low == high == middle else f"{middle} ({low} .. {high})"


def verdicts(data: Data) -> Iterator[str]:
    recovery = data["recovery"]
    near = recovered(recovery["ttft_p95_back_after_s"])
    if data["ttft_s"]["p95"]["without"]["median"] in (None, float("inf")):
        near = "no telling: without it, too, one request of twenty gets no answer"
    share = percent(recovery["within_share_of_without"])
    yield f"TTFT p95 within {share} of the run without it: {near}"
    if recovery["objective"] is not None:
        kept_again = recovered(recovery["objective_kept_after_s"])
        yield f"{recovery['objective']} in the latest requests: {kept_again}"
    kept = data["sla_kept"]
    if kept is not None:
        periods = counted(data["replications"], "period")
        yield f"SLA kept in {kept['without']} of {periods} without it, in {kept['with']} with it"


def recovered(after_s: Data) -> str:
    """
    >>> recovered({"median": 840.0, "low": 600.0, "high": float("inf")})
    'again after 14 min (10 min .. not in the period)'
    >>> recovered({"median": 0.0, "low": 0.0, "high": 60.0})
    'all along (all along .. 60 s)'
    """
    median = after_s["median"]
    words = "again after " if median and 0 < median < float("inf") else ""
    return words + ranged(
        after_s, lambda seconds: lasting(seconds) if seconds != 0 else "all along"
    )
