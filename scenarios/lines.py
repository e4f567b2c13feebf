"""The lines of a plan: every combination of its choices is a scenario of its own, of which the
planner searches the sizes.

A choice is a key of the scenario, written with dots as for `--set`, and the values it may take.
A combination that cannot be (a model that does not fit, a precision the GPU lacks) is a line too,
with the reason; a value that is wrong by itself is a fault of the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, NamedTuple

from scenarios.checking import Context, scenario_of
from scenarios.document import Document, dotted, has, path_of, place_of, put
from scenarios.faults import Fault, ScenarioError
from scenarios.model import Scenario

Values = dict[str, Any]
"""What a line has chosen: dotted keys and plain values."""

LINES_MAX = 500
OURS = ("replica", "fleet", "failures", "latency")
"""What may be chosen; traffic, model and promise are what is asked."""


class Line(NamedTuple):
    """One combination."""

    values: Values
    scenario: Scenario | None
    """None where there can be no such fleet."""
    fault: Fault | None = None
    """Why not."""

    @property
    def why_not(self) -> str:
        """The same in a line; empty where there is a fleet."""
        return self.fault.in_a_line if self.fault else ""


def lines(scenario: Scenario) -> list[Line]:
    """All of them, in the order of the file; one, of no choice, where the plan has none."""
    choices = scenario.plan.choices if scenario.plan else {}
    return [line_of(scenario, values, {}) for values in combinations(choices)]


def combinations(choices: Mapping[str, tuple[Any, ...]]) -> Iterator[Values]:
    """
    >>> list(combinations({"a": (1, 2), "b": (3,)}))
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def line_of(scenario: Scenario, values: Values, context: Context) -> Line:
    document, found = changed(scenario, values, context)
    if document.faults or found is None:
        return Line(values, None, document.faults[0])
    return Line(values, found)


def variant(scenario: Scenario, values: Values) -> Scenario:
    """The scenario with other values at dotted keys. Raises ScenarioError where it has faults."""
    document, found = changed(scenario, values, {})
    if document.faults or found is None:
        raise ScenarioError(document.source, document.faults)
    return found


def changed(
    scenario: Scenario, values: Values, context: Context
) -> tuple[Document, Scenario | None]:
    """The same, with the document that has its faults. The choices are made in it."""
    data = scenario.as_yaml_data()
    if "plan" in data:
        data["plan"] |= {"choices": {}}
    document = Document(", ".join(f"{key}={named(value)}" for key, value in values.items()), data)
    for key, value in values.items():
        put(document, key, value, document.source)
    found = None if document.faults else scenario_of(document, context)
    return document, found


def named(value: Any) -> str:
    """A value in a word: of facts, their name."""
    return str(value.get("name", value)) if isinstance(value, dict) else str(value)


# --- the file ------------------------------------------------------------------------------------


def with_choices_told(scenario: Scenario, document: Document, context: Context) -> Scenario:
    """The scenario with the facts in place of the names that its choices hold, as a manifest has to
    carry them, and positions for names in their keys. What is wrong with them goes to the
    document."""
    assert scenario.plan is not None
    choices = scenario.plan.choices
    document.faults += faults_of_choices(scenario, document, context)
    if document.faults:
        return scenario
    found = [line_of(scenario, values, context) for values in combinations(choices)]
    document.faults += faults_of_lines(scenario, found, document)
    data = scenario.as_yaml_data()
    told = {
        dotted(place_of(data, key)): tuple(facts(found, key, value) for value in values)
        for key, values in choices.items()
    }
    bounds = scenario.plan.model_copy(update={"choices": told})
    return scenario.model_copy(update={"plan": bounds})


def faults_of_choices(scenario: Scenario, document: Document, context: Context) -> Iterator[Fault]:
    """Each value by itself."""
    assert scenario.plan is not None
    choices, data = scenario.plan.choices, scenario.as_yaml_data()
    keys = [dotted(place_of(data, key)) for key in choices]
    for own_key, (key, values) in zip(keys, choices.items(), strict=True):
        at = ("plan", "choices", key)
        where = f"plan.choices.{key}"
        if key == "fleet.replicas":
            yield Fault(document.place(at), where, "searched anyway", "its range in plan.replicas")
            continue
        if keys.count(own_key) > 1:
            yield Fault(document.place(at), where, "chosen twice, by name and position", "once")
            continue
        if any(value in values[:index] for index, value in enumerate(values)):
            yield Fault(document.place(at), where, "the same value twice", "values that differ")
            continue
        if path_of(key)[0] not in OURS:
            allowed = f"a key of {', '.join(OURS)}, such as replica.gpu"
            yield Fault(document.place(at), where, "not ours to choose", allowed)
            continue
        drawn = [path for path in scenario.uncertain or () if overlap(own_key, path)]
        if drawn:
            allowed = f"a choice, or `uncertain` with {drawn[0]}: not both"
            yield Fault(document.place(at), where, "an uncertain input is not chosen", allowed)
            continue
        for index, value in enumerate(values):
            tried, _ = changed(scenario, {key: value}, context)
            own = [f for f in tried.faults if f"{f.key}.".startswith((f"{key}.", f"{own_key}."))]
            # A key that is not there is wrong once, whatever its values.
            missing = [fault for fault in own if fault.got in ("unknown key", "no such place")]
            if missing:
                yield replace(missing[0], place=document.place(at), key=where)
                break
            for fault in own:
                place = document.place((*at, index))
                yield replace(fault, place=place, key=f"{where}.{index}")
    number = prod(map(len, choices.values()))
    if number > LINES_MAX:
        yield Fault(
            document.place(("plan", "choices")),
            "plan.choices",
            f"{number:,} combinations",
            f"up to {LINES_MAX}",
        )


def overlap(key: str, other: str) -> bool:
    """Whether one path is that of the other, or of a part that holds it.

    >>> overlap("latency", "latency.per_step"), overlap("latency.per_step", "latency.per_sequence")
    (True, False)
    """
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def faults_of_lines(scenario: Scenario, found: list[Line], document: Document) -> Iterator[Fault]:
    """Of all of them together."""
    assert scenario.plan is not None
    at = ("plan", "choices")
    possible = [line.scenario for line in found if line.scenario is not None]
    faults = [line.fault for line in found if line.fault is not None]
    unpriced = dict.fromkeys(fault for fault in faults if fault.key.startswith("price"))
    for fault in unpriced:
        yield replace(fault, place=document.place(("price",)), key="price")
    if not possible and not unpriced:
        got = f"no combination can be: {found[0].why_not}"
        yield Fault(document.place(at), "plan.choices", got)
    used = {
        replica.gpu.name
        for each in possible
        for replica in [each.replica, *(pool.replica for pool in each.fleet.others)]
    }
    for name in scenario.plan.gpus_available:
        if possible and name not in used:
            key = ("plan", "gpus_available", name)
            yield Fault(
                document.place(key),
                ".".join(key),
                "a GPU that nothing here uses",
                ", ".join(sorted(used)),
            )


def facts(found: list[Line], key: str, value: Any) -> Any:
    """What a value stands for, by a line that has it; itself where none can be."""
    for line in found:
        if line.values[key] is value and line.scenario is not None:
            data: Any = line.scenario.as_yaml_data()
            for step in place_of(data, key):
                if not has(data, step):
                    return value
                data = data[step]
            return data
    return value
