"""Sessions of coding agents as Parquet: shared/data/traces/agent_claudecode_sessions_a.parquet.

Its README tells how: `arrival_s` counts from the start of the row's own session; `hit_blocks`
leading blocks of 64 tokens are those of row `prefix_parent`, the rest of `n_blocks` is new.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow.parquet

from simulator.traffic.formats.agents import BLOCK_TOKENS, session_links, shared_blocks
from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.form import Format, Reading
from simulator.traffic.formats.rows import Raw
from simulator.traffic.formats.source import Source
from simulator.traffic.formats.tables import numbers
from simulator.traffic.prefixes import Chains

NAMES = ("arrival_s", "input_tokens", "output_tokens")
SESSION = ("session_id", "row", "n_blocks", "hit_blocks", "prefix_parent")
OPTIONAL = ("agent", "api_time_s", "think_time_s")
BATCH_ROWS = 65_536


def recognises(source: Source) -> bool:
    return source.kind == "parquet" and source.has(*NAMES, *SESSION)


def read(source: Source, faults: Faults) -> Reading:
    return Reading(
        NAMES, raws(source), BLOCK_TOKENS, runs=True, relative=True,
        broken="hit_blocks that no earlier row of its session has",
    )  # fmt: skip


def raws(source: Source) -> Iterator[Raw]:
    """A chunk per session."""
    keys = 0
    for number, frame in enumerate(sessions(source)):
        raw = raw_of(number, frame.sort_values("row", kind="stable"), keys)
        keys = max(keys, 0 if raw.chains is None else raw.chains.key_count)
        yield raw


def sessions(source: Source) -> Iterator[pd.DataFrame]:
    """The rows of each session, which stand together."""
    columns = [*NAMES, *SESSION, *(name for name in OPTIONAL if name in source.columns)]
    rest, at = pd.DataFrame(), 0
    done: set[object] = set()
    file = pyarrow.parquet.ParquetFile(source.path)
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        read = batch.to_pandas()
        read["place"] = np.arange(at + 1, at + 1 + len(read))
        at += len(read)
        parts = [part for _, part in pd.concat([rest, read]).groupby("session_id", sort=False)]
        rest = parts.pop()
        for part in parts:
            yield whole(part, done, source)
    if len(rest):
        yield whole(rest, done, source)


def whole(part: pd.DataFrame, done: set[object], source: Source) -> pd.DataFrame:
    """A session that has not been there yet."""
    name = part["session_id"].iloc[0]
    if name in done:
        raise TraceError(
            f"{source.path}: rows of session {name} do not stand together; "
            "sort the file by session_id and row"
        )
    done.add(name)
    return part


def raw_of(number: int, frame: pd.DataFrame, key: int) -> Raw:
    rows = len(frame)

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return numbers(frame[name].tolist()) if name in frame else np.full(rows, np.nan)

    turns = frame["row"].to_numpy(dtype=np.int64)
    parents = frame["prefix_parent"].to_numpy(dtype=np.int64)
    # Rows are numbered from 0 within their session; a part of one keeps the numbers it had.
    places = pd.Series(np.arange(rows), index=turns)
    before = np.where(parents < 0, -1, places.reindex(parents).fillna(rows).to_numpy())
    blocks, hits = (frame[name].to_numpy(dtype=np.int64) for name in SESSION[2:4])
    own, broken = shared_blocks(blocks, hits, before.astype(np.int64))
    agents = frame["agent"].astype(str).tolist() if "agent" in frame else [""] * rows
    at_s = column("arrival_s")
    return Raw(
        frame["place"].to_numpy(dtype=np.int64),
        at_s,
        column("input_tokens"),
        column("output_tokens"),
        Chains(own.first, own.keys + key, own.ends),
        broken,
        session_links(number, at_s, agents, column("api_time_s"), column("think_time_s")),
    )


FORMAT = Format("agent sessions Parquet", recognises, read)
