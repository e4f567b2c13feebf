"""Uncertain inputs as a file gives them: numbers that are drawn anew for each period, since nobody
knows them well.

A file gives one where it stands, `rate: {around: 30/s, within: 20%}`. The loader puts the number
there and its spread under the scenario's `uncertain`, by its path in the scenario in full, which is
how a manifest carries it and a user may write it too. What is drawn is the world's: traffic,
clients, failures, step times. What is asked and what we choose is certain.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from itertools import permutations
from typing import Any

from pydantic import ValidationError

from scenarios.checking import Context, scenario_of
from scenarios.document import Document, KeyPath, dotted, path_of, place_of
from scenarios.explaining import child, shown
from scenarios.faults import Fault
from scenarios.inputs import Yaml, put_in
from scenarios.model import Scenario
from scenarios.spread import FORMS, STEP_TIME, Spread, scaled, shown_number, split

INPUTS = re.compile(
    r"(traffic|clients|failures|latency|fleet\.cold_start|fleet\.others\.\d+\.latency)\b.*"
)
CHOSEN = re.compile(r"failures\.(spares\.nodes|repair_crews|rollout)\b.*")
ALLOWED = (
    "numbers of traffic, clients, failures, latency, fleet.cold_start and fleet.others.N.latency, "
    f"and {STEP_TIME}"
)
NUDGES = (1.01, 0.99)
"""Of a number, to see what of the scenario in full moves with it."""


def take_inputs(document: Document) -> set[str]:
    """Puts numbers in place of the mappings that give them with a spread, and the spreads under
    `uncertain`; returns the keys of those."""
    said = document.data.get("uncertain")
    if said is not None and not isinstance(said, dict):
        return set()  # the shape is told with the other faults
    rest = {key: value for key, value in document.data.items() if key != "uncertain"}
    spreads = {}
    for written, spread in flat(said or {}):
        key = dotted(place_of(rest, written))
        if key in spreads:
            where = document.place(("uncertain", written))
            document.faults.append(Fault(where, f"uncertain.{written}", "told twice", "once"))
        spreads[key] = spread
        if key not in (said or {}):
            way = (written,) if written in (said or {}) else path_of(written)
            document.places["uncertain", key] = document.place(("uncertain", *way))
    inline = list(given_with_spread(rest, ()))
    for at, given in inline:
        key = dotted(at)
        name = the_centre(given, document, at)
        if key in spreads:
            document.faults.append(
                Fault(document.place(at), key, "its spread stands in `uncertain`, too", "once")
            )
        spreads[key] = {other: value for other, value in given.items() if other != name}
        holder: Any = reduce(lambda data, step: data[step], at[:-1], document.data)
        holder[at[-1]] = given[name]
        document.places["uncertain", key] = document.place(at)
    if spreads:
        document.data["uncertain"] = spreads
    return {dotted(at) for at, _ in inline}


def flat(said: Yaml, above: str = "") -> Iterator[tuple[str, Any]]:
    """Spreads by dotted keys; mappings within mappings, as `--set` makes them, say the same.

    >>> dict(flat({"traffic": {0: {"rate": {"within": 0.2}}}, "step_time": "calibrated"}))
    {'traffic.0.rate': {'within': 0.2}, 'step_time': 'calibrated'}
    """
    for key, value in said.items():
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def given_with_spread(data: Any, at: KeyPath) -> Iterator[tuple[KeyPath, Yaml]]:
    """The mappings that are an uncertain number, or meant for one, with their paths."""
    if isinstance(data, dict) and meant_for_the_centre(data):
        yield at, data
        return
    within = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in within:
        if isinstance(value, dict | list):
            yield from given_with_spread(value, (*at, key))


def meant_for_the_centre(given: Yaml) -> str | None:
    """`around`, or what stands for it where it is misspelt beside a spread."""
    if "around" in given:
        return "around"
    close = difflib.get_close_matches("around", map(str, given), 1)
    return close[0] if close and {"within", "sd"} & given.keys() else None


def the_centre(given: Yaml, document: Document, at: KeyPath) -> str:
    """The key of the number itself; a fault where it is misspelt."""
    name = meant_for_the_centre(given)
    assert name is not None
    if name != "around":
        key = (*at, name)
        allowed = "around, within, sd"
        document.faults.append(
            Fault(document.place(key), dotted(key), "unknown key", allowed, "around")
        )
    return name


def told_where_they_stand(document: Document, inline: set[str]) -> None:
    """Faults of a spread that stands beside its number are told of the number."""
    for index, fault in enumerate(document.faults):
        key = fault.key.removeprefix("uncertain.")
        if any(key == each or key.startswith(f"{each}.") for each in inline):
            document.faults[index] = replace(fault, key=key)


def with_inputs_told(scenario: Scenario, document: Document, context: Context) -> Scenario:
    """The scenario with its uncertain inputs by their paths in the scenario in full. What is wrong
    with them goes to the document."""
    told: dict[str, Spread] = {}
    for key, spread in (scenario.uncertain or {}).items():
        found = input_at(key, scenario, document, context)
        if isinstance(found, Fault):
            document.faults.append(found)
        elif key != STEP_TIME and spread.calibrated:
            where, got = f"uncertain.{key}", f"got calibrated, which is for {STEP_TIME}"
            document.faults.append(Fault(place(document, key), where, got, FORMS))
        else:
            told[found] = spread
    if not document.faults:
        document.faults += faults_of_ends(scenario, told, document)
    if not document.faults:
        document.faults += faults_of_pairs(scenario, told, document)
    return scenario.model_copy(update={"uncertain": told})


def place(document: Document, key: str) -> str:
    """Where an uncertain input is told."""
    return document.place(("uncertain", key))


def input_at(key: str, scenario: Scenario, document: Document, context: Context) -> str | Fault:
    """The path, in the scenario in full, of what the file has at a key: `repair: 15min` stands for
    a list of one. The fault where there is no such input."""
    where, name = place(document, key), f"uncertain.{key}"
    if key == STEP_TIME:
        return key
    if not INPUTS.fullmatch(key) or CHOSEN.fullmatch(key):
        near = difflib.get_close_matches(key, [*inputs_of(scenario), STEP_TIME], 1, cutoff=0.8)
        got = "cannot be uncertain: it is what is asked, or ours to choose"
        return Fault(where, name, got, ALLOWED, "".join(near))
    data = scenario.as_yaml_data()
    written = reduce(child, path_of(key), document.data)
    centre = reduce(child, path_of(key), data) if written is None else written
    parts = split(centre)
    if parts is None and centre is None:
        near = difflib.get_close_matches(key, list(inputs_of(scenario)), 1)
        return Fault(where, name, "no such number", ALLOWED, "".join(near))
    if parts is None or parts[0] <= 0:
        return Fault(where, name, f"around {shown(centre)}", "a number above 0")
    if written is None:
        return key
    found = moved_with(key, written, data, document, context)
    if len(found) != 1:
        got = f"stands for {len(found)} numbers" if found else "has no effect"
        return Fault(where, name, got, "the path of one, in the scenario in full")
    return found[0]


def inputs_of(scenario: Scenario) -> Iterator[str]:
    """The paths of all that may be uncertain."""
    for key, value in leaves(scenario.as_yaml_data(), ()):
        if split(value) is not None and INPUTS.fullmatch(key) and not CHOSEN.fullmatch(key):
            yield key


def leaves(data: Any, at: KeyPath) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*at, key))
    else:
        yield dotted(at), data


def moved_with(
    key: str, written: Any, data: Yaml, document: Document, context: Context
) -> list[str]:
    """The paths in the scenario in full whose values change when the file's number does."""
    before = dict(leaves(data, ()))
    tried = [scaled(float(written) if type(written) is int else written, f) for f in NUDGES]
    tried += [written + 1, written - 1] if isinstance(written, int) else []
    for nudged in tried:
        changed = put_in(deepcopy(document.data), {key: nudged})
        with suppress(ValidationError):
            after = leaves(Scenario.model_validate(changed, context=context).as_yaml_data(), ())
            moved = [path for path, value in after if before.get(path) != value]
            return [key] if key in moved else moved
    return [key] if key in before else []


def faults_of_ends(
    scenario: Scenario, told: dict[str, Spread], document: Document
) -> Iterator[Fault]:
    """Each input by itself, the others as given: both ends have to make a sound scenario."""
    data = scenario.as_yaml_data()
    for key, spread in told.items():
        if key == STEP_TIME:
            continue
        for name, luck in (("lower", 0.0), ("upper", 1.0)):
            value = scaled(reduce(child, path_of(key), data), spread.factor(luck))
            for fault in faults_with(scenario, {key: value}):
                what = fault.got if fault.key == key else f"{fault.key}: {fault.got}"
                got = f"its {name} end, {shown_number(value)}, makes no sound scenario: {what}"
                yield Fault(place(document, key), f"uncertain.{key}", got, fault.allowed)


def faults_of_pairs(
    scenario: Scenario, told: dict[str, Spread], document: Document
) -> Iterator[Fault]:
    """The lower end of one with the upper end of another of the same part: a median above its
    95th percentile."""
    data = scenario.as_yaml_data()
    keys = [key for key in told if key != STEP_TIME]
    for low, high in permutations(keys, 2):
        if path_of(low)[0] != path_of(high)[0]:
            continue
        ends = {
            key: scaled(reduce(child, path_of(key), data), told[key].factor(luck))
            for key, luck in ((low, 0.0), (high, 1.0))
        }
        for fault in faults_with(scenario, ends):
            what = (
                f"no sound scenario at its lower end, {shown_number(ends[low])}, with {high} at "
                f"its upper one, {shown_number(ends[high])}: {fault.got}"
            )
            yield Fault(place(document, low), f"uncertain.{low}", what, fault.allowed)


def faults_with(scenario: Scenario, numbers: Yaml) -> list[Fault]:
    """What is wrong with the scenario when these of its numbers are others."""
    document = Document("", put_in(scenario.as_yaml_data(), numbers))
    scenario_of(document, {})
    return document.faults
