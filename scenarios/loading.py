"""YAML -> Scenario, or every fault of the file at once, each with its place.

The file is composed into ruamel's node graph first, because nodes know their line and column and
still show duplicate keys; plain data and the place of every value come out of one walk over it.
"""

import difflib
import io
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from scenarios.catalogue import Catalogue, load_catalogue
from scenarios.memory import fitting_tensor_parallel, missing_bytes
from scenarios.model import Replica, Scenario

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, where, and what would be right."""

    place: str
    key: str
    got: str
    allowed: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.key}: {self.got}" if self.key else f"{self.place}: {self.got}"]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.suggestion:
            lines.append(f"    did you mean `{self.suggestion}`?")
        return "\n".join(lines)


class ScenarioError(ValueError):
    """A scenario with faults; `str()` lists every one."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source, self.faults = source, faults
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        super().__init__("\n".join([f"{source} has {count}", *map(str, faults)]))


def load(
    path: Path | str, overrides: tuple[str, ...] = (), needs: tuple[str, ...] = ()
) -> Scenario:
    """The scenario of a YAML file, with `key=value` overrides applied on top.

    `needs` names optional parts the caller cannot do without ('sla', 'plan', 'price').
    Raises ScenarioError with all faults, OSError when the file cannot be read.
    """
    path = Path(path)
    document = Document(str(path))
    document.read(path.read_text(encoding="utf-8"))
    for override in overrides:
        document.override(override)
    catalogue = read_catalogue(document, path.parent)
    context = {"catalogue": catalogue, "folder": path.parent}
    scenario = None
    try:
        scenario = Scenario.model_validate(document.data, context=context)
    except ValidationError as error:
        document.faults += [fault_of(document, detail) for detail in error.errors()]
    document.faults += memory_faults(document, context)
    document.faults += missing_parts(document, needs)
    document.faults += unpriced_gpu(document, context)
    if document.faults or scenario is None:
        raise ScenarioError(str(path), sorted(set(document.faults), key=document.order))
    return scenario


def restore(data: dict[str, Any]) -> Scenario:
    """The scenario of `Scenario.as_yaml_data()`, as a manifest carries it."""
    return Scenario.model_validate(data)


# --- the file ----------------------------------------------------------------------------------


@dataclass
class Document:
    """Plain data of a YAML file, the place of every key and value in it, and the faults so far."""

    source: str
    data: Any = None
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    overridden: dict[Path_, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Fill data and places. Raises ScenarioError when the text is not YAML at all."""
        try:
            node = yaml().compose(io.StringIO(text))
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{self.source}:{mark.line + 1}:{mark.column + 1}" if mark else self.source
            fault = Fault(place, "", f"not YAML: {error.problem or error.context}")
            raise ScenarioError(self.source, [fault]) from error
        except YAMLError as error:
            raise ScenarioError(
                self.source, [Fault(self.source, "", f"not YAML: {error}")]
            ) from error
        if not isinstance(node, MappingNode):
            found = "an empty file" if node is None else "no mapping of keys"
            fault = Fault(f"{self.source}:1:1", "", f"got {found}", "see `fleetcast init chat`")
            raise ScenarioError(self.source, [fault])
        self.data = self.plain(node, (), ())

    def plain(self, node: Node, at: Path_, above: tuple[Node, ...]) -> Any:
        if any(node is parent for parent in above):
            self.faults.append(Fault(self.place(at), dotted(at), "an alias to its own parent"))
            return None
        self.places.setdefault(at, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, ScalarNode):
            return scalar(node)
        if isinstance(node, SequenceNode):
            return [self.plain(v, (*at, i), (*above, node)) for i, v in enumerate(node.value)]
        return dict(self.items(node, at, (*above, node)))

    def items(
        self, node: MappingNode, at: Path_, above: tuple[Node, ...]
    ) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            here = (line, key_node.start_mark.column + 1)
            if key in seen:
                place = f"{self.source}:{here[0]}:{here[1]}"
                first = f"the first one is on line {seen[key]}"
                self.faults.append(Fault(place, dotted((*at, key)), f"duplicate key; {first}"))
                continue
            seen[key] = line
            self.places[(*at, key)] = here
            yield key, self.plain(value_node, (*at, key), above)

    def override(self, text: str) -> None:
        """Apply one `replica.gpu=h200-sxm-141gb` on top of the file; a fault when it cannot be."""
        label = f"--set {text}"
        keys, equals, value = text.partition("=")
        if not equals or not keys:
            self.faults.append(Fault(label, "", "got no key=value", "KEY.KEY=VALUE"))
            return
        try:
            node = yaml().compose(io.StringIO(value))
        except YAMLError as error:
            self.faults.append(Fault(label, keys, f"not YAML: {error}"))
            return
        target, at = self.data, tuple(int(k) if k.isdigit() else k for k in keys.split("."))
        for key in at[:-1]:
            target = child(target, key) if has(target, key) else target.setdefault(key, {}) \
                if isinstance(target, dict) else None  # fmt: skip
        last = at[-1]
        if isinstance(target, dict):
            target[str(last)] = None
        elif not has(target, last):
            self.faults.append(Fault(label, keys, "no such place", "a key, or an index in a list"))
            return
        for depth in range(len(at)):
            self.overridden.setdefault(at[: depth + 1], label) if at[
                : depth + 1
            ] not in self.places else None
        self.overridden[at] = label
        target[last if isinstance(target, list) else str(last)] = (
            None if node is None else Document(label).plain(node, at, ())
        )

    def place(self, at: Path_) -> str:
        """'file:line:column' of a path, or of the nearest thing around it."""
        for depth in range(len(at), -1, -1):
            if at[:depth] in self.overridden:
                return self.overridden[at[:depth]]
            if at[:depth] in self.places:
                line, column = self.places[at[:depth]]
                return f"{self.source}:{line}:{column}"
        return self.source

    def order(self, fault: Fault) -> tuple[int, int, str]:
        """Faults in the order of the file."""
        tail = fault.place.removeprefix(self.source).split(":")
        if len(tail) == 3:
            return int(tail[1]), int(tail[2]), fault.key
        return 1 << 30, 0, fault.key


def yaml() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = True
    return reader


def scalar(node: ScalarNode) -> Any:
    """The value of a scalar by YAML 1.2's core rules: `no` is text, `1e3` a number."""
    return yaml().constructor.construct_object(node)


# --- faults ------------------------------------------------------------------------------------


def fault_of(document: Document, error: ErrorDetails) -> Fault:
    """pydantic's error in our words: where, what we got, what is allowed."""
    at, part = locate(document.data, error["loc"])
    context = error.get("ctx", {})
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
            return Fault(document.place(at), dotted((*at, "kind")), "missing", "see the reference")
        case "quantity":
            got = got if not isinstance(error["input"], dict) else error["msg"]
            return Fault(
                document.place(at), dotted(at), got, context["allowed"], context.get("suggestion", "")
            )
        case _:
            message = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            return Fault(document.place(at), dotted(at), got, message)


def locate(data: Any, loc: tuple[str | int, ...]) -> tuple[Path_, Any]:
    """The path in the file of pydantic's `loc` (which also names union tags), and the type that
    holds its last key."""
    at: Path_ = ()
    annotation: Any = Scenario
    holder: Any = Scenario
    for position, key in enumerate(loc):
        if not has(data, key) and (position < len(loc) - 1 or tagged(annotation, key) is not None):
            annotation = tagged(annotation, key) or annotation
            continue
        holder, annotation = plain_type(annotation), type_of_child(annotation, key)
        at, data = (*at, key), child(data, key)
    return at, holder


def has(data: Any, key: str | int) -> bool:
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and 0 <= key < len(data)


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
    """The member of a `kind` union that `tag` names."""
    for option in typing.get_args(plain_type(annotation)):
        kind = getattr(plain_type(option), "model_fields", {}).get("kind")
        if kind is not None and tag in typing.get_args(kind.annotation):
            return option
    return None


def type_of_child(annotation: Any, key: str | int) -> Any:
    annotation = plain_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for info in annotation.model_fields.values():
            if info.alias == key:
                return info.annotation
        return None
    arguments = typing.get_args(annotation)
    return arguments[0] if arguments and isinstance(key, int) else None


def yaml_keys(part: Any) -> list[str]:
    return [str(info.alias) for info in part.model_fields.values()] if part else []


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


def dotted(at: Path_) -> str:
    return ".".join(map(str, at))


# --- faults that need more than one key --------------------------------------------------------


def read_catalogue(document: Document, folder: Path) -> Catalogue:
    """The built-in catalogue with the scenario's own files on top."""
    names = document.data.get("catalogue") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return load_catalogue()  # the shape is reported with the other faults
    usable = []
    for index, name in enumerate(names):
        at: Path_ = ("catalogue", index)
        try:
            load_catalogue((folder / name,))
            usable.append(folder / name)
        except ValidationError as error:
            for detail in error.errors():
                where = dotted(detail["loc"])
                fault = Fault(document.place(at), where, f"{name}: got {shown(detail['input'])}")
                allowed = detail.get("ctx", {}).get("allowed", detail["msg"])
                document.faults.append(Fault(fault.place, fault.key, fault.got, allowed))
        except (OSError, YAMLError, ValueError) as error:
            document.faults.append(Fault(document.place(at), dotted(at), f"{name}: {error}"))
    return load_catalogue(tuple(usable))


def part_of(document: Document, key: str, context: dict[str, Any]) -> Any:
    """One part of the scenario on its own, or None when it has faults of its own."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        typing.get_type_hints(Scenario, include_extras=True)[key]
    )
    try:
        return adapter.validate_python(document.data.get(key), context=context)
    except ValidationError:
        return None


def memory_faults(document: Document, context: dict[str, Any]) -> Iterator[Fault]:
    """A model that leaves no room for one KV block is a fault of the scenario."""
    model, replica = part_of(document, "model", context), part_of(document, "replica", context)
    if model is None or not isinstance(replica, Replica):
        return
    engine = replica.engine
    place = document.place(("replica",))
    if model.heads % replica.tensor_parallel:
        yield Fault(
            document.place(("replica", "tensor_parallel")),
            "replica.tensor_parallel",
            f"got {replica.tensor_parallel}",
            f"a divisor of the {model.heads} attention heads of {model.name}",
        )
        return
    facts = (model, replica.gpu, engine.facts, replica.precision)
    missing = missing_bytes(*facts, replica.tensor_parallel, engine.gpu_memory_utilization)
    if engine.num_gpu_blocks is None and missing > 0:
        fits = fitting_tensor_parallel(*facts, engine.gpu_memory_utilization)
        allowed = f"tensor_parallel: {fits} would fit" if fits else "no tensor_parallel up to 16 fits"
        yield Fault(
            place,
            "replica",
            f"{model.name} in {replica.precision} on {replica.tensor_parallel} x "
            f"{replica.gpu.name} is short of {missing:,.0f} bytes per GPU",
            allowed,
        )


def missing_parts(document: Document, needs: tuple[str, ...]) -> Iterator[Fault]:
    for key in needs:
        if document.data.get(key) is None:
            place = f"{document.source}:1:1"
            yield Fault(place, key, "missing", line_to_add(Scenario, key))


def unpriced_gpu(document: Document, context: dict[str, Any]) -> Iterator[Fault]:
    """A price list without the GPU in use would answer with no cost at all."""
    replica, prices = part_of(document, "replica", context), part_of(document, "price", context)
    if isinstance(replica, Replica) and prices is not None and replica.gpu.name not in prices:
        seen = replica.gpu.price
        hint = (
            f" (seen on demand: {seen.low_usd_per_hour:g} to {seen.high_usd_per_hour:g} USD/h)"
            if seen
            else ""
        )
        yield Fault(
            document.place(("price",)),
            "price",
            f"no price for {replica.gpu.name}",
            f"add `{replica.gpu.name}: ... USD/h`{hint}",
        )
