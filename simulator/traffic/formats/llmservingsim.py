"""LLMServingSim's workloads (nanoseconds, requests or sessions), and what its bench measured (s).

Source: casys-kaist/LLMServingSim workloads/README.md and bench/. A session's calls have no instants
of their own: each is sent `tool_duration_ns` after the one before has completed. Token ids, where
given, say what prompts share: we number their blocks of 16 tokens.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.traffic.drawing import NS_PER_S
from simulator.traffic.formats.clocks import Epoch
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import Batch, batches, block_chains
from simulator.traffic.formats.names import Names
from simulator.traffic.formats.rows import ALONE, NOBODY, Links, Raw, unknown
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import numbers

BLOCK_TOKENS = 16
NAMES = ("arrival_time_ns", "input_toks", "output_toks")
MEASURED = ("arrival_time", "input_toks", "output_toks")
EARLIEST = "follow-ups without an instant: they are put where they would be if answers took no time"
Call = tuple[int, int, int, int, float, float, dict[str, Any]]
"""Line, session, turn, turn it follows, arrival_s, pause_s, and the call itself."""


def recognises(source: Source) -> bool:
    return source.holds_json and (
        source.has("sub_requests") or source.has(*NAMES) or source.has(*MEASURED[1:])
    )


def read(source: Source, faults: Faults) -> Reading:
    if source.has(*MEASURED):
        return Reading(MEASURED, measured(source, faults), from_zero=False)
    timed = source.has("arrival_time_ns")
    return Reading(NAMES, raws(source, faults, timed), block_tokens=BLOCK_TOKENS, timed=timed)


def measured(source: Source, faults: Faults) -> Iterator[Raw]:
    """Requests as vLLM served them."""
    clock = Epoch()
    for batch in batches(source, faults):
        time, inputs, outputs = (batch.numbers(name) for name in MEASURED)
        yield Raw(batch.line, clock.seconds(time), inputs, outputs)


def raws(source: Source, faults: Faults, timed: bool) -> Iterator[Raw]:
    sessions = Names()
    linked = source.has("sub_requests")
    for batch in batches(source, faults):
        yield raw_of(list(calls(batch, sessions, faults)), timed, linked)


def calls(batch: Batch, sessions: Names, faults: Faults) -> Iterator[Call]:
    """The requests of each object: itself, or the calls of a session one after the other."""
    starts_s = (batch.numbers("arrival_time_ns") / NS_PER_S).tolist()
    for line, at_s, entry in zip(batch.line.tolist(), starts_s, batch.objects, strict=True):
        parts = entry.get("sub_requests")
        if parts is None:
            yield line, ALONE, 0, NOBODY, at_s, np.nan, entry
            continue
        session, pause_s = sessions.new(), np.nan
        if not (isinstance(parts, list) and parts and all(isinstance(p, dict) for p in parts)):
            faults.add("sub_requests is no list of calls", [line])
            continue
        tools_s = numbers([part.get("tool_duration_ns") for part in parts]) / NS_PER_S
        for turn, part in enumerate(parts):
            yield line, session, turn, turn - 1, at_s, pause_s, part
            pause_s = float(tools_s[turn])
            at_s += float(np.nan_to_num(pause_s))
        faults.note(EARLIEST, len(parts) - 1)


def raw_of(found: list[Call], timed: bool, linked: bool) -> Raw:
    """The calls in columns."""
    line, session, turn, parent, arrival_s, pause_s, entries = (
        zip(*found, strict=True) if found else ((),) * 7
    )
    ids = [blocks_of(entry.get("input_tok_ids")) for entry in entries]
    rows = len(entries)
    links = Links(
        np.array(session, dtype=np.int64),
        np.array(turn, dtype=np.int64),
        np.array(parent, dtype=np.int64),
        np.array(pause_s, dtype=np.float64),
        unknown(rows),
    )
    return Raw(
        np.array(line, dtype=np.int64),
        np.array(arrival_s, dtype=np.float64) if timed else np.zeros(rows),
        numbers([entry.get("input_toks") for entry in entries]),
        numbers([entry.get("output_toks") for entry in entries]),
        *block_chains(ids, BLOCK_TOKENS),
        links=links if linked else None,
    )


def blocks_of(token_ids: Any) -> list[int] | None:
    """A number per full block, which tells it and all before it from any other."""
    if not isinstance(token_ids, list) or not token_ids:
        return None
    ids, digest = [], b""
    for end in range(BLOCK_TOKENS, len(token_ids) + 1, BLOCK_TOKENS):
        block = repr(token_ids[end - BLOCK_TOKENS : end]).encode()
        digest = hashlib.blake2b(digest + block, digest_size=8).digest()
        ids.append(int.from_bytes(digest, "big", signed=True))
    return ids


FORMAT = Format("LLMServingSim JSONL", recognises, read)
