"""What a file may say about the fleet: replicas and their engines, pools, router, autoscaling."""

from scenarios.fleet.admission import Bucket, Shedding
from scenarios.fleet.cold_start import ColdStart, Phases, Start, WholeStart
from scenarios.fleet.fleet import Fleet, OtherPool
from scenarios.fleet.replica import EngineSettings, Replica
from scenarios.fleet.routing import Breaker, HealthChecks, PythonRule, Router, RouterName
from scenarios.fleet.scaling import (
    Autoscaling,
    Behaviour,
    Policy,
    ScaleDown,
    ScaleUp,
    Target,
    Window,
)
from scenarios.fleet.topology import Topology

__all__ = [
    "Autoscaling", "Behaviour", "Breaker", "Bucket", "ColdStart", "EngineSettings", "Fleet",
    "HealthChecks", "OtherPool", "Phases", "Policy", "PythonRule", "Replica", "Router",
    "RouterName", "ScaleDown", "ScaleUp", "Shedding", "Start", "Target", "Topology", "WholeStart",
    "Window",
]  # fmt: skip
