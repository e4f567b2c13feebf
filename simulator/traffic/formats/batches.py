"""Rows as Arrow record batches and back, for files on disk that are read a piece at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.traffic.formats.rows import Ints, Links, Rows, take
from simulator.traffic.prefixes import Chains, positions

BATCH_ROWS, BATCH_SEGMENTS = 4096, 1 << 18
"""At most so many rows, and segments of chains, are one batch; a longer row is one by itself."""
LINKS = tuple(field.name for field in fields(Links))


@dataclass(frozen=True)
class Placed:
    """Rows and where each of them stood: places, int64[rows], from 0 through the whole file."""

    place: Ints
    rows: Rows


def pieces(placed: Placed) -> Iterator[Placed]:
    """The same a batch at a time."""
    chains, rows = placed.rows.chains, len(placed.rows)
    begin = 0
    while begin < rows:
        end = min(rows, begin + BATCH_ROWS)
        if chains is not None:
            most = int(chains.first[begin]) + BATCH_SEGMENTS
            fits = int(np.searchsorted(chains.first, most, side="right")) - 1
            end = min(end, max(begin + 1, fits))
        yield part(placed, begin, end)
        begin = end


def part(placed: Placed, begin: int, end: int) -> Placed:
    return Placed(placed.place[begin:end], take(placed.rows, np.arange(begin, end)))


def encoded(placed: Placed, with_ends: bool) -> Any:
    """A record batch. Without ends they are to be told from the prompt and the size of a block."""
    rows = placed.rows
    columns = {
        "place": placed.place,
        "arrival_s": rows.arrival_s,
        "input_tokens": rows.input_tokens,
        "output_tokens": rows.output_tokens,
    }
    if rows.chains is not None:
        columns["keys"] = lists(rows.chains.first, rows.chains.keys)
        if with_ends:
            columns["ends"] = lists(rows.chains.first, rows.chains.ends)
    if rows.links is not None:
        columns |= {name: getattr(rows.links, name) for name in LINKS}
    return pa.record_batch(columns)


def lists(first: Ints, values: Ints) -> Any:
    return pa.LargeListArray.from_arrays(pa.array(first), pa.array(values))


def decoded(batch: Any, block_tokens: int | None) -> Placed:
    """What `encoded` was given; `block_tokens` tells ends that were not written."""
    columns = {
        name: batch.column(name).to_numpy(zero_copy_only=False)
        for name in batch.schema.names
        if name not in ("keys", "ends")
    }
    chains = None
    if "keys" in batch.schema.names:
        keys = batch.column("keys")
        first = keys.offsets.to_numpy()
        if "ends" in batch.schema.names:
            ends = batch.column("ends").flatten().to_numpy()
        else:
            assert block_tokens is not None
            ends = ends_of(first, columns["input_tokens"], block_tokens)
        chains = Chains(first, keys.flatten().to_numpy(), ends)
    links = Links(*(columns[name] for name in LINKS)) if LINKS[0] in columns else None
    tokens = columns["input_tokens"], columns["output_tokens"]
    return Placed(columns["place"], Rows(columns["arrival_s"], *tokens, chains, links))


def ends_of(first: Ints, input_tokens: Ints, block_tokens: int) -> Ints:
    """Full blocks one after the other; the last one of a prompt ends with it."""
    counts = np.diff(first)
    place = positions(np.zeros(counts.size, dtype=np.int64), counts)
    return np.minimum((place + 1) * block_tokens, np.repeat(input_tokens, counts))
