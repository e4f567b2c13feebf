"""A drill over its replications: medians, and the least and the most."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.drill import NEAR, PERCENTILES, SAMPLED, Drill, Pair
from simulator.control.drill import Kill

Data = dict[str, Any]
Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """The median over replications, and the least and the most."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Infinite ones are larger than all others; those that are not known are left out.

    >>> spread([3.0, float("inf"), 1.0])
    Spread(median=3.0, low=1.0, high=inf)
    """
    known = np.sort(np.array([value for value in values if value == value], dtype=float))
    if not known.size:
        return Spread(float("nan"), float("nan"), float("nan"))
    middle = known[(known.size - 1) // 2 : known.size // 2 + 1]
    median = middle[0] if middle[0] == middle[-1] else middle.mean()
    return Spread(float(median), float(known[0]), float(known[-1]))


def extra(drilled: float, without: float) -> float:
    """How much more; infinite where the drilled one alone is, 0 where both are."""
    return 0.0 if np.isinf(drilled) and np.isinf(without) else drilled - without


def as_json(drill: Drill, pairs: Sequence[Pair]) -> Data:
    """Everything a drill found. Infinite: not within the period."""
    scenario = drill.scenario
    limit = drill.ttft_limit
    return {
        "name": scenario.name,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "replicas": scenario.fleet.replicas,
        "period_s": scenario.horizon_s,
        "replications": len(pairs),
        "kills": [kill_data(kill) for kill in drill.kills],
        "replicas_hit": spread([each.hit for each in pairs])._asdict(),
        "noticed_s": spread([each.noticed_s for each in pairs])._asdict(),
        "all_up_after_s": spread([each.over_s for each in pairs])._asdict(),
        "requests": spread([each.without.requests for each in pairs])._asdict(),
        "requests_during": spread([each.without.present for each in pairs])._asdict(),
        "ttft_s": {
            f"p{name}": both([(p.without.ttft_s[name], p.drilled.ttft_s[name]) for p in pairs])
            for name in PERCENTILES
        },
        "counts": {
            name: both([(p.without.counts[name], p.drilled.counts[name]) for p in pairs])
            for name in pairs[0].without.counts
        },
        "recovery": {
            "within_share_of_without": NEAR - 1.0,
            "ttft_p95_back_after_s": spread([each.near_s for each in pairs])._asdict(),
            "objective": None if limit is None else limit.text,
            "objective_kept_after_s": None
            if limit is None
            else spread([each.within_s for each in pairs if each.within_s is not None])._asdict(),
        },
        "sla_kept": None
        if pairs[0].without.kept is None
        else {
            "without": sum(bool(each.without.kept) for each in pairs),
            "with": sum(bool(each.drilled.kept) for each in pairs),
        },
        "series": series(pairs),
    }


def kill_data(kill: Kill) -> Data:
    return {name: getattr(kill, name) for name in kill._fields if name != "speed"} | (
        {"speed": kill.speed} if kill.effect == "slow" else {}
    )


def both(figures: Sequence[tuple[float, float]]) -> Data:
    """A figure of each pair, (without, with) the incident, and how much more it is."""
    return {
        "without": spread([without for without, _ in figures])._asdict(),
        "with": spread([drilled for _, drilled in figures])._asdict(),
        "extra": spread([extra(drilled, without) for without, drilled in figures])._asdict(),
    }


def series(pairs: Sequence[Pair]) -> Data:
    """Over time: medians over replications, the least and the most."""
    first = pairs[0]
    found: Data = {
        "ttft_p95": {"time_s": first.times_s.tolist()}
        | over_time([each.ttft_s_p95 for each in pairs])
    }
    for name in SAMPLED:
        lines = over_time([each.samples[name] for each in pairs])
        found[name] = {"time_s": first.sample_s.tolist()} | lines
    return found


def over_time(lines: Sequence[tuple[Floats, Floats]]) -> Data:
    sides = {"without": [line[0] for line in lines], "with": [line[1] for line in lines]}
    told: Data = {}
    for name, own in sides.items():
        at_each = [spread(column.tolist()) for column in np.array(own).T]
        told[name] = {key: [getattr(each, key) for each in at_each] for key in Spread._fields}
    return told
