"""CSV files that hold a time in seconds and two lengths: Vidur, Splitwise, and our own names.

Sources: microsoft/vidur data/processed_traces, Mutinifni/splitwise-sim traces. Without the column
of the time they are lengths only.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.names import Names
from simulator.traffic.formats.rows import Links, Raw, unknown
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import Table, tables
from simulator.traffic.formats.turns import in_order

VIDUR = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")
SPLITWISE = ("arrival_timestamp", "prompt_size", "token_size")
OURS = ("arrival_s", "input_tokens", "output_tokens")


def recognises(source: Source, names: tuple[str, str, str]) -> bool:
    return source.kind == "table" and source.has(*names[1:])


def read(source: Source, faults: Faults, names: tuple[str, str, str]) -> Reading:
    timed = names[0] in source.columns
    return Reading(names, raws(source, faults, names, timed), timed=timed)


def raws(source: Source, faults: Faults, names: tuple[str, str, str], timed: bool) -> Iterator[Raw]:
    sessions = Names()
    for table in tables(source, faults):
        arrival_s = table.numbers(names[0]) if timed else np.zeros(table.line.size)
        tokens = table.numbers(names[1]), table.numbers(names[2])
        yield Raw(table.line, arrival_s, *tokens, links=links(table, sessions))


def links(table: Table, sessions: Names) -> Links | None:
    """The sessions of a `session_id` column, where there is one."""
    if "session_id" not in table.columns:
        return None
    rows = table.line.size
    numbers = sessions.numbers(table.columns["session_id"])
    return in_order(numbers, table.line, unknown(rows), unknown(rows))


def of(name: str, names: tuple[str, str, str]) -> Format:
    return Format(name, partial(recognises, names=names), partial(read, names=names))


FORMATS = (of("Vidur CSV", VIDUR), of("Splitwise CSV", SPLITWISE), of("fleetcast CSV", OURS))
