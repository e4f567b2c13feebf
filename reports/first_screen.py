"""What a reader sees first beside the answer: how sure, what it costs, how much room there is, what
breaks first."""

from typing import Any, NamedTuple

import pandas as pd

from reports.tables import counted, percent, usd
from scenarios.objectives import Objective

Data = dict[str, Any]


class Tile(NamedTuple):
    about: str
    value: str
    detail: str


def tiles(plan: Data, used: pd.DataFrame, objectives: list[Objective]) -> list[Tile]:
    """Of a plan. used: `reports.folder.used_by_objective`."""
    return [sure(plan), cost(plan), room(plan), breaks_first(plan, used, objectives)]


def sure(plan: Data) -> Tile:
    certificate = plan["certificate"]
    goal = f"P(SLA) ≥ {certificate['probability']:g}"
    kept = certificate["replications"] - certificate["failed"]
    periods = f"{kept} of {counted(certificate['replications'], 'fresh period')} kept"
    if certificate["status"] == "certified":
        return Tile("How sure", goal, f"at {percent(certificate['confidence'])} confidence: {periods}")
    return Tile("How sure", f"{goal} not shown", f"{periods} with {counted(plan['figures_of'], 'replica')}")


def cost(plan: Data) -> Tile:
    money = plan["cost"]
    of = "" if plan["fleet"]["replicas"] is not None else f", {counted(plan['figures_of'], 'replica')}"
    return Tile(
        "What it costs",
        f"{usd(money['usd_per_month'], 0)}/month",
        f"{usd(money['usd_per_hour'])} per hour, {usd(money['usd_per_million_tokens'], 3)} per "
        f"million tokens{of}",
    )


def room(plan: Data) -> Tile:
    """Certified headroom; without an explanation nobody looked."""
    found = plan["explanation"]
    if found is None:
        return Tile("Room to grow", "not asked", "the plan was made with --no-explain"
                    if plan["fleet"]["replicas"] is not None else "there is no certified fleet")  # fmt: skip
    headroom = found["headroom"]
    if not headroom["replications"]:
        return Tile("Room to grow", "none certified", f"{headroom['refused']:g} × the traffic is refused")
    refused = headroom["refused"]
    more = f"{refused:g} × is not" if refused else "the most that was tried"
    return Tile("Room to grow", f"{headroom['factor']:g} × the traffic", f"is certified, too; {more}")


def breaks_first(plan: Data, used: pd.DataFrame, objectives: list[Objective]) -> Tile:
    """The objective nearest to its limit in the median period and, if that was asked, what binds
    one replica below."""
    about = "What breaks first"
    known = [objective.text for objective in objectives if objective.text in used]
    if used.empty or not known:
        return Tile(about, "not known", "no period was run")
    median = used[known].median().fillna(float("inf"))
    tightest = str(median.idxmax())
    share = float(median[tightest])
    uses = f"the median period uses {percent(round(share, 2))} of it" if share < 1 else "broken"
    found = plan["explanation"]
    binding = found["constraint"]["binding"] if found else []
    lacks = f"; one fewer lacks {' and '.join(binding)}" if binding else ""
    return Tile(about, tightest, uses + lacks)


