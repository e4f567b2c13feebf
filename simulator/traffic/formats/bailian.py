"""Qwen-Bailian usage traces: seconds, hash ids of 16-token blocks, chats that follow chats.

Source: alibaba-edu/qwen-bailian-usagetraces-anon. A chat that follows no other has the parent -1;
every row is a whole request, its history included.
"""

from collections.abc import Iterator

import numpy as np

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import Batch, batches, block_chains
from simulator.traffic.formats.names import Memory, Names
from simulator.traffic.formats.rows import NOBODY, Links, Raw, unknown
from simulator.traffic.formats.source import Source

BLOCK_TOKENS = 16
NAMES = ("timestamp", "input_length", "output_length")
ORPHANS = "follow-ups whose chat is not among those read before: each begins a session"


def recognises(source: Source) -> bool:
    return source.holds_json and source.has("chat_id", *NAMES)


def read(source: Source, faults: Faults) -> Reading:
    return Reading(NAMES, raws(source, faults), block_tokens=BLOCK_TOKENS)


def raws(source: Source, faults: Faults) -> Iterator[Raw]:
    sessions = Sessions()
    for batch in batches(source, faults):
        arrival_s, inputs, outputs = (batch.numbers(name) for name in NAMES)
        chains, broken = block_chains(batch.values("hash_ids"), BLOCK_TOKENS)
        links = sessions.links(batch, faults)
        yield Raw(batch.line, arrival_s, inputs, outputs, chains, broken, links)


class Sessions:
    """Which chat belongs to which session, as far as they have been read."""

    def __init__(self) -> None:
        self.numbers = Names()
        self.turns = Names()
        self.of_chat = Memory[int]()

    def links(self, batch: Batch, faults: Faults) -> Links:
        rows = batch.line.size
        session, turn = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
        parent = np.full(rows, NOBODY)
        pairs = zip(batch.values("chat_id"), batch.values("parent_chat_id"), strict=True)
        for row, (chat, follows) in enumerate(pairs):
            turn[row] = self.turns.number(str(chat))
            known = None if follows in (None, -1) else self.of_chat.get(str(follows))
            if known is not None:
                parent[row] = self.turns.number(str(follows))
            elif follows not in (None, -1):
                faults.note(ORPHANS)
            session[row] = self.numbers.new() if known is None else known
            self.of_chat.put(str(chat), int(session[row]))
        return Links(session, turn, parent, unknown(rows), unknown(rows))


FORMAT = Format("Qwen-Bailian JSONL", recognises, read)
