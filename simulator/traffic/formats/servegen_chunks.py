"""ServeGen's own files: `chunk-N-trace.csv` and `chunk-N-dataset.json`, a pair per client.

Source: alibaba/ServeGen. The CSV has no header: start of the window in s, rate per s, cv of the
gaps, family of the gaps, its shape and scale. The JSON has windows of hours and in them
distributions as text.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.source import Source, look_at, read_document
from simulator.traffic.formats.tables import number, tables
from simulator.traffic.recordings.clients import Client, Clients, Tables
from simulator.traffic.recordings.length_tables import LengthTable, probabilities

TRACE, DATASET = "-trace.csv", "-dataset.json"
WINDOW_S = 600.0
"""Of a file with a single one."""
PATTERNS = ("", "Gamma", "Weibull", "Exponential")
PerChunk = tuple[Client, float, float]
"""A client, the length of its windows and where the last of them ends, in seconds."""


def is_windows(source: Source) -> bool:
    fields = source.columns
    return (
        source.kind == "table"
        and len(fields) == 6
        and fields[3] in PATTERNS
        and (bool(np.isfinite([number(field) for field in fields[:3]]).all()))
    )


def is_lengths(source: Source) -> bool:
    first = source.first[0] if source.kind in ("lines", "document") and source.first else None
    return isinstance(first, dict) and any(
        np.isfinite(number(start)) and isinstance(fields, dict) and all(
            isinstance(text, str) and text.startswith("{") for text in fields.values()
        )
        for start, fields in first.items()
    )  # fmt: skip


def read_folder(folder: Path) -> Clients:
    """A client per pair of files."""
    pairs = sorted(folder.glob(f"chunk-*{TRACE}"), key=chunk_number)
    if not pairs:
        raise TraceError(f"{folder}: a folder without a chunk-N{TRACE}")
    return joined([chunk(trace, dataset_of(trace)) for trace in pairs])


def read_pair(path: Path, is_trace: bool) -> Clients:
    """One client; either of its files is named."""
    trace = path if is_trace else path.with_name(path.name.replace(DATASET, TRACE))
    if (trace == path and not is_trace) or not trace.is_file():
        raise TraceError(f"{path}: lengths of a client without its chunk-N{TRACE} beside it")
    return joined([chunk(trace, dataset_of(trace))])


def dataset_of(trace: Path) -> Path:
    return trace.with_name(trace.name.replace(TRACE, DATASET))


def chunk_number(trace: Path) -> int:
    """N of 'anything-chunk-N-trace.csv'."""
    digits = trace.name.removesuffix(TRACE).rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def chunk(trace: Path, dataset: Path) -> PerChunk:
    """One client, the length of its windows and where the last of them ends."""
    faults = Faults("line")
    windows = windows_of(trace, faults)
    if faults.rows:
        raise TraceError(f"{trace}: " + "; ".join(faults.lines()))
    start_s = windows["0"].to_numpy(dtype=float)
    step_s = float(np.diff(start_s).min()) if start_s.size > 1 else WINDOW_S
    if step_s <= 0:
        raise TraceError(f"{trace}: two windows begin at the same time")
    lengths = lengths_of(dataset) if dataset.is_file() else {}
    client = client_of(chunk_number(trace), windows, lengths)
    return client, step_s, float(start_s[-1]) + step_s


def windows_of(trace: Path, faults: Faults) -> pd.DataFrame:
    """All windows in order of time, in columns called '0' to '5'."""
    parts = [pd.DataFrame()]
    source = look_at(trace)
    if not is_windows(source):
        raise TraceError(f"{trace}: no windows: {source.head.splitlines()[0][:60]!r}")
    for table in tables(source, faults, header=False):
        frame = pd.DataFrame({name: table.numbers(name) for name in "01245"})
        frame["3"] = table.columns["3"]
        values = frame[list("01245")].to_numpy()
        usual = np.isfinite(values).all(axis=1) & (values[:, :3] >= 0).all(axis=1)
        faults.add("windows with something that is no number of at least 0", table.line[~usual])
        known = frame["3"].isin(PATTERNS).to_numpy()
        faults.add("an unknown family of gaps", table.line[usual & ~known])
        parts.append(frame[usual])
    return pd.concat(parts).sort_values("0", kind="stable")


def client_of(client_id: int, windows: pd.DataFrame, lengths: Tables) -> Client:
    """Of its windows, those in which it asks for anything."""
    asked = windows[windows["1"] > 0]
    start_s, rate, cv, shape, scale = (asked[name].to_numpy(dtype=float) for name in "01245")
    return Client(client_id, start_s, rate, cv, tuple(asked["3"]), shape, scale, lengths)


def lengths_of(dataset: Path) -> Tables:
    """The tables of each field, in order of time; empty ones are left out."""
    document = read_document(dataset)
    if not isinstance(document, dict):
        raise TraceError(f"{dataset}: no distributions by window")
    found: dict[str, list[tuple[float, LengthTable]]] = {}
    for start, fields in document.items():
        for field, text in fields.items() if isinstance(fields, dict) else ():
            try:
                table, start_s = probabilities(str(text)), float(start)
            except ValueError as error:
                raise TraceError(f"{dataset}: window {start}, {field}: {error}") from error
            if table is not None:
                found.setdefault(field, []).append((start_s, table))
    return {field: tuple(sorted(each, key=lambda w: w[0])) for field, each in found.items()}


def joined(chunks: list[PerChunk]) -> Clients:
    clients, steps_s, ends_s = zip(*chunks, strict=True)
    lacking = sum(not client.lengths for client in clients)
    notes = (f"{lacking} of {len(clients)} clients without lengths",) if lacking else ()
    return Clients(clients, min(steps_s), max(ends_s), notes)
