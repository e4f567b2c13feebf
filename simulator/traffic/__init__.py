"""Demand: arrivals, lengths, prefixes, traces -> Workload."""

from simulator.traffic.drawing import NS_PER_S, DemandError
from simulator.traffic.follow_ups import NOBODY, FollowUps
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.traces import TraceError
from simulator.traffic.sessions.closed import ran_out
from simulator.traffic.workload import Workload, draw_between, draw_workload, week_time_s

__all__ = [
    "NOBODY", "NS_PER_S", "Chains", "DemandError", "FollowUps", "TraceError", "Workload",
    "draw_between", "draw_workload", "ran_out", "week_time_s",
]  # fmt: skip
