"""pydantic's errors as faults: the place in the file, what we got, what is allowed instead."""

import difflib
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from scenarios.document import Document, KeyPath, dotted, has
from scenarios.faults import Fault
from scenarios.model import Scenario

PLAIN_WORDS = {
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "string_type": "text",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-', a letter or digit first",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "none_required": "nothing",
}
"""pydantic's error types in the words of a YAML author."""


def fault_of(document: Document, error: ErrorDetails) -> Fault:
    """pydantic's error in our words: where, what we got, what is allowed."""
    context = error.get("ctx", {})
    # A fault between parts names the one to change.
    inner = tuple(context.get("at", ()))
    at, part, wanted = locate(document.data, (*error["loc"], *inner), error["type"] == "missing")
    got = f"got {shown(error['input'])}"
    match error["type"]:
        case "extra_forbidden":
            keys = yaml_keys(part)
            close = difflib.get_close_matches(str(at[-1]), keys, 1)
            return Fault(
                document.place(at), dotted(at), "unknown key", ", ".join(keys), "".join(close)
            )
        case "missing":
            return Fault(document.place(at), dotted(at), "missing", line_to_add(part, str(at[-1])))
        case "literal_error":
            close = difflib.get_close_matches(
                str(error["input"]), literal_values(context["expected"]), 1, cutoff=0.5
            )
            return Fault(document.place(at), dotted(at), got, context["expected"], "".join(close))
        case "union_tag_invalid":
            tags = literal_values(context["expected_tags"])
            close = difflib.get_close_matches(str(context["tag"]), tags, 1)
            return Fault(
                document.place((*at, "kind")),
                dotted((*at, "kind")),
                f"got '{context['tag']}'",
                ", ".join(tags),
                "".join(close),
            )
        case "union_tag_not_found":
            kinds = ", ".join(kinds_of(wanted))
            return Fault(document.place(at), dotted((*at, "kind")), "missing", kinds)
        case "quantity":
            whole = isinstance(error["input"], dict) or "at" in context
            got = error["msg"] if whole else got
            return Fault(
                document.place(at),
                dotted(at),
                got,
                context["allowed"],
                context.get("suggestion", ""),
            )
        case "too_short" | "too_long":
            least = error["type"] == "too_short"
            bound = context["min_length" if least else "max_length"]
            allowed = f"a list of at {'least' if least else 'most'} {bound}"
            return Fault(document.place(at), dotted(at), got, allowed)
        case _:
            message = error["msg"].removeprefix("Input should be ")
            return Fault(
                document.place(at), dotted(at), got, PLAIN_WORDS.get(error["type"], message)
            )


def locate(
    data: Any, loc: tuple[str | int, ...], last_is_missing: bool = False
) -> tuple[KeyPath, Any, Any]:
    """The path in the file of pydantic's `loc` (which also names union tags, and keys that a short
    form leaves out), the type that holds its last key, and the type of what stands there."""
    at: KeyPath = ()
    annotation: Any = Scenario
    holder: Any = Scenario
    for position, key in enumerate(loc):
        if (option := tagged(annotation, key)) is not None:
            annotation = option
            continue
        last = position == len(loc) - 1
        inner = type_of_child(annotation, key)
        if inner is None and not has(data, key) and not last:
            continue
        holder, annotation = plain_type(annotation), inner
        written = key if last and last_is_missing else as_written(holder, key, data)
        if written is not None:
            at, data = (*at, written), child(data, written)
    return at, holder, annotation


def as_written(holder: Any, key: str | int, data: Any) -> str | int | None:
    """What stands in the file for a key: mostly the key; None where a short form leaves it out."""
    if has(data, key):
        return key
    if isinstance(key, int):
        return key if data is None or isinstance(data, list) else None  # one thing, no list of it
    short = getattr(holder, "short_forms", {}).get(key)
    if short is None:
        return key if data is None or isinstance(data, dict) else None
    return short if short and has(data, short) else None


def child(data: Any, key: str | int) -> Any:
    return data[key] if has(data, key) else None


def plain_type(annotation: Any) -> Any:
    """The type under Annotated and `| None`."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
            options = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(options) != 1:
                return annotation
            annotation = options[0]
        else:
            return annotation


def tagged(annotation: Any, tag: str | int) -> Any:
    """The member of a union that `tag` names, by its `kind` or by its own name."""
    for option in typing.get_args(plain_type(annotation)):
        fields = getattr(plain_type(option), "model_fields", {})
        kind = fields.get("kind")
        if kind is not None and tag in typing.get_args(kind.annotation):
            return option
        if fields and plain_type(option).__name__ == tag:
            return option
    return None


def kinds_of(annotation: Any) -> list[str]:
    """The tags of a union, in its order."""
    options = typing.get_args(plain_type(annotation))
    fields = [getattr(plain_type(option), "model_fields", {}) for option in options]
    return [
        tag for each in fields if "kind" in each for tag in typing.get_args(each["kind"].annotation)
    ]


def type_of_child(annotation: Any, key: str | int) -> Any:
    annotation = plain_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for info in annotation.model_fields.values():
            if info.alias == key:
                return info.annotation
        return None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments and isinstance(key, int) else None


def yaml_keys(part: Any) -> list[str]:
    """The keys that a part may have, its kind first."""
    keys = [str(info.alias) for info in part.model_fields.values()] if part else []
    return sorted(keys, key=lambda key: key != "kind")


def line_to_add(part: Any, key: str) -> str:
    for info in getattr(part, "model_fields", {}).values():
        if info.alias == key and info.examples:
            return f"add, for example, `{key}: {info.examples[0]}`"
    return f"add `{key}: ...`"


def literal_values(text: str) -> list[str]:
    return text.replace(" or ", ", ").replace("'", "").split(", ")


def shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
