"""The Scenario: everything one YAML file may say, as one frozen tree.

Field names end in their unit (`horizon_s`); YAML keys do not (`horizon: 5min`).
What a key means and which values it takes is written here and nowhere else: faults, the JSON
Schema and the reference page are made from this file.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from scenarios.agreement import (
    breaker_has_something_to_count,
    buckets_are_shed_alike,
    buckets_of_classes_that_exist,
    faults_of_hardware_that_exists,
    fleet_has_room,
    racks_hold_a_replica,
    rollout_within_the_period,
    schedule_knows_the_time,
    zones_are_reached,
)
from scenarios.catalogue.facts import Model
from scenarios.clients import Clients
from scenarios.demand import CALENDAR, Traffic
from scenarios.failures import Failures
from scenarios.fleet import ColdStart, Fleet, Replica, WholeStart
from scenarios.latency import Latency
from scenarios.memory import weight_bytes
from scenarios.objectives import Objective, ObjectiveText
from scenarios.part import Part
from scenarios.price import Energy, Price
from scenarios.references import model_reference
from scenarios.spread import Spread
from scenarios.times import FixedTime
from scenarios.units import (
    Count,
    PositiveSeconds,
    Range,
    Share,
    SomeSeconds,
    WeekTime,
    Whole,
    parse_range,
)


class Sla(Part):
    """A period keeps the SLA when it meets every objective; `probability` of periods must."""

    probability: Annotated[Share, Field(ge=0.5, le=0.9999)]
    confidence: Annotated[Share, Field(gt=0.5, le=0.9999)] = 0.95
    objectives: Annotated[tuple[ObjectiveText, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def objectives_differ(self) -> Self:
        texts = [objective.text for objective in self.objectives]
        if len(set(texts)) < len(texts):
            raise PydanticCustomError(
                "quantity", "the same objective twice", {"allowed": "objectives that differ"}
            )
        return self


def values_of(given: Any) -> Any:
    """A list as it is; whole numbers of '0..6'."""
    if isinstance(given, str):
        low, high = parse_range(given, least=0)
        return list(range(low, high + 1))
    return given


Choices = Annotated[
    tuple[Any, ...],
    BeforeValidator(values_of),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "minItems": 1},
                {"type": "string", "pattern": r"^\s*\d+\s*\.\.\s*\d+\s*$"},
            ]
        }
    ),
]


Minimised = Literal["cost", "gpus", "energy"]


class PlanBounds(Part):
    """Where the planner may search."""

    replicas: Range
    """Of the main pool; with autoscaling: its fewest."""
    choices: dict[str, Choices] = Field(
        default_factory=dict, examples=["{replica.tensor_parallel: [1, 2, 4]}"]
    )
    """Keys of `replica`, `fleet`, `failures` or `latency`, written with dots as for `--set`, and
    the values each may take (a list, or whole numbers as 0..6). Every combination is a line of
    fleets; the cheapest certified one of all is the answer."""
    gpus_available: dict[str, Count] = Field(default_factory=dict, examples=["{h100-sxm-80gb: 16}"])
    """How many GPUs of a kind can be had; no limit for those not named."""
    minimise: Minimised = "cost"
    """What makes one certified fleet better than another."""


class Scenario(Part):
    """One question: this traffic, this replica, these failures, this promise."""

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    horizon_s: Annotated[PositiveSeconds, Field(examples=["5min"])]
    """One SLA period: what one replication simulates and one verdict judges."""
    preroll_s: SomeSeconds = 60.0
    """Simulated before the period so that it starts from a working fleet; not counted."""
    drain_s: SomeSeconds = 300.0
    """Traffic goes on this long at most until every counted request has ended."""
    starts_at: WeekTime | None = Field(None, examples=["Tue 09:30"])
    """When in the week a period starts, for daily and weekly profiles of traffic; `random`: at any
    time, anew in every replication."""
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 0
    catalogue: tuple[str, ...] = ()
    """Your own files of GPUs, models and engines, beside the built-in ones."""
    model: Annotated[Model, BeforeValidator(model_reference), WithJsonSchema({"type": "string"})]
    replica: Replica
    latency: Latency | None = None
    """The step time of the replica, where it is not left to physics: given outright, or a profile
    that `fleetcast calibrate` wrote."""
    traffic: Annotated[tuple[Traffic, ...], Field(min_length=1)]
    fleet: Fleet
    clients: Clients = Clients()
    failures: Failures | None = None
    sla: Sla | None = Field(
        None, examples=["{probability: 0.95, objectives: [ttft p95 <= 500ms, error_rate <= 0.1%]}"]
    )
    plan: PlanBounds | None = Field(None, examples=["{replicas: 1..16}"])
    price: Price | None = Field(None, examples=["{h100-sxm-80gb: 2.95 USD/h}"])
    """What a GPU of each kind in use costs; `replica.purchase` says which of its prices is paid."""
    energy: Energy | None = None
    uncertain: dict[str, Spread] | None = Field(
        None, examples=["{traffic.0.arrivals.rate: {within: 20%}, step_time: calibrated}"]
    )
    """Numbers of traffic, clients, failures, latency and cold start that are drawn anew for each
    period, by their paths; `rate: {around: 30/s, within: 20%}` says the same where the number
    stands. `step_time` is a factor on the step time of every pool."""

    @model_validator(mode="after")
    def group_names_differ(self) -> Self:
        names = [group.name for group in self.traffic]
        if len(set(names)) < len(names):
            raise PydanticCustomError(
                "quantity", "two traffic groups of one name", {"allowed": "names that differ"}
            )
        return self

    @model_validator(mode="after")
    def profiles_know_the_time(self) -> Self:
        for group, traffic in enumerate(self.traffic):
            modulation = getattr(traffic.arrivals, "modulation", ())
            for index, part in enumerate(modulation):
                if self.starts_at is None and part.kind in CALENDAR:
                    raise PydanticCustomError(
                        "quantity",
                        "a profile of the day or week, and no time at which a period starts",
                        {
                            "allowed": "`starts_at: Tue 09:30`, or `starts_at: random`",
                            "at": ["traffic", group, "arrivals", "modulation", index],
                        },
                    )
        return self

    @model_validator(mode="after")
    def objectives_of_classes_that_exist(self) -> Self:
        classes = sorted({group.sla_class for group in self.traffic if group.sla_class})
        for index, objective in enumerate(self.sla.objectives if self.sla else ()):
            if objective.sla_class is not None and objective.sla_class not in classes:
                raise PydanticCustomError(
                    "quantity",
                    "for a class that no traffic has",
                    {
                        "allowed": "for " + (" or ".join(classes) or "the `sla_class` of traffic"),
                        "at": ["sla", "objectives", index],
                    },
                )
        return self

    @model_validator(mode="after")
    def parts_agree(self) -> Self:
        """See scenarios/agreement.py."""
        buckets_of_classes_that_exist(self.fleet, self.traffic)
        buckets_are_shed_alike(self.fleet, self.traffic)
        schedule_knows_the_time(self.fleet, self.starts_at)
        breaker_has_something_to_count(self.fleet, self.clients)
        if self.failures is not None:
            rollout_within_the_period(self.failures, self.horizon_s)
            faults_of_hardware_that_exists(self.failures, self.fleet.topology)
        zones_are_reached(self.fleet.topology)
        racks_hold_a_replica(self.fleet, self.replica)
        fleet_has_room(self.fleet, self.replica, self.plan.replicas[1] if self.plan else 0)
        return self

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The promises, those of one SLA class with the traffic groups they speak of."""
        promised = self.sla.objectives if self.sla else ()
        return tuple(
            one._replace(
                groups=frozenset(
                    index
                    for index, group in enumerate(self.traffic)
                    if group.sla_class == one.sla_class
                )
            )
            if one.sla_class
            else one
            for one in promised
        )

    @property
    def gpus_per_replica(self) -> int:
        return self.replica.gpus

    @property
    def cold_start(self) -> ColdStart | WholeStart:
        """How replicas start: the fleet's phases, or the one time of `failures.replica`."""
        replica = self.failures.replica if self.failures else None
        if replica is None or replica.cold_start_s is None:
            return self.fleet.cold_start
        given = FixedTime.model_construct(fixed_s=replica.cold_start_s)
        return WholeStart.model_construct(total=given)

    def bytes_to_load(self, replica: Replica) -> float:
        """Weights that each node of a replica reads when it starts."""
        nodes = math.ceil(replica.gpus / self.fleet.topology.gpus_per_node)
        return weight_bytes(self.model, replica.precision) / nodes

    @cached_property
    def hash(self) -> str:
        """Identity: sha256 over every fact; of files the bytes and not the place. Plans ask for it
        with every run."""
        data = placeless(self.as_yaml_data())
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic does, which would copy the hash as well."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("hash", None)
        return copy


def placeless(data: Any) -> Any:
    """The same without the paths of files whose bytes it knows."""
    if isinstance(data, list):
        return [placeless(item) for item in data]
    if not isinstance(data, dict):
        return data
    known = "sha256" in data
    return {k: placeless(v) for k, v in data.items() if not (known and k == "path")}
