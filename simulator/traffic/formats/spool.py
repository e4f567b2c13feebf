"""Rows of any number in order of time, in bounded memory: sorted runs on disk, laid together.

Chunks are sorted and written; those that follow each other in time are one run. So a file in order
is one run, one nearly in order a few, of which only those that overlap are open at once. In the
worst case, a big file in no order at all, each chunk is a run, and a batch of every one of them is
in memory: 150 kB for each 50,000 rows.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from simulator.traffic.formats.batches import Placed, decoded, encoded, part, pieces
from simulator.traffic.formats.rows import Ints, Rows, joined, take

CHUNK_ROWS, CHUNK_SEGMENTS = 1 << 16, 1 << 19
"""Rows, and segments of their chains, that are given out at once."""
Key = tuple[int, float, int]
"""Session (0 where all have one clock), arrival, place in the file: no two rows have the same."""


@dataclass
class Run:
    """Batches of one file on disk, in order of their keys."""

    file: int
    batches: list[int]
    first: Key
    last: Key


class Spool:
    """Takes rows in any order; gives them back sorted, as often as asked. To be used in `with`.

    by_session: by session first, for sessions with a clock each. block_tokens: of chains whose ends
    follow from it; None where segments have ends of their own.
    """

    def __init__(
        self, by_session: bool, block_tokens: int | None, folder: Path | None = None
    ) -> None:
        self.folder = TemporaryDirectory(prefix=".fleetcast-", dir=folder)
        self.by_session = by_session
        self.block_tokens = block_tokens
        self.runs: list[Run] = []
        self.paths: list[Path] = []
        self.writer: Any = None
        self.schema: Any = None
        self.batches = 0
        self.count = 0
        self.out_of_order = 0
        self.first_s = math.inf
        self.has_chains = self.has_links = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()
        self.folder.cleanup()

    def add(self, rows: Rows) -> None:
        if not len(rows):
            return
        session = session_of(rows, self.by_session)
        order = np.lexsort((rows.arrival_s, session))
        self.out_of_order += self.late(order, session, rows)
        self.write(Placed(self.count + order, take(rows, order)))
        self.count += len(rows)
        self.has_chains |= rows.chains is not None
        self.has_links |= rows.links is not None
        self.first_s = min(self.first_s, float(rows.arrival_s.min()))

    def late(self, order: Ints, session: Ints, rows: Rows) -> int:
        """Rows that stand behind one which should come after them."""
        rank = np.empty(order.size, dtype=np.int64)
        rank[order] = np.arange(order.size)
        late = rank < np.maximum.accumulate(rank)
        if self.runs:
            last = max(run.last for run in self.runs)
            late |= (session < last[0]) | ((session == last[0]) & (rows.arrival_s < last[1]))
        return int(late.sum())

    def write(self, placed: Placed) -> None:
        """Behind the latest run, or as a new one where it does not come after that."""
        first, last = key_of(placed, 0, self.by_session), key_of(placed, -1, self.by_session)
        begins_run = not self.runs or first < self.runs[-1].last
        for piece in pieces(placed):
            batch = encoded(piece, with_ends=self.block_tokens is None)
            if batch.schema != self.schema:
                self.open_file(batch.schema)
                begins_run = True
            if begins_run:
                first = key_of(piece, 0, self.by_session)
                self.runs.append(Run(len(self.paths) - 1, [], first, last))
                begins_run = False
            self.writer.write(batch)
            self.runs[-1].batches.append(self.batches)
            self.runs[-1].last = last
            self.batches += 1

    def open_file(self, schema: Any) -> None:
        self.finish()
        self.paths.append(Path(self.folder.name) / f"{len(self.paths)}.arrow")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self.writer = pa.ipc.new_file(str(self.paths[-1]), schema, options=options)
        self.schema, self.batches = schema, 0

    def finish(self) -> None:
        """What was added is on disk."""
        if self.writer is not None:
            self.writer.close()
            self.writer, self.schema = None, None

    def rows(self) -> Iterator[Rows]:
        """All rows in order, in chunks of a good size."""
        self.finish()
        waiting: list[Rows] = []
        rows = segments = 0
        for some in self.merged():
            waiting.append(some)
            rows += len(some)
            segments += 0 if some.chains is None else some.chains.keys.size
            if rows >= CHUNK_ROWS or segments >= CHUNK_SEGMENTS:
                yield joined(waiting)
                waiting, rows, segments = [], 0, 0
        if waiting:
            yield joined(waiting)

    def merged(self) -> Iterator[Rows]:
        """Rows in order, as many at once as come before the end of every open batch."""
        files = [pa.ipc.open_file(pa.OSFile(str(path), "rb")) for path in self.paths]
        runs = deque(sorted(self.runs, key=lambda run: run.first))
        open_runs: list[Cursor] = []
        while runs or open_runs:
            bound = min([cursor.last for cursor in open_runs] or [runs[0].first])
            while runs and runs[0].first <= bound:
                run = runs.popleft()
                open_runs.append(Cursor(run, files[run.file], self))
                bound = min(cursor.last for cursor in open_runs)
            taken = [cursor.take_until(bound) for cursor in open_runs]
            yield in_order([placed for placed in taken if placed is not None], self.by_session)
            open_runs = [cursor for cursor in open_runs if cursor.refill()]


class Cursor:
    """How far a run has been given out: the batch that is in memory, and what is left of it."""

    def __init__(self, run: Run, file: Any, spool: Spool) -> None:
        self.batches = deque(run.batches)
        self.file = file
        self.spool = spool
        self.left: Placed | None = None
        self.refill()

    @property
    def last(self) -> Key:
        assert self.left is not None
        return key_of(self.left, -1, self.spool.by_session)

    def refill(self) -> bool:
        """The next batch where none is left; False at the end of the run."""
        if self.left is None and self.batches:
            batch = self.file.get_batch(self.batches.popleft())
            self.left = decoded(batch, self.spool.block_tokens)
        return self.left is not None

    def take_until(self, bound: Key) -> Placed | None:
        """The rows up to this key, it included."""
        assert self.left is not None
        session = session_of(self.left.rows, self.spool.by_session)
        arrival_s, place = self.left.rows.arrival_s, self.left.place
        same = session == bound[0]
        before = (session < bound[0]) | (same & (arrival_s < bound[1]))
        count = int((before | (same & (arrival_s == bound[1]) & (place <= bound[2]))).sum())
        taken = part(self.left, 0, count)
        self.left = part(self.left, count, place.size) if count < place.size else None
        return taken if count else None


def session_of(rows: Rows, by_session: bool) -> Ints:
    if by_session and rows.links is not None:
        return rows.links.session
    return np.zeros(len(rows), dtype=np.int64)


def key_of(placed: Placed, at: int, by_session: bool) -> Key:
    session = session_of(placed.rows, by_session)
    return int(session[at]), float(placed.rows.arrival_s[at]), int(placed.place[at])


def in_order(parts: list[Placed], by_session: bool) -> Rows:
    """The rows of sorted parts, sorted."""
    if len(parts) == 1:
        return parts[0].rows
    rows = joined([placed.rows for placed in parts])
    places = np.concatenate([placed.place for placed in parts])
    return take(rows, np.lexsort((places, rows.arrival_s, session_of(rows, by_session))))
