"""A scenario with other numbers: what was drawn of its uncertain inputs, or nothing uncertain."""

from typing import Any

from pydantic import ValidationError

from scenarios.document import path_of
from scenarios.model import Scenario

Yaml = dict[str, Any]


class InputError(ValueError):
    """Inputs that cannot be drawn, or not together; the message says which."""


def without_uncertainty(scenario: Scenario) -> Scenario:
    """The same with every input known to be what is given."""
    return scenario.model_copy(update={"uncertain": None})


def with_numbers(scenario: Scenario, numbers: Yaml) -> Scenario:
    """The certain scenario with other values at dotted keys. Raises InputError where they do not go
    together."""
    if not numbers:
        return without_uncertainty(scenario)
    data = put_in(scenario.as_yaml_data(), numbers)
    data.pop("uncertain", None)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        why = first.get("ctx", {}).get("allowed") or first["msg"]
        told = ", ".join(f"{key}: {value}" for key, value in numbers.items())
        raise InputError(
            f"uncertain inputs that do not go together were drawn ({told}); allowed: {why}"
        ) from error


def put_in(data: Yaml, numbers: Yaml) -> Yaml:
    """The same data, changed."""
    for key, value in numbers.items():
        *way, last = path_of(key)
        holder: Any = data
        for step in way:
            holder = holder[step]
        holder[last] = value
        if way[2:4] == ["arrivals", "users"]:
            group: Any = data["traffic"][int(way[1])]
            group["arrivals"].pop("rate", None)  # it follows from them
    return data
