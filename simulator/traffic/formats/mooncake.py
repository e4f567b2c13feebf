"""Mooncake JSONL, and what AIPerf adds to it: milliseconds, hash ids of 512-token blocks.

Sources: kvcache-ai/Mooncake FAST25-release; ai-dynamo/aiperf docs/benchmark-modes/trace-replay.md.
AIPerf's rows may have a `session_id`, of which later turns have a `delay` after the answer instead
of a `timestamp`; and `text_input` or `messages` instead of a length.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import Batch, batches, block_chains
from simulator.traffic.formats.names import Memory, Names
from simulator.traffic.formats.rows import Floats, Links, Raw, unknown
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.text_tokens import ESTIMATED, tokens_of
from simulator.traffic.formats.turns import in_order

BLOCK_TOKENS = 512
NAMES = ("timestamp", "input_length", "output_length")
PROMPTS = ("input_length", "text_input", "messages")
MS_PER_S = 1000.0


def recognises(source: Source) -> bool:
    return source.holds_json and any(source.has(prompt, "output_length") for prompt in PROMPTS)


def read(source: Source, faults: Faults) -> Reading:
    timed = source.has("timestamp") or source.has("delay")
    return Reading(NAMES, raws(source, faults, timed), block_tokens=BLOCK_TOKENS, timed=timed)


def raws(source: Source, faults: Faults, timed: bool) -> Iterator[Raw]:
    sessions, last_s = Names(), Memory[float]()
    for batch in batches(source, faults):
        links = links_of(batch, sessions)
        arrival_s = batch.numbers("timestamp") / MS_PER_S if timed else np.zeros(batch.line.size)
        if links is not None:
            arrival_s = follow_ups_s(arrival_s, links, last_s)
        yield Raw(
            batch.line,
            arrival_s,
            prompt_tokens(batch, faults),
            batch.numbers("output_length"),
            *block_chains(batch.values("hash_ids"), BLOCK_TOKENS),
            links=links,
        )


def links_of(batch: Batch, sessions: Names) -> Links | None:
    names = batch.values("session_id")
    if all(name is None for name in names):
        return None
    pause_s = batch.numbers("delay") / MS_PER_S
    return in_order(sessions.numbers(names), batch.line, pause_s, unknown(batch.line.size))


def follow_ups_s(arrival_s: Floats, links: Links, last_s: Memory[float]) -> Floats:
    """Where only a delay is known: the earliest instant, as if answers took no time."""
    filled = arrival_s.copy()
    for row, session in enumerate(links.session.tolist()):
        if np.isnan(filled[row]):
            before_s = last_s.get(session)
            filled[row] = np.nan if before_s is None else before_s + links.pause_s[row]
        last_s.put(session, float(filled[row]))
    return filled


def prompt_tokens(batch: Batch, faults: Faults) -> Floats:
    """As counted, or estimated from the text where there is only that."""
    tokens = batch.numbers("input_length")
    for row in np.flatnonzero(np.isnan(tokens)).tolist():
        written = batch.objects[row]
        text: Any = written.get("text_input") or written.get("messages")
        if text and "input_length" not in written:
            tokens[row] = tokens_of(text)
            faults.note(ESTIMATED)
    return tokens


FORMAT = Format("Mooncake JSONL", recognises, read)
