"""One incident by script: the same periods with it and without, and what differs.

Both runs of a pair have the same demand and the same failures of the scenario's own, so that what
differs is the incident's doing.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.verdict import judge
from scenarios.model import Scenario
from scenarios.objectives import Objective, allowed_violations
from simulator.control.drill import NAME, Kill
from simulator.run import LOST, REJECTED, TIMED_OUT, UNFINISHED, Run
from simulator.simulate import simulate

Floats = NDArray[np.float64]

PERCENTILES = {name: Fraction(name) / 100 for name in ("50", "95", "99")}
ROLLING = PERCENTILES["95"]
STEP_S = 5.0
"""Between two looks at the latest requests."""
MINUTE_S = 60.0
CROWD = 100
"""Requests that a 95th percentile should rest on: with fewer in a minute, two are looked at."""
NEAR = 1.10
"""Back is who is within 10 % of the run without the incident."""
CALM_S = 120.0
"""So long it must stay there."""
SAMPLED = ("replicas_up", "waiting", "running")
ENDS = {"lost": LOST, "rejected": REJECTED, "timed_out": TIMED_OUT, "unfinished": UNFINISHED}


@dataclass(frozen=True)
class Drill:
    """What is asked: a scenario with its period, and the incidents."""

    scenario: Scenario
    kills: tuple[Kill, ...]

    @property
    def begin_s(self) -> float:
        return min(kill.at_s for kill in self.kills)

    @property
    def end_s(self) -> float:
        """When the last one is repaired, or the period ends."""
        horizon_s = self.scenario.horizon_s
        ends_s = (horizon_s if k.lasts_s is None else k.at_s + k.lasts_s for k in self.kills)
        return min(max(ends_s), horizon_s)

    @property
    def ttft_limit(self) -> Objective | None:
        """The objective on a percentile of the TTFT of all requests, the nearest to p95."""
        promised = [
            each
            for each in self.scenario.objectives
            if each.metric == "ttft" and each.share is not None and each.groups is None
        ]
        return min(promised, key=lambda each: abs(float(each.share or 0) - 0.95), default=None)


def without_failures(scenario: Scenario) -> Scenario:
    """The scenario without faults and rollouts of its own. Spares and how long starts take stay."""
    failures = scenario.failures
    if failures is None:
        return scenario
    calm = failures.model_copy(
        update={"presets": (), "faults": (), "replica": None, "rollout": None}
    )
    # A start that `failures.replica` gives is the fleet's.
    fleet = scenario.fleet.model_copy(update={"cold_start": scenario.cold_start})
    return scenario.model_copy(update={"failures": calm, "fleet": fleet})


class Side(NamedTuple):
    """One run of a pair: its whole period, since before the first kill both are the same."""

    ttft_s: dict[str, float]
    """Percentiles of the requests that were there during the incident."""
    present: int
    """How many those are."""
    requests: int
    counts: dict[str, int]
    """lost, rejected, timed_out, unfinished; retried (requests) and retries; tokens_lost,
    prefill_tokens."""
    kept: bool | None
    """The SLA; None without one."""


class Pair(NamedTuple):
    """One replication. Instants and lengths in seconds, infinite for what did not come within the
    period."""

    without: Side
    drilled: Side
    hit: int
    """Replicas that the incidents took."""
    noticed_s: float
    """From the first kill until somebody knew of it."""
    over_s: float
    """From the first kill until repaired, and as many replicas up as without."""
    near_s: float
    """From the first kill until the TTFT p95 was back near the run without."""
    within_s: float | None
    """The same until it was back within the SLA's limit; None without one."""
    times_s: Floats
    """At which the next ones are told."""
    ttft_s_p95: tuple[Floats, Floats]
    """(without, drilled): over the latest requests at each instant, infinite where too many do not
    complete, NaN where none arrived."""
    sample_s: Floats
    samples: dict[str, tuple[Floats, Floats]]
    """(without, drilled) of SAMPLED, at each of `sample_s`."""


def pair(drill: Drill, replication: int) -> Pair:
    """One replication, with and without. Raises DemandError, UnknownComponent."""
    scenario = drill.scenario
    without = simulate(scenario, scenario.fleet, scenario.seed, replication)
    drilled = simulate(scenario, scenario.fleet, scenario.seed, replication, drill=drill.kills)
    return compared(drill, without, drilled)


def compared(drill: Drill, without: Run, drilled: Run) -> Pair:
    over_s = incident_over_s(drill, without, drilled)
    both = (without, drilled)
    times_s = np.arange(STEP_S, drill.scenario.horizon_s + STEP_S / 2, STEP_S)
    window_s = window_of(without)
    latest = [rolling_s(run, times_s, window_s, ROLLING) for run in both]
    near = (latest[1] <= NEAR * latest[0]) | np.isnan(latest[0]) | np.isnan(latest[1])
    limit = drill.ttft_limit
    within_s = None
    if limit is not None:
        assert limit.share is not None, "of a percentile"
        promised = rolling_s(drilled, times_s, window_s, limit.share)
        within_s = back_after_s(drill, times_s, ~(promised > limit.limit), over_s)
    struck = drilled.incidents[drilled.incidents["fault"] == NAME]
    timelines = [run.timeline for run in both]
    return Pair(
        without=side(drill, without, over_s),
        drilled=side(drill, drilled, over_s),
        hit=len({replica for replicas in struck["replicas"] for replica in replicas}),
        noticed_s=first_noticed_s(struck),
        over_s=over_s - drill.begin_s,
        near_s=back_after_s(drill, times_s, near, over_s),
        within_s=within_s,
        times_s=times_s,
        ttft_s_p95=(latest[0], latest[1]),
        sample_s=timelines[0]["time_s"].to_numpy(dtype=float),
        samples={
            name: tuple(line[name].to_numpy(dtype=float) for line in timelines)  # type: ignore[misc]
            for name in SAMPLED
        },
    )


def side(drill: Drill, run: Run, over_s: float) -> Side:
    # Who was there when it began is part of it: not yet finished, in both runs the same.
    present = ~(run.finish_s < drill.begin_s) & (run.arrival_s < over_s)
    ttft_s = np.sort(run.ttft_s[present])
    counts = {name: int((run.outcome == code).sum()) for name, code in ENDS.items()}
    counts |= {
        "retried": int((run.retries > 0).sum()),
        "retries": int(run.retries.sum()),
        "tokens_lost": run.accounts.tokens_lost,
        "prefill_tokens": run.prefill_tokens,
    }
    objectives = drill.scenario.objectives
    return Side(
        {name: percentile(ttft_s, share) for name, share in PERCENTILES.items()},
        ttft_s.size,
        len(run),
        counts,
        judge(run, objectives).kept if objectives else None,
    )


def percentile(ordered: Floats, share: Fraction) -> float:
    """Of sorted values, as promises are judged: at most (1 - share) of them are above. NaN of none.

    >>> percentile(np.array([1.0, 2.0, 3.0, np.inf]), Fraction(1, 2))
    2.0
    """
    if not ordered.size:
        return float("nan")
    return float(ordered[ordered.size - 1 - allowed_violations(ordered.size, share)])


# --- instants ------------------------------------------------------------------------------------


def incident_over_s(drill: Drill, without: Run, drilled: Run) -> float:
    """When all is repaired and no more replicas are down than without; infinite if not within the
    period."""
    times_s = drilled.timeline["time_s"].to_numpy(dtype=float)
    up = [run.timeline["replicas_up"].to_numpy(dtype=float) for run in (without, drilled)]
    back = np.flatnonzero((times_s >= drill.end_s) & (up[1] >= up[0]))
    horizon_s = drill.scenario.horizon_s
    repaired = all(
        kill.lasts_s is not None and kill.at_s + kill.lasts_s <= horizon_s for kill in drill.kills
    )
    return float(times_s[back[0]]) if back.size and repaired else float("inf")


def first_noticed_s(struck: pd.DataFrame) -> float:
    """From the first incident until somebody knew."""
    if struck.empty:
        return float("inf")
    first = struck.sort_values("begin_s").iloc[0]
    noticed_s = float(first["noticed_s"]) - float(first["begin_s"])
    return float("inf") if np.isnan(noticed_s) else noticed_s


def back_after_s(drill: Drill, times_s: Floats, good: NDArray[np.bool_], over_s: float) -> float:
    """From the first kill until all was good for CALM_S: after the last bad instant of those that
    began before the incident was over and followed one another. 0: it never was bad."""
    bad_s = times_s[~good & (times_s > drill.begin_s)]
    begun = bad_s <= over_s
    if not begun.any():
        return 0.0
    last = int(np.flatnonzero(begun)[-1])
    while last + 1 < bad_s.size and bad_s[last + 1] - bad_s[last] <= CALM_S:
        last += 1
    back_s = float(bad_s[last]) + STEP_S
    if back_s > times_s[-1]:
        return float("inf")
    return back_s - drill.begin_s


def window_of(run: Run) -> float:
    """The latest minute, or two where few requests come."""
    return MINUTE_S if len(run) * MINUTE_S / run.horizon_s >= CROWD else 2 * MINUTE_S


def rolling_s(run: Run, times_s: Floats, window_s: float, share: Fraction) -> Floats:
    """The percentile of the TTFT of those that arrived in the `window_s` before each instant."""
    order = np.argsort(run.arrival_s, kind="stable")
    arrival_s, ttft_s = run.arrival_s[order], run.ttft_s[order]
    begins = np.searchsorted(arrival_s, times_s - window_s, side="right")
    ends = np.searchsorted(arrival_s, times_s, side="right")
    found = [
        percentile(np.sort(ttft_s[begin:end]), share)
        for begin, end in zip(begins, ends, strict=True)
    ]
    return np.array(found)
