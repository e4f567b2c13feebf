"""What a file may say about failures: what breaks, how often, who notices, how it is mended."""

from scenarios.failures.failures import Failures, ReplicaFailures, Rollout, Spares
from scenarios.failures.faults import Burst, Effect, Fault, Lemons, Repair
from scenarios.failures.presets import PresetFailures, preset_failures
from scenarios.failures.rates import Rate, Scope, parse_rate
from scenarios.times import (
    EmpiricalTime,
    ExponentialTime,
    FixedTime,
    LognormalTime,
    Time,
    UniformTime,
    WeibullTime,
)

__all__ = [
    "Burst", "Effect", "EmpiricalTime", "ExponentialTime", "Failures", "Fault", "FixedTime",
    "Lemons", "LognormalTime", "PresetFailures", "Rate", "Repair", "ReplicaFailures", "Rollout",
    "Scope", "Spares", "Time", "UniformTime", "WeibullTime", "parse_rate", "preset_failures",
]  # fmt: skip
