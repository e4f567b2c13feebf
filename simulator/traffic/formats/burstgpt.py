"""BurstGPT: seconds, with or without sessions; a response of no tokens is a failure.

Source: github.com/HPMLL/BurstGPT. Release 2.0 (BurstGPT_3.csv) adds `Session ID`, a UUID for
conversations, and `Elapsed time`, the seconds a request took.
"""

from collections.abc import Iterator

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.names import Names
from simulator.traffic.formats.rows import Links, Raw, unknown
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import Table, tables
from simulator.traffic.formats.turns import in_order

NAMES = ("Timestamp", "Request tokens", "Response tokens")
SESSION, ELAPSED = "Session ID", "Elapsed time"


def recognises(source: Source) -> bool:
    return source.kind == "table" and source.has(*NAMES)


def read(source: Source, faults: Faults) -> Reading:
    return Reading(NAMES, raws(source, faults))


def raws(source: Source, faults: Faults) -> Iterator[Raw]:
    sessions = Names()
    time, inputs, outputs = NAMES
    for table in tables(source, faults):
        yield Raw(
            table.line,
            table.numbers(time),
            table.numbers(inputs),
            table.numbers(outputs),
            links=links(table, sessions),
        )


def links(table: Table, sessions: Names) -> Links | None:
    if SESSION not in table.columns:
        return None
    numbers = sessions.numbers(table.columns[SESSION])
    elapsed_s = table.numbers_or_unknown(ELAPSED)
    return in_order(numbers, table.line, unknown(table.line.size), elapsed_s)


FORMAT = Format("BurstGPT CSV", recognises, read)
