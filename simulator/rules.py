"""A door for routers and admission rules of your own, written in plain Python.

A rule is a function in a file, named in the scenario as `router: my_rules.py:choose` or
`admission: my_rules.py:admit`. It is called once per arrival (and per re-routed request) with the
request and the replicas as they are at that instant. That costs microseconds per request where the
built-in rules cost nanoseconds: `make bench` prints the price on your machine.
"""

import hashlib
import traceback
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

from scenarios.fleet import PythonRule


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


def load_rule(rule: PythonRule) -> Callable[..., Any]:
    """The function that a scenario names; its file is run for that.

    What goes wrong in it, then or when it is called, is told as a RuleError with file and line; so
    is a file that is no longer the one that the scenario was loaded with.
    """
    try:
        content = Path(rule.path).read_bytes()
    except OSError as error:
        raise RuleError(f"{rule.path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != rule.sha256:
        raise RuleError(f"{rule.path} has changed since the scenario was loaded")
    spec = spec_from_file_location(f"fleetcast_rule_{rule.sha256[:12]}", rule.path)
    assert spec and spec.loader, "a path that ends in .py"
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise told(error, rule) from error
    function = getattr(module, rule.function)

    def ask(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (Exception, SystemExit) as error:
            raise told(error, rule) from error

    ask.__name__ = str(rule)
    return ask


def told(error: BaseException, rule: PythonRule) -> RuleError:
    """An error in a user's file, with the last line of it that took part."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == rule.path]
    place = f"{rule.path}:{lines[-1]}" if lines else rule.path
    return RuleError(f"{place}: {type(error).__name__} in {rule.function}: {error}")
