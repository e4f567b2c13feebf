"""The reference of a kind of file as Markdown, made from its model so that it cannot lag behind."""

from typing import Any

from scenarios.schema import schema_of_certain


def reference_markdown() -> str:
    """Of scenario files."""
    return markdown_of("Scenario", schema_of_certain())


def markdown_of(name: str, schema: dict[str, Any]) -> str:
    """One section per part of what a JSON Schema describes, one row per key."""
    parts = {name: schema} | schema["$defs"]
    reachable = in_order(name, parts, [])
    return "\n".join(section(name, parts[name]) for name in reachable)


def in_order(name: str, parts: dict[str, Any], seen: list[str]) -> list[str]:
    """Parts in the order a reader meets them, each once."""
    if name not in seen and name in parts:
        seen.append(name)
        for inner in names_in(list(parts[name].get("properties", {"": parts[name]}).values())):
            in_order(inner, parts, seen)
    return seen


def names_in(field: Any) -> list[str]:
    """The parts a field refers to."""
    if isinstance(field, dict):
        here = [field["$ref"].rpartition("/")[2]] if "$ref" in field else []
        return here + [n for key, value in field.items() if key != "discriminator"
                       for n in names_in(value)]  # fmt: skip
    return [n for item in field for n in names_in(item)] if isinstance(field, list) else []


def section(name: str, part: dict[str, Any]) -> str:
    lines = [f"## {name}", "", part.get("description", ""), ""]
    if "properties" not in part:
        return "\n".join([*lines, f"Takes {takes(part)}.", ""])
    lines += ["| key | takes | default | |", "|---|---|---|---|"]
    for key, field in part["properties"].items():
        default = needed(key, part) or shown_default(field)
        text = field.get("description", "")
        meaning = "" if text.startswith(("a time", "a rate", "a share")) else text
        kinds = takes(field) + (" or null" if never_left_out(key, part) else "")
        cells = (f"`{key}`", kinds, default, meaning.replace("\n", " "))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def never_left_out(key: str, part: dict[str, Any]) -> bool:
    """Whether a key stands there though it may say nothing, as in the files we write."""
    nullable = {"type": "null"} in part["properties"][key].get("anyOf", [])
    return nullable and key in part.get("required", [])


def needed(key: str, part: dict[str, Any]) -> str:
    """Whether a part has to have a key, and which one may stand in its place."""
    if key in part.get("required", []):
        return "**required**"
    if key in part.get("else", {}).get("required", []):
        return "**required** without " + ", ".join(f"`{k}`" for k in part["if"]["required"])
    instead = [either["required"][0] for either in part.get("anyOf", [])]
    if key not in instead:
        return ""
    return " or ".join(["**required**", *(f"`{other}`" for other in instead if other != key)])


def shown_default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if "$ref" in field and isinstance(default, dict) and "Time" not in field["$ref"]:
        return "its defaults"
    return "none" if default in (None, [], {}, "") else f"`{as_yaml(default)}`"


def as_yaml(value: Any) -> str:
    """A value as one writes it in a line.

    >>> as_yaml({"kind": "constant", "counts": [1, 2], "loop": False})
    '{kind: constant, counts: [1, 2], loop: false}'
    """
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key}: {as_yaml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_yaml, value)) + "]"
    return str(value)


def takes(field: dict[str, Any]) -> str:
    """What a field's value looks like, in a few words."""
    if "$ref" not in field and "discriminator" in field:
        kinds = field["discriminator"]["mapping"].items()
        return "kind " + ", ".join(link(kind, reference) for kind, reference in kinds)
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        named = [takes(option) for option in options if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(named))
    if "$ref" in field:
        return link(field["$ref"].rpartition("/")[2], field["$ref"])
    if "not" in field:
        return "what differs from the preset"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        values = ", ".join(f"`{value}`" for value in field["enum"][:6])
        return values + (", ..." if len(field["enum"]) > 6 else "")
    if "x-base-unit" in field:
        return f"quantity in `{field['x-base-unit']}` or a multiple"
    if field.get("type") == "array":
        return "list of " + takes(field.get("items", {}))
    if field.get("type") == "object":
        values = field.get("additionalProperties", {})
        return "mapping" if values is True else "mapping to " + takes(values)
    kind = field.get("type", "text")
    return " or ".join(kind) if isinstance(kind, list) else {"string": "text"}.get(kind, kind)


def link(text: str, reference: str) -> str:
    """To the section of the part that a schema refers to."""
    return f"[{text}](#{reference.rpartition('/')[2].lower()})"
