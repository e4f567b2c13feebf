"""The base of everything a YAML file may say: frozen, strict about keys, units in values."""

from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

# A field's name ends in its unit; the YAML key does not, because there the value carries it.
UNIT_SUFFIXES = (
    "_bytes_per_s", "_flops_per_s", "_usd_per_hour", "_usd_per_kwh", "_kg_per_kwh", "_per_s",
    "_bytes", "_usd", "_s", "_w",
)  # fmt: skip


def yaml_key(field_name: str) -> str:
    """The YAML key of a field: its name without the unit.

    >>> yaml_key("horizon_s"), yaml_key("rate_per_s"), yaml_key("input_tokens")
    ('horizon', 'rate', 'input_tokens')
    """
    for suffix in UNIT_SUFFIXES:
        if field_name.endswith(suffix):
            return field_name.removesuffix(suffix)
    return field_name


class Part(BaseModel):
    """One mapping of a YAML file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=yaml_key,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    short_forms: ClassVar[dict[str, str]] = {}
    """Keys that a file may leave out, and what it writes instead: another key, or (where this is
    empty) the value alone. The part's own validators read it; faults are told where it stands."""

    def as_yaml_data(self) -> dict[str, Any]:
        """Plain data that validates back to an equal Part; quantities keep their unit."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Record(BaseModel):
    """One mapping of a JSON file that a program wrote: every key is there, names keep their unit,
    numbers are numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Misfit(NamedTuple):
    """What is wrong with one place of a record's data."""

    at: tuple[str | int, ...]
    what: str
    kind: Literal["missing", "unknown", "wrong"]


def misfits(record: type[Record], data: Any) -> list[Misfit]:
    """Everything in plain data that is not as the record says."""
    kinds: dict[str, Literal["missing", "unknown"]] = {
        "missing": "missing",
        "extra_forbidden": "unknown",
    }
    try:
        record.model_validate(data)
    except ValidationError as error:
        return [
            Misfit(each["loc"], each["msg"], kinds.get(each["type"], "wrong"))
            for each in error.errors()
        ]
    return []
