"""What a scenario says about failures, starts and scaling, for readers."""

from typing import Any

from reports.failure_lines import effect_texts, occurs_text, repair_text, time_text
from scenarios.failures import Failures, Fault

Data = dict[str, Any]

GUARDS = ("health_checks", "breaker", "shedding")
"""Parts of a fleet that tell where requests do not go."""


def fleet_parts(scenario: Data) -> list[tuple[str, Data | None]]:
    """(title, values) of what breaks, and how the fleet answers. Where it stands and how it starts
    matter only to a fleet that fails or changes."""
    fleet, failing = scenario["fleet"], scenario.get("failures")
    scaling = fleet.get("autoscaling")
    moves = failing or scaling
    guards = {key: fleet.get(key) for key in GUARDS if fleet.get(key)}
    buckets = {f"bucket {number}": each for number, each in enumerate(fleet.get("buckets", []), 1)}
    return [
        ("Autoscaling", scaling),
        ("Guards", guards | buckets),
        ("Failures", failures(failing) if failing else {"failures": "none"}),
        ("Where replicas stand", fleet.get("topology") if moves else None),
        ("Starts", starts(fleet.get("cold_start")) if moves else None),
    ]


def starts(given: Any) -> Data | None:
    """By phases, or one time for all of it.

    >>> starts("20.0s"), starts({"image": "3s"})
    ({'every start': '20.0s'}, {'image': '3s'})
    """
    by_phases = given is None or (isinstance(given, dict) and "image" in given)
    return given if by_phases else {"every start": given}


def failures(data: Data) -> Data:
    """Every fault that can occur, scaled, with where its numbers come from; then what mends."""
    told = Failures.model_validate(data)
    presets = {"presets": [preset.name for preset in told.presets]} if told.presets else {}
    rest = {key: data.get(key) for key in ("spares", "repair_crews", "rollout")}
    rest["every start"] = (data.get("replica") or {}).get("cold_start")
    return presets | {fault.name: fault_text(fault) for fault in told.all} | rest


def fault_text(fault: Fault) -> str:
    """
    >>> fault_text(Fault.model_validate({"name": "host", "scope": "node",
    ...     "rate": "0.06 per node-hour", "repair": "5min", "confidence": "high"}))
    'node, 0.06 per node-hour: silence; known at once; repair 5 min + cold start. Confidence high'
    """
    repairs = " or ".join(repair_text(each, fault.repairs) for each in fault.repairs)
    known = time_text(fault.detection)
    text = (
        f"{fault.scope}, {occurs_text(fault)}: {', '.join(effect_texts(fault))}; known "
        f"{known if fault.detection.mean_s == 0 else f'after {known}'}; repair {repairs}"
    )
    confidence = f". Confidence {fault.confidence}" if fault.confidence else ""
    source = f". Source: {fault.source}" if fault.source else ""
    return text + confidence + source
