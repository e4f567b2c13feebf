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
    for part in (schema, *definitions.values()):
        for field in part.get("properties", {}).values():
            write_default_with_unit(field)
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


def offer(field: dict[str, Any], names: dict[str, Any]) -> None:
    field["anyOf"] = [{"enum": sorted(names)}, {"type": field.pop("type")}]
