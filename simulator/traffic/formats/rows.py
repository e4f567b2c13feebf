"""Some rows of a trace, in columns: as read, and once they are known to be sound."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.prefixes import Chains, first_of
from simulator.traffic.prefixes import take as take_chains

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CHUNK_ROWS = 50_000
"""Rows of a chunk at most: together with their text some tens of megabytes."""
CHUNK_BYTES = 4 << 20
"""Text that is decoded at once; one longer line is decoded as a whole."""

ALONE = -1
"""A session of one request."""
NOBODY = -1
"""It follows no request of the trace."""
PREVIOUS = -2
"""It follows its session's previous request in time; the file does not say which that is."""


@dataclass(frozen=True)
class Links:
    """Which session each row belongs to, and what it follows there.

    session int64[rows]: a number, or ALONE. turn int64[rows]: tells a session's rows apart.
    parent int64[rows]: the turn it follows, NOBODY or PREVIOUS. pause_s float64[rows]: from the end
    of that request to this arrival, where the file says so. service_s float64[rows]: how long the
    request took, where recorded. NaN where neither is.
    """

    session: Ints
    turn: Ints
    parent: Ints
    pause_s: Floats
    service_s: Floats


@dataclass(frozen=True)
class Raw:
    """Rows as a file has them: NaN where there is no number.

    line int64[rows]: where each stands. arrival_s float64[rows]: seconds on a clock of the file's
    own. tokens float64[rows]. chains: what prompts share, by ids of the file's own; ends of blocks
    may be beyond the prompt. broken bool[rows]: rows whose ids are none.
    """

    line: Ints
    arrival_s: Floats
    input_tokens: Floats
    output_tokens: Floats
    chains: Chains | None = None
    broken: NDArray[np.bool_] | None = None
    links: Links | None = None


@dataclass(frozen=True)
class Rows:
    """Rows that can be used: whole numbers of tokens, at least 1; instants that are finite.

    `chains` have the file's own ids for keys: any 64 bits, equal ids after equal ids mean equal
    prompts up to there.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    chains: Chains | None = None
    links: Links | None = None

    def __len__(self) -> int:
        return self.arrival_s.size


def take(rows: Rows, which: Ints) -> Rows:
    """The rows `which`, in their order."""
    return Rows(
        rows.arrival_s[which],
        rows.input_tokens[which],
        rows.output_tokens[which],
        None if rows.chains is None else take_chains(rows.chains, which),
        None if rows.links is None else take_links(rows.links, which),
    )


def take_links(links: Links, which: Ints) -> Links:
    return Links(*(getattr(links, field.name)[which] for field in fields(Links)))


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows, one part after the other. A part without chains or sessions has empty ones."""
    shared = any(part.chains is not None for part in parts)
    linked = any(part.links is not None for part in parts)
    none = np.empty(0)
    return Rows(
        np.concatenate([none, *(part.arrival_s for part in parts)]),
        np.concatenate([none.astype(np.int64), *(part.input_tokens for part in parts)]),
        np.concatenate([none.astype(np.int64), *(part.output_tokens for part in parts)]),
        joined_chains([part.chains or no_chains(len(part)) for part in parts]) if shared else None,
        joined_links([part.links or alone(len(part)) for part in parts]) if linked else None,
    )


def joined_chains(parts: Sequence[Chains]) -> Chains:
    """Chains of one key space, one part after the other."""
    counts, keys, ends = (
        np.concatenate(columns)
        for columns in zip(*((part.counts, part.keys, part.ends) for part in parts), strict=True)
    )
    return Chains(first_of(counts), keys, ends)


def joined_links(parts: Sequence[Links]) -> Links:
    return Links(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Links))
    )


def no_chains(rows: int) -> Chains:
    nothing = np.empty(0, dtype=np.int64)
    return Chains(np.zeros(rows + 1, dtype=np.int64), nothing, nothing)


def alone(rows: int) -> Links:
    """Sessions of one request each."""
    nobody = np.full(rows, NOBODY)
    return Links(np.full(rows, ALONE), np.arange(rows), nobody, unknown(rows), unknown(rows))


def unknown(rows: int) -> Floats:
    return np.full(rows, np.nan)
