"""What a file may say about the router: its rule, and how it learns that a replica is gone."""

from pathlib import PurePath
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from scenarios.part import Part
from scenarios.references import function_reference
from scenarios.units import Count, Interval, Share, SomeSeconds


class PythonRule(Part):
    """A function of the user's own; its file's bytes, not its place, are part of the scenario's
    identity. See `simulator/rules.py`."""

    path: str
    function: str
    sha256: str

    def __str__(self) -> str:
        """As a scenario names it: `my_rules.py:choose`."""
        return f"{PurePath(self.path).name}:{self.function}"


RouterName = Literal[
    "round-robin", "random", "power-of-two", "least-outstanding", "least-kv", "prefix-aware"
]
A_FUNCTION = {"type": "string", "pattern": r"^.+:[^\W\d]\w*$"}

Router = Annotated[
    Annotated[RouterName, Tag("RouterName")] | Annotated[PythonRule, Tag("PythonRule")],
    Discriminator(lambda value: "RouterName" if isinstance(value, str) else "PythonRule"),
    BeforeValidator(function_reference(*get_args(RouterName))),
    WithJsonSchema({"anyOf": [{"enum": list(get_args(RouterName))}, A_FUNCTION]}),
]


class HealthChecks(Part):
    """The router asks every replica's `/health`; `threshold` failures in a row and it is out.

    Their first instant differs from replica to replica. A hung engine can go on answering.
    """

    period_s: Interval = 10.0
    """Default: Kubernetes' readiness probe, as its threshold and timeout are."""
    threshold: Count = 3
    timeout_s: SomeSeconds = 1.0
    """Until one check counts as failed."""


class Breaker(Part):
    """The router stops sending to a replica whose requests hang up for want of a first token."""

    failures: Count = 5
    """First-token timeouts of a replica, none of its requests getting a token in between."""
    eject_s: Interval = 30.0
    """How long it gets nothing new."""
    at_most: Annotated[Share, Field(gt=0, le=1)] = 0.5
    """Share of all replicas that may be ejected at once; of those an autoscaler may have, too."""
