"""JSON objects of a file, a chunk at a time: one per line, or the items of a document."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.formats.faults import Faults, TraceError
from simulator.traffic.formats.rows import CHUNK_BYTES, CHUNK_ROWS, Floats, Ints
from simulator.traffic.formats.source import Source, documents_in, read_document, text_lines
from simulator.traffic.formats.tables import numbers
from simulator.traffic.prefixes import Chains, first_of, positions

Objects = list[dict[str, Any]]


@dataclass(frozen=True)
class Batch:
    """Some objects and where they stand."""

    line: Ints
    objects: Objects

    def numbers(self, key: str) -> Floats:
        return numbers(self.values(key))

    def values(self, key: str) -> list[Any]:
        return [row.get(key) for row in self.objects]


def batches(source: Source, faults: Faults) -> Iterator[Batch]:
    """All objects of a file; lines that are none are faults."""
    match source.kind:
        case "document":
            yield from document_batches(source.document, faults)
        case "folder":
            yield from folder_batches(source, faults)
        case _:
            yield from line_batches(source, faults)


def document_batches(document: Any, faults: Faults) -> Iterator[Batch]:
    items = document if isinstance(document, list) else [document]
    numbered = [(place, item) for place, item in enumerate(items, 1) if isinstance(item, dict)]
    others = [place for place, item in enumerate(items, 1) if not isinstance(item, dict)]
    faults.add("not a JSON object", others)
    for at in range(0, len(numbered), CHUNK_ROWS):
        yield batch(numbered[at : at + CHUNK_ROWS])


def folder_batches(source: Source, faults: Faults) -> Iterator[Batch]:
    """One object per file, which the file's place in the alphabet numbers."""
    for place, file in enumerate(documents_in(source.path), 1):
        try:
            document = read_document(file)
        except TraceError:
            document = None
        if isinstance(document, dict):
            yield batch([(place, document)])
        else:
            faults.add("a file that is no JSON object", [place])


def line_batches(source: Source, faults: Faults) -> Iterator[Batch]:
    waiting: list[tuple[int, dict[str, Any]]] = []
    size = 0
    for place, line in enumerate(text_lines(source), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            end = "" if line.endswith("\n") else ": the file breaks off"
            faults.add(f"unreadable JSON{end}", [place])
            continue
        if not isinstance(value, dict):
            faults.add("not a JSON object", [place])
            continue
        waiting.append((place, value))
        size += len(line)
        if len(waiting) == CHUNK_ROWS or size > CHUNK_BYTES:
            yield batch(waiting)
            waiting, size = [], 0
    if waiting:
        yield batch(waiting)


def batch(numbered: Sequence[tuple[int, dict[str, Any]]]) -> Batch:
    places, objects = zip(*numbered, strict=True)
    return Batch(np.array(places), list(objects))


def block_chains(
    entries: Sequence[Any], block_tokens: int
) -> tuple[Chains | None, NDArray[np.bool_] | None]:
    """The chains of `hash_ids`, one list per row and one id per block; and which rows' are broken.

    None where no row has any.
    """
    if all(entry is None for entry in entries):
        return None, None
    lists = [entry if isinstance(entry, list) else [] for entry in entries]
    broken = np.array([not (entry is None or isinstance(entry, list)) for entry in entries])
    flat = list(chain.from_iterable(lists))
    if set(map(type, flat)) <= {int}:
        ids = whole_ids(flat)
    else:
        broken |= np.array([not set(map(type, ids)) <= {int} for ids in lists])
        lists = [[] if bad else ids for ids, bad in zip(lists, broken, strict=True)]
        ids = whole_ids(list(chain.from_iterable(lists)))
    counts = np.array([len(entry) for entry in lists], dtype=np.int64)
    return Chains(first_of(counts), ids, block_ends(counts, block_tokens)), broken


def block_ends(counts: Ints, block_tokens: int) -> Ints:
    """Tokens up to the end of each block, as if all were full."""
    return (positions(np.zeros(counts.size, dtype=np.int64), counts) + 1) * block_tokens


def whole_ids(ids: list[int]) -> Ints:
    """Whole numbers as 64 bits; which ones is all the same, as long as equal stays equal."""
    try:
        return np.array(ids, dtype=np.int64)
    except OverflowError:
        return np.array([i & 0xFFFFFFFFFFFFFFFF for i in ids], dtype=np.uint64).view(np.int64)
