"""Why this answer (planner.plan_data, `explanation`), in words and tables."""

from typing import Any, NamedTuple

from reports.accounts import part
from reports.facts import Fact
from reports.tables import counted, number, percent, usd

Data = dict[str, Any]

LEVERS_NAMED = 2
"""Inputs that the answer in the terminal names."""


class ReliefRow(NamedTuple):
    """One thing made better, on the page."""

    relieves: str
    change: str
    kept: str
    interval: str
    binds: bool


class LeverRow(NamedTuple):
    """One input less and more."""

    input: str
    less: str
    more: str
    less_used: str
    more_used: str


class FrontierRow(NamedTuple):
    """One size and what it promises."""

    replicas: int
    usd_per_month: str
    extra: str
    kept: str
    interval: str
    chosen: bool


def explanation_facts(data: Data) -> list[Fact]:
    """What binds, how much room there is, what the answer hangs on."""
    explanation = data.get("explanation")
    if explanation is None:
        return []
    return [
        Fact("why", binding_text(data)),
        Fact("room", headroom_text(explanation["headroom"])),
        Fact("hangs on", levers_text(explanation["sensitivity"])),
        *([Fact("luck", luck_text(explanation))] if explanation["luck"] else []),
    ]


def binding_text(data: Data) -> str:
    """'3 replicas lack compute: with twice the FLOP/s 20 of 20 periods are kept, as it is 0'."""
    constraint = data["explanation"]["constraint"]
    base, size = constraint["as_it_is"], counted(constraint["replicas"], "replica")
    if constraint["replicas"] == data["fleet"]["replicas"]:
        return f"not asked: no fewer than {size} are allowed"
    binding = [one for one in constraint["what_ifs"] if one["relieves"] in constraint["binding"]]
    if base["kept"] == base["runs"]:
        return f"not seen: {size} kept all of the first {base['runs']} periods, too"
    if not binding:
        return f"no single thing would let {size} do (tried: {tried_text(constraint)})"
    names = " and ".join(one["relieves"] for one in binding)
    first = binding[0]
    verb = "lacks" if constraint["replicas"] == 1 else "lack"
    return (
        f"{size} {verb} {names}: with {first['change']} {first['kept']} of {first['runs']} periods "
        f"are kept, as it is {base['kept']}"
    )


def tried_text(constraint: Data) -> str:
    return ", ".join(one["change"] for one in constraint["what_ifs"])


def headroom_text(headroom: Data) -> str:
    """
    >>> headroom_text({"factor": 1.15, "replications": 98, "failed": 0, "refused": 1.2})
    '1.15 times the traffic is certified, too (98 fresh periods, 0 failed); 1.2 times is not'
    """
    refused = headroom["refused"]
    if headroom["replications"] == 0:
        return f"none certified: {refused:g} times the traffic is refused"
    periods = counted(headroom["replications"], "fresh period")
    over = f"; {refused:g} times is not" if refused else ", the most that was tried"
    return (
        f"{headroom['factor']:g} times the traffic is certified, too "
        f"({periods}, {headroom['failed']} failed){over}"
    )


def levers_text(sensitivity: Data) -> str:
    step = percent(sensitivity["step"])
    heavy = [one for one in sensitivity["inputs"] if matters(one, sensitivity["as_it_is"])]
    if not heavy:
        return f"no single input: none of them breaks it within {step}"
    named = [f"{one['input']} ({side_text(one, step)})" for one in heavy[:LEVERS_NAMED]]
    return " and ".join(named)


def matters(lever: Data, base: Data) -> bool:
    return any(lever[side]["kept"] < base["kept"] for side in ("less", "more"))


def side_text(lever: Data, step: str) -> str:
    """The side that breaks more."""
    side, sign = min((("less", "-"), ("more", "+")), key=lambda pair: lever[pair[0]]["kept"])
    return f"{sign}{step}: {lever[side]['kept']} of {lever[side]['runs']} periods kept"


def luck_text(explanation: Data) -> str:
    luck, chosen = explanation["luck"], explanation["sensitivity"]["as_it_is"]
    return (
        f"with inputs exactly as given {luck['runs'] - luck['kept']} of {luck['runs']} periods "
        f"fail, drawn {chosen['runs'] - chosen['kept']}: the difference is what is not known"
    )


# --- the page ------------------------------------------------------------------------------------


def relief_rows(data: Data) -> list[ReliefRow]:
    constraint = data["explanation"]["constraint"]
    base = constraint["as_it_is"] | {"relieves": "–", "change": "as it is"}
    return [
        ReliefRow(
            one["relieves"],
            one["change"],
            f"{one['kept']} of {one['runs']}",
            interval_text(one),
            one["relieves"] in constraint["binding"],
        )
        for one in [base, *constraint["what_ifs"]]
    ]


def lever_rows(data: Data) -> list[LeverRow]:
    sensitivity = data["explanation"]["sensitivity"]
    return [
        LeverRow(
            one["input"],
            f"{one['less']['kept']} of {one['less']['runs']}",
            f"{one['more']['kept']} of {one['more']['runs']}",
            used_text(one["less"]["used"]),
            used_text(one["more"]["used"]),
        )
        for one in sensitivity["inputs"]
    ]


def used_text(used: float | None) -> str:
    """
    >>> used_text(0.748), used_text(None)
    ('0.748 of the limit', 'beyond it')
    """
    return "beyond it" if used is None else f"{number(used)} of the limit"


def frontier_rows(data: Data) -> list[FrontierRow]:
    points, chosen = data["explanation"]["frontier"], data["fleet"]["replicas"]
    at = next(point for point in points if point["replicas"] == chosen)["usd_per_month"]
    return [
        FrontierRow(
            point["replicas"],
            usd(point["usd_per_month"], 0) if point["usd_per_month"] is not None else "–",
            extra_text(point["usd_per_month"], at),
            f"{point['kept']} of {point['runs']}",
            interval_text(point),
            point["replicas"] == chosen,
        )
        for point in points
    ]


def extra_text(cost: float | None, base: float | None) -> str:
    if cost is None or base is None or cost == base:
        return "–"
    sign = "+" if cost > base else "-"
    return f"{sign}{usd(abs(cost - base), 0)}"


def nine_text(data: Data) -> str:
    """What one nine more costs, as far as the periods that were run can tell."""
    probability = data["certificate"]["probability"]
    more = 1.0 - (1.0 - probability) / 10.0
    points = data["explanation"]["frontier"]
    at = next(p["usd_per_month"] for p in points if p["replicas"] == data["fleet"]["replicas"])
    ask = f"`--set sla.probability={more:g}` asks for it"
    runs = points[0]["runs"]
    clean = min((p for p in points if p["kept"] == p["runs"]), key=size_of, default=None)
    if clean is None:
        return f"One nine more ({percent(more)}) takes more than the sizes here, it seems; {ask}."
    size, extra = counted(clean["replicas"], "replica"), extra_text(clean["usd_per_month"], at)
    extra = "at the same price" if extra == "–" else f"for {extra} a month"
    return (
        f"One nine more ({percent(more)}): {size}, {extra}, did not fail in {runs} periods; that "
        f"shows no more than {percent(clean['interval'][0])}. {ask}."
    )


def size_of(point: Data) -> int:
    return int(point["replicas"])


def interval_text(row: Data) -> str:
    low, high = row["interval"]
    return f"{part(low)} to {part(high)}"
