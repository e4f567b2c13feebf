"""Sessions of Weka's kv-cache-tester: a JSON document each, in one file, several or a folder.

Source: callanjfox/kv-cache-tester docs/trace_replay_tester.md. `t` counts from the session's start;
`type` is n (plain), s (streaming) or subagent, which holds requests of its own. Their `t` counts
from the session's start too, or in some files from the sub-agent's: then the first is too early.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.traffic.formats.agents import session_links
from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import batches, block_chains
from simulator.traffic.formats.rows import Raw
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import number, numbers
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.recorded_chains import in_runs, numbered

NAMES = ("t", "in", "out")
GLOBAL = "sessions whose hash ids are of global scope: what they share with others is left out"
EARLY_S = 0.5
Request = tuple[float, str, dict[str, Any]]
"""Seconds into the session, the agent, and the request itself."""


def recognises(source: Source) -> bool:
    return source.holds_json and any(map(is_session, source.first))


def is_session(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and "block_size" in value
        and isinstance(value.get("requests"), list)
    )


def read(source: Source, faults: Faults) -> Reading:
    size = next(each["block_size"] for each in source.first if is_session(each))
    if not isinstance(size, int) or size < 1:
        raise TraceError(f"{source.path}: block_size is {size!r}; allowed: a number of tokens")
    return Reading(NAMES, raws(source, faults, size), size, runs=True, relative=True)


def raws(source: Source, faults: Faults, block_tokens: int) -> Iterator[Raw]:
    """A chunk per session."""
    keys = 0
    for batch in batches(source, faults):
        for place, session in zip(batch.line.tolist(), batch.objects, strict=True):
            if not is_session(session):
                faults.add("no session: it has no block_size and requests", [place])
            elif session["block_size"] != block_tokens:
                faults.add(f"blocks of another size than {block_tokens} tokens", [place])
            elif not (requests := sorted(requests_of(session), key=in_time)):
                faults.add("a session without requests", [place])
            else:
                raw = raw_of(place, requests, block_tokens, keys)
                keys = max(keys, 0 if raw.chains is None else raw.chains.key_count)
                if session.get("hash_id_scope") == "global":
                    faults.note(GLOBAL)
                yield raw


def in_time(request: Request) -> tuple[bool, float]:
    """Those without a time come last."""
    return np.isnan(request[0]), request[0]


def requests_of(session: dict[str, Any]) -> Iterator[Request]:
    """The main agent's requests and those of its sub-agents."""
    for place, entry in enumerate(session["requests"]):
        if not isinstance(entry, dict):
            yield np.nan, "", {}
        elif entry.get("type") == "subagent":
            inner = [part for part in entry.get("requests") or [] if isinstance(part, dict)]
            begin_s = number(entry.get("t"))
            own_clock = any(number(part.get("t")) < begin_s - EARLY_S for part in inner)
            shift_s = begin_s if own_clock else 0.0
            agent = str(entry.get("agent_id", place))
            yield from ((number(part.get("t")) + shift_s, agent, part) for part in inner)
        else:
            yield number(entry.get("t")), "", entry


def raw_of(place: int, requests: list[Request], block_tokens: int, key: int) -> Raw:
    """One session; its place in the file is its number, its keys begin at `key`."""
    times_s, agents, entries = zip(*requests, strict=True)
    at_s = np.array(times_s)
    chains, broken = block_chains([entry.get("hash_ids") for entry in entries], block_tokens)
    if chains is not None:
        own = in_runs(numbered(chains, block_tokens))
        chains = Chains(own.first, own.keys + key, own.ends)
    service_s = numbers([entry.get("api_time") for entry in entries])
    think_s = numbers([entry.get("think_time") for entry in entries])
    return Raw(
        np.full(at_s.size, place),
        at_s,
        numbers([entry.get("in") for entry in entries]),
        numbers([entry.get("out") for entry in entries]),
        chains,
        broken,
        session_links(place, at_s, agents, service_s, think_s),
    )


FORMAT = Format("Weka kv-cache-tester sessions", recognises, read)
