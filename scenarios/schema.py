"""The JSON Schema of scenario files, made from the model; the catalogue's names become enums."""

from typing import Any

from scenarios.catalogue import load_catalogue
from scenarios.latency import PROFILE_OF
from scenarios.model import Scenario

SCHEMA_NAME = "scenario.schema.json"


def json_schema() -> dict[str, Any]:
    """Schema of a YAML scenario; names from the built-in catalogue are offered, not demanded."""
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
    if "x-base-unit" in field and "default" in field:
        field["default"] = f"{field['default']:g}{field['x-base-unit']}"


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


def offer(field: dict[str, Any], names: dict[str, Any]) -> None:
    field["anyOf"] = [{"enum": sorted(names)}, {"type": field.pop("type")}]
