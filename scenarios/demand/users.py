"""Demand as people know it of their application: users and what they do."""

from typing import Annotated, Self

from pydantic import Field, StrictFloat, model_validator
from pydantic_core import PydanticCustomError

from scenarios.part import Part
from scenarios.units import PositiveRate, Share, Whole

People = Annotated[Whole, Field(ge=1, le=10**10)]


class UserDemand(Part):
    """Users, how many of them are there at once, and how often each asks."""

    registered: People | None = None
    concurrent_share: Annotated[Share, Field(gt=0, le=1)] | None = None
    """Of the registered, in an ordinary busy hour."""
    concurrent: People | None = None
    """In place of the two."""
    requests_per_user_per_s: PositiveRate | None = None
    """Of each concurrent user (of each registered one when nothing says how many are there)."""
    sessions_per_user_per_s: PositiveRate | None = None
    """In place of it, where the traffic has `sessions`."""
    peak_factor: Annotated[StrictFloat, Field(ge=1, le=1000)] = 1.0
    """The busiest minutes over that hour."""

    @model_validator(mode="after")
    def says_one_thing(self) -> Self:
        if (self.concurrent is None) == (self.registered is None) or (
            self.concurrent_share is not None and self.registered is None
        ):
            allowed = "`registered` (and `concurrent_share`), or `concurrent`"
            raise PydanticCustomError("quantity", "how many users?", {"allowed": allowed})
        if (self.requests_per_user_per_s is None) == (self.sessions_per_user_per_s is None):
            allowed = "`requests_per_user` or `sessions_per_user`, such as 12/h"
            raise PydanticCustomError("quantity", "how often do they ask?", {"allowed": allowed})
        return self

    @property
    def rate_per_s(self) -> float:
        return self.people * self.per_user_per_s * self.peak_factor

    @property
    def people(self) -> float:
        """At once."""
        if self.concurrent is not None:
            return float(self.concurrent)
        assert self.registered is not None
        share = 1.0 if self.concurrent_share is None else self.concurrent_share
        return self.registered * share

    @property
    def per_user_per_s(self) -> float:
        rate = self.requests_per_user_per_s or self.sessions_per_user_per_s
        assert rate is not None
        return rate

    @property
    def conversion(self) -> str:
        """How the rate comes about, in words.

        >>> UserDemand(concurrent=2000, requests_per_user="12/h", peak_factor=2.5).conversion
        '2,000 users x 12 requests/h x peak factor 2.5 = 16.67 requests/s'
        """
        what = "requests" if self.requests_per_user_per_s else "sessions"
        people = f"{self.people:,.0f} users"
        if self.registered is not None:
            people = f"{self.registered:,} users"
            if self.concurrent_share is not None:
                people += f" x {100 * self.concurrent_share:.4g}% at once"
        peak = f" x peak factor {self.peak_factor:g}" if self.peak_factor != 1 else ""
        return (
            f"{people} x {self.per_user_per_s * 3600:.4g} {what}/h{peak} "
            f"= {self.rate_per_s:.4g} {what}/s"
        )
