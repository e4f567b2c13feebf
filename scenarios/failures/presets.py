"""Failures by name: faults of the catalogue, with the user's own keys on top."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from scenarios.catalogue.facts import FailurePreset
from scenarios.failures.faults import Fault
from scenarios.part import Part
from scenarios.references import catalogue, catalogue_name

Yaml = dict[str, Any]


class PresetFailures(Part):
    """The faults of one preset, as they were when the scenario was read."""

    name: str
    description: str = ""
    faults: tuple[Fault, ...] = ()
    source: str
    date: str


def facts_of(entry: FailurePreset) -> Yaml:
    """A preset of the catalogue as data of PresetFailures."""
    return {
        "name": entry.name,
        "description": entry.description,
        "faults": entry.faults,
        "source": entry.source,
        "date": entry.date,
    }


def preset_failures(entry: FailurePreset) -> PresetFailures:
    """A preset of the catalogue, checked. Raises ValidationError when a fault of it is wrong."""
    return PresetFailures.model_validate(facts_of(entry))


def facts_of_name(value: Any, info: ValidationInfo) -> Any:
    """The facts of a preset named; facts stay what they are."""
    found = catalogue_name("failures")(value, info)
    return facts_of(found) if isinstance(found, FailurePreset) else found


NamedFailures = Annotated[
    PresetFailures, BeforeValidator(facts_of_name), WithJsonSchema({"type": "string"})
]

OCCURS = {"rate", "mtbf", "every"}
OF_AN_EFFECT = {"probed", "speed", "drain_timeout", "at_most", "notice"}
UNKNOWN: Yaml = {"scope": "rack", "mtbf": "1h", "repair": "1h"}
"""In place of what a preset would say that does not exist: that is the one fault to tell."""


def with_presets(faults: Any, presets: Any, info: ValidationInfo) -> Any:
    """A file's own faults, those with the name of a preset's fault with what that says and they do
    not. In a manifest presets stand with their facts, and faults have all their keys already."""
    named = [name for name in as_list(presets) if isinstance(name, str)]
    if not named or not isinstance(faults, list):
        return faults
    known = catalogue(info).failures
    base: dict[str, Yaml] = {}
    for name in named:
        for fault in known[name].faults if name in known else ():
            base.setdefault(fault["name"], fault)
    complete = all(name in known for name in named)
    return [with_base(base, own, complete) if isinstance(own, dict) else own for own in faults]


def with_base(base: dict[str, Yaml], own: Yaml, complete: bool) -> Yaml:
    if (preset := base.get(str(own.get("name")))) is not None:
        return laid_over(preset, own)
    # What is to be removed, and not there, is told as that alone.
    return own if complete and own.get("remove") is not True else laid_over(UNKNOWN, own)


def laid_over(preset: Yaml, own: Yaml) -> Yaml:
    """`own` over the preset's fault, key by key; the source tells which are changed.

    >>> preset = {"name": "a", "rate": "1 per GPU-hour", "source": "S"}
    >>> laid_over(preset, {"name": "a", "mtbf": "9h"})
    {'name': 'a', 'source': 'S; changed here: mtbf', 'mtbf': '9h'}
    """
    replaced = set(own)
    if OCCURS & replaced:
        replaced |= OCCURS
    if own.get("effect", preset.get("effect")) != preset.get("effect"):
        replaced |= OF_AN_EFFECT
    together = {key: value for key, value in preset.items() if key not in replaced} | own
    changed = [key for key in own if key not in ("name", "source", "confidence", "remove")]
    if changed and "source" in preset and "source" not in own:
        together["source"] = f"{preset['source']}; changed here: {', '.join(changed)}"
    return {key: together[key] for key in [*preset, *own] if key in together}


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
