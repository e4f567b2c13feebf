"""Sessions: requests that follow each other, each with all before it as its context."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from scenarios.demand.counts import Counts, Durations
from scenarios.demand.lengths import FileReference, OwnLengths, Tokens
from scenarios.part import Part
from scenarios.units import Share


class Tools(Part):
    """Tool calls within a turn: the answer asks for a tool, and its result is the next prompt."""

    calls: Counts
    """How many a turn makes, one after the other, before its final answer; may be 0."""
    result_tokens: OwnLengths
    time: Durations
    """From the answer read to the request with the result."""


class Agents(Part):
    """Parallel sub-agents: after a request of the main agent some are sent off, each with a context
    of its own; the main agent goes on when all have ended, with their reports in its context."""

    share: Annotated[Share, Field(gt=0, le=1)]
    """Of the requests that are followed by another: how many send off sub-agents."""
    number: Counts
    """At once."""
    requests: Counts
    """Each makes, one after the other."""
    input_tokens: OwnLengths
    """Its first prompt, behind the group's `prefixes`."""
    follow_up_tokens: OwnLengths
    """New tokens of its later prompts, beside the answer before."""
    time: Durations
    """From one of its answers to its next request."""
    report_tokens: OwnLengths
    """What each adds to the context of the main agent."""


class Compaction(Part):
    """A prompt that would grow longer than `above` is summed up: it begins anew, behind the
    `prefixes`, with `to` tokens that share nothing with what was before."""

    above: Tokens
    to: Tokens

    @model_validator(mode="after")
    def shorter_afterwards(self) -> Self:
        if self.to >= self.above:
            raise PydanticCustomError(
                "quantity", "compaction to no less", {"allowed": "to < above"}
            )
        return self


class DrawnSessions(Part):
    """Turns of one conversation: `input_tokens` is the first prompt behind the prefixes; each
    later one repeats it all, the answers included, and adds `follow_up_tokens`."""

    kind: Literal["drawn"]
    turns: Counts
    """At least 1: fewer count as 1."""
    follow_up_tokens: OwnLengths
    think: Durations
    """From the answer read to the next prompt."""
    tools: Tools | None = None
    agents: Agents | None = None
    compaction: Compaction | None = None


class RecordedSessions(Part):
    """Whole sessions of a file, drawn with replacement: their requests, what each shares with those
    before it, and the pauses between them. Needs lengths of kind `trace`."""

    kind: Literal["recorded"]
    file: FileReference


Sessions = Annotated[DrawnSessions | RecordedSessions, Field(discriminator="kind")]
