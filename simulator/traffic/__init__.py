"""Demand: arrivals, lengths, traces -> Workload."""

from simulator.traffic.traces import TraceError
from simulator.traffic.workload import NS_PER_S, Workload, draw_between, draw_workload

__all__ = ["NS_PER_S", "TraceError", "Workload", "draw_between", "draw_workload"]
