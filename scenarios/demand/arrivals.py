"""When requests (or sessions) arrive."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from scenarios.demand.counts import ConstantDuration, Counts, Durations
from scenarios.demand.lengths import Cv, FileReference
from scenarios.demand.modulation import Modulation
from scenarios.demand.users import UserDemand
from scenarios.part import Part
from scenarios.units import (
    Count,
    Interval,
    PositiveRate,
    PositiveSeconds,
    Seconds,
    Share,
    SomeSeconds,
)

CLIENTS_MAX = 100_000


class RateChange(Part):
    """From `at` (0 = start of the period) on, the rate is `rate`."""

    at_s: Annotated[Seconds, Field(ge=0)]
    rate_per_s: PositiveRate


class OpenArrivals(Part):
    """Arrivals that do not wait for answers, at `rate`."""

    rate_per_s: Annotated[PositiveRate, Field(examples=["20/s"])]
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
        given = data.get("rate", data.get("rate_per_s"))
        try:
            users = UserDemand.model_validate(data["users"])
        except ValidationError:
            # Its faults are told with their own places, when the fields are looked at.
            return data if given is not None else data | {"rate": "1/s"}
        said = f"{users.rate_per_s!r}/s"
        if given not in (None, said, users.rate_per_s):
            raise PydanticCustomError(
                "quantity",
                "rate beside users",
                {
                    "allowed": f"one of the two: these users ask at {users.rate_per_s:.6g}/s",
                    "at": ["rate"],
                },
            )
        return {key: value for key, value in data.items() if key != "rate_per_s"} | {"rate": said}


class Renewal(OpenArrivals):
    """Independent gaps."""

    batch: Counts | None = None
    """Requests that come at the same instant; `rate` counts them all."""

    @model_validator(mode="after")
    def batches_of_somebody(self) -> Self:
        if self.batch is not None and self.batch.fewest < 1:
            raise PydanticCustomError(
                "quantity", "batches of nobody", {"allowed": "counts from 1 on", "at": ["batch"]}
            )
        return self


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
    on_s: Interval
    """Mean time on."""
    off_s: Interval
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
            raise PydanticCustomError(
                "quantity", "all levels are 0", {"allowed": "one above 0", "at": ["states"]}
            )
        for index, state in enumerate(self.states):
            follow = state.next
            if follow is not None and (
                len(follow) != len(self.states) or follow[index] or sum(follow) <= 0
            ):
                raise PydanticCustomError(
                    "quantity",
                    "weights that do not fit the states",
                    {
                        "allowed": f"{len(self.states)} weights, 0 for state {index} itself, "
                        "another one above 0",
                        "at": ["states", index, "next"],
                    },
                )
        for index in range(len(self.states)):
            if missed := set(range(len(self.states))) - self.reached_from(index):
                raise PydanticCustomError(
                    "quantity",
                    f"states that fall apart: {min(missed)} never follows {index}",
                    {"allowed": "weights by which each leads to all others", "at": ["states"]},
                )
        return self

    def reached_from(self, index: int) -> set[int]:
        """The states that may come after this one, sooner or later."""
        reached: set[int] = set()
        ahead = [index]
        while ahead:
            at = ahead.pop()
            follow = self.states[at].next or [other != at for other in range(len(self.states))]
            found = {other for other, weight in enumerate(follow) if weight} - reached
            reached |= found
            ahead += found
        return reached


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
                "quantity", "below cv", {"allowed": "a cv_p95 of at least cv", "at": ["cv_p95"]}
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
                "quantity", "not after from", {"allowed": "from < until", "at": ["until"]}
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
    loop: StrictBool = False
    """With `order: recorded`: begin again where the trace ends, and let it have gone on before the
    period. Otherwise nothing comes before the period, and the trace must last as long as it."""

    @model_validator(mode="after")
    def blocks_have_no_end(self) -> Self:
        if self.loop and self.order == "blocks":
            raise PydanticCustomError(
                "quantity",
                "loop with blocks, which always begin again",
                {"allowed": "`order: recorded` beside it", "at": ["loop"]},
            )
        return self


class ServegenArrivals(Replay):
    """ServeGen's clients: rate and burstiness of each in windows of 10 minutes, from its own files
    (a folder of `chunk-N-trace.csv` and `chunk-N-dataset.json`, or the clients as Parquet). With
    lengths of kind `trace` each client asks as recorded; one whose lengths were not recorded asks
    like another one, drawn anew in every replication."""

    kind: Literal["servegen"]
    lengths_file: FileReference | None = None
    """Length quantiles per client, where they are not in the folder."""
    random_start: StrictBool = True
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
