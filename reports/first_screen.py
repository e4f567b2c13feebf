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
        confidence = percent(certificate["confidence"])
        return Tile("How sure", goal, f"at {confidence} confidence: {periods}")
    if not certificate["replications"]:
        return Tile("How sure", f"{goal} not shown", "no period was run")
    return Tile("How sure", f"{goal} not shown", f"{periods} with {shown_text(plan)}")


def cost(plan: Data) -> Tile:
    money = plan["cost"]
    rates = (
        f"{usd(money['usd_per_hour'])} per hour, {usd(money['usd_per_million_tokens'], 3)} per "
        "million tokens"
    )
    of = "" if plan["fleet"]["replicas"] is not None else f", {shown_text(plan)}"
    return Tile("What it costs", f"{usd(money['usd_per_month'], 0)}/month", rates + of)


def shown_text(plan: Data) -> str:
    return counted(plan["figures_of"], "replica")


def room(plan: Data) -> Tile:
    """Certified headroom; without an explanation nobody looked."""
    about, found = "Room to grow", plan["explanation"]
    if found is None:
        certified = plan["fleet"]["replicas"] is not None
        return Tile(about, "not asked", "--no-explain" if certified else "no fleet is certified")
    headroom, refused = found["headroom"], found["headroom"]["refused"]
    if not headroom["replications"]:
        return Tile(about, "none certified", f"{refused:g} × the traffic is refused")
    more = f"{refused:g} × is not" if refused else "the most that was tried"
    return Tile(about, f"{headroom['factor']:g} × the traffic", f"is certified, too; {more}")


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
    uses = f"the median period uses {percent(round(share, 2))} of it" if share <= 1 else "broken"
    found = plan["explanation"]
    binding = found["constraint"]["binding"] if found else []
    lacks = f"; one fewer lacks {' and '.join(binding)}" if binding else ""
    return Tile(about, tightest, uses + lacks)
