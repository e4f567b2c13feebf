"""Azure LLM inference traces of 2023 and 2024.

Source: github.com/Azure/AzurePublicDataset. Instants have seven decimals; those of 2024 a zone.
"""

from collections.abc import Iterator

from simulator.traffic.formats.clocks import Calendar
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.rows import Raw
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import tables

NAMES = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def recognises(source: Source) -> bool:
    return source.kind == "table" and source.has(*NAMES)


def read(source: Source, faults: Faults) -> Reading:
    return Reading(NAMES, raws(source, faults), from_zero=False)


def raws(source: Source, faults: Faults) -> Iterator[Raw]:
    clock = Calendar()
    time, inputs, outputs = NAMES
    for table in tables(source, faults):
        arrival_s = clock.seconds(table.columns[time])
        yield Raw(table.line, arrival_s, table.numbers(inputs), table.numbers(outputs))


FORMAT = Format("Azure LLM CSV", recognises, read)
