"""What a file may say about the clients: their patience, and when they send a request again."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.units import Count, Interval, PositiveSeconds, Share, SomeSeconds, Whole

Reason = Literal["failure", "rejection", "timeout"]
WAIT_LEAST_S = 1e-3
"""A request that is sent again without a wait could be turned away for ever at one instant."""


class Backoff(Part):
    """The wait before a retry: `first`, then twice as long each time, `most` at most."""

    first_s: SomeSeconds = 0.0
    """Before the first retry; with 0 a request of a failed replica is sent again at once."""
    most_s: SomeSeconds = 30.0
    jitter: Annotated[Share, Field(ge=0, le=1)] = 0.0
    """Up to this share of each wait is taken off at random: 100% is "full jitter"."""

    @model_validator(mode="after")
    def first_within_most(self) -> Self:
        if self.first_s > self.most_s:
            raise refuse("first above most", "first <= most", "first")
        return self


class RetryBudget(Part):
    """Retries are at most a share of requests, so that a failure makes no storm of them."""

    share: Annotated[Share, Field(gt=0, le=1)] = 0.2
    """Of a retry that each request adds to the budget. Default: Finagle's."""
    burst: Annotated[Count, Field(le=1_000_000)] = 10
    """Most retries that are saved up, and those there are at first."""


class Hedge(Part):
    """A second copy of a request whose first token is late; the first answer counts."""

    after_s: Interval


class Clients(Part):
    """How long callers wait, and when they send a request again."""

    timeout_s: PositiveSeconds = 300.0
    """Their patience: from the first sending to the last token, retries included."""
    retries: Annotated[Whole, Field(ge=0)] = 3
    """Most times that a request is sent again."""
    first_token_timeout_s: Interval | None = None
    """Of one attempt: without a first token for so long they hang up on it."""
    retry_on: tuple[Reason, ...] = ("failure",)
    """Why they send a request again: its replica is gone, it was turned away, no first token."""
    backoff: Backoff = Backoff()
    retry_budget: RetryBudget | None = None
    """No limit beside `retries` when not given."""
    hedge: Hedge | None = None
    """No copies when not given."""

    @model_validator(mode="after")
    def reasons_differ(self) -> Self:
        if len(set(self.retry_on)) < len(self.retry_on):
            raise refuse("the same reason twice", "reasons that differ", "retry_on")
        return self

    @model_validator(mode="after")
    def retries_wait(self) -> Self:
        others = [reason for reason in self.retry_on if reason != "failure"]
        if others and self.backoff.first_s < WAIT_LEAST_S:
            raise refuse(
                f"retries on {others[0]} without a wait",
                "`backoff: {first: 100ms}`, 1ms or more",
                "retry_on",
            )
        return self

    @model_validator(mode="after")
    def timeouts_there_to_retry_on(self) -> Self:
        if "timeout" in self.retry_on and self.first_token_timeout_s is None:
            raise refuse(
                "retries on timeout, and no timeout of an attempt",
                "`first_token_timeout: 10s` beside it",
                "retry_on",
            )
        return self

    @model_validator(mode="after")
    def attempts_within_patience(self) -> Self:
        first_s = self.first_token_timeout_s
        if first_s is not None and first_s > self.timeout_s:
            raise refuse(
                "later than the clients' patience ends",
                f"at most `timeout`, {self.timeout_s:g}s",
                "first_token_timeout",
            )
        ends_s = self.timeout_s if first_s is None else first_s
        if self.hedge is not None and self.hedge.after_s >= ends_s:
            raise refuse(
                "later than an attempt without a first token lasts",
                f"below {ends_s:g}s",
                *("hedge", "after"),
            )
        return self
