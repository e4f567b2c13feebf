"""A door for routers and admission rules of your own, written in plain Python.

A rule is a function in a file, named in the scenario as `router: my_rules.py:choose` or
`admission: my_rules.py:admit`. It is called once per arrival (and per re-routed request) with the
request and the replicas as they are at that instant. That costs microseconds per request where the
built-in rules cost nanoseconds: `make bench` prints the price on your machine.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class RuleError(ValueError):
    """A rule that cannot be used, or answered what makes no sense; the message says which."""


class RequestView(NamedTuple):
    """What a rule may know of the request."""

    row: int
    now_s: float
    group: int
    """Index of its traffic group in the scenario."""
    input_tokens: int
    output_tokens: int
    """The true length, which a real router would not know: use with care."""
    priority: int
    retries: int


class ReplicaView(NamedTuple):
    """What a rule may know of a replica. Only replicas that are routable and can hold the request
    are shown, by id."""

    id: int
    pool: int
    outstanding: int
    """Running and waiting requests."""
    waiting: int
    kv_used: float
    """Share of KV blocks in use."""
    cached_tokens: int
    """Tokens of this request's prompt that are resident in the prefix cache."""


RoutingRule = Callable[[RequestView, Sequence[ReplicaView]], int | None]
"""The id of the chosen replica, or None to reject the request. Not called without replicas."""

AdmissionRule = Callable[[RequestView, Sequence[ReplicaView]], bool]
"""Whether to let the request in; False rejects it. Called before routing, with the same views,
which may be empty."""
