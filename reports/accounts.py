"""What failures did and what the fleet was paid for (planner.accounts), in words and tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.facts import Fact
from reports.tables import counted, number, percent

Data = dict[str, Any]

NAMED_MAX = 3
"""Kinds of faults that a line names; the others are summed up."""
DOWN_MAX = 10
"""Numbers of replicas down that the page has a row for."""


def account_facts(accounts: Data | None) -> list[Fact]:
    """What failures did and what was paid; nothing of a fleet that neither fails nor changes."""
    if accounts is None:
        return []
    periods, means = counted(accounts["periods"], "period"), accounts["means"]
    available = (
        f"availability {share(means['availability'])} (minutes with at most "
        f"{percent(accounts['available_error_rate'])} errors)"
    )
    gpu_hours = (
        f"{amount(means['gpu_hours_paid'])} GPU-hours paid per period, "
        f"{part(means['useful_share']['value'])} of them useful"
    )
    incidents = tally_text(accounts["faults"], "incidents")
    starting = means["cold_start_minutes"]
    if incidents == "none" and not accounts["down"] and not starting["value"]:
        return [Fact("failures", f"none in {periods}: {available}; {gpu_hours}")]
    told = {
        "incidents, with those under way at the start": incidents,
        "replicas down": down_text(accounts["down"]),
        "requests hit, and retried": tally_text(accounts["faults"], "retried"),
        "requests hit, and lost": tally_text(accounts["faults"], "lost"),
    }
    texts = [f"{what} {text}" for what, text in told.items() if text not in ("none", "never")]
    if means["tokens_lost"]["value"]:
        texts.append(f"tokens to compute again {amount(means['tokens_lost'])} per period")
    if starting["value"]:
        texts.append(f"starting {amount(starting)} replica-minutes per period")
    first = Fact("failures", f"and fleet in {periods}: {available}")
    return [first, *(Fact("", text) for text in (*texts, gpu_hours))]


def down_text(down: Sequence[Data]) -> str:
    """'1 or more for 3.1% of the time [1.2%, 5%], 2 or more for 0.2%; at most 3'."""
    if not down:
        return "never"
    first = [
        f"{each['replicas']} or more for {share(each['or_more'])} of the time" for each in down[:2]
    ]
    return f"{', '.join(first)}; at most {down[-1]['replicas']} at once"


def tally_text(faults: Sequence[Data], count: str) -> str:
    """'14: gpu 6, host 5, 3 other kinds 3': a count of all periods, by fault.

    >>> kinds = [{"fault": "gpu", "lost": 2}, {"fault": "host", "lost": 5}]
    >>> kinds += [{"fault": "nic", "lost": 0}]
    >>> tally_text(kinds, "lost"), tally_text(kinds[2:], "lost")
    ('7: host 5, gpu 2', 'none')
    """
    struck = sorted((each for each in faults if each[count]), key=lambda each: -each[count])
    if not struck:
        return "none"
    named, others = struck[:NAMED_MAX], struck[NAMED_MAX:]
    parts = [f"{each['fault']} {each[count]:,}" for each in named]
    if others:
        parts.append(f"{counted(len(others), 'other kind')} {sum(e[count] for e in others):,}")
    return f"{sum(each[count] for each in struck):,}: {', '.join(parts)}"


def share(estimate: Data) -> str:
    """'3.1% [1.2%, 5%]' of a mean share; without an interval where none is known."""
    return part(estimate["value"]) + interval(estimate, part)


def part(share: float) -> str:
    """Three digits of a share, more where nines count.

    >>> part(0.03123), part(0.53736), part(0.99951), part(0.0), part(1.0)
    ('3.12%', '53.7%', '99.951%', '0%', '100%')
    """
    return percent(share) if share >= 0.99 else f"{share * 100:.3g}%"


def amount(estimate: Data) -> str:
    return number(estimate["value"]) + interval(estimate, number)


def interval(estimate: Data, shown: Any) -> str:
    if estimate["low"] is None:
        return ""
    return f" [{shown(estimate['low'])}, {shown(estimate['high'])}]"


# --- the page ------------------------------------------------------------------------------------


class FaultRow(NamedTuple):
    """One kind of fault in all periods that the page is about, in words."""

    fault: str
    incidents: str
    replicas: str
    """Hit, each once per incident."""
    notice: str
    """Mean time from the fault until somebody knew, and until it was repaired."""
    repair: str
    open: str
    """Not repaired at the end of its run."""
    retried: str
    lost: str


def account_rows(accounts: Data) -> list[tuple[str, str, str]]:
    """(what, mean per period, interval) of the figures that failures and scaling move."""
    limit = percent(accounts["available_error_rate"])
    names = {
        "availability": (f"Availability: minutes with at most {limit} errors", part),
        "requests_hit": ("Requests that a fault hit", number),
        "tokens_lost": ("Tokens to compute again, since their KV was lost", number),
        "gpu_hours_paid": ("GPU-hours paid, from provisioning on", number),
        "gpu_hours_useful": ("GPU-hours useful: an engine step computes", number),
        "useful_share": ("Useful share of what is paid", part),
        "cold_start_minutes": ("Replica-minutes of starting", number),
    }
    rows = [(text, accounts["means"][name], shown) for name, (text, shown) in names.items()]
    for each in accounts["down"][:DOWN_MAX]:
        what = f"Time with {each['replicas']} or more replicas down"
        rows.append((what, each["or_more"], part))
    return [
        (text, shown(estimate["value"]), interval(estimate, shown).strip() or "not known")
        for text, estimate, shown in rows
    ]


def fault_rows(accounts: Data, incidents: pd.DataFrame) -> list[FaultRow]:
    """Those faults that struck, by the scenario's order."""
    rows = []
    for each in accounts["faults"]:
        if not any(each[count] for count in ("incidents", "retried", "lost")):
            continue
        own = incidents[incidents["fault"] == each["fault"]]
        fresh = own[own["begin_s"] >= 0]
        rows.append(
            FaultRow(
                fault=each["fault"],
                incidents=f"{each['incidents']:,}",
                replicas=f"{sum(map(len, own['replicas'])):,}",
                notice=mean_time(fresh["noticed_s"] - fresh["begin_s"]),
                repair=mean_time(fresh["end_s"] - fresh["begin_s"]),
                open=f"{int(own['end_s'].isna().sum()):,}",
                retried=f"{each['retried']:,}",
                lost=f"{each['lost']:,}",
            )
        )
    return rows


def mean_time(times_s: pd.Series) -> str:
    """Of those that are known.

    >>> mean_time(pd.Series([30.0, 90.0, float("nan")])), mean_time(pd.Series([], dtype=float))
    ('60 s', '–')
    """
    known = times_s.dropna()
    if known.empty:
        return "–"
    mean_s = float(known.mean())
    return f"{mean_s:.3g} s" if mean_s < 600 else f"{mean_s / 60:,.3g} min"
