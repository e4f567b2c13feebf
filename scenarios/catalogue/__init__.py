"""The catalogue: what is known about GPUs, models, engines and traffic, each fact with source and
date."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from ruamel.yaml import YAML

from scenarios.catalogue.facts import (
    Draw,
    Engine,
    FailurePreset,
    Gpu,
    Model,
    Preset,
    StartPhase,
    Storage,
)
from scenarios.part import Part

BUILT_IN_FILES = (
    "gpus.yaml", "models.yaml", "engines.yaml", "traffic.yaml", "failures.yaml", "cold_start.yaml",
    "energy.yaml",
)  # fmt: skip
COEFFICIENTS = "step_time.yaml"


def with_names(entries: Any) -> Any:
    """The entries of one kind, each told the name it is listed under."""
    if not isinstance(entries, Mapping):
        return entries  # pydantic says what is wrong with it
    return {
        name: {**facts, "name": name} if isinstance(facts, Mapping) else facts
        for name, facts in entries.items()
    }


def with_shares(gpus: Any) -> Any:
    """GPUs with the shares of their silicon, those the entry gives itself aside."""
    return filled(with_names(gpus), "silicon", lambda gpu: str(gpu.get("silicon")))


def with_overheads(engines: Any) -> Any:
    """Engines with the fitted overheads, those the entry gives itself aside."""
    return filled(with_names(engines), "engines", lambda engine: str(engine["name"]))


def filled(entries: Any, shelf: str, name_of: Callable[[Mapping[str, Any]], str]) -> Any:
    if not isinstance(entries, Mapping):
        return entries
    fitted = coefficients()[shelf]
    return {
        name: {**fitted["unknown"], **fitted.get(name_of(facts), {}), **facts}
        if isinstance(facts, Mapping)
        else facts
        for name, facts in entries.items()
    }


@cache
def coefficients() -> dict[str, Any]:
    """catalogue/step_time.yaml as it stands: silicon and engines, `unknown` among both, and the
    fit: how sure it is of them, which errors to expect."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(Path(__file__).parent / COEFFICIENTS)
    return loaded


class CatalogueFile(Part):
    """One catalogue file: built in, or a user's own beside the scenario."""

    gpus: Annotated[dict[str, Gpu], BeforeValidator(with_shares)] = Field(default_factory=dict)
    models: Annotated[dict[str, Model], BeforeValidator(with_names)] = Field(default_factory=dict)
    engines: Annotated[dict[str, Engine], BeforeValidator(with_overheads)] = Field(
        default_factory=dict
    )
    presets: Annotated[dict[str, Preset], BeforeValidator(with_names)] = Field(default_factory=dict)
    failures: Annotated[dict[str, FailurePreset], BeforeValidator(with_names)] = Field(
        default_factory=dict
    )
    cold_start: Annotated[dict[str, StartPhase], BeforeValidator(with_names)] = Field(
        default_factory=dict
    )
    storage: Annotated[dict[str, Storage], BeforeValidator(with_names)] = Field(
        default_factory=dict
    )
    draws: Annotated[dict[str, Draw], BeforeValidator(with_names)] = Field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Everything known, by name."""

    gpus: dict[str, Gpu]
    models: dict[str, Model]
    engines: dict[str, Engine]
    presets: dict[str, Preset]
    failures: dict[str, FailurePreset]
    cold_start: dict[str, StartPhase]
    """By phase, as in `fleet.cold_start`."""
    storage: dict[str, Storage]
    draws: dict[str, Draw]
    """By state, as in `energy`."""


def read_catalogue_file(path: Path) -> CatalogueFile:
    """The entries of one file.

    Raises YAMLError when it is not YAML, ValidationError when an entry is wrong.
    """
    # The pure parser reads YAML 1.2; the C parser would read 1.1, where `8.03e9` is text.
    return CatalogueFile.model_validate(YAML(typ="safe", pure=True).load(path))


@cache
def built_in_catalogue() -> Catalogue:
    """The entries that come with the project."""
    here = Path(__file__).parent
    files = [read_catalogue_file(here / name) for name in BUILT_IN_FILES]
    return merged(Catalogue({}, {}, {}, {}, {}, {}, {}, {}), files)


def merged(catalogue: Catalogue, files: list[CatalogueFile]) -> Catalogue:
    """A new catalogue: an entry of a later file replaces the whole earlier one of its name."""
    for file in files:
        catalogue = Catalogue(
            gpus=catalogue.gpus | file.gpus,
            models=catalogue.models | file.models,
            engines=catalogue.engines | file.engines,
            presets=catalogue.presets | file.presets,
            failures=catalogue.failures | file.failures,
            cold_start=catalogue.cold_start | file.cold_start,
            storage=catalogue.storage | file.storage,
            draws=catalogue.draws | file.draws,
        )
    return catalogue


def load_catalogue(extra_files: tuple[Path, ...] = ()) -> Catalogue:
    """The built-in catalogue, with entries of `extra_files` added or put in place of its own.

    The built-in part is read once per process, extra files at every call: their author edits them.
    Raises OSError, YAMLError or ValidationError for a file that cannot be used.

    >>> load_catalogue().gpus["h100-sxm-80gb"].bandwidth_bytes_per_s
    3350000000000.0
    """
    return merged(built_in_catalogue(), [read_catalogue_file(path) for path in extra_files])
