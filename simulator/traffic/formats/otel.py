"""Chains of calls as OpenTelemetry spans, as inference-perf replays them.

Source: kubernetes-sigs/inference-perf examples/otel/README.md. A file is one JSON document with
`spans`; those with `gen_ai.input.messages`, or called 'chat ...', are requests. A request follows
the one that ended last before it began. Files that only have texts give estimated tokens, and then
their leading messages say what prompts share.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.traffic.formats.clocks import Calendar
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import Batch, batches
from simulator.traffic.formats.names import Names
from simulator.traffic.formats.rows import NOBODY, Floats, Ints, Links, Raw
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import number
from simulator.traffic.formats.text_tokens import ESTIMATED, texts, tokens_of, tokens_of_characters
from simulator.traffic.prefixes import Chains, first_of

NAMES = ("start_time", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
COUNTED = {
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
}
MESSAGES = "gen_ai.input.messages"
ANSWERS = ("gen_ai.output.messages", "gen_ai.output.text")


def recognises(source: Source) -> bool:
    return source.holds_json and any(
        isinstance(value, dict) and isinstance(value.get("spans"), list) for value in source.first
    )


def read(source: Source, faults: Faults) -> Reading:
    return Reading(NAMES, raws(source, faults), block_tokens=1, runs=True, from_zero=False)


def raws(source: Source, faults: Faults) -> Iterator[Raw]:
    """The spans that are requests; places count them through the file."""
    clock, sessions, place = Calendar(), Names(), 0
    for batch in batches(source, faults):
        spans = list(requests_of(batch))
        if spans:
            yield raw_of(spans, place, clock, sessions, faults)
        place += len(spans)


def requests_of(batch: Batch) -> Iterator[dict[str, Any]]:
    for document in batch.objects:
        for span in document.get("spans") or []:
            about = span.get("attributes") if isinstance(span, dict) else None
            if isinstance(about, dict) and (
                MESSAGES in about or str(span.get("name", "")).startswith("chat ")
            ):
                yield span


def raw_of(
    spans: list[dict[str, Any]], place: int, clock: Calendar, sessions: Names, faults: Faults
) -> Raw:
    about = [span["attributes"] for span in spans]
    begin_s = clock.seconds([span.get("start_time") for span in spans])
    end_s = clock.seconds([span.get("end_time") for span in spans])
    session = sessions.numbers([span.get("trace_id") for span in spans])
    prompts = [decoded(each.get(MESSAGES)) for each in about]
    counted = [tokens(each, "input", prompt) for each, prompt in zip(about, prompts, strict=True)]
    answers = [tokens(each, "output", answer_of(each)) for each in about]
    faults.note(ESTIMATED, sum(estimated for _, estimated in [*counted, *answers]))
    parent, pause_s = temporal_parents(session, begin_s, end_s)
    return Raw(
        np.arange(place + 1, place + 1 + len(spans)),
        begin_s,
        np.array([count for count, _ in counted]),
        np.array([count for count, _ in answers]),
        shared_messages(prompts, [count for count, _ in counted]),
        links=Links(session, np.arange(place, place + len(spans)), parent + place * (parent >= 0),
                    pause_s, end_s - begin_s),
    )  # fmt: skip


def tokens(about: dict[str, Any], side: str, text: Any) -> tuple[float, bool]:
    """Tokens as counted, or estimated from the text; and whether they are estimated."""
    for name in COUNTED[side]:
        if name in about:
            return number(about[name]), False
    return (np.nan, False) if text is None else (float(tokens_of(text)), True)


def answer_of(about: dict[str, Any]) -> Any:
    return next((decoded(about[name]) for name in ANSWERS if name in about), None)


def decoded(content: Any) -> Any:
    """Messages are JSON inside a string; a text is a text."""
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return content


def temporal_parents(session: Ints, begin_s: Floats, end_s: Floats) -> tuple[Ints, Floats]:
    """Of each span the one of its session that ended last before it began, and how long before."""
    parent, pause_s = np.full(begin_s.size, NOBODY), np.full(begin_s.size, np.nan)
    for row in range(begin_s.size):
        before = np.flatnonzero((session == session[row]) & (end_s <= begin_s[row]))
        before = before[before != row]
        if before.size:
            parent[row] = before[np.argmax(end_s[before])]
            pause_s[row] = begin_s[row] - end_s[parent[row]]
    return parent, pause_s


def shared_messages(prompts: list[Any], counted: list[float]) -> Chains:
    """A segment per message, as long as they are within the tokens of the prompt."""
    keys: list[int] = []
    ends: list[int] = []
    counts = []
    for prompt, most in zip(prompts, counted, strict=True):
        digest, characters, end, before = b"", 0, 0, len(keys)
        for message in prompt if isinstance(prompt, list) else []:
            digest = hashlib.blake2b(digest + repr(message).encode(), digest_size=8).digest()
            characters += sum(map(len, texts(message)))
            reached = tokens_of_characters(characters)
            if end < reached <= most:
                keys.append(int.from_bytes(digest, "big", signed=True))
                ends.append(end := reached)
        counts.append(len(keys) - before)
    columns = (np.array(column, dtype=np.int64) for column in (keys, ends))
    return Chains(first_of(np.array(counts, dtype=np.int64)), *columns)


FORMAT = Format("OpenTelemetry spans", recognises, read)
