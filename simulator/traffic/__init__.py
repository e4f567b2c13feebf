"""Demand: arrivals, lengths, prefixes, traces -> Workload."""

from simulator.traffic.follow_ups import NOBODY, FollowUps
from simulator.traffic.prefixes import Chains
from simulator.traffic.traces import TraceError
from simulator.traffic.workload import NS_PER_S, Workload, draw_between, draw_workload

__all__ = [
    "NOBODY", "NS_PER_S", "Chains", "FollowUps", "TraceError", "Workload", "draw_between",
    "draw_workload",
]  # fmt: skip
