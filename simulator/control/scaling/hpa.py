"""The horizontal pod autoscaler of Kubernetes (autoscaling/v2), as pure functions.

What the metrics propose (proposals.py), then the stabilisation windows, then the scaling policies.
As pkg/controller/podautoscaler/horizontal.go of Kubernetes does it in 2026, and
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale tells it. An event exactly
as old as a window is not in it, as in that code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from scenarios.fleet.scaling import Autoscaling, Behaviour, Policy
from simulator.control.scaling.proposals import Observed, propose
from simulator.traffic import NS_PER_S

Direction = Literal["up", "down"]


class Noted(NamedTuple):
    """A recommendation, or the size of a change, and when it was."""

    at_s: float
    replicas: int


@dataclass(frozen=True)
class History:
    """What the autoscaler remembers from one decision to the next."""

    recommendations: tuple[Noted, ...] | None = None
    """Of the metrics alone; None before the first decision."""
    ups: tuple[Noted, ...] = ()
    downs: tuple[Noted, ...] = ()


def decide(
    history: History, now_s: float, current: int, observed: Observed, settings: Autoscaling
) -> tuple[History, int, str]:
    """One decision: what to remember, how many replicas from now on, and why.

    `current` is how many are wanted so far, at least one: waking up from zero is KEDA's task.
    """
    fewest, most = max(settings.replicas[0], 1), settings.replicas[1]
    if history.recommendations is None:
        history = replace(history, recommendations=(Noted(now_s, current),))
    if not fewest <= current <= most:
        desired = min(max(current, fewest), most)
        return changed(history, now_s, current, desired, settings), desired, "range"
    proposal, why = propose(current, observed, settings.tolerance)
    if proposal is None:
        return history, current, why
    stable = stabilised(history, now_s, current, proposal, settings)
    history = recommended(history, now_s, proposal, settings)
    desired = limited(history, now_s, current, stable, settings, (fewest, most))
    if stable != proposal:
        why += ", stabilised"
    if desired != stable:
        why += ", limited"
    return changed(history, now_s, current, desired, settings), desired, why


# --- the stabilisation windows -------------------------------------------------------------------


def stabilised(
    history: History, now_s: float, current: int, proposal: int, settings: Autoscaling
) -> int:
    """Up only to the least that was recommended within the one window, down only to the most
    within the other."""
    known = history.recommendations or ()
    up_s, down_s = settings.scale_up.stabilisation_s, settings.scale_down.stabilisation_s
    at_least = min([proposal, *(r.replicas for r in younger(known, now_s, up_s))])
    at_most = max([proposal, *(r.replicas for r in younger(known, now_s, down_s))])
    return min(max(current, at_least), at_most)


def recommended(history: History, now_s: float, proposal: int, settings: Autoscaling) -> History:
    """With this recommendation, without those that no window reaches any more."""
    window_s = max(settings.scale_up.stabilisation_s, settings.scale_down.stabilisation_s)
    known = younger(history.recommendations or (), now_s, window_s)
    return replace(history, recommendations=(*known, Noted(now_s, proposal)))


# --- the scaling policies ------------------------------------------------------------------------


def limited(
    history: History,
    now_s: float,
    current: int,
    desired: int,
    settings: Autoscaling,
    bounds: tuple[int, int],
) -> int:
    """No further than the policies of that direction allow at once, and within the bounds."""
    fewest, most = bounds
    if desired > current:
        allowed = furthest(history, now_s, current, settings.scale_up, "up")
        return min(desired, most, max(allowed, current))
    if desired < current:
        allowed = furthest(history, now_s, current, settings.scale_down, "down")
        return max(desired, fewest, min(allowed, current))
    return current


def furthest(
    history: History, now_s: float, current: int, behaviour: Behaviour, direction: Direction
) -> int:
    """Where the policies let the number of replicas go; each counts from the number that there was
    one period ago."""
    if behaviour.select == "disabled":
        return current
    reached = []
    for policy in behaviour.policies:
        added = sum(change.replicas for change in younger(history.ups, now_s, policy.period_s))
        gone = sum(change.replicas for change in younger(history.downs, now_s, policy.period_s))
        reached.append(reach(policy, current - added + gone, direction))
    most_change, least_change = (max, min) if direction == "up" else (min, max)
    return (most_change if behaviour.select == "max" else least_change)(reached)


def reach(policy: Policy, start: int, direction: Direction) -> int:
    """Where one policy lets `start` replicas go. A change in percent is rounded up."""
    if policy.kind == "pods":
        return start + policy.value if direction == "up" else start - policy.value
    share = policy.value / 100
    return math.ceil(start * (1 + share)) if direction == "up" else int(start * (1 - share))


def changed(
    history: History, now_s: float, current: int, desired: int, settings: Autoscaling
) -> History:
    """With this change, without those that no policy looks at any more."""
    policies = (*settings.scale_up.policies, *settings.scale_down.policies)
    period_s = max((policy.period_s for policy in policies), default=0.0)
    ups = younger(history.ups, now_s, period_s)
    downs = younger(history.downs, now_s, period_s)
    if desired > current:
        ups = (*ups, Noted(now_s, desired - current))
    if desired < current:
        downs = (*downs, Noted(now_s, current - desired))
    return replace(history, ups=ups, downs=downs)


def younger(notes: Sequence[Noted], now_s: float, window_s: float) -> tuple[Noted, ...]:
    """Those within the window, to the nanosecond."""
    window_ns = round(window_s * NS_PER_S)
    return tuple(note for note in notes if round((now_s - note.at_s) * NS_PER_S) < window_ns)
