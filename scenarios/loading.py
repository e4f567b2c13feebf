"""YAML -> Scenario, or every fault of the file at once."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml.error import YAMLError

from scenarios.catalogue import Catalogue, load_catalogue, read_catalogue_file
from scenarios.checking import scenario_of
from scenarios.document import Document, KeyPath, dotted, override, read_document
from scenarios.explaining import shown
from scenarios.failures.presets import PresetFailures, facts_of
from scenarios.faults import Fault, ScenarioError
from scenarios.lines import with_choices_told
from scenarios.model import Scenario
from scenarios.uncertain import take_inputs, told_where_they_stand, with_inputs_told


def load(
    path: Path | str, overrides: tuple[str, ...] = (), needs: tuple[str, ...] = ()
) -> Scenario:
    """The scenario of a YAML file, with `key=value` overrides applied on top.

    `needs` names optional parts the caller cannot do without ('sla', 'plan', 'price').
    Raises ScenarioError with all faults, OSError when the file cannot be read.
    """
    path = Path(path)
    document = read_document(str(path), path.read_text(encoding="utf-8"))
    for text in overrides:
        override(document, text)
    inline = take_inputs(document)
    catalogue = read_catalogue(document, path.parent)
    context = {"catalogue": catalogue, "folder": path.parent}
    scenario = scenario_of(document, context, needs)
    if scenario is not None and scenario.uncertain and not document.faults:
        scenario = with_inputs_told(scenario, document, context)
    if scenario is not None and scenario.plan is not None and not document.faults:
        scenario = with_choices_told(scenario, document, context)
    told_where_they_stand(document, inline)
    if document.faults or scenario is None:
        raise ScenarioError(str(path), sorted(set(document.faults), key=place_in_file))
    return scenario


def restore(
    data: dict[str, Any],
    source: str = "the scenario",
    overrides: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Scenario:
    """The scenario of `Scenario.as_yaml_data()`, as a manifest and a plan carry it, with overrides
    on top. Raises ScenarioError with all faults, which say that they are in `source`."""
    document = Document(source, deepcopy(data))
    for text in overrides:
        override(document, text)
    scenario = scenario_of(document, {}, needs)
    if document.faults or scenario is None:
        raise ScenarioError(source, document.faults)
    return scenario


def place_in_file(fault: Fault) -> tuple[int, int, str]:
    """Faults in the order of the file; those of overrides last."""
    place = fault.place.rsplit(":", 2)
    if len(place) == 3 and place[1].isdigit() and place[2].isdigit():
        return int(place[1]), int(place[2]), fault.key
    return 1 << 30, 0, fault.key


def read_catalogue(document: Document, folder: Path) -> Catalogue:
    """The built-in catalogue with the scenario's own files on top."""
    names = document.data.get("catalogue") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return load_catalogue()  # the shape is reported with the other faults
    usable = []
    for index, name in enumerate(names):
        at: KeyPath = ("catalogue", index)
        try:
            check_presets(folder / name)
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


def check_presets(path: Path) -> None:
    """Reads a catalogue file and checks its presets of failures, which it holds as a scenario would
    write them. Raises what `read_catalogue_file` does."""
    presets = read_catalogue_file(path).failures
    data = {name: facts_of(entry) for name, entry in presets.items()}
    TypeAdapter(dict[str, dict[str, PresetFailures]]).validate_python({"failures": data})
