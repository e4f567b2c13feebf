"""The uncertain inputs of a scenario, drawn for one replication.

Each has a stream of its own, whose path names the replication and the input alone: rival fleets
meet the same inputs, and what one input is does not depend on which others are uncertain.
"""

from functools import reduce
from typing import Any

from scenarios.document import path_of
from scenarios.explaining import child
from scenarios.fleet import Replica
from scenarios.inputs import InputError, with_numbers
from scenarios.latency import Latency, LinearLatency, Measured, Profile
from scenarios.model import Scenario
from scenarios.spread import STEP_TIME, Spread, lognormal_factor, scaled, shown_number, split
from simulator.provenance import step_time_sd
from simulator.streams import stream

Inputs = dict[str, float]
"""By path: the number in the unit in which the scenario in full has it (s, /s, B, a share of
one ...); of `step_time` the factor."""


def drawn(scenario: Scenario, seed: int, replication: int) -> Scenario:
    """The scenario that a replication plays: certain, with what was drawn in place of what is
    given. Raises InputError."""
    return with_inputs(scenario, draw_inputs(scenario, seed, replication))


def draw_inputs(scenario: Scenario, seed: int, replication: int) -> Inputs:
    """What the uncertain inputs are in a replication. Raises InputError where the error of the step
    time is asked for and not known."""
    if not scenario.uncertain:
        return {}
    data = scenario.as_yaml_data()
    inputs: Inputs = {}
    for path, spread in scenario.uncertain.items():
        luck = float(stream(seed, "run", replication, "inputs", path).random())
        factor = (
            lognormal_factor(calibration_error(scenario), luck)
            if spread.calibrated
            else spread.factor(luck)
        )
        given = reduce(child, path_of(path), data)
        if path == STEP_TIME:
            inputs[path] = factor
        elif given is not None:  # a what-if without failures has no repair times
            inputs[path] = number_of(scaled(given, factor))
    return inputs


def with_inputs(scenario: Scenario, inputs: Inputs) -> Scenario:
    """The certain scenario with these in place of what is given. Raises InputError where they do
    not go together."""
    data = scenario.as_yaml_data()
    numbers = {
        path: written(reduce(child, path_of(path), data), number)
        for path, number in inputs.items()
        if path != STEP_TIME
    }
    certain = with_numbers(scenario, numbers)
    return slower(certain, inputs.get(STEP_TIME, 1.0))


def number_of(given: Any) -> float:
    """The number of a scenario's value, without its unit."""
    parts = split(given)
    assert parts is not None, given
    return parts[0]


def written(given: Any, number: float) -> Any:
    """Another number in the manner of a scenario's value.

    >>> written("30.0/s", 31.5), written(3, 4.0), written(0.5, 0.25)
    ('31.5/s', 4, 0.25)
    """
    if isinstance(given, int):
        return round(number)
    parts = split(given)
    assert parts is not None, given
    return f"{number!r}{parts[1]}" if parts[1] else number


def inputs_told(scenario: Scenario) -> list[str]:
    """Each uncertain input: its path, what is given, and how far it may be off."""
    data = scenario.as_yaml_data()
    told = []
    for path, spread in (scenario.uncertain or {}).items():
        given = reduce(child, path_of(path), data)
        number = "" if given is None else f"{shown_number(given)} "
        sd = f", sd {100 * calibration_error(scenario):.2g} %" if spread.calibrated else ""
        told.append(f"{path} {number}{spread}{sd}")
    return told


def calibration_error(scenario: Scenario) -> float:
    """Relative standard deviation of the factor `step_time: calibrated`. Raises InputError."""
    found = step_time_sd(scenario)
    if found is None:
        raise InputError(
            "uncertain.step_time: the error of this step time is not known; say what you believe, "
            "`step_time: {sd: 10%}`"
        )
    return found


# --- the step time -------------------------------------------------------------------------------


def slower(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with the step time of every pool times a factor."""
    if factor == 1.0:
        return scenario

    def times(replica: Replica, latency: Latency | None) -> Latency:
        return latency_times(scenario, replica, latency, factor)

    others = tuple(
        pool.model_copy(update={"latency": times(pool.replica, pool.latency)})
        for pool in scenario.fleet.others
    )
    changed: dict[str, Any] = {
        "latency": times(scenario.replica, scenario.latency),
        "fleet": scenario.fleet.model_copy(update={"others": others}),
    }
    spread = (scenario.uncertain or {}).get(STEP_TIME)
    if scenario.uncertain and spread is not None and spread.calibrated:
        # Of the new step time nobody would know the error: it stays that of the old one.
        known = Spread.model_construct({"sd"}, sd=calibration_error(scenario))
        changed["uncertain"] = scenario.uncertain | {STEP_TIME: known}
    return scenario.model_copy(update=changed)


def latency_times(
    scenario: Scenario, replica: Replica, latency: Latency | None, factor: float
) -> Latency:
    """A step time `factor` times as long; of physics, a profile that says so."""
    match latency:
        case LinearLatency():
            costs = [name for name in LinearLatency.model_fields if name.endswith("_s")]
            return latency.model_copy(
                update={name: getattr(latency, name) * factor for name in costs}
            )
        case Profile():
            return latency.model_copy(update={"step_factor": latency.step_factor * factor})
        case _:
            measured = Measured(
                model=scenario.model.name,
                gpu=replica.gpu.name,
                engine=replica.engine.facts.name,
            )
            return Profile.model_construct(
                measured_on=measured, step_factor=factor, source="drawn", date=""
            )
