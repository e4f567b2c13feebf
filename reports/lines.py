"""What became of the lines of a plan (planner.plan_data, `lines`), in words."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from reports.facts import Fact
from reports.tables import counted

Data = dict[str, Any]

LINES_SHOWN = 5
"""Lines that the answer in the terminal names; the page names all."""
UNIT = {"cost": "USD/h", "gpus": "GPUs", "energy": "kW"}


class LineRow(NamedTuple):
    """One line of the page's table."""

    choice: str
    fleet: str
    value: str
    fate: str
    chosen: bool


def line_facts(data: Data) -> list[Fact]:
    """The chosen line, and what became of the others; nothing where there is nothing to choose."""
    known = data.get("lines", [])
    if len(known) < 2:
        return []
    fates = [fate(line, data) for line in known]
    tried = [
        index
        for index in ranked(known)
        if known[index]["fate"] not in NOTHING_RUN and index != data["line"]
    ]
    first = tried[:LINES_SHOWN]
    told = [Fact("", f"{choice_text(known[index])}: {fates[index]}") for index in first]
    never = [line for line in known if line["fate"] in NOTHING_RUN]
    if len(tried) > LINES_SHOWN:
        more = counted(len(tried) - LINES_SHOWN, "more line")
        told.append(Fact("", f"and {more}: see the report"))
    if never:
        told.append(Fact("", f"{counted(len(never), 'combination')} cannot be: see the report"))
    chosen = choice_text(known[data["line"]])
    word = "chosen" if data["fleet"]["replicas"] is not None else "nearest"
    return [Fact(word, f"of {counted(len(known), 'line')}: {chosen}"), *told]


NOTHING_RUN = ("impossible", "ruled out")


def line_rows(data: Data) -> list[LineRow]:
    """All of them, the best first."""
    known = data.get("lines", [])
    if len(known) < 2:
        return []
    return [
        LineRow(
            choice=choice_text(line),
            fleet=fleet(line),
            value=value_text(line, data["minimise"]),
            fate=fate(line, data),
            chosen=index == data["line"] and data["fleet"]["replicas"] is not None,
        )
        for index, line in ((index, known[index]) for index in ranked(known))
    ]


def ranked(known: list[Data]) -> Iterator[int]:
    """Those that were run by what they came to, the certified ones first; then the others."""
    places = {"certified": 0, "not tried": 1, "dear": 1, "not certified": 2, "infeasible": 2,
              "unable": 3, "ruled out": 4, "impossible": 5}  # fmt: skip
    yield from sorted(
        range(len(known)),
        key=lambda index: (places[known[index]["fate"]], known[index]["value"] or 0.0),
    )


def choice_text(line: Data) -> str:
    """'gpu h100-sxm-80gb, tensor_parallel 2': each choice by the last part of its key.

    >>> choice_text({"choice": {"replica.gpu": "l4-24gb", "fleet.others.0.replicas": "3"}})
    'gpu l4-24gb, others.0.replicas 3'
    """
    return ", ".join(f"{short(key)} {value}" for key, value in line["choice"].items())


def short(key: str) -> str:
    for prefix in ("replica.engine.", "replica.", "fleet.autoscaling.", "fleet.", "failures."):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def fleet(line: Data) -> str:
    if line["replicas"] is None:
        return "–"
    return f"{line['replicas']} x {line['gpus_per_replica']} {line['gpu']}"


def value_text(line: Data, minimise: str) -> str:
    """Of a size that was not run it is a bound: idle, and as small as it may be."""
    if line["value"] is None:
        return "–"
    bound = "at least " if line["replicas"] is None else ""
    return f"{bound}{line['value']:,.4g} {UNIT[minimise]}"


def fate(line: Data, data: Data) -> str:
    """What became of a line, and why it is not the answer.

    >>> line = {"fate": "dear", "replicas": None, "sizes": [1, 9], "value": 24.0, "lower_bound": 3}
    >>> data = {"minimise": "gpus", "line": 1, "lines": [line, {"value": 20.0}]}
    >>> fate(line, data)
    'no better: the mean load alone takes 3 replicas, at least 24 GPUs'
    """
    value = value_text(line, data["minimise"])
    match line["fate"]:
        case "certified":
            chosen = data["lines"][data["line"]] is line
            which = "the answer" if chosen else "certified, and no better"
            return f"{which}: {counted(line['replicas'], 'replica')}, {value}"
        case "dear" if line["replicas"] is not None:
            return f"{counted(line['replicas'], 'replica')} would do, as far as screened: {value}"
        case "dear":
            least = counted(max(line["lower_bound"], line["sizes"][0]), "replica")
            if line["value"] >= data["lines"][data["line"]]["value"]:
                return f"no better: the mean load alone takes {least}, {value}"
            return f"no size that is better looks able (the mean load takes {least}, {value})"
        case "not tried":
            return (
                f"{counted(line['replicas'], 'replica')} look able at {value}; no error "
                "probability was left to certify it"
            )
        case "unable":
            return f"no size up to {counted(line['sizes'][1], 'replica')} looks able"
        case "impossible" | "ruled out":
            return str(line["why_not"])
        case other:
            return str(other)
