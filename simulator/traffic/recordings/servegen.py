"""ServeGen: a population of clients, as laws and no requests. Whoever wants requests draws them.

Source: alibaba/ServeGen (NSDI 2026). See clients.py beside this file for what is read, and
length_tables.py for the distributions.
"""

from pathlib import Path

from simulator.traffic.formats import servegen_chunks as chunks
from simulator.traffic.formats import servegen_parquet as parquet
from simulator.traffic.formats.faults import TraceError
from simulator.traffic.formats.servegen_parquet import is_lengths, quantiles_of
from simulator.traffic.formats.source import Source, look_at
from simulator.traffic.recordings.clients import Client, Clients
from simulator.traffic.recordings.length_tables import LengthTable

__all__ = [
    "Client", "Clients", "LengthTable", "is_client_file", "is_lengths", "quantiles_of",
    "read_clients",
]  # fmt: skip


def is_client_file(path: Path) -> bool:
    """Whether this is a folder or a file of clients' demand; False for what cannot be opened."""
    try:
        return recognises(look_at(Path(path)))
    except (TraceError, OSError):
        return False


def recognises(source: Source) -> bool:
    """Whether a file or folder that has been looked at is of clients' demand."""
    if source.kind == "folder":
        return any(source.path.glob(f"chunk-*{chunks.TRACE}"))
    kinds = (chunks.is_windows, chunks.is_lengths, parquet.is_windows, is_lengths)
    return any(known(source) for known in kinds)


def read_clients(path: Path, lengths: Path | None = None) -> Clients:
    """The clients of a folder, of one pair of files (either named), or of the two Parquet files.
    `lengths` is a file of quantiles per client where it does not stand beside the Parquet file.

    Raises TraceError for files that cannot be used, OSError for those that cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        return chunks.read_folder(path)
    source = look_at(path)
    if parquet.is_windows(source) or is_lengths(source):
        clients, own = parquet.pair(path, parquet.is_windows(source))
        return parquet.read(clients, lengths or own)
    if chunks.is_windows(source) or chunks.is_lengths(source):
        return chunks.read_pair(path, chunks.is_windows(source))
    raise TraceError(f"{path}: no demand of clients (ServeGen)")
