"""Demand: arrivals, lengths, prefixes, traces -> Workload."""

from simulator.traffic.prefixes import Chains
from simulator.traffic.traces import TraceError
from simulator.traffic.workload import NS_PER_S, Workload, draw_between, draw_workload

__all__ = ["NS_PER_S", "Chains", "TraceError", "Workload", "draw_between", "draw_workload"]
