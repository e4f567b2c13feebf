"""One group of requests: who sends them, when, how long they are and what they share."""

import math
from typing import Annotated, Any, Self

from pydantic import Field, StrictFloat, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from scenarios.demand.arrivals import Arrivals, OpenArrivals
from scenarios.demand.lengths import FromFile, FromTrace, Lengths, OwnLengths, Tokens
from scenarios.demand.presets import PresetName, with_preset
from scenarios.demand.sessions import Sessions
from scenarios.part import Part
from scenarios.units import Whole

PREFIX_TOKENS_MAX = 1 << 24
"""Longest prefix, of six at most: a request stays within 32 bits."""
VARIANTS_MAX = 1_000_000
CHAINS_MAX = 10**12
"""Different prefixes of one group: far above any number of requests, and numbers fit 64 bits."""


class Prefix(Part):
    """Tokens that prompts of a group have in common: a system prompt, a tool list, a document."""

    tokens: Annotated[Tokens, Field(le=PREFIX_TOKENS_MAX)]
    variants: Annotated[Whole, Field(ge=1, le=VARIANTS_MAX)] = 1
    """How many different ones there are; each request draws one."""
    zipf: Annotated[StrictFloat, Field(ge=0, le=20)] = 0.0
    """Popularity: the k-th variant is drawn with weight 1/k^zipf; 0 is uniform."""


class Traffic(Part):
    """One group of requests."""

    name: Annotated[str, Field(min_length=1)]
    preset: PresetName | None = None
    """Traffic of the catalogue: it says what is not written here, except the rate. Mappings are
    merged; one of another `kind` replaces the preset's."""
    tenant: str | None = None
    """Whose requests these are; for the tables."""
    sla_class: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Objectives may be promised to one class: `ttft p95 <= 500ms for interactive`."""
    arrivals: Arrivals
    input_tokens: Lengths
    """Tokens of the prompt behind its `prefixes`."""
    output_tokens: Lengths
    """Tokens of the answer."""
    reasoning_tokens: OwnLengths | None = None
    """Generated before the answer, beside `output_tokens`; later turns do not repeat them."""
    rank_correlation: Annotated[StrictFloat, Field(gt=-1, lt=1)] = 0.0
    """Spearman's, between prompt and answer, where both are drawn independently."""
    sessions: Sessions | None = None
    """Each arrival begins a session of requests that follow each other."""
    priority: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    """Lower is served first, under the engine's `scheduling_policy: priority`."""
    prefixes: Annotated[tuple[Prefix, ...], Field(max_length=6)] = ()
    """What the prompts of this group share, outermost first. These tokens stand in front of
    `input_tokens`: the prompt is longer by them. A variant after another parent is other tokens."""

    @model_validator(mode="before")
    @classmethod
    def what_the_preset_says(cls, group: Any, info: ValidationInfo) -> Any:
        return with_preset(group, info)

    @property
    def prefix_tokens(self) -> int:
        """Tokens of all `prefixes` together: what stands in front of `input_tokens`."""
        return sum(prefix.tokens for prefix in self.prefixes)

    @model_validator(mode="after")
    def prefixes_can_be_counted(self) -> Self:
        if math.prod(prefix.variants for prefix in self.prefixes) > CHAINS_MAX:
            raise PydanticCustomError(
                "quantity",
                "too many different prefixes",
                {"allowed": f"variants whose product is at most {CHAINS_MAX:,}"},
            )
        return self

    @model_validator(mode="after")
    def trace_lengths_need_a_trace(self) -> Self:
        lengths = (self.input_tokens, self.output_tokens)
        recorded = [isinstance(part, FromTrace) for part in lengths]
        sessions_recorded = self.sessions is not None and self.sessions.kind == "recorded"
        if any(recorded) and not (self.arrivals.kind in ("trace", "servegen") or sessions_recorded):
            raise PydanticCustomError(
                "quantity",
                "lengths from a trace without a trace",
                {"allowed": "`arrivals: {kind: trace, file: ...}` beside lengths of kind trace"},
            )
        if sessions_recorded and not all(recorded):
            raise PydanticCustomError(
                "quantity",
                "recorded sessions with lengths of their own",
                {"allowed": "`input_tokens: {kind: trace}` and `output_tokens: {kind: trace}`"},
            )
        return self

    @model_validator(mode="after")
    def sessions_start_by_themselves(self) -> Self:
        """Recorded arrivals say of each request when it came: nothing is left to emerge."""
        if self.sessions is not None and self.arrivals.kind in ("trace", "servegen"):
            raise PydanticCustomError(
                "quantity",
                "sessions on recorded arrivals",
                {"allowed": "arrivals of another kind, which say when sessions begin"},
            )
        return self

    @model_validator(mode="after")
    def users_ask_for_what_arrives(self) -> Self:
        users = self.arrivals.users if isinstance(self.arrivals, OpenArrivals) else None
        if users is not None and (self.sessions is None) != (users.sessions_per_user_per_s is None):
            wanted = (
                "`requests_per_user`, since this group has no `sessions`"
                if self.sessions is None
                else "`sessions_per_user`, since this group has `sessions`"
            )
            raise PydanticCustomError(
                "quantity",
                "what do users ask for?",
                {"allowed": wanted, "at": ["arrivals", "users"]},
            )
        return self

    @model_validator(mode="after")
    def correlation_of_independent_lengths(self) -> Self:
        bound = (FromTrace, FromFile)
        fixed = isinstance(self.input_tokens, bound) or isinstance(self.output_tokens, bound)
        if self.rank_correlation and (fixed or self.sessions is not None):
            raise PydanticCustomError(
                "quantity",
                "lengths that come together already",
                {
                    "allowed": "0, or lengths that are drawn independently, without sessions",
                    "at": ["rank_correlation"],
                },
            )
        return self
