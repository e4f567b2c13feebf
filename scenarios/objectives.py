"""What the operator promises: 'ttft p95 <= 500ms', 'error_rate <= 0.1%', 'goodput >= 99%'.

Meanings (one SLA period, every request that arrives in it; a rejected, timed-out, lost or
unfinished request counts as an infinite latency):
  ttft          arrival at the router to first token, queue and retries included
  tpot          (last token - first token) / (output tokens - 1) of one request
  itl           gaps between tokens, pooled over the period's decode steps
  e2e           arrival to last token
  error_rate    share of offered requests that did not complete
  goodput       share of offered requests that complete within the limit of every percentile of
                ttft, tpot and e2e among the objectives
  availability  share of one-minute windows whose error rate keeps the error_rate objective, or is
                at most 1 % without one

'... for CLASS' speaks of the requests of one SLA class only (`sla_class` of traffic groups).
"""

import difflib
import re
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from scenarios.units import NUMBER, SHARE, TIME_S, parse_quantity

LATENCIES = ("ttft", "tpot", "itl", "e2e")
SHARES_AT_MOST = ("error_rate",)
SHARES_AT_LEAST = ("goodput", "availability")
METRICS = LATENCIES + SHARES_AT_MOST + SHARES_AT_LEAST

EXAMPLE = "ttft p95 <= 500ms, itl mean <= 40ms, error_rate <= 0.1%, goodput >= 99%"


class Objective(NamedTuple):
    """One promise about one period. `limit` is in seconds for latencies, else a share."""

    metric: str
    share: Fraction | None
    """p95 -> 19/20; None for a mean and for metrics that are shares themselves."""
    relation: Literal["<=", ">="]
    limit: float
    text: str
    sla_class: str | None = None
    groups: frozenset[int] | None = None
    """Positions of the traffic groups of that class, once a scenario is known; None: all."""

    @property
    def is_latency(self) -> bool:
        return self.metric in LATENCIES


def promise(objective: str) -> tuple[str, str]:
    """What an objective is about, and what it promises.

    >>> promise("ttft p95 <= 500ms for chat"), promise("goodput >= 99%")
    (('ttft p95 for chat', '<= 500ms'), ('goodput', '>= 99%'))
    """
    found = re.fullmatch(r"(.+?) *([<>]=) *(\S+)(.*)", objective)
    return (found[1] + found[4], f"{found[2]} {found[3]}") if found else (objective, "")


def allowed_violations(requests: int, share: Fraction) -> int:
    """How many of `requests` may miss a limit promised to `share` of them: floor((1-share) N).

    >>> allowed_violations(3600, Fraction(95, 100)), allowed_violations(19, Fraction(95, 100))
    (180, 0)
    """
    return (requests * (share.denominator - share.numerator)) // share.denominator


def parse_objective(text: Any) -> Objective:
    """The objective written as METRIC [pNN | mean] RELATION LIMIT [for CLASS].

    Raises PydanticCustomError naming the part that is wrong and what is allowed there.

    >>> parse_objective("ttft p99.9 <= 2s").share
    Fraction(999, 1000)
    """
    if isinstance(text, Objective):
        return text
    whole, of_class = text, None
    if isinstance(text, str) and (match := re.fullmatch(r"(.*?)\s+for\s+(\S+)\s*", text)):
        text, of_class = match.groups()
    objective = parse_promise(text)
    if of_class is None:
        return objective
    if objective.metric == "itl":
        raise refuse("itl of all requests: gaps between tokens are pooled; tpot may have a class")
    return objective._replace(text=whole.strip(), sla_class=of_class)


def parse_promise(text: Any) -> Objective:
    """An objective without a class."""
    pattern = rf"\s*(\w+)(?:\s+(p\d+(?:\.\d+)?|mean))?\s*(<=|>=)\s*({NUMBER}\s*\S+)\s*"
    match = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if match is None:
        raise refuse("METRIC [pNN | mean] <= LIMIT [for CLASS], such as " + EXAMPLE)
    metric, statistic, relation, limit = match.groups()
    if metric not in METRICS:
        raise refuse("one of the metrics " + ", ".join(METRICS), near=metric)
    if metric in LATENCIES:
        return latency_objective(text, metric, statistic, relation, limit)
    expected: Literal["<=", ">="] = ">=" if metric in SHARES_AT_LEAST else "<="
    if statistic is not None or relation != expected:
        example = "99%" if expected == ">=" else "0.1%"
        raise refuse(f"{metric} {expected} a share, such as `{metric} {expected} {example}`")
    promised = parse_quantity(limit, SHARE, "a share such as 0.1%")
    if not 0 <= promised <= 1:
        raise refuse("a share from 0% to 100%")
    return Objective(metric, None, expected, promised, text.strip())


def latency_objective(
    text: str, metric: str, statistic: str | None, relation: str, limit: str
) -> Objective:
    if statistic is None:
        raise refuse(
            f"which share of requests? `{metric} p95 <= {limit}` or `{metric} mean <= ...`"
        )
    if relation != "<=":
        raise refuse(f"a latency is promised from above: `{metric} {statistic} <= {limit}`")
    share = None if statistic == "mean" else Fraction(statistic[1:]) / 100
    if share is not None and not 0 < share < 1:
        raise refuse("a percentile above p0 and below p100, such as p95 or p99.9")
    limit_s = parse_quantity(limit, TIME_S, "a time such as 500ms")
    if limit_s <= 0:
        raise refuse("a time above zero")
    return Objective(metric, share, "<=", limit_s, text.strip())


def refuse(allowed: str, near: str | None = None) -> PydanticCustomError:
    context = {"allowed": allowed}
    close = difflib.get_close_matches(near or "", METRICS, 1)
    if close:
        context["suggestion"] = close[0]
    return PydanticCustomError("quantity", "not an objective", context)


ObjectiveText = Annotated[
    Objective,
    PlainValidator(parse_objective),
    PlainSerializer(lambda objective: objective.text, return_type=str),
    WithJsonSchema({"type": "string", "examples": EXAMPLE.split(", ")}),
]
