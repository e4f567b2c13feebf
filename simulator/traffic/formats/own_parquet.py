"""Our own Parquet: what `fleetcast trace convert` writes, and what anyone may write by hand.

arrival_s, input_tokens, output_tokens; without arrival_s, lengths only. And, where known:
- hash_ids, a list of one whole number per block of the prompt; or segment_ids and segment_ends, a
  number and the tokens up to there for each run of blocks that prompts share.
- session_id; turn and parent tell the rows of a session apart and which one a row follows (-1: no
  other, -2: the previous in time; without them, that); pause_s, service_s as in Links.
The schema's metadata holds ABOUT: format, block_tokens, relative, rows that were left out.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simulator.traffic.formats.agents import BLOCK_TOKENS as AGENT_BLOCK_TOKENS
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.json_lines import block_chains
from simulator.traffic.formats.mooncake import BLOCK_TOKENS
from simulator.traffic.formats.names import Names
from simulator.traffic.formats.rows import ALONE, NOBODY, Floats, Ints, Links, Raw, unknown
from simulator.traffic.formats.source import Source, parquet_schema
from simulator.traffic.formats.tables import numbers
from simulator.traffic.formats.turns import in_order, not_negative
from simulator.traffic.prefixes import Chains, first_of

ABOUT = b"fleetcast_trace"
NAMES = ("arrival_s", "input_tokens", "output_tokens")
SEGMENTS = ("segment_ids", "segment_ends")
LINKS = ("session_id", "turn", "parent", "pause_s", "service_s")
BATCH_ROWS = 16_384


def recognises(source: Source) -> bool:
    return source.kind == "parquet" and source.has(*NAMES[1:])


def read(source: Source, faults: Faults) -> Reading:
    about = about_file(source)
    runs = source.has(*SEGMENTS)
    shared = runs or source.has("hash_ids")
    default = AGENT_BLOCK_TOKENS if runs else BLOCK_TOKENS
    return Reading(
        NAMES,
        raws(source, about.get("block_tokens") or default),
        block_tokens=about.get("block_tokens") or default if shared else None,
        runs=runs,
        relative=bool(about.get("relative")),
        timed=NAMES[0] in source.columns,
    )


def about_file(source: Source) -> dict[str, Any]:
    """What our own writer said of the file; nothing for files of others."""
    metadata = parquet_schema(source.path).metadata or {}
    about: dict[str, Any] = json.loads(metadata.get(ABOUT, b"{}"))
    return about


def raws(source: Source, block_tokens: int) -> Iterator[Raw]:
    columns = [name for name in (*NAMES, "hash_ids", *SEGMENTS, *LINKS) if name in source.columns]
    names, at = Names(), 0
    for batch in pq.ParquetFile(source.path).iter_batches(BATCH_ROWS, columns=columns):
        rows = batch.num_rows
        found = {name: batch.column(name) for name in columns}
        arrivals = found.get(NAMES[0])
        chains, broken = chains_of(found, block_tokens)
        yield Raw(
            np.arange(at + 1, at + 1 + rows),
            np.zeros(rows) if arrivals is None else column(arrivals),
            column(found[NAMES[1]]),
            column(found[NAMES[2]]),
            chains,
            broken,
            links_of(found, names, at) if "session_id" in found else None,
        )
        at += rows


def column(values: Any) -> Floats:
    """A column as numbers, NaN where it is empty or holds none."""
    try:
        filled = pc.fill_null(pc.cast(values, pa.float64(), safe=False), np.nan)
        return np.array(filled.to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowException:
        return numbers(values.to_pylist())


def chains_of(found: dict[str, Any], block_tokens: int) -> tuple[Chains | None, Any]:
    if "hash_ids" in found:
        return hash_chains(found["hash_ids"], block_tokens)
    if not set(SEGMENTS) <= set(found):
        return None, None
    counts, ids = ragged(found["segment_ids"])
    _, ends = ragged(found["segment_ends"])
    return Chains(first_of(counts), ids, ends), None


def hash_chains(values: Any, block_tokens: int) -> tuple[Chains | None, Any]:
    """Fast for lists of whole numbers without gaps; else row by row."""
    kind = values.type
    if is_list(kind) and pa.types.is_integer(kind.value_type) and not values.flatten().null_count:
        counts, ids = ragged(values)
        ends = (np.arange(ids.size) - np.repeat(first_of(counts)[:-1], counts) + 1) * block_tokens
        return Chains(first_of(counts), ids, ends), None
    return block_chains(values.to_pylist(), block_tokens)


def is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def ragged(values: Any) -> tuple[Ints, Ints]:
    """Lengths of the lists of a column (0 for missing ones), and all that is in them."""
    counts = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    return counts.astype(np.int64), values.flatten().to_numpy(zero_copy_only=False).astype(np.int64)


def links_of(found: dict[str, Any], names: Names, at: int) -> Links:
    """Sessions by number or by name; `turn` and `parent` as they say, else in order of time."""
    ids = found["session_id"]
    rows = len(ids)
    if pa.types.is_integer(ids.type):
        session = pc.fill_null(pc.cast(ids, pa.int64()), ALONE).to_numpy(zero_copy_only=False)
    else:
        session = names.numbers(ids.to_pylist())
    seconds = [column(found[name]) if name in found else unknown(rows) for name in LINKS[3:]]
    if not {"turn", "parent"} <= set(found):
        return in_order(session, np.arange(at, at + rows), *seconds)
    turn, parent = (
        pc.fill_null(pc.cast(found[name], pa.int64()), NOBODY).to_numpy(zero_copy_only=False)
        for name in LINKS[1:3]
    )
    return Links(session, turn, parent, *map(not_negative, seconds))


FORMAT = Format("fleetcast Parquet", recognises, read)
