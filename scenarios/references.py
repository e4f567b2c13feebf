"""Names in a scenario that stand for facts elsewhere: catalogue entries, config.json, trace files,
functions of the user's own.

The loader passes the catalogue and the scenario's folder as validation context. A mapping in place
of a name is the facts themselves: that is how a manifest carries a scenario that stands alone.
"""

import ast
import difflib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from scenarios.catalogue import load_catalogue
from scenarios.catalogue.hugging_face import model_from_config
from scenarios.part import Part


def catalogue_name(shelf: str) -> Callable[[Any, ValidationInfo], Any]:
    """A validator that replaces a name by its entry on `shelf` ('gpus' or 'engines')."""

    def look_up(value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        entries = getattr(catalogue(info), shelf)
        if value in entries:
            return entries[value]
        raise unknown_name(value, list(entries))

    return look_up


def model_reference(value: Any, info: ValidationInfo) -> Any:
    """A Model from its catalogue name or from the path of a Hugging Face config.json."""
    if not isinstance(value, str):
        return value
    models = catalogue(info).models
    if value in models:
        return models[value]
    if not value.endswith(".json"):
        raise unknown_name(value, list(models), also="or the path of a Hugging Face config.json")
    path = folder(info) / value
    try:
        return model_from_config(json.loads(path.read_text()), name=path.parent.name or path.stem)
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise PydanticCustomError(
            "quantity",
            "unreadable config.json",
            {"allowed": f"a Hugging Face config.json: {error}"},
        ) from error


def trace_reference(value: Any, info: ValidationInfo) -> Any:
    """The path of a file (or a folder of them) and the hash of its bytes."""
    if not isinstance(value, str):
        return value
    path = (folder(info) / value).resolve()
    try:
        return {"path": str(path), "sha256": digest_of(path)}
    except OSError as error:
        raise PydanticCustomError(
            "quantity",
            "no such file",
            {"allowed": f"the path of a trace or of demand ({error.strerror})"},
        ) from error


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes; of a folder, of the names and digests of its files."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        listed = "".join(f"{file.name} {digest_of(file)}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def function_reference(*names: str) -> Callable[[Any, ValidationInfo], Any]:
    """A validator of one of `names`, or of 'file.py:function': the file's path, the function and
    the hash of the file's bytes. The file is read, never run."""
    own = "a function of your own, `file.py:function`"

    def look_up(value: Any, info: ValidationInfo) -> Any:
        if value in names or isinstance(value, dict | Part):
            return value
        file, colon, function = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if not colon or not function.isidentifier():
            raise unknown_name(str(value), list(names), also=f"or {own}" if names else own)
        path = (folder(info) / file).resolve()
        content, functions = read_functions(path)
        if function not in functions:
            defined = ", ".join(functions) or "none so far"
            context = {"allowed": f"a function that {path.name} defines: {defined}"}
            if close := difflib.get_close_matches(function, functions, 1):
                context["suggestion"] = f"{file}:{close[0]}"
            raise PydanticCustomError("quantity", "no such function", context)
        digest = hashlib.sha256(content).hexdigest()
        return {"path": str(path), "function": function, "sha256": digest}

    return look_up


def read_functions(path: Path) -> tuple[bytes, list[str]]:
    """The bytes of a Python file and the functions at its top level."""
    try:
        content = path.read_bytes()
        tree = ast.parse(content, path.name)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PydanticCustomError(
            "quantity", "no readable rule", {"allowed": f"a file of Python functions ({reason})"}
        ) from error
    return content, [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def catalogue(info: ValidationInfo) -> Any:
    return (info.context or {}).get("catalogue") or load_catalogue()


def folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", "."))


def unknown_name(value: str, names: list[str], also: str = "") -> PydanticCustomError:
    context = {"allowed": " ".join([", ".join(sorted(names)), also]).strip()}
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(value.lower(), by_lower, 1, cutoff=0.5)
    inside = [name for low, name in by_lower.items() if value.lower() in low]
    inside.sort(key=lambda name: name.lower().index(value.lower()))  # h200: not gh200
    if close or inside:
        context["suggestion"] = (inside or [by_lower[close[0]]])[0]
    return PydanticCustomError("quantity", "unknown name", context)
