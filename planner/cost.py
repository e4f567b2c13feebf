"""What a fleet costs and draws: by the hour, by the month, and by what it really served."""

from typing import Any, NamedTuple

import pandas as pd

from scenarios.catalogue import load_catalogue
from scenarios.fleet import Replica
from scenarios.model import Minimised, Scenario
from scenarios.price import Energy, Owned, Purchase

HOURS_PER_MONTH = 720.0
"""Thirty days."""


class PoolCost(NamedTuple):
    """The GPUs of one pool, those included that do not serve: spares are the main pool's."""

    pool: str
    gpu: str
    purchase: Purchase
    gpus: float
    """Paid for at a time: the mean where that changes; all that were bought of owned ones."""
    usd_per_gpu_hour: float
    """Of owned ones with the electricity that they drew."""
    usd_per_hour: float
    usd_per_month: float
    kw: float | None
    """At the site's meter, in the mean; None where the catalogue does not know the GPU's power."""


class EnergyUse(NamedTuple):
    """What the periods drew at the site's meter."""

    kwh_per_month: float
    kwh_per_million_tokens: float
    co2_kg_per_month: float | None
    """None without a carbon factor."""
    co2_kg_per_million_tokens: float | None
    idle: float
    """Share of its power that a GPU draws while no engine step computes ..."""
    busy: float
    """... and while one does."""
    assumed: bool
    """Whether the scenario left one of them to the catalogue's assumption."""
    asked: bool
    """Whether the scenario speaks of energy, or its plan makes it small."""


class Cost(NamedTuple):
    """USD. Spares, idle and failed time are inside: what is provisioned is paid whether it serves
    or not."""

    usd_per_gpu_hour: float
    """Mean over all GPUs; they differ in price where other pools have other ones."""
    usd_per_replica_hour: float
    """One replica of the main pool."""
    usd_per_hour: float
    usd_per_month: float
    usd_per_million_tokens: float
    """Prompt and output tokens of completed requests."""
    usd_per_million_output_tokens: float
    gpus_paid: float
    """At a time: spares and warm pool with those that serve; the mean where that changes."""
    pools: tuple[PoolCost, ...]
    energy: EnergyUse | None
    """None of a fleet that was not run, or of GPUs whose power is not known."""
    price_source: str
    price_date: str | None
    """The day on which the prices held, as 2026-11-01; None where nobody said."""


class Use(NamedTuple):
    """Of the GPUs of one pool, how many at a time, in the mean."""

    paid: float
    running: float
    """Provisioned: they draw. Fewer than are paid for where owned ones are switched off."""
    computing: float


def fleet_cost(scenario: Scenario, replicas: int, periods: pd.DataFrame) -> Cost:
    """The cost of a main pool of `replicas`, and all other pools, that served `periods` (figures,
    one row each). Without periods: of the fleet as it starts, idle."""
    assert scenario.price is not None, "the caller asks for scenarios with a price"
    pools = pool_costs(scenario, uses(scenario, replicas, periods))
    usd_per_hour = sum(pool.usd_per_hour for pool in pools)
    gpus_paid = sum(pool.gpus for pool in pools)
    hours = scenario.horizon_s / 3600.0 * len(periods)
    output = float(periods["output_tokens_per_s"].sum()) * scenario.horizon_s
    served = output + float(periods["input_tokens_per_s"].sum()) * scenario.horizon_s
    spent_usd = usd_per_hour * hours
    main_usd = pools[0].usd_per_gpu_hour
    return Cost(
        usd_per_gpu_hour=usd_per_hour / gpus_paid if gpus_paid else main_usd,
        usd_per_replica_hour=main_usd * scenario.gpus_per_replica,
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        usd_per_million_tokens=spent_usd / served * 1e6 if served else float("inf"),
        usd_per_million_output_tokens=spent_usd / output * 1e6 if output else float("inf"),
        gpus_paid=float(gpus_paid),
        pools=tuple(pools),
        energy=energy_use(scenario, pools, hours, served) if len(periods) else None,
        price_source=scenario.price.source,
        price_date=scenario.price.date,
    )


def objective_value(
    objective: Minimised, scenario: Scenario, replicas: int, periods: pd.DataFrame
) -> float:
    """What a search makes small, of a main pool of `replicas` that served `periods`, at a time in
    the mean: USD per hour, GPUs paid for, or kW at the meter.

    Raises ValueError for the energy of a GPU whose power the catalogue does not know.
    """
    return value_of(objective, scenario, uses(scenario, replicas, periods))


def objective_floor(objective: Minimised, scenario: Scenario, replicas: int) -> float:
    """The same at least, before any run: idle, at its smallest, and without the nodes that a fault
    may take away unpaid."""
    return value_of(objective, scenario, least_uses(scenario, replicas))


def value_of(objective: Minimised, scenario: Scenario, of_pools: list[Use]) -> float:
    match objective:
        case "cost":
            return sum(pool.usd_per_hour for pool in pool_costs(scenario, of_pools))
        case "gpus":
            return sum(use.paid for use in of_pools)
        case "energy":
            drawn = [kw(scenario, *each) for each in zip(kinds(scenario), of_pools, strict=True)]
            if None in drawn:
                raise ValueError("a GPU whose `power` the catalogue does not know has no energy")
            return sum(each for each in drawn if each is not None)


def as_data(scenario: Scenario, cost: Cost) -> dict[str, Any]:
    """The cost as plain data, for plan.json."""
    return cost._asdict() | {
        "pools": [pool._asdict() for pool in cost.pools],
        "energy": cost.energy and cost.energy._asdict(),
        "hours_per_month": HOURS_PER_MONTH,
        "varies": varies(scenario),
    }


# --- money ---------------------------------------------------------------------------------------


def pool_costs(scenario: Scenario, of_pools: list[Use]) -> list[PoolCost]:
    names = ["main", *(pool.name for pool in scenario.fleet.others)]
    return [
        pool_cost(scenario, *each) for each in zip(names, kinds(scenario), of_pools, strict=True)
    ]


def pool_cost(scenario: Scenario, name: str, replica: Replica, use: Use) -> PoolCost:
    assert scenario.price is not None
    price = scenario.price.gpus[replica.gpu.name].by_purchase[replica.purchase]
    assert price is not None, "loading refuses a GPU in use without its price"
    drawn_kw = kw(scenario, replica, use)
    if isinstance(price, Owned):
        assert drawn_kw is not None, "loading refuses an owned GPU without its power"
        usd_per_hour = use.paid * price.usd_per_hour + drawn_kw * price.electricity_usd_per_kwh
        usd_per_gpu_hour = usd_per_hour / use.paid if use.paid else price.usd_per_hour
    else:
        usd_per_gpu_hour, usd_per_hour = price, price * use.paid
    return PoolCost(
        pool=name,
        gpu=replica.gpu.name,
        purchase=replica.purchase,
        gpus=use.paid,
        usd_per_gpu_hour=usd_per_gpu_hour,
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        kw=drawn_kw,
    )


# --- energy --------------------------------------------------------------------------------------


def energy_of(scenario: Scenario) -> Energy:
    return scenario.energy or Energy.model_validate({})


def kw(scenario: Scenario, replica: Replica, use: Use) -> float | None:
    """What the GPUs of a pool draw at the site's meter."""
    if replica.gpu.power_w is None:
        return None
    energy = energy_of(scenario)
    drawing = energy.busy * use.computing + energy.idle * (use.running - use.computing)
    return replica.gpu.power_w / 1e3 * drawing * pue(scenario, replica)


def pue(scenario: Scenario, replica: Replica) -> float:
    """Owned GPUs may stand at a site of their own."""
    price = scenario.price and scenario.price.gpus.get(replica.gpu.name)
    if replica.purchase == "owned" and price and price.owned and price.owned.pue is not None:
        return price.owned.pue
    return energy_of(scenario).pue


def energy_use(
    scenario: Scenario, pools: list[PoolCost], hours: float, served_tokens: float
) -> EnergyUse | None:
    if any(pool.kw is None for pool in pools):
        return None
    energy = energy_of(scenario)
    assumed = load_catalogue().draws
    drawn_kw = sum(pool.kw for pool in pools if pool.kw is not None)
    kwh_per_month = drawn_kw * HOURS_PER_MONTH
    kwh_per_million = drawn_kw * hours / served_tokens * 1e6 if served_tokens else float("inf")
    factor = energy.carbon_kg_per_kwh
    return EnergyUse(
        kwh_per_month=kwh_per_month,
        kwh_per_million_tokens=kwh_per_million,
        co2_kg_per_month=None if factor is None else kwh_per_month * factor,
        co2_kg_per_million_tokens=None if factor is None else kwh_per_million * factor,
        idle=energy.idle,
        busy=energy.busy,
        assumed=energy.idle == assumed["idle"].share or energy.busy == assumed["busy"].share,
        asked=scenario.energy is not None
        or (scenario.plan is not None and scenario.plan.minimise == "energy"),
    )


# --- GPUs ----------------------------------------------------------------------------------------


def kinds(scenario: Scenario) -> list[Replica]:
    """The replica of each pool, the main one first."""
    return [scenario.replica, *(pool.replica for pool in scenario.fleet.others)]


def uses(scenario: Scenario, replicas: int, periods: pd.DataFrame) -> list[Use]:
    """Per pool: its GPUs or, of a fleet that changes, those in the mean over its periods; and how
    many of them computed."""
    running = [float(gpus) for gpus in whole_gpus(scenario, replicas)]
    computing = [0.0] * len(running)
    if len(periods):
        pools = range(len(running))
        computing = [float(periods[f"gpus_useful_{pool}"].mean()) for pool in pools]
        if varies(scenario):
            running = [float(periods[f"gpus_paid_{pool}"].mean()) for pool in pools]
    paid = paid_gpus(scenario, replicas, running)
    return [Use(*each) for each in zip(paid, running, computing, strict=True)]


def least_uses(scenario: Scenario, replicas: int) -> list[Use]:
    """Per pool: the GPUs that it cannot come below, all idle; `replicas` of an autoscaled pool are
    its fewest."""
    names = ["", *(pool.name for pool in scenario.fleet.others)]
    faults = scenario.failures.all if scenario.failures else ()
    gone = [any(fault.strikes(name) and not fault.paid for fault in faults) for name in names]
    least = [spare_gpus(scenario), *(0 for _ in scenario.fleet.others)]
    running = [
        float(few if may_go else gpus)
        for may_go, few, gpus in zip(gone, least, whole_gpus(scenario, replicas), strict=True)
    ]
    paid = paid_gpus(scenario, replicas, running)
    return [Use(*each, 0.0) for each in zip(paid, running, strict=True)]


def paid_gpus(scenario: Scenario, replicas: int, running: list[float]) -> list[float]:
    """Those that run; of owned ones all that were bought, switched off or not."""
    bought = bought_gpus(scenario, replicas)
    return [
        max(mean, float(most)) if replica.purchase == "owned" else mean
        for replica, mean, most in zip(kinds(scenario), running, bought, strict=True)
    ]


def whole_gpus(scenario: Scenario, replicas: int) -> list[int]:
    """Per pool: the GPUs of all its replicas, and all spares with the main one."""
    main = replicas * scenario.gpus_per_replica + spare_gpus(scenario)
    return [main, *(pool.replicas * pool.replica.gpus for pool in scenario.fleet.others)]


def bought_gpus(scenario: Scenario, replicas: int) -> list[int]:
    """The same with as many as the main pool may ever hold."""
    autoscaling = scenario.fleet.autoscaling
    rollout = scenario.failures.rollout if scenario.failures else None
    if autoscaling is not None:
        replicas = max(replicas, autoscaling.replicas[1]) + autoscaling.warm_pool
    return whole_gpus(scenario, replicas + (rollout.max_surge if rollout else 0))


def varies(scenario: Scenario) -> bool:
    """Whether the GPUs that are paid for come and go: by autoscaling, with spot nodes, or while a
    rollout has more than its share."""
    failures = scenario.failures
    if failures is None:
        return scenario.fleet.autoscaling is not None
    spot = any(not fault.paid for fault in failures.all)
    surge = failures.rollout is not None and failures.rollout.max_surge > 0
    return scenario.fleet.autoscaling is not None or spot or surge


def spare_gpus(scenario: Scenario) -> int:
    nodes = scenario.failures.spare_nodes if scenario.failures else 0
    return nodes * scenario.fleet.topology.gpus_per_node


def gpus_beside(scenario: Scenario) -> dict[str, int]:
    """The GPUs of each kind that a fleet takes beside the replicas of its main pool: other pools,
    spares, a warm pool, the surge of a rollout."""
    scaling, count = scenario.fleet.autoscaling, dict[str, int]()
    rollout = scenario.failures.rollout if scenario.failures else None
    kept = (scaling.warm_pool if scaling else 0) + (rollout.max_surge if rollout else 0)
    for replica, gpus in zip(kinds(scenario), whole_gpus(scenario, kept), strict=True):
        count[replica.gpu.name] = count.get(replica.gpu.name, 0) + gpus
    return count


def gpus(scenario: Scenario, replicas: int) -> int:
    """All GPUs of such a fleet that serves with all its replicas; spares are beside it."""
    others = sum(pool.replicas * pool.replica.gpus for pool in scenario.fleet.others)
    return replicas * scenario.gpus_per_replica + others
