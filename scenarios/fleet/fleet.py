"""What a file may say about the fleet: how many replicas, and what stands in front of them."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from scenarios.faults import refuse
from scenarios.fleet.admission import Bucket, Shedding
from scenarios.fleet.cold_start import AnyColdStart
from scenarios.fleet.replica import Replica
from scenarios.fleet.routing import A_FUNCTION, Breaker, HealthChecks, PythonRule, Router
from scenarios.fleet.scaling import Autoscaling
from scenarios.fleet.topology import Topology
from scenarios.latency import Latency
from scenarios.part import Part
from scenarios.references import function_reference
from scenarios.units import Count, Whole


class OtherPool(Part):
    """Replicas of another kind beside the main ones, serving the same model and traffic."""

    name: Annotated[str, Field(min_length=1)]
    replicas: Annotated[Whole, Field(ge=0, lt=2**31)]
    """How many, always: autoscaling does not change them. 0: as if the pool were not there."""
    replica: Replica
    latency: Latency | None = None
    """The step time of this pool; the scenario's own `latency` is the main pool's."""


class Fleet(Part):
    """Our choice: how many replicas, of one kind or several, stand behind one router."""

    replicas: Count
    """Size of the main pool, which `plan` searches; with autoscaling, the size it starts with."""
    router: Router = "least-outstanding"
    """Which replica a request goes to: a rule by name, or a function of your own as
    `my_rules.py:choose`, its file beside the scenario."""
    admission: (
        Annotated[
            PythonRule, BeforeValidator(function_reference()), WithJsonSchema(dict(A_FUNCTION))
        ]
        | None
    ) = None
    """A function of your own, `my_rules.py:admit`, that rejects requests at arrival."""
    queue_limit: Count | None = None
    """Requests that may wait at one replica before a further one sent there is rejected; no limit
    when not given."""
    buckets: tuple[Bucket, ...] = ()
    """Rates beyond which requests of a class are rejected."""
    shedding: Shedding | None = None
    """Rejecting the lowest class first when the fleet is loaded; never when not given."""
    others: Annotated[tuple[OtherPool, ...], Field(max_length=7)] = ()
    """Further pools of replicas behind the same router, seven at most."""
    autoscaling: Autoscaling | None = None
    topology: Topology = Topology()
    """Where replicas stand: what fails together."""
    cold_start: AnyColdStart = Field(default_factory=dict, validate_default=True)
    """How long a start takes: phases (the catalogue's, unless given), or one time."""
    health_checks: HealthChecks | None = None
    """Beside the `detection` of each fault, whichever is first; none when not given."""
    breaker: Breaker | None = None
    """Circuit breaking, with `clients.first_token_timeout`; none when not given."""

    @field_validator("others", mode="after")
    @classmethod
    def pools_of_somebody(cls, others: tuple[OtherPool, ...]) -> tuple[OtherPool, ...]:
        return tuple(pool for pool in others if pool.replicas > 0)

    @model_validator(mode="after")
    def pool_names_differ(self) -> Self:
        names = [pool.name for pool in self.others]
        if len(set(names)) < len(names):
            raise refuse("two pools of one name", "names that differ")
        return self

    @model_validator(mode="after")
    def starts_within_its_range(self) -> Self:
        if self.autoscaling is not None:
            first, last = self.autoscaling.replicas
            if not first <= self.replicas <= last:
                raise refuse(
                    "replicas outside autoscaling.replicas",
                    f"replicas from {first} to {last}, the size it starts with",
                )
        return self

    @model_validator(mode="after")
    def one_bucket_a_class(self) -> Self:
        classes = [bucket.for_class for bucket in self.buckets]
        if len(set(classes)) < len(classes):
            raise refuse("two buckets of one class", "classes that differ", "buckets")
        return self

    def of_size(self, replicas: int) -> "Fleet":
        """The same with so many replicas in the main pool; with autoscaling, so many at least."""
        if self.autoscaling is None:
            return self.model_copy(update={"replicas": replicas})
        _, most = self.autoscaling.replicas
        scaling = self.autoscaling.model_copy(update={"replicas": (replicas, most)})
        start = max(self.replicas, replicas)
        return self.model_copy(update={"replicas": start, "autoscaling": scaling})
