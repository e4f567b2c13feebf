"""What a file may say about a main pool that grows and shrinks, as Kubernetes and KEDA do it."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.times import Time
from scenarios.units import (
    Count,
    DayTime,
    Interval,
    PositiveRate,
    RangeFromZero,
    Share,
    SomeSeconds,
    Whole,
)

Metric = Literal["outstanding", "queue", "running", "kv", "rate", "ttft"]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
EVERY_DAY: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Positive = Annotated[StrictFloat, Field(gt=0)]


class Target(Part):
    """What one metric is to be: one key. Of several targets the one that asks for most counts."""

    short_forms: ClassVar[dict[str, str]] = {"outstanding": ""}

    outstanding: Positive | None = None
    """Requests running or waiting, per replica."""
    queue: Positive | None = None
    """Requests waiting, per replica."""
    running: Positive | None = None
    """Requests running, per replica."""
    kv: Annotated[Share, Field(gt=0, le=1)] | None = None
    """Share of KV blocks in use, mean over ready replicas."""
    rate_per_s: PositiveRate | None = None
    """Requests arriving, per replica."""
    ttft_s: Interval | None = None
    """Mean TTFT of the first tokens since the last look."""

    @model_validator(mode="after")
    def one_metric(self) -> Self:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise refuse(
                f"{len(given) or 'no'} metrics in one target",
                "one of outstanding, queue, running, kv, rate, ttft; list several",
            )
        if self.value < 0.001:
            raise refuse(
                "a target that Kubernetes cannot tell from zero: it counts in thousandths",
                "0.001 or more",
                self.metric,
            )
        return self

    @property
    def metric(self) -> Metric:
        """Which one."""
        names: dict[str, Metric] = {
            "outstanding": "outstanding", "queue": "queue", "running": "running", "kv": "kv",
            "rate_per_s": "rate", "ttft_s": "ttft",
        }  # fmt: skip
        return next(names[name] for name, value in self if value is not None)

    @property
    def value(self) -> float:
        """In requests, a share, per second or seconds."""
        return next(float(value) for _, value in self if value is not None)


class Policy(Part):
    """How far one change may go: so many replicas, or percent of them, within a period."""

    kind: Literal["pods", "percent"]
    value: Count
    period_s: Annotated[Interval, Field(le=1800)] = 15.0


class Behaviour(Part):
    """How fast the pool may follow its target in one direction."""

    stabilisation_s: Annotated[SomeSeconds, Field(le=3600)]
    """The most cautious of the sizes asked for within this time counts."""
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)]
    select: Literal["max", "min", "disabled"] = "max"
    """Which of the policies counts: the one that allows most, or least; disabled: no change."""


class ScaleUp(Behaviour):
    """How fast the pool may grow. Defaults: Kubernetes'."""

    stabilisation_s: Annotated[SomeSeconds, Field(le=3600)] = 0.0
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)] = (
        Policy(kind="percent", value=100),
        Policy(kind="pods", value=4),
    )


class ScaleDown(Behaviour):
    """How fast the pool may shrink. Defaults: Kubernetes'."""

    stabilisation_s: Annotated[SomeSeconds, Field(le=3600)] = 300.0
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)] = (
        Policy(kind="percent", value=100),
    )


class Window(Part):
    """Hours of the week with a minimum of replicas, as KEDA's cron trigger."""

    start_s: Annotated[DayTime, Field(examples=["08:00"])]
    end_s: Annotated[DayTime, Field(examples=["18:00"])]
    """Up to 24:00; an end before the start is one of the next day."""
    replicas: Count
    """At least so many, from start to end."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = EVERY_DAY
    """On which days it starts."""

    @model_validator(mode="after")
    def some_time_between(self) -> Self:
        if self.start_s == self.end_s:
            raise refuse(
                "a window of no time", "an end other than the start; all day: 00:00 to 24:00", "end"
            )
        return self


class Autoscaling(Part):
    """The main pool grows and shrinks with its load, as Kubernetes' horizontal pod autoscaler does:
    every `interval` it is set to the size at which its metrics would meet their targets, within
    the range."""

    short_forms: ClassVar[dict[str, str]] = {"targets": "target_outstanding"}

    replicas: Annotated[RangeFromZero, Field(examples=["2..8"])]
    """Fewest and most replicas of the main pool; from 0: it is given up when nobody asks."""
    interval_s: Interval = 15.0
    """Between two decisions. Default: the sync period of Kubernetes' autoscaler."""
    targets: tuple[Target, ...] = Field((), examples=["[{outstanding: 20}]"])
    """Metrics and what they are to be; `target_outstanding: 20` stands for one. None with a
    `schedule` alone."""
    tolerance: Annotated[Share, Field(ge=0, lt=1)] = 0.1
    """A metric as near to its target as that asks for no change."""
    scale_up: ScaleUp = ScaleUp()
    scale_down: ScaleDown = ScaleDown()
    scrape_delay_s: SomeSeconds = 0.0
    """Metrics are as old as that when a decision is made."""
    schedule: tuple[Window, ...] = ()
    """Minima by the hour, each a metric like others: a minimum within the tolerance of what there
    is changes nothing. The scenario says `starts_at`."""
    poll_s: Interval = 30.0
    """With a range from 0: between two looks whether the pool is needed at all. Default: KEDA's."""
    cooldown_s: SomeSeconds = 300.0
    """With a range from 0: to no replicas only once no metric was above zero for so long. Default:
    KEDA's."""
    warm_pool: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    """Room for so many replicas, kept provisioned with all that an engine needs to start, paid for
    and filled up again: a replica that goes there needs a warm start only."""
    startup: Time | None = Field(None, examples=["3min"])
    """From the decision to add a replica until it serves; the phases of `fleet.cold_start` when not
    given."""

    @model_validator(mode="before")
    @classmethod
    def short_target(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "target_outstanding" not in given or "targets" in given:
            return given
        rest = {key: value for key, value in given.items() if key != "target_outstanding"}
        return rest | {"targets": [{"outstanding": given["target_outstanding"]}]}

    @model_validator(mode="after")
    def something_to_follow(self) -> Self:
        if not self.targets and not self.schedule:
            raise refuse("nothing to scale by", "`targets: [{outstanding: 20}]`, or a `schedule`")
        return self

    @model_validator(mode="after")
    def metrics_differ(self) -> Self:
        metrics = [target.metric for target in self.targets]
        if len(set(metrics)) < len(metrics):
            raise refuse("two targets of one metric", "metrics that differ", "targets")
        return self

    @model_validator(mode="after")
    def windows_within_the_range(self) -> Self:
        most = self.replicas[1]
        for index, window in enumerate(self.schedule):
            if window.replicas > most:
                raise refuse(
                    f"got {window.replicas}",
                    f"up to {most}, the most of `replicas`",
                    "schedule",
                    index,
                    "replicas",
                )
        return self
