"""When requests (or sessions) arrive."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictFloat, model_validator
from pydantic_core import PydanticCustomError

from scenarios.demand.counts import ConstantDuration, Counts, Durations
from scenarios.demand.lengths import Cv, FileReference
from scenarios.demand.modulation import Modulation
from scenarios.demand.users import UserDemand
from scenarios.part import Part
from scenarios.units import Count, Interval, PerSecond, PositiveSeconds, Seconds, Share, SomeSeconds

PositiveRate = Annotated[PerSecond, Field(gt=0)]
CLIENTS_MAX = 100_000


class RateChange(Part):
    """From `at` (0 = start of the period) on, the rate is `rate`."""

    at_s: Annotated[Seconds, Field(ge=0)]
    rate_per_s: PositiveRate


class OpenArrivals(Part):
    """Arrivals that do not wait for answers, at `rate`."""

    rate_per_s: PositiveRate
    """Mean rate of requests (of session starts where there are `sessions`)."""
    users: UserDemand | None = None
    """In place of `rate`: what people know of their application, converted."""
    rate_table: tuple[RateChange, ...] = ()
    modulation: tuple[Modulation, ...] = ()
    """Factors over time that multiply the rate, and each other."""

    @model_validator(mode="before")
    @classmethod
    def rate_from_users(cls, data: Any) -> Any:
        """`users` say the rate; with both, they must agree (a manifest carries both)."""
        if not isinstance(data, dict) or data.get("users") is None:
            return data
        users = UserDemand.model_validate(data["users"])
        given = data.get("rate", data.get("rate_per_s"))
        said = f"{users.rate_per_s!r}/s"
        if given not in (None, said, users.rate_per_s):
            raise PydanticCustomError(
                "quantity", "rate and users", {"allowed": f"one of the two: users say {said}"}
            )
        return {key: value for key, value in data.items() if key != "rate_per_s"} | {"rate": said}


class Renewal(OpenArrivals):
    """Independent gaps."""

    batch: Counts | None = None
    """Requests that come at the same instant; `rate` counts them all."""


class ConstantArrivals(Renewal):
    """Evenly spaced: every gap is 1/rate."""

    kind: Literal["constant"]


class PoissonArrivals(Renewal):
    """Independent arrivals: exponential gaps."""

    kind: Literal["poisson"]


class GammaArrivals(Renewal):
    """Gamma gaps with coefficient of variation `cv`; 1 is Poisson, above 1 is bursty."""

    kind: Literal["gamma"]
    cv: Cv


class WeibullArrivals(Renewal):
    """Weibull gaps with coefficient of variation `cv`; heavier tails than gamma above 1."""

    kind: Literal["weibull"]
    cv: Cv


class OnOffArrivals(Renewal):
    """Bursts: gamma gaps while on, nothing while off; times on and off are exponential. `rate` is
    the mean over both. With cv 1 an interrupted Poisson process."""

    kind: Literal["on-off"]
    on_s: PositiveSeconds
    """Mean time on."""
    off_s: PositiveSeconds
    """Mean time off."""
    cv: Cv = 1.0
    """Of the gaps while on."""


class ArrivalState(Part):
    """One state of a Markov-modulated process."""

    level: Annotated[StrictFloat, Field(ge=0)]
    """Rate in this state, relative to the other states."""
    lasts_s: Interval
    """Mean of an exponential stay."""
    next: tuple[Annotated[StrictFloat, Field(ge=0)], ...] | None = None
    """Weights of the states that may follow, in order (its own must be 0); when not given, all
    others are equally likely."""


class MarkovArrivals(Renewal):
    """Markov-modulated Poisson: a hidden state, changing at random, sets the rate."""

    kind: Literal["mmpp"]
    states: Annotated[tuple[ArrivalState, ...], Field(min_length=2, max_length=50)]

    @model_validator(mode="after")
    def states_make_a_chain(self) -> Self:
        if not any(state.level for state in self.states):
            raise PydanticCustomError("quantity", "all levels are 0", {"allowed": "one above 0"})
        for index, state in enumerate(self.states):
            follow = state.next
            if follow is None:
                continue
            if len(follow) != len(self.states) or follow[index] or sum(follow) <= 0:
                allowed = f"{len(self.states)} weights, not all zero, 0 for the state itself"
                raise PydanticCustomError(
                    "quantity", "weights of next states do not fit", {"allowed": allowed}
                )
        return self


class PopulationArrivals(OpenArrivals):
    """Many clients, each with its own rate, burstiness and hours.

    Source: ServeGen (2025): a few clients carry most of the load, and their coming and going makes
    the steps that smooth processes lack.
    """

    kind: Literal["population"]
    clients: Annotated[Count, Field(le=CLIENTS_MAX)]
    zipf: Annotated[StrictFloat, Field(ge=0, le=20)] = 1.0
    """The k-th client has a share of the rate proportional to 1/k^zipf."""
    family: Literal["gamma", "weibull"] = "gamma"
    """Of the gaps of one client."""
    cv: Cv = 1.0
    """Coefficient of variation of a client's gaps: the median over clients ..."""
    cv_p95: Cv | None = None
    """... and its 95th percentile (lognormal); the same for all when not given."""
    active_share: Annotated[Share, Field(gt=0, le=1)] = 1.0
    """Of windows in which a client is active; its rate is the higher while it is."""
    window_s: Interval = 600.0
    length_sigma: Annotated[StrictFloat, Field(ge=0, le=3)] = 0.0
    """Spread between clients: each multiplies all its lengths by a lognormal factor of median 1
    with this standard deviation of the logarithm, one for prompts and one for answers."""

    @model_validator(mode="after")
    def cv_in_order(self) -> Self:
        if self.cv_p95 is not None and self.cv_p95 < self.cv:
            raise PydanticCustomError(
                "quantity", "cv_p95 below cv", {"allowed": "a cv_p95 of at least cv"}
            )
        return self


class Replay(Part):
    """How much of a recording is used, and how."""

    file: FileReference
    rate_scale: Annotated[StrictFloat, Field(gt=0, le=1000)] = 1.0
    """Below 1 rows are thinned out, above 1 independent windows are laid over each other."""
    from_s: SomeSeconds = 0.0
    """The part of the recording that is used begins here ..."""
    until_s: PositiveSeconds | None = None
    """... and ends here; its own end when not given."""

    @model_validator(mode="after")
    def window_in_order(self) -> Self:
        if self.until_s is not None and self.until_s <= self.from_s:
            raise PydanticCustomError(
                "quantity", "until not after from", {"allowed": "from < until"}
            )
        return self


class TraceArrivals(Replay):
    """Windows of a recorded trace, drawn anew in every replication (circular block bootstrap).

    Source: Politis and Romano 1992, 'A circular block-resampling procedure'.
    """

    kind: Literal["trace"]
    block_s: Annotated[Seconds, Field(gt=0)] = 300.0
    """Length of one window. Bursts shorter than this are kept as recorded."""
    order: Literal["blocks", "recorded"] = "blocks"
    """`recorded` replays the trace as it is, from the start of the period on: every replication
    sees the same arrivals (but for thinning and the spreading of lumped timestamps)."""
    loop: bool = False
    """With `order: recorded`: begin again where the trace ends before the period does."""


class ServegenArrivals(Replay):
    """ServeGen's clients: rate and burstiness of each in windows of 10 minutes, from its own files
    (a folder of `chunk-N-trace.csv` and `chunk-N-dataset.json`, or the clients as Parquet)."""

    kind: Literal["servegen"]
    lengths_file: FileReference | None = None
    """Length quantiles per client, where they are not in the folder."""
    random_start: bool = True
    """The period starts at any window of the recording, anew in every replication."""


class ClosedArrivals(Part):
    """A closed loop: each of `clients` has one request, or one session, at a time. When it has
    ended the client pauses, then begins the next one."""

    kind: Literal["closed"]
    clients: Annotated[Count, Field(le=CLIENTS_MAX)]
    pause: Durations = ConstantDuration(kind="constant", time="0s")


Arrivals = Annotated[
    ConstantArrivals
    | PoissonArrivals
    | GammaArrivals
    | WeibullArrivals
    | OnOffArrivals
    | MarkovArrivals
    | PopulationArrivals
    | TraceArrivals
    | ServegenArrivals
    | ClosedArrivals,
    Field(discriminator="kind"),
]
