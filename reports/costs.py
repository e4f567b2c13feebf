"""What a fleet costs and draws, in words: only what the first line of an answer does not say."""

from typing import Any

from reports.facts import Fact
from reports.tables import number, percent, usd

Data = dict[str, Any]


def cost_facts(cost: Data) -> list[Fact]:
    """On pools that are paid for differently, on energy, and on whose prices these are."""
    told = {"energy:": energy_text(cost), "prices:": price_text(cost)}
    pools = [Fact("paid for:", text) for text in pool_texts(cost)]
    return pools + [Fact(label, text) for label, text in told.items() if text]


def pool_texts(cost: Data) -> list[str]:
    """One per pool, unless all there is to pay for is one pool on demand."""
    pools = cost.get("pools", [])  # a plan may be of before these were told
    if len(pools) == 1 and pools[0]["purchase"] == "on_demand":
        return []
    return [
        f"{pool['pool']}: {pool['gpus']:.4g} {pool['gpu']} {purchase_text(pool)} at "
        f"{usd(pool['usd_per_gpu_hour'])} per GPU-hour, {usd(pool['usd_per_month'], 0)}/month"
        for pool in pools
    ]


def purchase_text(pool: Data) -> str:
    return str(pool["purchase"]).replace("_", " ")


def energy_text(cost: Data) -> str | None:
    """What is drawn, where the scenario asks for it."""
    energy = cost.get("energy")
    if not energy or not energy["asked"]:
        return None
    parts = [
        f"{number(energy['kwh_per_month'])} kWh/month",
        f"{number(energy['kwh_per_million_tokens'])} kWh per million tokens",
    ]
    if energy["co2_kg_per_month"] is not None:
        parts.append(
            f"{number(energy['co2_kg_per_month'])} kg CO2/month, "
            f"{number(energy['co2_kg_per_million_tokens'])} kg per million tokens"
        )
    return f"{', '.join(parts)} ({draw_text(energy)})"


def draw_text(energy: Data) -> str:
    """
    >>> draw_text({"idle": 0.2, "busy": 0.7, "assumed": True})
    'GPUs draw 70% of their power while they compute, else 20%: assumed'
    """
    known = ": assumed" if energy["assumed"] else ""
    return (
        f"GPUs draw {percent(energy['busy'])} of their power while they compute, "
        f"else {percent(energy['idle'])}{known}"
    )


def price_text(cost: Data) -> str | None:
    """Whose prices, and of when.

    >>> price_text({"price_source": "our contract", "price_date": "2026-11-01"})
    'our contract, 2026-11-01'
    """
    known = [cost.get(key) for key in ("price_source", "price_date")]
    return ", ".join(text for text in known if text) or None


def cost_rows(cost: Data) -> list[Data]:
    """The cells of the page's table, a row per pool."""
    return [
        {
            "pool": pool["pool"],
            "gpu": pool["gpu"],
            "purchase": purchase_text(pool),
            "gpus": f"{pool['gpus']:.4g}",
            "rate": usd(pool["usd_per_gpu_hour"]),
            "month": usd(pool["usd_per_month"], 0),
            "kw": "unknown" if pool["kw"] is None else f"{pool['kw']:.3g} kW",
        }
        for pool in cost.get("pools", [])
    ]
