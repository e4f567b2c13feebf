"""Traffic by name: a group of the catalogue, with the user's own keys on top."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from scenarios.part import Part
from scenarios.references import catalogue, catalogue_name

UNKNOWN = {
    "arrivals": {"kind": "poisson"},
    "input_tokens": {"kind": "constant", "tokens": 1},
    "output_tokens": {"kind": "constant", "tokens": 1},
}
"""In place of a preset that does not exist: that it is unknown is the one fault to tell."""


class PresetNote(Part):
    """Where the keys come from that the user did not write."""

    name: str
    source: str
    date: str


def note_of(value: Any, info: ValidationInfo) -> Any:
    """The note of a preset named; a note stays what it is."""
    found = catalogue_name("presets")(value, info)
    if found is value:
        return value
    return {"name": found.name, "source": found.source, "date": found.date}


PresetName = Annotated[PresetNote, BeforeValidator(note_of), WithJsonSchema({"type": "string"})]


def with_preset(group: Any, info: ValidationInfo) -> Any:
    """A traffic group that names a preset, with what the preset says and the group does not.

    A manifest carries a note in place of the name: everything is in the group already.
    """
    if not isinstance(group, dict) or not isinstance(group.get("preset"), str):
        return group
    known = catalogue(info).presets.get(group["preset"])
    return merged(UNKNOWN if known is None else known.traffic, group)


def merged(preset: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `preset`: mappings are merged, except that one of another kind replaces it wholly.

    >>> arrivals = {"kind": "gamma", "cv": 1.1}
    >>> merged({"arrivals": arrivals}, {"arrivals": {"rate": "2/s"}})
    {'arrivals': {'kind': 'gamma', 'cv': 1.1, 'rate': '2/s'}}
    >>> merged({"arrivals": arrivals}, {"arrivals": {"kind": "closed", "clients": 8}})
    {'arrivals': {'kind': 'closed', 'clients': 8}}
    """
    together = {key: value for key, value in preset.items() if key not in own}
    return together | {key: laid_over(preset.get(key), value) for key, value in own.items()}


def laid_over(preset: Any, own: Any) -> Any:
    if not (isinstance(preset, dict) and isinstance(own, dict)):
        return own
    if "kind" in own and own["kind"] != preset.get("kind"):
        return own
    return merged(preset, own)
