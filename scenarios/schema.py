"""The JSON Schema of scenario files, made from the model; the catalogue's names become enums."""

import re
from typing import Any

from pydantic import TypeAdapter

from scenarios import times
from scenarios.catalogue import Catalogue, load_catalogue
from scenarios.fleet.cold_start import DEFAULT_TIERS
from scenarios.latency import PROFILE_OF
from scenarios.model import Scenario
from scenarios.units import SomeSeconds

SCHEMA_NAME = "scenario.schema.json"


UNCERTAIN = ("traffic", "clients", "failures", "latency")
"""Keys of a scenario, beside `fleet.cold_start`, whose numbers may be uncertain."""


def json_schema() -> dict[str, Any]:
    """Schema of a YAML scenario; names from the built-in catalogue are offered, not demanded."""
    schema = schema_of_certain()
    parts = schema["$defs"]
    spread = parts["Spread"]
    for key in UNCERTAIN:
        schema["properties"][key] = or_uncertain(schema["properties"][key])
    starts = [parts["Fleet"]["properties"]["cold_start"], *map(schema["properties"].get, UNCERTAIN)]
    for name in reachable(starts, parts):
        parts[name] = or_uncertain(parts[name])
    parts["Uncertain"] = spread | {
        "title": "Uncertain",
        "description": "A number that is drawn anew for each period: the one given, and how far it "
        "may be off.",
        "properties": {"around": {"type": ["number", "string"]}}
        | {key: spread["properties"][key] for key in ("within", "sd")},
        "required": ["around"],
    }
    schema["properties"]["uncertain"]["anyOf"][0]["additionalProperties"] = {
        "anyOf": [{"const": "calibrated"}, {"$ref": "#/$defs/Spread"}]
    }
    return schema


def or_uncertain(node: Any) -> Any:
    """The same where every number may also be a mapping that says how far it may be off."""
    match node:
        case dict() if is_number(node):
            about = {key: node[key] for key in ("description", "default") if key in node}
            return {"anyOf": [node, {"$ref": "#/$defs/Uncertain"}]} | about
        case dict():
            return {key: value if key == "default" else or_uncertain(value)
                    for key, value in node.items()}  # fmt: skip
        case list():
            return [or_uncertain(each) for each in node]
        case _:
            return node


def is_number(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    return (
        kind in ("number", "integer", ["number", "string"])
        or "x-base-unit" in node
        or "x-number" in node
    )


def reachable(nodes: list[Any], parts: dict[str, Any]) -> set[str]:
    """Names of the parts that these refer to, and what they refer to in turn."""
    found: set[str] = set()
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in parts and name not in found:
                found.add(name)
                ahead.append(parts[name])
        if isinstance(node, dict | list):
            ahead += node.values() if isinstance(node, dict) else node
    return found


def schema_of_certain() -> dict[str, Any]:
    """The same with numbers as numbers alone: what the reference page is made from."""
    schema: dict[str, Any] = with_profile_named(Scenario.model_json_schema(by_alias=True))
    known = load_catalogue()
    definitions = schema["$defs"]
    definitions["ProfileFile"] = PROFILE_OF | {
        "description": "The file that `fleetcast calibrate` wrote, beside the scenario."
    }
    offer(schema["properties"]["model"], known.models)
    offer(definitions["Replica"]["properties"]["gpu"], known.gpus)
    offer(definitions["EngineSettings"]["properties"]["name"], known.engines)
    let_presets_say_the_rest(definitions["Traffic"], known.presets)
    definitions["Time"] = TIME
    offer_short_forms(schema, known)
    schema = with_times_named(schema)
    definitions = schema["$defs"]
    for part in (schema, *definitions.values()):
        for field in part.get("properties", {}).values():
            write_default_with_unit(field)
        put_kind_first(part)
        let_users_say_the_rate(part)
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def with_profile_named(node: Any) -> Any:
    """The same with a name for the mapping that refers to a profile: a part like the others."""
    match node:
        case dict() if node == PROFILE_OF:
            return {"$ref": "#/$defs/ProfileFile"}
        case dict():
            return {key: with_profile_named(value) for key, value in node.items()}
        case list():
            return [with_profile_named(value) for value in node]
        case _:
            return node


def write_default_with_unit(field: dict[str, Any]) -> None:
    """The default as one would write it: '300s', where the model holds 300.0."""
    default = field.get("default")
    if "x-base-unit" in field and isinstance(default, float):
        field["default"] = f"{default:g}{field['x-base-unit']}"
    elif default is not None:
        field["default"] = without_zeros(default)


def without_zeros(value: Any) -> Any:
    """Quantities of a part's data as one would write them.

    >>> without_zeros({"median": "284.0s", "of": ["0.5s"]})
    {'median': '284s', 'of': ['0.5s']}
    """
    match value:
        case dict():
            return {key: without_zeros(each) for key, each in value.items() if each is not None}
        case list():
            return [without_zeros(each) for each in value]
        case str():
            return re.sub(r"^(\d+)\.0(?=[A-Za-z/])", r"\1", value)
    return value


def put_kind_first(part: dict[str, Any]) -> None:
    """What all kinds have in common stands behind what tells them apart."""
    fields = part.get("properties", {})
    if "kind" in fields:
        part["properties"] = {"kind": fields["kind"]} | fields


def let_users_say_the_rate(part: dict[str, Any]) -> None:
    """Of `rate` and `users` one is needed, either."""
    if {"rate", "users"} <= set(part.get("properties", {})):
        part["required"] = [key for key in part["required"] if key != "rate"]
        part["anyOf"] = [{"required": ["rate"]}, {"required": ["users"]}]


def let_presets_say_the_rest(traffic: dict[str, Any], presets: dict[str, Any]) -> None:
    """With a preset, lengths may be missing and arrivals go without their kind."""
    fields = traffic["properties"]
    fields["preset"]["anyOf"][0] = {"anyOf": [{"enum": sorted(presets)}, {"type": "string"}]}
    rest = [key for key in traffic["required"] if key in ("input_tokens", "output_tokens")]
    traffic["required"] = [key for key in traffic["required"] if key not in rest]
    without_kind = {"type": "object", "not": {"required": ["kind"]}}
    arrivals = fields["arrivals"]
    about = {key: arrivals.pop(key) for key in ("description",) if key in arrivals}
    fields["arrivals"] = {"anyOf": [arrivals, without_kind], **about}
    traffic |= {"if": {"required": ["preset"]}, "else": {"required": rest}}


FAMILIES = tuple({"$ref": f"#/$defs/{family}"} for family in dict.fromkeys(times.FAMILIES.values()))
A_TIME = {"$ref": "#/$defs/Time"}
TIME = {
    "description": "How long something takes: a time alone, such as `30s`, or one of the families "
    "below, which its keys tell apart: `{median: 15min, p95: 2h}`.",
    "anyOf": [TypeAdapter(SomeSeconds).json_schema(), *FAMILIES],
}


def with_times_named(node: Any) -> Any:
    """The same with a name for the choice of families of times."""
    match node:
        case {"oneOf": choice, **rest} if tuple(choice) == FAMILIES:
            return rest | A_TIME
        case dict():
            return {key: with_times_named(value) for key, value in node.items()}
        case list():
            return [with_times_named(value) for value in node]
        case _:
            return node


def offer_short_forms(schema: dict[str, Any], known: Catalogue) -> None:
    """What the parts' own validators read beside the long form (`Part.short_forms`)."""
    parts = schema["$defs"]
    parts["FailuresPreset"] = {
        "description": "Faults of the catalogue by name (`fleetcast failures show NAME`).",
        "anyOf": [{"enum": sorted(known.failures)}, {"type": "string"}],
    }
    preset = {"$ref": "#/$defs/FailuresPreset"}
    presets = parts["Failures"]["properties"]["presets"]
    presets["items"] = preset
    parts["Failures"]["properties"]["preset"] = preset | {"description": "The same for one."}
    names = [preset, {"type": "array", "items": preset}]
    schema["properties"]["failures"]["anyOf"][:0] = names
    of_a_preset = {"type": "object", "required": ["name"], "not": {"required": ["scope", "repair"]}}
    faults = parts["Failures"]["properties"]["faults"]
    faults["items"] = {"anyOf": [faults["items"], of_a_preset]}
    parts["Fault"]["anyOf"] = [{"required": [key]} for key in ("rate", "mtbf", "every")]
    repair = parts["Fault"]["properties"]["repair"]
    one = [A_TIME, {"$ref": "#/$defs/Repair"}]
    repair["anyOf"] = [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]
    for key in ("type", "items", "minItems"):
        repair.pop(key, None)
    scaling = parts["Autoscaling"]["properties"]
    target = parts["Target"]["properties"]["outstanding"]
    scaling["target_outstanding"] = target | {"description": "In place of `targets`, for one."}
    parts["Fleet"]["properties"]["cold_start"] |= {"oneOf": [{"$ref": "#/$defs/ColdStart"}, A_TIME]}
    del parts["WholeStart"]
    let_the_catalogue_say_the_rest(parts["ColdStart"], known)
    offer_short_prices(schema, known)


def let_the_catalogue_say_the_rest(start: dict[str, Any], known: Catalogue) -> None:
    """Phases of a start that a file leaves out, and the names of storage tiers."""
    fields = start["properties"]
    for name, phase in known.cold_start.items():
        fields[name]["default"] = phase.model_dump(mode="json", by_alias=True)["time"]
    for name, tier in DEFAULT_TIERS.items():
        fields[name] |= {"anyOf": [{"enum": sorted(known.storage)}, {"type": "string"}]}
        fields[name]["default"] = tier
        for key in ("type", "pattern", "x-base-unit", "exclusiveMinimum"):
            fields[name].pop(key, None)
    del start["required"]


def offer_short_prices(schema: dict[str, Any], known: Catalogue) -> None:
    """Prices by GPU, each alone or by kind; all of it with source and date, here or in a file.
    What a GPU draws is the catalogue's unless given."""
    parts = schema["$defs"]
    one = parts["GpuPrice"]["properties"]["on_demand"]["anyOf"][0]
    gpus = parts["Prices"]["properties"]["gpus"]
    gpus["additionalProperties"] = {"anyOf": [one, {"$ref": "#/$defs/GpuPrice"}]}
    gpus["propertyNames"] = {"anyOf": [{"enum": sorted(known.gpus)}, {"type": "string"}]}
    parts["PriceFile"] = {
        "description": "A file beside the scenario that holds `Prices`: `source`, `date`, `gpus`.",
        "type": "object",
        "properties": {"file": {"type": "string"}},
        "required": ["file"],
        "additionalProperties": False,
    }
    schema["properties"]["price"]["anyOf"][:0] = [gpus, {"$ref": "#/$defs/PriceFile"}]
    energy = parts["Energy"]
    for name, draw in known.draws.items():
        energy["properties"][name]["default"] = draw.share
    del energy["required"]


def offer(field: dict[str, Any], names: dict[str, Any]) -> None:
    field["anyOf"] = [{"enum": sorted(names)}, {"type": field.pop("type")}]
