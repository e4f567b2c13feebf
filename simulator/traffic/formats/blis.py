"""BLIS TraceV2: a CSV in microseconds, with a header in YAML beside it or above it.

Source: inference-sim/inference-sim sim/workload/tracev2.go. `input_tokens` are those behind the
prefix; with `session_context_growth: accumulate` in the header, those a round adds to its session.
What a server counted (`server_input_tokens`) is the whole prompt.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.names import Memory, Names
from simulator.traffic.formats.rows import Floats, Links, Raw
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import Table, tables
from simulator.traffic.formats.turns import in_order
from simulator.traffic.prefixes import Chains, first_of

NAMES = ("arrival_time_us", "input_tokens", "output_tokens")
US_PER_S = 1e6
ACCUMULATES = re.compile(r"^session_context_growth:\s*[\"']?accumulate\b", re.MULTILINE)


def recognises(source: Source) -> bool:
    return source.kind == "table" and source.has(*NAMES, "round_index")


def read(source: Source, faults: Faults) -> Reading:
    return Reading(NAMES, raws(source, faults), block_tokens=1, runs=True, from_zero=False)


def raws(source: Source, faults: Faults) -> Iterator[Raw]:
    grows = accumulates(source)
    sessions, prefixes, contexts = Names(), Names(), Memory[float]()
    for table in tables(source, faults):
        links = links_of(table, sessions)
        behind, answers = table.numbers("input_tokens"), table.numbers("output_tokens")
        if grows and links is not None:
            behind = grown(links, behind, answers, contexts)
        lengths, chains = prefixes_of(table, prefixes)
        served = table.numbers_or_unknown("server_input_tokens")
        prompts = np.where((served > 0) & ~np.bool_(grows), served, behind + lengths)
        arrival_s = table.numbers("arrival_time_us") / US_PER_S
        yield Raw(table.line, arrival_s, prompts, answers, chains, links=links)


def accumulates(source: Source) -> bool:
    """Whether the header says that inputs are what a round adds."""
    above = "\n".join(source.head.splitlines()[: source.start_line - 1])
    names = [source.path.with_suffix(end) for end in (".yaml", ".yml")]
    beside = [*names, source.path.parent / "header.yaml"]
    texts = [above, *(header_text(path) for path in beside)]
    return any(ACCUMULATES.search(text) for text in texts)


def header_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def links_of(table: Table, sessions: Names) -> Links | None:
    """Rounds of a session follow each other; the answer has come with its last chunk."""
    if not any(table.columns.get("session_id", ())):
        return None
    sent_s = table.numbers("arrival_time_us") / US_PER_S
    done_s = table.numbers_or_unknown("last_chunk_time_us") / US_PER_S
    service_s = np.where(done_s > 0, done_s - sent_s, np.nan)
    pause_s = table.numbers_or_unknown("think_time_us") / US_PER_S
    return in_order(sessions.numbers(table.columns["session_id"]), table.line, pause_s, service_s)


def grown(links: Links, added: Floats, answers: Floats, contexts: Memory[float]) -> Floats:
    """Prompts of sessions in which each one holds all that was said before."""
    prompts = added.copy()
    for row, session in enumerate(links.session.tolist()):
        if session >= 0:
            prompts[row] += contexts.get(session) or 0.0
            contexts.put(session, float(np.nan_to_num(prompts[row] + answers[row])))
    return prompts


def prefixes_of(table: Table, prefixes: Names) -> tuple[Floats, Chains]:
    """Tokens of each row's `prefix_group`, and its chain: the group at this length, or nothing."""
    rows = table.line.size
    groups = table.columns.get("prefix_group", [""] * rows)
    lengths = np.nan_to_num(table.numbers_or_unknown("prefix_length"))
    shared = np.array([bool(group) for group in groups]) & (lengths >= 1)
    names = [(groups[row], lengths[row]) for row in np.flatnonzero(shared).tolist()]
    keys = np.array([prefixes.number(name) for name in names], dtype=np.int64)
    ends = lengths[shared].astype(np.int64)
    return np.where(shared, lengths, 0.0), Chains(first_of(shared.astype(np.int64)), keys, ends)


FORMAT = Format("BLIS TraceV2", recognises, read)
