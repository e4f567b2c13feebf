"""Every size of the answer's line that was looked at: rows for the page and for the terminal."""

from typing import Any, NamedTuple

Data = dict[str, Any]


class SizeRow(NamedTuple):
    """One size, what it costs and what became of it."""

    replicas: int
    gpus: int
    usd_per_month: float | None
    """None where it is known of the shown size alone: of what comes and goes, or draws power."""
    tally: Data | None
    """What certification saw (planner.search.Tally as data); None of a size that was screened."""
    fate: str
    chosen: bool


def size_rows(plan: Data) -> list[SizeRow]:
    """Smallest first."""
    per_replica, cost = plan["fleet"]["gpus_per_replica"], plan["cost"]
    usd_per_replica = cost["usd_per_replica_hour"]
    # What other pools cost is the same for every size.
    others_usd = cost["usd_per_hour"] - plan["figures_of"] * usd_per_replica
    others_gpus = sum(
        pool["replicas"] * pool["gpus_per_replica"] for pool in plan["fleet"]["others"]
    )
    screened = {row["replicas"]: row["passed"] for row in plan["screened"]}
    certified = {row["replicas"]: row for row in plan["sizes"]}
    owned = any(pool["purchase"] == "owned" for pool in cost.get("pools", []))
    rows = []
    for replicas in sorted({*screened, *certified}):
        usd_per_month = (replicas * usd_per_replica + others_usd) * cost["hours_per_month"]
        known = replicas == plan["figures_of"] or not (cost.get("varies", False) or owned)
        tally = certified.get(replicas)
        rows.append(
            SizeRow(
                replicas=replicas,
                gpus=replicas * per_replica + others_gpus,
                usd_per_month=usd_per_month if known else None,
                tally=tally,
                fate=fate(tally, screened.get(replicas, False)),
                chosen=replicas == plan["fleet"]["replicas"],
            )
        )
    return rows


def fate(tally: Data | None, passed: bool) -> str:
    """
    >>> fate({"status": "certified"}, True), fate(None, False)
    ('certified', 'looked bad')
    """
    if tally is not None:
        return str(tally["status"])
    return "looked good" if passed else "looked bad"
