"""A sweep (planner.sweep_data.as_json) in words: its headline, and a row per cell."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from reports.tables import INTERVAL_PERIODS_MIN, counted, shown, usd

Data = dict[str, Any]

DESIGNS = {
    "grid": "every combination",
    "list": "one after the other",
    "random": "drawn at random",
    "latin": "drawn as a Latin hypercube",
}


class Figure(NamedTuple):
    """A value and its interval, which may be none."""

    value: str
    interval: str = ""


class SweepRow(NamedTuple):
    """One cell."""

    number: int
    asked: list[str]
    """The value of each key."""
    p_sla: Figure
    keeps: bool | None
    """Whether the share of periods that kept the SLA is at least what is promised."""
    objectives: list[Figure]
    usd_per_month: str
    why_not: str
    """Why there can be no such fleet; empty where there can be."""


OURS = ("replica.", "fleet.")
"""Keys of what is ours to choose: among other traffic no cell is the cheaper answer."""


def headline(data: Data) -> str:
    cells = data["cells"]
    periods = counted(data["replications"], "period")
    return f"{data['name']}: {counted(len(cells), 'cell')} of {periods}, {DESIGNS[data['design']]}"


def outcome(data: Data) -> str:
    """How many cells did well; no certificate."""
    kept = sum(map(keeps_promise, data["cells"]))
    possible = counted(len(data["cells"]) - impossible(data), "cell")
    return f"{kept} of {possible} kept the SLA as often as is promised"


def details(data: Data) -> str:
    """What else to know of them: the cheapest one, if they differ in what is ours to choose, and
    how many cannot be. May be empty."""
    kept = [cell for cell in data["cells"] if keeps_promise(cell)]
    priced = [cell for cell in kept if cell["usd_per_month"] is not None]
    told = []
    ours = all(each["key"].startswith(OURS) for each in data["keys"])
    if priced and ours:
        least = min(priced, key=lambda cell: (cell["usd_per_month"], cell["cell"]))
        cost = usd(least["usd_per_month"], 0)
        told.append(f"The cheapest of them: {cell_text(data, least)}, {cost}/month.")
    if count := impossible(data):
        told.append(f"{counted(count, 'cell')} cannot be.")
    return " ".join(told)


def impossible(data: Data) -> int:
    return sum(cell["fate"] == "impossible" for cell in data["cells"])


def cell_text(data: Data, cell: Data) -> str:
    """'replicas 5, rate 30/s'."""
    names = short_keys([each["key"] for each in data["keys"]])
    values = cell["asked"].values()
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def short_keys(keys: Sequence[str]) -> list[str]:
    """The last words of each key, as many as tell them apart.

    >>> short_keys(["fleet.replicas", "traffic.chat.arrivals.rate", "fleet.others.spot.replicas"])
    ['fleet.replicas', 'rate', 'spot.replicas']
    """
    words = [key.split(".") for key in keys]
    return [next(endings(own, words)) for own in words]


def endings(own: list[str], words: list[list[str]]) -> Any:
    """Endings of a key that no other key has, shortest first; at last the whole key."""
    for count in range(1, len(own)):
        if sum(other[-count:] == own[-count:] for other in words) == 1:
            yield ".".join(own[-count:])
    yield ".".join(own)


def objective_texts(data: Data) -> list[str]:
    """All that are promised in some cell."""
    texts = (one["objective"] for cell in data["cells"] for one in cell["objectives"])
    return list(dict.fromkeys(texts))


def sweep_rows(data: Data) -> list[SweepRow]:
    texts = objective_texts(data)
    return [sweep_row(cell, texts) for cell in data["cells"]]


def sweep_row(cell: Data, texts: Sequence[str]) -> SweepRow:
    known = {one["objective"]: one for one in cell["objectives"]}
    none, cost = cell["fate"] == "impossible", cell["usd_per_month"]
    return SweepRow(
        number=cell["cell"],
        asked=list(cell["asked"].values()),
        p_sla=Figure("–") if none else share_figure(cell["p_sla"]),
        keeps=None if none else keeps_promise(cell),
        objectives=[objective_figure(known[t]) if t in known else Figure("–") for t in texts],
        usd_per_month="–" if cost is None else f"{cost:,.0f}",
        why_not=cell["why_not"],
    )


def keeps_promise(cell: Data) -> bool:
    return cell["p_sla"] is not None and cell["p_sla"]["value"] >= cell["promised"]


def share_figure(share: Data) -> Figure:
    """A share with its interval in whole percent, rounded outwards.

    >>> share_figure({"value": 0.95, "low": 0.7513, "high": 0.9987})
    Figure(value='95%', interval='[75%, 100%]')
    """
    low, high = math.floor(100 * share["low"]), math.ceil(100 * share["high"])
    return Figure(f"{100 * share['value']:.3g}%", f"[{low}%, {high}%]")


def objective_figure(objective: Data) -> Figure:
    """The median with its interval; none from a few periods."""
    metric = objective["objective"].split()[0]
    value = shown(metric, objective["value"])
    if objective["replications"] < INTERVAL_PERIODS_MIN:
        return Figure(value)
    low, high = shown(metric, objective["low"]), shown(metric, objective["high"])
    return Figure(value, f"[{low}, {high}]")
