"""Where each input of a result comes from: measured, calibrated, published, given or assumed."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, NamedTuple

from reports.tables import error_band
from scenarios.catalogue import load_catalogue
from scenarios.failures import Failures
from scenarios.fleet.cold_start import ColdStart

Data = dict[str, Any]

GIVEN = "given"
OURS = "the scenario"
GUESSED = ("from memory", "guess", "assumed")
"""Words with which a source says that nobody looked it up."""


class Source(NamedTuple):
    """One row of the page's table."""

    input: str
    what: str
    origin: str
    source: str


def sources(scenario: Data, step_times: list[Data]) -> list[Source]:
    """Of a scenario as as_yaml_data gives it; step_times: simulator.provenance, as in plan.json."""
    replica = scenario["replica"]
    replicas = [replica, *(pool["replica"] for pool in scenario["fleet"].get("others", []))]
    gpus = {used["gpu"]["name"]: used["gpu"] for used in replicas}
    engines = {used["engine"]["name"]["name"]: used["engine"]["name"] for used in replicas}
    return [
        *(traffic(group) for group in scenario["traffic"]),
        catalogued("Model", scenario["model"]),
        *(catalogued("GPU", gpu) for gpu in gpus.values()),
        *(catalogued("Engine", engine) for engine in engines.values()),
        *(step_time(entry, len(step_times) > 1) for entry in step_times),
        *faults(scenario.get("failures")),
        *starts(scenario["fleet"].get("cold_start")),
        *prices(scenario.get("price")),
        *given("Uncertain", scenario.get("uncertain") or (), "drawn anew for each period"),
    ]


def given(what: str, names: Iterable[str], source: str = OURS) -> list[Source]:
    """A row of what the scenario says itself; none where that is nothing."""
    told = ", ".join(names)
    return [Source(what, told, GIVEN, source)] if told else []


def traffic(group: Data) -> Source:
    """A recording, a preset that was fitted to some, or numbers."""
    name, arrivals, preset = f"Traffic {group['name']}", group["arrivals"], group.get("preset")
    recorded = next((one for one in arrivals.values() if is_file(one)), None)
    if recorded:
        file = f"{PurePath(recorded['path']).name}, sha256 {recorded['sha256'][:12]}"
        return Source(name, "recorded", "measured", file)
    if preset:
        source = f"fitted to {preset['source']}, {preset['date']}; own keys are the scenario's"
        return Source(name, f"preset {preset['name']}", "measured", source)
    return Source(name, f"{arrivals['kind']} arrivals, lengths", GIVEN, OURS)


def is_file(value: Any) -> bool:
    return isinstance(value, dict) and "sha256" in value


def catalogued(what: str, facts: Data) -> Source:
    """Facts with a source of their own: the catalogue's, or those of a file of the user's."""
    source = facts.get("source")
    if not source:
        return Source(what, facts["name"], GIVEN, OURS)
    guessed = any(word in source for word in GUESSED)
    dated = f"{source}, {facts['date']}" if facts.get("date") else source
    return Source(what, facts["name"], "assumed" if guessed else "published", dated)


def step_time(entry: Data, of_several: bool) -> Source:
    name = f"Step time of pool {entry['pool']}" if of_several else "Step time"
    known = OURS if entry["origin"] == GIVEN else "error not known"
    if "tpot_p90" in entry["error_pct"]:
        known = "TPOT within {} in half of such cases, {} in nine of ten".format(*error_band(entry))
    return Source(name, entry["rests_on"], entry["origin"], known)


def faults(failures: Data | None) -> list[Source]:
    """Each preset, and the faults that the scenario says itself."""
    if not failures:
        return given("Failures", ["none"])
    told = Failures.model_validate(failures)
    rows = [
        Source("Failures", f"preset {one.name}", "published", f"{one.source}, {one.date}")
        for one in told.presets
    ]
    named = {fault.name for preset in told.presets for fault in preset.faults}
    return rows + given("Failures", [one.name for one in told.all if one.name not in named])


def starts(phases: Any) -> list[Source]:
    """Phases as others published them, and those that the scenario says itself."""
    what = "Cold start"
    if not (isinstance(phases, dict) and "image" in phases):
        return given(what, ["one time for all of it"])
    own, known = ColdStart.model_validate(phases), ColdStart.model_validate({})
    said = [name for name in ColdStart.model_fields if getattr(own, name) != getattr(known, name)]
    told = load_catalogue().cold_start
    published = [name for name in told if name not in said]
    where = sorted({re.split("[;,]", told[name].source)[0] for name in published})
    rows = [Source(what, spoken(published), "published", "; ".join(where))] if published else []
    return rows + given(what, [spoken(said)])


def spoken(names: Iterable[str]) -> str:
    return ", ".join(names).replace("_", " ")


def prices(told: Data | None) -> list[Source]:
    if not told:
        return []
    dated = ", ".join(text for text in (told.get("source"), told.get("date")) if text)
    return given("Prices", told.get("gpus") or {}, dated or f"{OURS}, without a source")
