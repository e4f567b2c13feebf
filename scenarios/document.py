"""A YAML file as plain data, with the place of every key and value in it.

ruamel's node graph is used, because nodes know their line and column and still show duplicate
keys, which the usual loaders either drop or stop at.
"""

import difflib
import io
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from scenarios.faults import Fault, ScenarioError

KeyPath = tuple[str | int, ...]


@dataclass
class Document:
    """Plain data, places and the faults found so far."""

    source: str
    data: Any = None
    places: dict[KeyPath, str] = field(default_factory=dict)
    """'file:line:column' of each key (of each item in a list); '--set ...' where overridden."""
    faults: list[Fault] = field(default_factory=list)

    def place(self, at: KeyPath) -> str:
        """Where a path is, or the nearest thing around it."""
        depths = range(len(at), -1, -1)
        return next((self.places[at[:n]] for n in depths if at[:n] in self.places), self.source)


def read_document(source: str, text: str) -> Document:
    """The document of a YAML text whose top is a mapping, to be changed at will. Raises
    ScenarioError otherwise."""
    return deepcopy(parsed(source, text))


@lru_cache(maxsize=4)
def parsed(source: str, text: str) -> Document:
    """The same, once: a sweep asks for its file in every cell."""
    document = Document(source)
    try:
        node = compose(text)
    except YAMLError as error:
        raise ScenarioError(source, [not_yaml(source, error)]) from error
    if not isinstance(node, MappingNode):
        found = "an empty file" if node is None else "no mapping of keys"
        fault = Fault(f"{source}:1:1", "", f"got {found}", "see `fleetcast init chat`")
        raise ScenarioError(source, [fault])
    document.data = plain(document, node, (), ())
    return document


def not_yaml(source: str, error: YAMLError) -> Fault:
    if not isinstance(error, MarkedYAMLError):
        return Fault(source, "", f"not YAML: {error}")
    mark = error.problem_mark or error.context_mark
    place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    return Fault(place, "", f"not YAML: {error.problem or error.context}")


def compose(text: str) -> Node | None:
    reader = YAML(typ="safe", pure=True)
    node: Node | None = reader.compose(io.StringIO(text))
    return node


def scalar(node: ScalarNode) -> Any:
    """The value of a scalar by YAML 1.2's core rules: `no` is text, `1e3` a number."""
    return YAML(typ="safe", pure=True).constructor.construct_object(node)


def plain(document: Document, node: Node, at: KeyPath, above: tuple[Node, ...]) -> Any:
    """Plain data of a node; places and faults go to the document."""
    here = f"{document.source}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    document.places.setdefault(at, here)
    if any(node is parent for parent in above):
        document.faults.append(Fault(document.place(at), dotted(at), "an alias to its own parent"))
        return None
    if isinstance(node, ScalarNode):
        try:
            return scalar(node)
        except (YAMLError, ValueError):
            document.faults.append(Fault(here, dotted(at), f"got {node.value!r}", "a plain value"))
            return None
    if isinstance(node, SequenceNode):
        items = enumerate(node.value)
        return [plain(document, item, (*at, i), (*above, node)) for i, item in items]
    assert isinstance(node, MappingNode)
    return dict(pairs(document, node, at, (*above, node)))


def pairs(
    document: Document, node: MappingNode, at: KeyPath, above: tuple[Node, ...]
) -> Iterator[tuple[str, Any]]:
    """The keys and values of a mapping; a key's second appearance is a fault."""
    first_line: dict[str, int] = {}
    for key_node, value_node in node.value:
        key, mark = str(key_node.value), key_node.start_mark
        here = f"{document.source}:{mark.line + 1}:{mark.column + 1}"
        if key in first_line:
            got = f"duplicate key; the first one is on line {first_line[key]}"
            document.faults.append(Fault(here, dotted((*at, key)), got))
            continue
        first_line[key] = mark.line + 1
        document.places[(*at, key)] = here
        yield key, plain(document, value_node, (*at, key), above)


def override(document: Document, text: str) -> None:
    """Apply one 'replica.gpu=h200-sxm-141gb' on top of the file; a fault when it cannot be."""
    label = f"--set {text}"
    keys, equals, value = text.partition("=")
    if not equals or not keys:
        document.faults.append(Fault(label, "", "got no value", "KEY.KEY=VALUE"))
        return
    try:
        node = compose(value)
    except YAMLError as error:
        document.faults.append(not_yaml(label, error))
        return
    value_only = Document(label, faults=document.faults)
    put(document, keys, None if node is None else plain(value_only, node, path_of(keys), ()), label)


def path_of(keys: str) -> KeyPath:
    """The path that dots write, of keys and positions.

    >>> path_of("traffic.0.arrivals.rate")
    ('traffic', 0, 'arrivals', 'rate')
    """
    return tuple(int(key) if key.isdigit() else key for key in keys.split("."))


def place_of(data: Any, keys: str) -> KeyPath:
    """The same in some data, whose lists also have their members by `name`. Whatever there is no
    member of stays as it is written.

    >>> place_of({"traffic": [{"name": "batch"}, {"name": "gpt-4.1"}]}, "traffic.gpt-4.1.arrivals")
    ('traffic', 1, 'arrivals')
    """
    at: list[str | int] = []
    rest = keys.split(".")
    while rest:
        width, key = 1, path_of(rest[0])[0]
        names = names_in(data)
        if key not in range(len(names)):
            widths = (n for n in range(1, len(rest) + 1) if ".".join(rest[:n]) in names)
            if (found := next(widths, None)) is not None:
                width, key = found, names.index(".".join(rest[:found]))
        at.append(key)
        data = data[key] if has(data, key) else None
        rest = rest[width:]
    return tuple(at)


def names_in(data: Any) -> list[str]:
    """What the members of a list are called, each at its position; nothing of what is no list."""
    members = data if isinstance(data, list) else []
    return [str(one.get("name", "")) if isinstance(one, dict) else "" for one in members]


def put(document: Document, keys: str, value: Any, label: str) -> None:
    """Set what stands at a dotted path, which `label` is then the place of; a fault when there is
    no such place."""
    at = place_of(document.data, keys)
    holder = document.data
    for depth, key in enumerate(at[:-1]):
        if isinstance(holder, dict):
            if key not in holder:
                document.places[at[: depth + 1]] = label
            holder = holder.setdefault(key, {})
        elif has(holder, key):
            holder = holder[key]
        else:
            document.faults.append(no_such_place(holder, key, keys, label))
            return
    if not (isinstance(holder, dict) or has(holder, at[-1])):
        document.faults.append(no_such_place(holder, at[-1], keys, label))
        return
    for path in [path for path in document.places if path[: len(at)] == at]:
        del document.places[path]
    document.places[at] = label
    holder[at[-1]] = value


def no_such_place(holder: Any, key: str | int, keys: str, label: str) -> Fault:
    """The fault of a key that its holder, a list or no mapping, does not have."""
    names = [name for name in names_in(holder) if name]
    allowed = "keys of mappings and, for lists, positions from 0"
    if names:
        allowed = f"{', '.join(names)}; or a position, from 0"
    near = difflib.get_close_matches(str(key), names, 1)
    return Fault(label, keys, "no such place", allowed, "".join(near))


def has(data: Any, key: str | int) -> bool:
    """Whether plain data has an entry at `key`."""
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and 0 <= key < len(data)


def dotted(at: KeyPath) -> str:
    return ".".join(map(str, at))
