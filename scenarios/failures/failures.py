"""Everything a file may say about failures: presets, faults of one's own, spares, crews."""

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StrictFloat, ValidationInfo, model_validator

from scenarios.failures.faults import Fault
from scenarios.failures.presets import NamedFailures, with_presets
from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.times import LognormalTime
from scenarios.units import Count, Interval, SomeSeconds, Whole

NAMES_TAKEN = {"rollout": "what `rollout` does", "drill": "the incidents of `fleetcast drill`"}


class ReplicaFailures(Part):
    """In short: a replica stops at a constant hazard 1/mtbf; then detection, repair and a start."""

    mtbf_s: Interval
    detection_s: SomeSeconds
    repair: LognormalTime
    cold_start_s: SomeSeconds | None = None
    """How long a start takes, this and any other: in place of `fleet.cold_start`."""

    @property
    def as_fault(self) -> Fault:
        """The same, written in full."""
        return Fault.model_validate(
            {
                "name": "replica",
                "scope": "replica",
                "mtbf": f"{self.mtbf_s!r}s",
                "detection": f"{self.detection_s!r}s",
                "repair": self.repair.as_yaml_data(),
            }
        )


class Spares(Part):
    """Nodes that stand ready to take the place of one that somebody has to repair by hand."""

    nodes: Annotated[Whole, Field(ge=0, lt=2**31)]
    """How many. 0: as if there were no `spares`."""
    swap_s: SomeSeconds = 300.0
    """To put one in its place; a start follows. Default: under 5 minutes, says a provider."""


class Rollout(Part):
    """A new version: every replica of the main pool is replaced by one that starts cold."""

    starts_s: SomeSeconds
    """After the start of the period."""
    max_surge: Annotated[Whole, Field(ge=0, lt=2**31)] = 1
    """New replicas beyond the size of the pool."""
    max_unavailable: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    """Replicas below the size of the pool."""

    @model_validator(mode="after")
    def moves_at_all(self) -> Self:
        if self.max_surge == self.max_unavailable == 0:
            raise refuse(
                "a rollout that may neither add nor take away",
                "`max_surge` or `max_unavailable` above 0",
            )
        return self


class Failures(Part):
    """What breaks, who notices and how it is mended. A bare name or a list of names: presets."""

    short_forms: ClassVar[dict[str, str]] = {"presets": "preset"}

    presets: tuple[NamedFailures, ...] = Field((), examples=["[h100-mature]"])
    """Faults of the catalogue, by name; one preset may also be written as `preset: NAME`."""
    scale: Annotated[StrictFloat, Field(gt=0, le=1e6)] = 1.0
    """Multiplies how often everything here occurs."""
    faults: tuple[Fault, ...] = ()
    """Of your own. One with the name of a preset's fault changes the keys it gives, or takes it
    out: `remove: true`."""
    replica: ReplicaFailures | None = None
    spares: Spares | None = None
    repair_crews: Count | None = None
    """How many repairs by hand are under way at most; no limit when not given."""
    rollout: Rollout | None = None

    @model_validator(mode="before")
    @classmethod
    def presets_and_what_differs(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, str | list):
            given = {"presets": given}
        if not isinstance(given, dict):
            return given
        if "preset" in given and "presets" not in given:
            given = {k: v for k, v in given.items() if k != "preset"} | {"presets": given["preset"]}
        presets = given.get("presets", [])
        given = given | {"presets": [presets] if isinstance(presets, str) else presets}
        if "faults" in given:
            given["faults"] = with_presets(given["faults"], given["presets"], info)
        return given

    @model_validator(mode="after")
    def presets_agree(self) -> Self:
        """A fault that several presets have alike occurs once; another of its name is a fault."""
        seen: dict[str, tuple[str, Fault]] = {}
        own = {fault.name for fault in self.faults}
        for index, preset in enumerate(self.presets):
            if preset.name in [other.name for other in self.presets[:index]]:
                raise refuse("the same preset twice", "presets that differ", "presets", index)
            for fault in preset.faults:
                first, same = seen.setdefault(fault.name, (preset.name, fault))
                if same != fault and fault.name not in own:
                    raise refuse(
                        f"{preset.name} has another fault {fault.name} than {first}",
                        f"one of the two, or a `{fault.name}` of your own in `faults`",
                        *("presets", index),
                    )
        return self

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        names = [fault.name for fault in self.faults]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise refuse("two faults of one name", "names that differ", "faults", index, "name")
            if name == "replica" and self.replica is not None:
                what = "got replica, the name of what `replica` says in short"
                raise refuse(what, "another name", "faults", index, "name")
            if name in NAMES_TAKEN:
                what = f"got {name}, the name of {NAMES_TAKEN[name]}"
                raise refuse(what, "another name", "faults", index, "name")
        return self

    @model_validator(mode="after")
    def removed_are_there(self) -> Self:
        known = [fault.name for preset in self.presets for fault in preset.faults]
        for index, fault in enumerate(self.faults):
            if fault.remove and fault.name not in known:
                near = difflib.get_close_matches(fault.name, known, 1)
                raise refuse(
                    "nothing to remove: no preset has a fault of this name",
                    ", ".join(dict.fromkeys(known)) or "a `preset` beside it",
                    *("faults", index, "name"),
                    suggestion="".join(near),
                )
        return self

    @model_validator(mode="after")
    def spares_and_crews_have_work(self) -> Self:
        for key, fault in self.named:
            for index, repair in enumerate(fault.repairs):
                if repair.swap_s is not None and self.spares is None:
                    inside = ("repair", index, "swap") if key[0] == "faults" else ()
                    what = f"fault {fault.name} swaps for a spare, and there are none"
                    raise refuse(what, "`spares: {nodes: 2}` beside `faults`", *key, *inside)
        by_hand = [
            fault for _, fault in self.named if any(repair.hands_on for repair in fault.repairs)
        ]
        example = "a fault with `repair: {time: 2d, hands_on: true}`"
        if self.repair_crews is not None and not by_hand:
            what = "no repair here is done by hand"
            raise refuse(what, f"no repair_crews, or {example}", "repair_crews")
        if self.spares is not None and not any(fault.swappable for fault in by_hand):
            what = "no repair by hand here is of one node"
            raise refuse(what, f"no spares, or {example}", "spares")
        return self

    @property
    def spare_nodes(self) -> int:
        return self.spares.nodes if self.spares else 0

    @property
    def all(self) -> tuple[Fault, ...]:
        """Every fault that can occur, scaled: of presets in their order, then one's own, then
        `replica`."""
        return tuple(scaled(fault, self.scale) for _, fault in self.named)

    @property
    def named(self) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
        """The same before scaling, each with its key in the file."""
        own = {fault.name: (("faults", i), fault) for i, fault in enumerate(self.faults)}
        of_presets = {
            fault.name: (("presets", index), fault)
            for index, preset in reversed(list(enumerate(self.presets)))
            for fault in preset.faults
        }
        order = [fault.name for preset in self.presets for fault in preset.faults]
        for name in dict.fromkeys([*order, *own]):
            key, fault = own.get(name) or of_presets[name]
            if not fault.remove:
                yield key, fault
        if self.replica is not None:
            yield ("replica",), self.replica.as_fault


def scaled(fault: Fault, factor: float) -> Fault:
    """The same fault, `factor` times as often."""
    if factor == 1.0:
        return fault
    occurs = {
        "rate": fault.rate and fault.rate.times(factor),
        "mtbf_s": fault.mtbf_s and fault.mtbf_s / factor,
        "every": fault.every and fault.every.times(1 / factor),
    }
    return fault.model_copy(update=occurs)
